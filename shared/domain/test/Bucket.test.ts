import { assert, describe, it } from "@effect/vitest"
import { Arbitrary, DateTime, type Duration, Effect, Result, Schema } from "effect"
import { expectTypeOf } from "vitest"
import * as Bucket from "../src/Bucket.ts"
import { BucketName } from "../src/BucketName.ts"
import { Address, BucketId, TransactionHash } from "../src/Ethereum.ts"
import * as Job from "../src/Job.ts"

const jobId = Job.Id.make("019845e1-682f-7b02-a706-3b2422d13aec")
const other = Job.Id.make("019845e1-682f-7b02-a706-3b2422d13aed")
const third = Job.Id.make("019845e1-682f-7b02-a706-3b2422d13aee")
const name = BucketName.make("my-bucket")
const owner = Address.make("0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266")
const transactionHash = TransactionHash.make(`0x${"ab".repeat(32)}`)
const bucketId = BucketId.make(`0x${"cd".repeat(32)}`)
const now = DateTime.makeUnsafe("2026-01-01T00:00:00.000Z")
const error: Job.Failure = { category: "network", code: "ChainUnreachable", message: "the chain is away" }

type Decide = (state: Bucket.State, at: DateTime.Utc) => Result.Result<ReadonlyArray<Bucket.Event>, Rejection>
type Rejection = { readonly _tag: string }

/** The commands on a job. */
const on = (jobId: Job.Id) => ({
  start: Bucket.onJob(Job.startAttempt(jobId)),
  submit: Bucket.onJob(Job.recordSubmission({ ...submission, jobId })),
  replace: Bucket.onJob(Job.recordSubmission({ ...submission, jobId, transactionHash: replacement })),
  failAttempt: Bucket.onJob(Job.failAttempt({ jobId, error, retryAt: now })),
  failForNow: Bucket.onJob(Job.failAttempt({ jobId, error, retryAt: DateTime.add(now, { seconds: 10 }) })),
  complete: Bucket.onJob(Job.complete({ jobId, transactionHash, adopted: false, own: { bucketId } })),
  completeIn: (blockNumber: number) =>
    Bucket.onJob(Job.complete({ jobId, transactionHash, blockNumber, adopted: false, own: { bucketId } })),
  fail: Bucket.onJob(Job.fail({ jobId, error })),
  cancel: Bucket.cancel({ jobId, cancelledBy: "a client", reason: "changed my mind" })
})
const submission = { transactionHash, nonce: 7, signer: owner, maxFeePerGas: 2n, maxPriorityFeePerGas: 1n }
const replacement = TransactionHash.make(`0x${"ef".repeat(32)}`)

const request = Bucket.requestCreation({ jobId, name, owner })
const requestAsOther = Bucket.requestCreation({ jobId: other, name, owner })
const { cancel, complete, completeIn, fail, failAttempt, failForNow, replace, start, submit } = on(jobId)

const requestDeletion = Bucket.requestDeletion({ jobId: other, name, owner })
/** The commands that create the bucket, and those that follow a request for its deletion. */
const creation = [request, start, submit, complete]
const deletion = on(other)
const deleting = [...creation, requestDeletion]
const deleted = [...deleting, deletion.start, deletion.submit, deletion.complete]
const requestOf = (tenant: string) => Bucket.requestCreation({ jobId: third, name, owner, tenant })
const deletionOf = (tenant: string) => Bucket.requestDeletion({ jobId: third, name, owner, tenant })
const again = Bucket.requestCreation({ jobId: third, name, owner })
const deleteAgain = Bucket.requestDeletion({ jobId: third, name, owner })

/** The state after commands, each of which must be accepted. */
const after = (...commands: ReadonlyArray<Decide>): Bucket.State =>
  commands.reduce(
    (state, decide) => Result.getOrThrow(decide(state, now)).reduce(Bucket.evolve, state),
    Bucket.initial
  )
const tagsOf = (decision: Result.Result<ReadonlyArray<Bucket.Event>, Rejection>) =>
  Result.match(decision, { onFailure: ({ _tag }) => _tag, onSuccess: (events) => events.map(({ _tag }) => _tag) })

describe("a decision", () => {
  it.for<[string, ReadonlyArray<Decide>, Decide, string | ReadonlyArray<string>]>([
    ["requests a bucket that nobody asked for", [], request, ["BucketRequested"]],
    ["takes a repeated request for the same one", [request], request, []],
    ["does not take a request again once another job has followed it", deleted, request, "JobOver"],
    [
      "does not take a deletion again once another job has followed it",
      [...deleted, again],
      requestDeletion,
      "JobOver"
    ],
    ["refuses the name of another account's job", [request], requestOf("acme"), "NameTaken"],
    ["refuses the name of another account's bucket", creation, requestOf("acme"), "NameTaken"],
    ["refuses the name of another account's bucket while it is deleted", deleting, requestOf("acme"), "NameTaken"],
    ["takes the name that another account has left", deleted, requestOf("acme"), ["BucketRequested"]],
    ["does not show another account's bucket", creation, deletionOf("acme"), "BucketMissing"],
    ["does not show another account's job", [request], deletionOf("acme"), "BucketMissing"],
    ["refuses another request while a job is queued", [request], requestAsOther, "BucketBusy"],
    ["refuses another request while a job is under way", [request, start], requestAsOther, "BucketBusy"],
    [
      "refuses another request for a bucket that exists",
      [request, start, submit, complete],
      requestAsOther,
      "BucketExists"
    ],
    ["takes another request after the first one failed", [request, start, fail], requestAsOther, [
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
    ["records a submission that takes the place of another", [request, start, submit], replace, ["BucketSubmitted"]],
    ["records no submission that another has taken the place of", [request, start, submit, replace], submit, []],
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
    ["does not fail a completed job", [request, start, submit, complete], fail, "JobOver"],
    ["requests the deletion of a bucket that exists", creation, requestDeletion, ["BucketDeletionRequested"]],
    ["takes a repeated request for the same deletion", deleting, requestDeletion, []],
    ["refuses to delete what nobody asked for", [], requestDeletion, "BucketMissing"],
    ["refuses to delete a bucket that is queued", [request], requestDeletion, "BucketBusy"],
    ["refuses to delete a bucket that is being created", [request, start, submit], requestDeletion, "BucketBusy"],
    ["refuses to delete a bucket whose creation failed", [request, start, fail], requestDeletion, "BucketMissing"],
    ["refuses to delete a bucket whose creation was cancelled", [request, cancel], requestDeletion, "BucketMissing"],
    ["refuses a second deletion while one is under way", [...deleting, deletion.start], deleteAgain, "BucketBusy"],
    ["refuses a bucket while its deletion is queued", deleting, again, "BucketBusy"],
    ["refuses to delete what was deleted", deleted, deleteAgain, "BucketMissing"],
    ["takes a new request for a bucket that was deleted", deleted, again, ["BucketRequested"]],
    ["deletes again what failed to be deleted", [...deleting, deletion.start, deletion.fail], deleteAgain, [
      "BucketDeletionRequested"
    ]],
    ["still has the bucket whose deletion was cancelled", [...deleting, deletion.cancel], again, "BucketExists"],
    ["starts a deletion", deleting, deletion.start, ["BucketDeletionStarted"]],
    [
      "starts a deletion again after an attempt failed",
      [...deleting, deletion.start, deletion.failAttempt],
      deletion
        .start,
      ["BucketDeletionStarted"]
    ],
    ["records the submission of a deletion", [...deleting, deletion.start], deletion.submit, [
      "BucketDeletionSubmitted"
    ]],
    ["records the failure of an attempt at a deletion", [...deleting, deletion.start], deletion.failAttempt, [
      "BucketDeletionAttemptFailed"
    ]],
    ["completes a deletion", [...deleting, deletion.start, deletion.submit], deletion.complete, ["BucketDeleted"]],
    ["completes a deletion once", deleted, deletion.complete, []],
    ["fails a deletion", [...deleting, deletion.start], deletion.fail, ["BucketDeletionFailed"]],
    ["cancels a queued deletion", deleting, deletion.cancel, ["BucketDeletionCancelled"]],
    ["does not cancel a deletion that was started", [...deleting, deletion.start], deletion.cancel, "TooLateToCancel"],
    ["is done with the job that created what is being deleted", deleting, complete, "JobOver"]
  ])("%s", ([, given, when, then]) => {
    assert.deepStrictEqual(tagsOf(when(after(...given), now)), then)
  })

  it("counts attempts and forgets the error of one that is followed by another", () => {
    assert.deepInclude(after(request, start, failAttempt).job, { error, attempts: 1, attemptFailed: true })
    const { job } = after(request, start, failAttempt, start)
    assert.deepInclude(job, { attempts: 2, attemptFailed: false })
    assert.notProperty(job, "error")
    assert.notProperty(job, "retryAt")
  })

  it.for<[string, Duration.Input, string | ReadonlyArray<string>]>([
    ["long before the job's last event is wrong and is ignored", "-1 hour", ["BucketStarted"]],
    ["just before the job's last event is wrong too", "-1 millis", ["BucketStarted"]],
    ["at the job's last event holds the attempt back", "0 millis", "OutOfOrder"],
    ["just before the time of the next attempt holds it back", "9999 millis", "OutOfOrder"],
    ["at the time of the next attempt lets it start", "10 seconds", ["BucketStarted"]]
  ])("a clock that reads %s", ([, later, then]) => {
    const at = DateTime.addDuration(now, later)
    assert.deepStrictEqual(tagsOf(start(after(request, start, failForNow), at)), then)
  })

  it("knows the bucket from its creation to its deletion, and the block of the last change", () => {
    const created = [request, start, submit, completeIn(7)]
    assert.deepInclude(after(...created), { bucket: { id: bucketId, jobId }, blockNumber: 7 })
    const gone = after(...created, requestDeletion, deletion.start, deletion.completeIn(9))
    assert.deepInclude(gone, { bucket: undefined, blockNumber: 9 })
    assert.deepInclude(gone.job, { id: other, operation: "bucket.delete", status: "completed" })
    // What was adopted without its transaction reports no block.
    assert.strictEqual(after(...deleted, again, on(third).start).blockNumber, 0)
  })
})

describe("a step", () => {
  it("is reported by each event, of one operation", () => {
    const reported = Object.keys(Bucket.Event.cases).map((tag) => {
      const { operation, step } = Bucket.stepOf({ _tag: tag } as Bucket.Event)
      return `${operation} ${step}`
    })
    const steps = ["requested", "started", "submitted", "attemptFailed", "completed", "failed", "cancelled"]
    const all = Object.keys(Bucket.operations).flatMap((operation) => steps.map((step) => `${operation} ${step}`))
    assert.sameMembers(reported, all)
  })

  it.effect.prop(
    "is the event again",
    [Bucket.Event],
    ([event]) => Effect.sync(() => assert.deepStrictEqual(Bucket.eventOf(Bucket.stepOf(event)), event))
  )
})

const jobIdOf = (n: number) => Job.Id.make(`019845e1-682f-7b02-a706-${n.toString(16).padStart(12, "0")}`)
/** The command that leads to such an event, for a job. */
const commandFor = (like: Bucket.Event, jobId: Job.Id): Decide => {
  const { occurredAt: _, ...step } = Bucket.stepOf(like)
  switch (step.step) {
    case "requested":
      return step.operation === "bucket.create"
        ? Bucket.requestCreation({ jobId, name, owner })
        : Bucket.requestDeletion({ jobId, name, owner })
    case "started":
      return Bucket.onJob(Job.startAttempt(jobId))
    case "submitted":
      return Bucket.onJob(Job.recordSubmission({ ...step, jobId }))
    case "attemptFailed":
      return Bucket.onJob(Job.failAttempt({ ...step, jobId }))
    case "advanced":
      return Bucket.onJob(Job.advance({ ...step, jobId }))
    case "abandoned":
      return Bucket.onJob(Job.abandon({ ...step, jobId }))
    case "completed":
      return Bucket.onJob(Job.complete({ ...step, jobId }))
    case "failed":
      return Bucket.onJob(Job.fail({ ...step, jobId }))
    case "cancelled":
      return Bucket.onJob(Job.cancel({ ...step, jobId }))
  }
}
const JobJson = Schema.toCodecJson(Bucket.BucketJob)

it.effect.each([1, 2, 3, 4])("keeps a long random sequence of commands legal (%i)", (seed) =>
  Effect.gen(function*() {
    const events = yield* Arbitrary.sampleEffect(Arbitrary.schema(Bucket.Event), {
      count: 2_000,
      seed,
      maxDiscards: 100_000
    })
    let state = Bucket.initial
    const jobs: Array<Job.Id> = []
    const ended = new Set<string>()
    const tags = new Set<string>()
    for (const [n, like] of events.entries()) {
      // Each request is a job of its own; other commands speak of the last job, and now and then of one before it.
      const spokenOf = Bucket.stepOf(like).step === "requested" ? undefined : jobs.at(n % 5 === 0 ? -2 : -1)
      const decided = commandFor(like, spokenOf ?? jobIdOf(n))(state, now)
      if (Result.isFailure(decided)) continue
      assert.isAtMost(decided.success.length, 1)
      for (const event of decided.success) {
        const { operation, step } = Bucket.stepOf(event)
        const { bucket, job } = state
        assert.isFalse(ended.has(event.jobId), "a job that has ended gets an event")
        if (step === "requested") {
          assert.isTrue(job === undefined || Job.isTerminal(job.status), "two jobs are live at once")
          assert.strictEqual(bucket !== undefined, operation === "bucket.delete", "a bucket is made or lost twice")
          jobs.push(event.jobId)
        }
        state = Bucket.evolve(state, event)
        tags.add(event._tag)
        assert.deepStrictEqual([state.job?.id, state.job?.operation], [event.jobId, operation])
        assert.strictEqual(
          state.bucket !== undefined,
          step === "completed" ? operation === "bucket.create" : bucket !== undefined
        )
        if (state.job === undefined) continue
        // Every job that can be is one that the read model can keep.
        const kept = Schema.encodeSync(JobJson)(state.job)
        assert.deepStrictEqual(Schema.decodeUnknownSync(JobJson)(kept), state.job)
        if (Job.isTerminal(state.job.status)) ended.add(state.job.id)
      }
    }
    assert.sameMembers([...tags], Object.keys(Bucket.Event.cases))
  }))

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

describe("types", () => {
  it("can't write down a job that can't be", () => {
    const asked = {
      id: jobId,
      operation: "bucket.create" as const,
      owner,
      request: { name },
      createdAt: now,
      updatedAt: now
    }
    const begun = { attempts: 1, startedAt: now }
    expectTypeOf({ ...asked, status: "queued" as const }).toExtend<Bucket.BucketJob>()
    expectTypeOf({ ...asked, status: "completed" as const, ...begun }).not.toExtend<Bucket.BucketJob>()
    expectTypeOf({ ...asked, ...begun, status: "failed" as const }).not.toExtend<Bucket.BucketJob>()
    expectTypeOf({ ...asked, status: "processing" as const }).not.toExtend<Bucket.BucketJob>()
    expectTypeOf({ ...asked, ...begun, status: "processing" as const, attemptFailed: true as const }).not.toExtend<
      Bucket.BucketJob
    >()
    expectTypeOf<Extract<Bucket.BucketJob, { status: "queued" }>>().not.toHaveProperty("transactionHash")
    expectTypeOf<Extract<Bucket.BucketJob, { status: "completed" }>["result"]>().toHaveProperty("bucketId")
  })

  it("names exactly what a command can lead to", () => {
    type Outcome<Decide extends (...state: never) => unknown> = ReturnType<Decide> extends Result.Result<
      ReadonlyArray<infer Event extends { readonly _tag: string } | { readonly step: string }>,
      infer Rejection
    > ? [
        Event extends { readonly _tag: infer Tag } ? Tag : Event extends { readonly step: infer Step } ? Step : never,
        Rejection
      ]
      : never
    expectTypeOf<Outcome<typeof request>>().toEqualTypeOf<
      ["BucketRequested", Bucket.BucketBusy | Bucket.BucketExists | Bucket.NameTaken | Job.JobOver]
    >()
    expectTypeOf<Outcome<typeof requestDeletion>>().toEqualTypeOf<
      ["BucketDeletionRequested", Bucket.BucketBusy | Bucket.BucketMissing | Job.JobOver]
    >()
    expectTypeOf<Outcome<ReturnType<typeof Job.startAttempt>>>().toEqualTypeOf<
      ["started", Job.JobOver | Job.OutOfOrder]
    >()
    expectTypeOf<Outcome<ReturnType<typeof Job.cancel>>>().toEqualTypeOf<
      ["cancelled", Job.JobOver | Job.TooLateToCancel]
    >()
  })
})
