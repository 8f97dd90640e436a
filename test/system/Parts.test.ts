/** Jobs of two parts, on executors that are killed at each point between two durable steps of either part. */
import { BucketName } from "@akave-async/domain/BucketName"
import { Address } from "@akave-async/domain/Ethereum"
import * as Job from "@akave-async/domain/Job"
import * as Pairs from "@akave-async/executor/test/Pairs"
import type * as Stack from "@akave-async/local/Stack"
import { assert, it } from "@effect/vitest"
import { Effect, Schedule } from "effect"
import { randomBytes } from "node:crypto"
import { existsSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import * as ChainView from "../support/ChainView.ts"
import { freshName } from "../support/Gateway.ts"
import * as Log from "../support/Log.ts"
import * as SharedStack from "../support/SharedStack.ts"

let stack: Stack.Stack
let points: string
SharedStack.useWithFailpoints({
  counts: { gateway: 0 },
  mains: { executor: fileURLToPath(new URL("../support/PairExecutor.ts", import.meta.url)) }
}, (started) => {
  stack = started.stack
  points = started.points
})

const ofParts = ["claimed", "sent", "submitted", "receipt-seen"]
const failpoints = [
  "delivered",
  "started",
  ...Pairs.parts.flatMap((part) => ofParts.map((name) => `${name}.${part}`)),
  "completed"
]
const freshJobId = () => Job.Id.make(`019845e1-682f-7b02-a706-${randomBytes(6).toString("hex")}`)
const often = Schedule.spaced("20 millis")

it.live.each(failpoints)(
  "kill -9 at the point \"%s\" leaves jobs that complete, with both their transactions in order",
  (point) =>
    Effect.gen(function*() {
      const log = yield* Log.open(stack.natsUrl)
      const owner = Address.make(stack.ownerAddress)
      const executors = [stack.executor(0), stack.executor(1)]
      yield* Effect.forEach(executors, (executor) => executor.start)
      const pids = yield* Effect.forEach(executors, ({ pid }) => pid)
      writeFileSync(join(points, point), "")

      const names = Array.from({ length: 6 }, () => BucketName.make(freshName()))
      const subjects = yield* Effect.forEach(names, (name) => {
        const subject = Pairs.subject(owner, name)
        const request = Pairs.request({ jobId: freshJobId(), name, owner })
        const known = { state: Job.noJobs, revision: 0 }
        return Effect.as(Pairs.execute(log, subject, known, request, { source: "/test" }), subject)
      })
      yield* Effect.sync(() => existsSync(join(points, point))).pipe(
        Effect.repeat({ while: (isThere) => isThere, schedule: often })
      )
      yield* Effect.forEach(executors, ({ pid }) => pid).pipe(
        Effect.repeat({ until: (now) => now.some((pid, n) => pid !== pids[n]), schedule: often })
      )
      yield* Effect.forEach(executors, (executor) => executor.start)

      const ended = yield* Effect.forEach(subjects, (subject) =>
        Pairs.load(log, subject).pipe(
          Effect.map(({ state }) => state.job?.status),
          Effect.repeat({ until: (status) => status !== "queued" && status !== "processing", schedule: often })
        ))
      assert.deepStrictEqual([...new Set(ended)], ["completed"])
      const transactions = yield* Effect.promise(() => ChainView.transactionsOf(stack.rpcUrl, stack.ownerAddress))
      assert.deepStrictEqual(transactions.map(({ nonce }) => nonce), transactions.map((_, n) => n))
      for (const name of names) {
        const wanted = Pairs.parts.map((part) => Pairs.bucketOf(name, part))
        const created = transactions.flatMap(({ bucketName = "" }) => wanted.includes(bucketName) ? [bucketName] : [])
        assert.deepStrictEqual(created, wanted)
      }
    }).pipe(Effect.scoped)
)
