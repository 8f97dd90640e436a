import * as Bucket from "@akave-async/domain/Bucket"
import { BucketName } from "@akave-async/domain/BucketName"
import * as DeadLetter from "@akave-async/domain/DeadLetter"
import { Address } from "@akave-async/domain/Ethereum"
import * as Job from "@akave-async/domain/Job"
import { execute, load } from "@akave-async/eventing/BucketEvents"
import * as DeadLetterEvents from "@akave-async/eventing/DeadLetterEvents"
import { EventLog, type EventLogShape } from "@akave-async/eventing/EventLog"
import * as EventLogMemory from "@akave-async/eventing/EventLogMemory"
import { done, type Outcome } from "@akave-async/eventing/Outcome"
import * as Reaction from "@akave-async/eventing/Reaction"
import { Wallet } from "@akave-async/sdk/Wallet"
import { assert, it } from "@effect/vitest"
import { ConfigProvider, Deferred, Effect, Fiber, Layer, Metric } from "effect"
import { TestClock } from "effect/testing"
import * as Executor from "../src/Executor.ts"
import { Lane } from "../src/Lane.ts"
import { Ledger } from "../src/Ledger.ts"
import type { Operation } from "../src/Operation.ts"
import { Operations } from "../src/Operations.ts"
import { Steps } from "../src/Steps.ts"

const owner = Address.make("0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266")
const jobId = (n: number) => Job.Id.make(`019845e1-682f-7b02-a706-${`${n}`.padStart(12, "0")}`)
const nameOf = (n: number) => BucketName.make(`bucket-${n}`)
const subjectOf = (n: number) => Bucket.subject(owner, nameOf(n))

const request = (log: EventLogShape, n: number) =>
  execute(
    log,
    subjectOf(n),
    { state: Bucket.initial, revision: 0 },
    Bucket.requestCreation({ jobId: jobId(n), name: nameOf(n), owner }),
    { source: "/test" }
  )
const record = Effect.fnUntraced(function*<Name extends Job.StepName, Rejection>(
  log: EventLogShape,
  n: number,
  decide: Job.Decision<Name, Rejection>
) {
  const known = yield* load(log, subjectOf(n))
  return yield* execute(log, subjectOf(n), known, Bucket.onJob(decide), { source: "/test" })
})

/** An executor on a log, whose work is this; it knows the operations of these names. */
const start = (
  log: EventLogShape,
  work: (jobId: Job.Id) => Effect.Effect<Outcome>,
  settings: Readonly<Record<string, string>> = {},
  names: ReadonlyArray<string> = Object.keys(Bucket.operations)
) =>
  Effect.forkScoped(
    Executor.run.pipe(
      Effect.provide([
        Layer.mock(Steps, { work: (_, { jobId }) => work(jobId) }),
        Layer.mock(Ledger, { signer: owner }),
        Layer.succeed(Operations, new Map(names.map((name) => [name, {} as Operation]))),
        Lane.layer.pipe(Layer.provide(Layer.mock(Wallet, { address: owner })))
      ]),
      Effect.provideService(EventLog, log),
      Effect.provide(ConfigProvider.layer(ConfigProvider.fromUnknown(settings)))
    )
  )

it.effect("works on what is asked for, and lets all else pass", () =>
  Effect.gen(function*() {
    const log = yield* EventLogMemory.open
    const seen: Array<string> = []
    yield* start(log, (jobId) => Effect.sync(() => (seen.push(jobId), done)), { EXECUTOR_MAX_IN_FLIGHT: "1" })
    yield* TestClock.adjust("1 second")
    yield* request(log, 1)
    yield* record(log, 1, Job.startAttempt(jobId(1)))
    yield* record(log, 1, Job.fail({ jobId: jobId(1), error: { category: "internal", code: "Test", message: "" } }))
    yield* request(log, 2)
    yield* TestClock.adjust("1 second")
    assert.deepStrictEqual(seen, [jobId(1), jobId(2)])
  }))

it.effect("begins no more jobs than may be under way, over all executors, and ends them in their order", () =>
  Effect.gen(function*() {
    const log = yield* EventLogMemory.open
    const begun: Array<string> = []
    const ends = new Map<string, Deferred.Deferred<void>>()
    const work = (jobId: Job.Id) =>
      Effect.gen(function*() {
        const end = yield* Deferred.make<void>()
        ends.set(jobId, end)
        begun.push(jobId)
        yield* Deferred.await(end)
        return done
      })
    const ids = Array.from({ length: 9 }, (_, n) => n)
    for (const n of ids) yield* request(log, n)
    for (let n = 0; n < 2; n++) yield* start(log, work, { EXECUTOR_MAX_IN_FLIGHT: "3" })
    yield* TestClock.adjust("1 minute")
    assert.deepStrictEqual(begun, [0, 1, 2].map(jobId))
    for (const n of ids) {
      yield* Deferred.succeed(ends.get(jobId(n)) as Deferred.Deferred<void>, undefined)
      yield* TestClock.adjust("1 second")
      assert.lengthOf(begun, Math.min(n + 4, ids.length))
    }
    assert.deepStrictEqual(begun, ids.map(jobId))
  }))

it.effect("leaves a job of an operation that it does not know to an executor that knows it", () =>
  Effect.gen(function*() {
    const log = yield* EventLogMemory.open
    const seen: Array<string> = []
    const older = yield* start(log, () => Effect.die(new Error("it is not known")), {}, ["bucket.delete"])
    yield* request(log, 1)
    yield* TestClock.adjust("10 minutes")
    assert.deepStrictEqual(yield* DeadLetterEvents.load(log, DeadLetter.subject(DeadLetter.Sequence.make(1))), {
      state: undefined,
      revision: 0
    })
    yield* Fiber.interrupt(older)
    yield* start(log, (jobId) => Effect.sync(() => (seen.push(jobId), done)))
    yield* TestClock.adjust("10 minutes")
    assert.deepStrictEqual(seen, [jobId(1)])
  }))

it.effect("begins with the first job that has not ended, where the log does not know its consumer", () =>
  Effect.gen(function*() {
    const log = yield* EventLogMemory.open
    const error: Job.Failure = { category: "internal", code: "Test", message: "" }
    for (const n of [1, 2, 3]) {
      yield* request(log, n)
      yield* record(log, n, Job.startAttempt(jobId(n)))
    }
    yield* record(log, 1, Job.fail({ jobId: jobId(1), error }))
    yield* record(log, 3, Job.fail({ jobId: jobId(3), error }))
    const seen: Array<string> = []
    yield* start(log, (jobId) => Effect.sync(() => (seen.push(jobId), done)))
    yield* TestClock.adjust("1 second")
    // What came after it is seen again, and is found over.
    assert.deepStrictEqual(seen, [jobId(2), jobId(3)])
  }))

it.effect("begins with the first event that it can't read, where the log does not know its consumer", () =>
  Effect.gen(function*() {
    for (const [type, isDead] of [["akave.BucketRequested.v1", true], ["akave.BucketRenamed.v1", false]] as const) {
      const log = yield* EventLogMemory.open
      yield* request(log, 1)
      const error: Job.Failure = { category: "internal", code: "Test", message: "" }
      yield* record(log, 1, Job.startAttempt(jobId(1)))
      yield* record(log, 1, Job.fail({ jobId: jobId(1), error }))
      const unreadable = { id: "unreadable", headers: { "ce-type": type }, data: Uint8Array.of(255) }
      const { sequence } = yield* log.append(subjectOf(2), { revision: 0 }, unreadable)
      yield* request(log, 3)
      const seen: Array<string> = []
      const newer = yield* Metric.value(Reaction.newerEvents)
      yield* start(log, (jobId) => Effect.sync(() => (seen.push(jobId), done)))
      yield* TestClock.adjust("1 second")
      const { state } = yield* DeadLetterEvents.load(log, DeadLetter.subject(DeadLetter.Sequence.make(sequence)))
      assert.strictEqual(state?.status, isDead ? "dead" : undefined, type)
      assert.strictEqual((yield* Metric.value(Reaction.newerEvents)).count - newer.count, isDead ? 0 : 1)
      assert.deepStrictEqual(seen, [jobId(3)])
    }
  }))
