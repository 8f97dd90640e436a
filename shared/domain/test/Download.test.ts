import { assert, describe, it } from "@effect/vitest"
import { DateTime, Effect, Result, Schema } from "effect"
import { BucketName } from "../src/BucketName.ts"
import * as Download from "../src/Download.ts"
import { Address, RootCid } from "../src/Ethereum.ts"
import { FileName } from "../src/FileName.ts"
import * as Job from "../src/Job.ts"

const owner = Address.make("0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266")
const jobId = Job.Id.make("019845e1-682f-7b02-a706-3b2422d13aec")
const now = DateTime.makeUnsafe("2026-11-27T10:00:00Z")
const expiresAt = DateTime.add(now, { hours: 1 })
const error: Job.Failure = { category: "network", code: "BlockMissing", message: "a block is missing" }
const asked: Download.Request = {
  jobId,
  owner,
  tenant: "acme",
  bucketName: BucketName.make("my.bucket"),
  name: FileName.make("photos/cat.jpg"),
  size: 40_000_000,
  sha256: "0".repeat(64),
  dataBlocks: 16,
  parityBlocks: 16,
  encryption: "account",
  keyId: "0123456789abcdef",
  rootCid: RootCid.make(`b${"a".repeat(58)}`),
  staged: "019845e1-682f-4b02-a706-000000000000",
  keepSeconds: 3_600
}

type Decide = (
  state: Download.State,
  at: DateTime.Utc
) => Result.Result<ReadonlyArray<Download.Event>, { readonly _tag: string }>
const request = Download.request(asked)
const start = Download.onJob(Job.startAttempt(jobId))
const failAttempt = Download.onJob(Job.failAttempt({ jobId, error, retryAt: now }))
const complete = Download.onJob(Job.complete({ jobId, adopted: false, own: { expiresAt } }))
const fail = Download.onJob(Job.fail({ jobId, error }))
const cancel = Download.cancel({ jobId, cancelledBy: "a client", reason: "no more" })

const after = (...commands: ReadonlyArray<Decide>): Download.State =>
  commands.reduce(
    (state, decide) => Result.getOrThrow(decide(state, now)).reduce(Download.evolve, state),
    Download.initial
  )
const tagsOf = (decision: ReturnType<Decide>) =>
  Result.match(decision, { onFailure: ({ _tag }) => _tag, onSuccess: (events) => events.map(({ _tag }) => _tag) })

describe("a decision", () => {
  it.for<[string, ReadonlyArray<Decide>, Decide, string | ReadonlyArray<string>]>([
    ["asks for a download", [], request, ["FileDownloadRequested"]],
    ["takes a repeated request for the same one", [request], request, []],
    ["takes it as the same one after its end too", [request, start, complete], request, []],
    ["starts a queued download", [request], start, ["FileDownloadStarted"]],
    ["starts none that nobody asked for", [], start, "JobOver"],
    ["records the failure of an attempt", [request, start], failAttempt, ["FileDownloadAttemptFailed"]],
    ["starts again after an attempt failed", [request, start, failAttempt], start, ["FileDownloadStarted"]],
    ["completes a download", [request, start], complete, ["FileDownloaded"]],
    ["completes a download once", [request, start, complete], complete, []],
    ["does not complete a queued one", [request], complete, "OutOfOrder"],
    ["fails a download", [request, start], fail, ["FileDownloadFailed"]],
    ["fails a download once", [request, start, fail], fail, []],
    ["does not fail a completed one", [request, start, complete], fail, "JobOver"],
    ["cancels a queued download", [request], cancel, ["FileDownloadCancelled"]],
    ["cancels a download once", [request, cancel], cancel, []],
    ["does not cancel one that was started, for it takes nothing back", [request, start], cancel, "TooLateToCancel"],
    ["does not start a cancelled one", [request, cancel], start, "JobOver"]
  ])("%s", ([, given, when, then]) => {
    assert.deepStrictEqual(tagsOf(when(after(...given), now)), then)
  })

  it("keeps what was asked for, and until when the bytes are kept", () => {
    const { job } = after(request, start, complete)
    const { jobId: id, owner: _, tenant: __, ...own } = asked
    assert.deepInclude(job, { id, owner, tenant: "acme", operation: "file.download", status: "completed" })
    assert.deepStrictEqual(job?.request, own)
    assert.deepStrictEqual(job?.status === "completed" ? job.result : undefined, { adopted: false, expiresAt })
  })

  it("has ended once nothing more is done for it, however it has ended", () => {
    const isEnded = (...commands: ReadonlyArray<Decide>) => Download.hasEnded(after(...commands))
    assert.deepStrictEqual([isEnded(), isEnded(request), isEnded(request, start)], [false, false, false])
    assert.deepStrictEqual(
      [isEnded(request, start, complete), isEnded(request, start, fail), isEnded(request, cancel)],
      [true, true, true]
    )
  })

  it("has no step that its operation has no event for", () => {
    const submission = {
      jobId,
      transactionHash: `0x${"2".repeat(64)}`,
      nonce: 1,
      signer: owner,
      maxFeePerGas: 2n,
      maxPriorityFeePerGas: 1n
    }
    const submit = Download.onJob(Job.recordSubmission(submission as Parameters<typeof Job.recordSubmission>[0]))
    assert.throws(() => submit(after(request, start), now), /^file.download has no event for the step "submitted"$/)
    assert.throws(() => Download.onJob(Job.abandon({ jobId, error }))(after(request, start), now), /"abandoned"$/)
  })
})

it("has a subject of its own, that its owner and its job can be read from", () => {
  const subject = Download.subject(owner, jobId)
  assert.strictEqual(subject, `download.${owner.toLowerCase()}.${jobId}`)
  assert.deepStrictEqual(Download.partsOf(subject), { owner: Address.make(owner.toLowerCase()), jobId })
})

describe("a request", () => {
  const decode = Schema.decodeUnknownResult(Schema.toCodecJson(Download.FileDownloadRequested))
  const { jobId: id, ...rest } = asked
  const stored = { _tag: "FileDownloadRequested", ...rest, jobId: id, occurredAt: "2026-11-27T10:00:00.000Z" }
  it.for<[string, object, boolean]>([
    ["is read as it was written", {}, true],
    ["has bytes", { size: 0 }, false],
    ["is of a file with a hash of 64 hex digits", { sha256: "A".repeat(64) }, false],
    ["has 16 parity blocks at most", { parityBlocks: 17 }, false],
    ["has 16 data blocks at least", { dataBlocks: 15 }, false],
    ["is of one of the kinds of encryption", { encryption: "server" }, false],
    ["keeps the bytes for some time", { keepSeconds: 0 }, false],
    ["names what is staged", { staged: "" }, false]
  ])("%s", ([, change, isValid]) => {
    assert.strictEqual(Result.isSuccess(decode({ ...stored, ...change })), isValid)
  })
})

const EventJson = Schema.fromJsonString(Schema.toCodecJson(Download.Event))
it.effect.prop(
  "reads back every event it can write, which is the event of its step",
  [Download.Event],
  ([event]) =>
    Effect.gen(function*() {
      const json = yield* Schema.encodeEffect(EventJson)(event)
      assert.deepStrictEqual(yield* Schema.decodeEffect(EventJson)(json), event)
      assert.deepStrictEqual(Download.eventOf(Download.stepOf(event)), event)
    })
)
