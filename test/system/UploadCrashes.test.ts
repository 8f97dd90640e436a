/**
 * Uploads on executors that are killed at each point between two durable steps of their parts: of two chunks, and of five with
 * `npm run test:uploads`.
 */
import { Address } from "@akave-async/domain/Ethereum"
import * as File from "@akave-async/domain/File"
import * as Job from "@akave-async/domain/Job"
import * as FileEvents from "@akave-async/eventing/FileEvents"
import type * as Stack from "@akave-async/local/Stack"
import { assert, it } from "@effect/vitest"
import { Effect, Schedule } from "effect"
import { randomBytes } from "node:crypto"
import { existsSync, mkdtempSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as ChainView from "../support/ChainView.ts"
import { freshName } from "../support/Gateway.ts"
import * as Log from "../support/Log.ts"
import * as SharedStack from "../support/SharedStack.ts"
import * as Uploads from "../support/Uploads.ts"

const stagingDir = mkdtempSync(join(tmpdir(), "staging-"))
let stack: Stack.Stack
let points: string
SharedStack.useWithFailpoints(
  { counts: { gateway: 0 }, env: { devnet: { DEVNET_BLOCK_TIME: "0.2" }, executor: { STAGING_DIR: stagingDir } } },
  (started) => {
    stack = started.stack
    points = started.points
  }
)
const means = Effect.gen(function*() {
  return { log: yield* Log.open(stack.natsUrl), owner: Address.make(stack.ownerAddress), stagingDir }
})
const often = Schedule.spaced("20 millis")
const chunkCount = Number(process.env["UPLOAD_CHUNKS"] ?? "2")
const ofParts = ["claimed", "sent", "submitted", "receipt-seen"]
const pointsOf = (parts: ReadonlyArray<Job.Part>) => parts.flatMap((part) => ofParts.map((name) => `${name}.${part}`))

/** Has an executor kill itself at each of these points, and starts those that have given up. */
const arm = Effect.fnUntraced(function*(names: ReadonlyArray<string>) {
  for (const name of names) writeFileSync(join(points, name), "")
  yield* Effect.forEach([stack.executor(0), stack.executor(1)], (executor) => executor.start).pipe(
    Effect.repeat(Schedule.spaced("500 millis")),
    Effect.forkScoped
  )
})
const isPassed = (name: string) => !existsSync(join(points, name))

/** What the wallet's transactions have done to files, in the order of the chain. */
const ownNonces = Effect.promise(async () => {
  const transactions = await ChainView.transactionsOf(stack.rpcUrl, stack.ownerAddress)
  return transactions.map(({ nonce }) => nonce)
})

it.live("kill -9 at each point of each part leaves an upload that is completed, with one transaction for each part", () =>
  Effect.gen(function*() {
    const at = { bucket: freshName(), name: "chunks" }
    const of = yield* means
    yield* Uploads.bucket(of, at.bucket)
    const chunks = Array.from({ length: chunkCount }, (_, n) => File.chunkPart(n))
    const last = chunks.slice(chunkCount > 2 ? 0 : -1)
    const names = ["delivered", "started", ...pointsOf(["create", ...last, "commit"]), "completed"]
    const between = ["create", ...last].map((part) => `advanced.${part}`)
    yield* arm([...names, ...between])
    const bytes = randomBytes(16_000_000 * chunkCount - 10_000_000)
    const asked = yield* Uploads.ask(of, at, bytes)
    const { job } = yield* Uploads.ended(of, asked)
    assert.strictEqual(job?.status, "completed")
    yield* Effect.repeat(Effect.sync(() => isPassed("completed")), { until: (is) => is, schedule: often })
    assert.deepStrictEqual(names.filter((name) => !isPassed(name)), [])
    assert.deepStrictEqual(between.filter((name) => !isPassed(name)), [])

    const client = yield* Uploads.client(stack)
    assert.isTrue(bytes.equals(yield* Uploads.contentOf(client, at.bucket, at.name)))
    const { events } = yield* of.log.read(asked.subject)
    const parts = (type: string) =>
      events.filter(({ headers }) => headers["ce-type"] === `akave.${type}.v1`)
        .map(({ data }) => JSON.parse(Buffer.from(data).toString()).part)
    assert.deepStrictEqual(parts("FileUploadSubmitted"), ["create", ...chunks, "commit"])
    assert.deepStrictEqual(parts("FileUploadAdvanced"), ["create", ...chunks])
    const nonces = yield* ownNonces
    assert.deepStrictEqual(nonces, nonces.map((_, n) => n))
    // The bucket, and each part.
    assert.lengthOf(nonces, 1 + 2 + chunkCount)
  }).pipe(Effect.scoped))

it.live("kill -9 at each point of its undoing leaves a cancelled upload of which nothing is on chain", () =>
  Effect.gen(function*() {
    const at = { bucket: freshName(), name: "taken back" }
    const of = yield* means
    yield* Uploads.bucket(of, at.bucket)
    const before = (yield* ownNonces).length
    const names = pointsOf([Job.undo])
    yield* arm(names)
    const { jobId, subject } = yield* Uploads.ask(of, at, randomBytes(50_000_000))
    const known = yield* Effect.repeat(FileEvents.load(of.log, subject), {
      until: ({ state: { job } }) => job !== undefined && Job.doneOf(job) === File.chunkPart(0),
      schedule: often
    })
    const cancel = File.cancel({ jobId, cancelledBy: "test", reason: "no more" })
    yield* FileEvents.execute(of.log, subject, known, cancel, { source: "/akave/test" })
    const { job } = yield* Uploads.ended(of, { jobId, subject })
    assert.strictEqual(job?.status, "cancelled")
    assert.deepStrictEqual(names.filter((name) => !isPassed(name)), [])
    const client = yield* Uploads.client(stack)
    assert.deepStrictEqual(yield* Effect.promise(() => client.listFiles(at.bucket)), [])
    const nonces = yield* ownNonces
    assert.deepStrictEqual(nonces, nonces.map((_, n) => n))
    const { events } = yield* of.log.read(subject)
    const submitted = events.filter(({ headers }) => headers["ce-type"] === "akave.FileUploadSubmitted.v1")
    // Nothing but what the log has: each part once.
    assert.lengthOf(nonces, before + submitted.length)
  }).pipe(Effect.scoped))
