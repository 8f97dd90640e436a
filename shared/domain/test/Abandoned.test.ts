/** Jobs that take back what they have done. */
import { assert, it } from "@effect/vitest"
import { DateTime, Result, Schema } from "effect"
import { BucketName } from "../src/BucketName.ts"
import { Address, TransactionHash } from "../src/Ethereum.ts"
import * as File from "../src/File.ts"
import { FileName } from "../src/FileName.ts"
import * as Job from "../src/Job.ts"

const now = DateTime.makeUnsafe("2026-01-01T00:00:00.000Z")
const jobId = Job.Id.make("019845e1-682f-7b02-a706-3b2422d13aec")
const transactionHash = TransactionHash.make(`0x${"a".repeat(64)}`)
const owner = Address.make(`0x${"a".repeat(40)}`)
const ask = File.requestUpload({
  jobId,
  owner,
  bucketName: BucketName.make("photos"),
  name: FileName.make("one.jpg"),
  size: 1,
  sha256: "0".repeat(64),
  dataBlocks: 16,
  parityBlocks: 16,
  encryption: "none",
  staged: "one"
}, "none")

type Decision = (state: File.State, at: DateTime.Utc) => Result.Result<ReadonlyArray<File.Event>, unknown>
const after = (...decisions: ReadonlyArray<Decision>) =>
  decisions.reduce(
    (state, decide) => Result.getOrThrow(decide(state, now)).reduce(File.evolve, state),
    File.initial
  )
const cancel = File.cancel({ jobId, cancelledBy: "account one", reason: "Cancelled on request" })
const end = File.onJob(Job.endAbandoned(jobId))
const fees = { maxFeePerGas: 1n, maxPriorityFeePerGas: 1n, nonce: 0, signer: owner }
const begun = [
  ask,
  File.onJob(Job.startAttempt(jobId)),
  File.onJob(Job.recordSubmission({ jobId, part: "create", transactionHash, ...fees })),
  File.onJob(Job.advance({ jobId, part: "create", transactionHash, blockNumber: 1, adopted: false }))
]

it("a cancelled job says what it had begun, and one that was not begun says nothing of it", () => {
  const { job } = after(...begun, cancel, end)
  assert.deepInclude(job, { status: "cancelled", attempts: 1, done: "create", transactionHash })
  assert.deepInclude(job, {
    error: { category: "cancelled", code: "Cancelled", message: "Cancelled on request" }
  })
  const { job: never } = after(ask, cancel)
  assert.strictEqual(never?.status, "cancelled")
  assert.notProperty(never, "attempts")
  for (const one of [job, never]) {
    if (one === undefined) throw new Error("there is no job")
    const json = Schema.encodeSync(Schema.toCodecJson(File.FileJob))(one)
    assert.deepStrictEqual(Schema.decodeUnknownSync(Schema.toCodecJson(File.FileJob))(json), one)
  }
})

it("a job that gives up on its own fails, for the reason why it did", () => {
  const error: Job.Failure = { category: "network", code: "StagedMissing", message: "Its bytes are gone" }
  const { job } = after(...begun, File.onJob(Job.abandon({ jobId, error })), end)
  assert.deepInclude(job, { status: "failed", attempts: 1, done: "create", error })
})

it("a part is recorded as done once, also by an executor that comes late", () => {
  const done = (part: string) => File.onJob(Job.advance({ jobId, part, adopted: false }))
  const state = after(...begun, done("chunk.0"))
  for (const part of ["create", "chunk.0"]) {
    assert.deepStrictEqual(done(part)(state, now), Result.succeed([]))
  }
})
