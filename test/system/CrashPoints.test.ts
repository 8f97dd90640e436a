/** An executor dies at each point between two durable steps, with jobs at every other step beside it. */
import * as Failpoints from "@akave-async/executor/Failpoints"
import type * as Stack from "@akave-async/local/Stack"
import { assert, it } from "@effect/vitest"
import { Effect, Schedule } from "effect"
import { existsSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import * as ChainView from "../support/ChainView.ts"
import { createBucket, ended, freshName } from "../support/Gateway.ts"
import * as SharedStack from "../support/SharedStack.ts"

let stack: Stack.Stack
let points: string
SharedStack.useWithFailpoints({}, (started) => {
  stack = started.stack
  points = started.points
})

// Jobs on files alone have parts to be "advanced" by: UploadCrashes.test.ts.
it.live.each(Failpoints.names.filter((name) => name !== "advanced"))(
  "kill -9 at the point \"%s\" leaves jobs that complete, each with one transaction",
  (name) =>
    Effect.gen(function*() {
      const executors = [stack.executor(0), stack.executor(1)]
      yield* Effect.forEach(executors, (executor) => executor.start)
      const pids = yield* Effect.forEach(executors, ({ pid }) => pid)
      writeFileSync(join(points, name), "")
      const bucketNames = Array.from({ length: 10 }, freshName)
      const accepted = yield* Effect.forEach(bucketNames, (bucket) => createBucket(stack.gatewayUrl, bucket), {
        concurrency: 5
      })
      yield* Effect.sync(() => existsSync(join(points, name))).pipe(
        Effect.repeat({ while: (isThere) => isThere, schedule: Schedule.spaced("20 millis") })
      )
      const dead = yield* Effect.forEach(executors, ({ pid }) => pid).pipe(
        Effect.map((now) => now.filter((pid, n) => pid !== pids[n])),
        Effect.repeat({ until: (dead) => dead.length > 0, schedule: Schedule.spaced("20 millis") })
      )
      assert.lengthOf(dead, 1)
      yield* Effect.forEach(executors, (executor) => executor.start)

      const jobs = yield* Effect.forEach(accepted, ({ body }) => ended(stack.gatewayUrl, body.job_id), {
        concurrency: 10
      })
      assert.deepStrictEqual([...new Set(jobs.map(({ body }) => body.status))], ["completed"])
      const transactions = yield* Effect.promise(() => ChainView.transactionsOf(stack.rpcUrl, stack.ownerAddress))
      assert.deepStrictEqual(transactions.map(({ nonce }) => nonce), transactions.map((_, n) => n))
      for (const bucket of bucketNames) {
        assert.lengthOf(transactions.filter(({ bucketName }) => bucketName === bucket), 1, bucket)
      }
    })
)
