import { assert, describe, it } from "@effect/vitest"
import { DateTime, Effect, Result, Schema } from "effect"
import * as Bucket from "../src/Bucket.ts"
import { BucketName } from "../src/BucketName.ts"
import { Address, BucketId, TransactionHash } from "../src/Chain.ts"
import * as Job from "../src/Job.ts"

const jobId = Job.Id.make("019845e1-682f-7b02-a706-3b2422d13aec")
const other = Job.Id.make("019845e1-682f-7b02-a706-3b2422d13aed")
const name = BucketName.make("my-bucket")
const owner = Address.make("0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266")
const transactionHash = TransactionHash.make(`0x${"ab".repeat(32)}`)
const bucketId = BucketId.make(`0x${"cd".repeat(32)}`)
const now = DateTime.makeUnsafe("2026-01-01T00:00:00.000Z")
const error: Job.Failure = { category: "network", code: "ChainUnreachable", message: "the chain is away" }

const request = Bucket.RequestBucket.make({ jobId, name, owner })
const start = Bucket.StartAttempt.make({ jobId })
const submit = Bucket.RecordSubmission.make({
  jobId,
  transactionHash,
  nonce: 7,
  signer: owner,
  maxFeePerGas: 2n,
  maxPriorityFeePerGas: 1n
})
const failAttempt = Bucket.FailAttempt.make({ jobId, error, retryAt: now })
const failForNow = Bucket.FailAttempt.make({ jobId, error, retryAt: DateTime.add(now, { seconds: 10 }) })
const complete = Bucket.Complete.make({ jobId, bucketId, transactionHash, adopted: false })
const fail = Bucket.Fail.make({ jobId, error })
const cancel = Bucket.Cancel.make({ jobId, cancelledBy: "a client", reason: "changed my mind" })

/** The state after commands, each of which must be accepted. */
const after = (...commands: ReadonlyArray<Bucket.Command>): Bucket.State =>
  commands.reduce(
    (state, command) => Result.getOrThrow(Bucket.decide(state, command, now)).reduce(Bucket.evolve, state),
    Bucket.initial
  )
const tagsOf = (decision: Result.Result<ReadonlyArray<Bucket.Event>, Bucket.Rejection>) =>
  Result.match(decision, { onFailure: ({ _tag }) => _tag, onSuccess: (events) => events.map(({ _tag }) => _tag) })

describe("decide", () => {
  it.for<[string, ReadonlyArray<Bucket.Command>, Bucket.Command, string | ReadonlyArray<string>]>([
    ["requests a bucket that nobody asked for", [], request, ["BucketRequested"]],
    ["takes a repeated request for the same one", [request], request, []],
    ["refuses another request while a job is queued", [request], { ...request, jobId: other }, "BucketBusy"],
    ["refuses another request while a job is under way", [request, start], { ...request, jobId: other }, "BucketBusy"],
    ["refuses another request for a bucket that exists", [request, start, submit, complete], {
      ...request,
      jobId: other
    }, "BucketExists"],
    ["takes another request after the first one failed", [request, start, fail], { ...request, jobId: other }, [
      "BucketRequested"
    ]],
    ["starts a queued job", [request], start, ["BucketStarted"]],
    ["goes on with an attempt that was started", [request, start], start, []],
    ["starts again after an attempt failed", [request, start, failAttempt], start, ["BucketStarted"]],
    ["does not start again before its time", [request, start, failForNow], start, "OutOfOrder"],
    ["does not start a job that has ended", [request, start, fail], start, "JobOver"],
    ["does not start a job that nobody asked for", [], start, "JobOver"],
    ["records a submission", [request, start], submit, ["BucketSubmitted"]],
    ["records a submission once", [request, start, submit], submit, []],
    ["records no submission before a start", [request], submit, "OutOfOrder"],
    ["records no submission between attempts", [request, start, failAttempt], submit, "OutOfOrder"],
    ["records the failure of an attempt once", [request, start, failAttempt], failAttempt, "OutOfOrder"],
    ["completes a job", [request, start, submit], complete, ["BucketCreated"]],
    ["completes a job once", [request, start, submit, complete], complete, []],
    ["does not complete a job that failed", [request, start, fail], complete, "JobOver"],
    ["does not complete a queued job", [request], complete, "OutOfOrder"],
    ["cancels a queued job", [request], cancel, ["BucketCancelled"]],
    ["cancels a job once", [request, cancel], cancel, []],
    ["does not cancel a job that was started", [request, start], cancel, "TooLateToCancel"],
    ["does not cancel a completed job", [request, start, submit, complete], cancel, "TooLateToCancel"],
    ["does not start a cancelled job", [request, cancel], start, "JobOver"],
    ["fails a job", [request, start], fail, ["BucketFailed"]],
    ["fails a job once", [request, start, fail], fail, []],
    ["does not fail a completed job", [request, start, submit, complete], fail, "JobOver"]
  ])("%s", ([, given, when, then]) => {
    assert.deepStrictEqual(tagsOf(Bucket.decide(after(...given), when, now)), then)
  })

  it("counts attempts and forgets the error of one that is followed by another", () => {
    assert.deepStrictEqual(after(request, start, failAttempt).job?.error, error)
    const { job } = after(request, start, failAttempt, start)
    assert.strictEqual(job?.attempts, 2)
    assert.notProperty(job, "error")
    assert.notProperty(job, "retryAt")
  })
})

it.effect.prop(
  "keeps every sequence of commands legal",
  [Schema.Array(Bucket.Command)],
  ([commands]) =>
    Effect.sync(() => {
      // All on two jobs of one bucket, so that they meet.
      const ids = [jobId, other]
      let state = Bucket.initial
      const ended = new Map<string, Job.Status>()
      for (const [n, command] of commands.entries()) {
        const decided = Bucket.decide(state, { ...command, jobId: ids[n % 2] ?? jobId }, now)
        if (Result.isFailure(decided)) continue
        assert.isAtMost(decided.success.length, 1)
        for (const event of decided.success) {
          assert.isFalse(
            ended.has(event.jobId) && event._tag !== "BucketRequested",
            "a job that has ended gets no event"
          )
          const before = state.job
          state = Bucket.evolve(state, event)
          if (event._tag === "BucketRequested") {
            assert.isTrue(before === undefined || Job.isTerminal(before.status), "two jobs are live at once")
            ended.delete(event.jobId)
          }
          if (state.job !== undefined && Job.isTerminal(state.job.status)) ended.set(state.job.id, state.job.status)
        }
      }
    })
)

const EventJson = Schema.fromJsonString(Schema.toCodecJson(Bucket.Event))
it.effect.prop("reads back every event it can write", [Bucket.Event], ([event]) =>
  Effect.gen(function*() {
    const json = yield* Schema.encodeEffect(EventJson)(event)
    assert.deepStrictEqual(yield* Schema.decodeEffect(EventJson)(json), event)
  }))

it("has one subject for one bucket name of one owner, whatever the case of the address", () => {
  assert.strictEqual(
    Bucket.subject(Address.make(owner.toUpperCase().replace("0X", "0x")), BucketName.make("a.b-c")),
    "bucket.0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266.a_b-c"
  )
})
