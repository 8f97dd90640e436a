/** The steps of jobs that have several parts; those of all jobs are tested with buckets. */
import { assert, describe, it } from "@effect/vitest"
import { DateTime, Result } from "effect"
import { BucketName } from "../src/BucketName.ts"
import { Address, FileId, RootCid, TransactionHash } from "../src/Ethereum.ts"
import * as File from "../src/File.ts"
import { FileName } from "../src/FileName.ts"
import * as Job from "../src/Job.ts"

const jobId = Job.Id.make("019845e1-682f-7b02-a706-3b2422d13aec")
const other = Job.Id.make("019845e1-682f-7b02-a706-3b2422d13aed")
const owner = Address.make("0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266")
const now = DateTime.makeUnsafe("2026-11-27T10:00:00Z")
const later = DateTime.add(now, { minutes: 1 })
const hash = (n: number) => TransactionHash.make(`0x${`${n}`.repeat(64)}`)
const error: Job.Failure = { category: "reverted", code: "NotFilled", message: "blocks are missing" }
const asked = { owner, bucketName: BucketName.make("my-bucket"), name: FileName.make("a/b") }
const content = {
  size: 20_000_000,
  sha256: "0".repeat(64),
  dataBlocks: 16,
  parityBlocks: 16,
  encryption: "none",
  staged: "019845e1-682f-4b02-a706-000000000000"
} as const

type Decide = (
  state: File.State,
  at: DateTime.Utc
) => Result.Result<ReadonlyArray<File.Event>, { readonly _tag: string }>

const request = File.requestUpload({ jobId, ...asked, ...content }, "none")
const start = File.onJob(Job.startAttempt(jobId))
const submission = { transactionHash: hash(1), nonce: 7, signer: owner, maxFeePerGas: 2n, maxPriorityFeePerGas: 1n }
const submit = (part: Job.Part, n = 1) =>
  File.onJob(Job.recordSubmission({ ...submission, jobId, part, transactionHash: hash(n) }))
const failAttempt = File.onJob(Job.failAttempt({ jobId, error, retryAt: now }))
const advance = (part: Job.Part, blockNumber = 7) =>
  File.onJob(Job.advance({ jobId, part, transactionHash: hash(1), blockNumber, gasUsed: 100, adopted: false }))
const adoptPart = (part: Job.Part) => File.onJob(Job.advance({ jobId, part, adopted: true }))
const abandon = File.onJob(Job.abandon({ jobId, error }))
const endAbandoned = File.onJob(Job.endAbandoned(jobId))
const own = { fileId: FileId.make(`0x${"1".repeat(64)}`), rootCid: RootCid.make(`b${"a".repeat(58)}`), encodedSize: 1 }
const complete = File.onJob(Job.complete({ jobId, transactionHash: hash(3), blockNumber: 9, adopted: false, own }))
const fail = File.onJob(Job.fail({ jobId, error }))
const cancel = File.cancel({ jobId, cancelledBy: "key 1", reason: "not wanted" })
const cancelOther = File.cancel({ jobId: other, cancelledBy: "key 1", reason: "not wanted" })

const after = (...commands: ReadonlyArray<Decide>): File.State =>
  commands.reduce((state, decide) => Result.getOrThrow(decide(state, now)).reduce(File.evolve, state), File.initial)
const tagsOf = (decision: ReturnType<Decide>) =>
  Result.match(decision, { onFailure: ({ _tag }) => _tag, onSuccess: (events) => events.map(({ _tag }) => _tag) })

const underWay = [request, start, submit("create"), advance("create")]
const abandoned = [...underWay, abandon]

describe("a decision", () => {
  it.for<[string, ReadonlyArray<Decide>, Decide, string | ReadonlyArray<string>]>([
    ["records a part that is done", [request, start, submit("create")], advance("create"), ["FileUploadAdvanced"]],
    ["records one that was found done", [request, start], adoptPart("create"), ["FileUploadAdvanced"]],
    ["records a part once", underWay, advance("create"), []],
    ["records the part that follows", underWay, advance("chunk.0"), ["FileUploadAdvanced"]],
    ["records no part of a job that is queued", [request], advance("create"), "OutOfOrder"],
    ["records no part of a job that nobody asked for", [], advance("create"), "JobOver"],
    ["records no part of a job that has ended", [...underWay, complete], advance("chunk.0"), "JobOver"],
    [
      "records a part between attempts, which an executor came to late",
      [...underWay, failAttempt],
      advance("chunk.0"),
      [
        "FileUploadAdvanced"
      ]
    ],
    ["records a part that was under way when the job was abandoned", abandoned, advance("chunk.0"), [
      "FileUploadAdvanced"
    ]],
    ["abandons a job that is under way", underWay, abandon, ["FileUploadAbandoned"]],
    ["abandons it between attempts too", [...underWay, failAttempt], abandon, ["FileUploadAbandoned"]],
    ["abandons a job once", abandoned, abandon, []],
    ["abandons no job that is queued", [request], abandon, "OutOfOrder"],
    ["abandons no job that has ended", [...underWay, fail], abandon, "JobOver"],
    ["ends an abandoned job as failed", abandoned, endAbandoned, ["FileUploadFailed"]],
    ["ends one that was cancelled as cancelled", [...underWay, cancel], endAbandoned, ["FileUploadCancelled"]],
    ["ends one between its attempts", [...abandoned, failAttempt], endAbandoned, ["FileUploadFailed"]],
    ["ends an abandoned job once", [...abandoned, endAbandoned], endAbandoned, "JobOver"],
    ["does not end by it a job that goes on", underWay, endAbandoned, "OutOfOrder"],
    ["does not end by it a queued job", [request], endAbandoned, "OutOfOrder"],
    ["completes an abandoned job whose last part was mined all the same", abandoned, complete, ["FileUploaded"]],
    ["goes on with an abandoned job after a failed attempt", [...abandoned, failAttempt], start, [
      "FileUploadStarted"
    ]],
    ["records the transaction that takes back", abandoned, submit(Job.undo, 2), ["FileUploadSubmitted"]],
    ["cancels a queued job at once", [request], cancel, ["FileUploadCancelled"]],
    ["abandons a job that is cancelled once it has begun", underWay, cancel, ["FileUploadAbandoned"]],
    ["abandons it before its first part too", [request, start], cancel, ["FileUploadAbandoned"]],
    ["cancels a job that has begun once", [...underWay, cancel], cancel, []],
    ["takes a cancellation of what is abandoned already as done", abandoned, cancel, []],
    ["cancels no job that is completed", [...underWay, complete], cancel, "TooLateToCancel"],
    ["cancels no job that has failed", [...abandoned, endAbandoned], cancel, "TooLateToCancel"],
    ["takes the cancellation of a cancelled job as done", [...underWay, cancel, endAbandoned], cancel, []],
    ["cancels no job that is not the latest", underWay, cancelOther, "JobOver"]
  ])("%s", ([, given, when, then]) => {
    assert.deepStrictEqual(tagsOf(when(after(...given), now)), then)
  })

  it("keeps the last part that is done, and the block of the last change", () => {
    const state = after(...underWay, submit("chunk.0", 2), advance("chunk.0", 12))
    assert.deepInclude(state.job, { status: "processing", done: "chunk.0", part: "chunk.0", transactionHash: hash(2) })
    assert.strictEqual(state.blockNumber, 12)
    // What was found done may be of a block before.
    const adopted = after(...underWay, advance("chunk.0", 12), adoptPart("chunk.1"))
    assert.deepStrictEqual([Job.doneOf(adopted.job as Job.Job), adopted.blockNumber], ["chunk.1", 12])
    assert.isUndefined(Job.doneOf(after(request, start).job as Job.Job))
    assert.isUndefined(Job.doneOf(after(request).job as Job.Job))
  })

  it("keeps through attempts what is done, and why the job does not go on", () => {
    const { job } = after(...underWay, cancel, failAttempt, start)
    assert.deepInclude(job, { attempts: 2, attemptFailed: false, done: "create" })
    assert.deepStrictEqual(Job.abandonedOf(job as Job.Job), {
      error: { category: "cancelled", code: "Cancelled", message: "not wanted" },
      cancelledBy: "key 1"
    })
    assert.isUndefined(Job.abandonedOf(after(...underWay).job as Job.Job))
  })

  it("ends a job with the reason for which it was abandoned, whatever was tried since", () => {
    const another = File.onJob(
      Job.failAttempt({ jobId, error: { ...error, code: "Other", message: "another one" }, retryAt: now })
    )
    const failed = after(...abandoned, another, start, endAbandoned)
    assert.deepInclude(failed.job, { status: "failed", error, attempts: 2, done: "create" })
    const [cancelled] = Result.getOrThrow(endAbandoned(after(...underWay, cancel), later))
    assert.deepStrictEqual(cancelled, {
      _tag: "FileUploadCancelled",
      jobId,
      occurredAt: later,
      cancelledBy: "key 1",
      reason: "not wanted"
    })
    assert.deepInclude(after(...underWay, cancel, endAbandoned).job, {
      status: "cancelled",
      error: { category: "cancelled", code: "Cancelled", message: "not wanted" }
    })
  })
})

describe("a step that can't follow changes nothing", () => {
  const steps: ReadonlyArray<Job.Step> = [
    { step: "advanced", operation: "file.upload", jobId, part: "create", adopted: false, occurredAt: later },
    { step: "abandoned", operation: "file.upload", jobId, error, occurredAt: later }
  ]
  it.for<[string, ReadonlyArray<Decide>]>([
    ["of a job that is queued", [request]],
    ["of a job that is completed", [...underWay, complete]],
    ["of a job that has failed", [...abandoned, endAbandoned]],
    ["of a job that was cancelled", [request, cancel]]
  ])("%s", ([, given]) => {
    const { job } = after(...given)
    for (const step of steps) assert.strictEqual(Job.evolve(job, step), job)
  })

  it("of a job that nobody has asked for", () => {
    for (const step of steps) assert.isUndefined(Job.evolve(undefined, step))
  })
})
