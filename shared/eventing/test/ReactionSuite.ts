/** How deliveries are settled, on each layer of the log's port: several reactions on one log stand for several processes. */
import * as Bucket from "@akave-async/domain/Bucket"
import { BucketName } from "@akave-async/domain/BucketName"
import * as DeadLetter from "@akave-async/domain/DeadLetter"
import { Address } from "@akave-async/domain/Ethereum"
import * as Job from "@akave-async/domain/Job"
import { assert, describe, it } from "@effect/vitest"
import { DateTime, Deferred, Duration, Effect, Fiber, Metric, Result, Schedule, type Scope, Stream } from "effect"
import * as BucketEvents from "../src/BucketEvents.ts"
import type { NewEvent } from "../src/CloudEvent.ts"
import * as DeadLetterEvents from "../src/DeadLetterEvents.ts"
import { type EventLogShape, LogUnavailable } from "../src/EventLog.ts"
import type { Kind } from "../src/Kind.ts"
import { again, done, type Outcome } from "../src/Outcome.ts"
import * as Reaction from "../src/Reaction.ts"
import * as Registry from "../src/Registry.ts"

const owner = Address.make("0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266")
const jobId = (n: number) => Job.Id.make(`019845e1-682f-7b02-a706-${`${n}`.padStart(12, "0")}`)
const nameOf = (n: number) => BucketName.make(`bucket-${n}`)
const subjectOf = (n: number) => Bucket.subject(owner, nameOf(n))
const origin = { source: "/test", traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01" }

const ackWait = Duration.millis(400)
const delays: Reaction.Delays = { failed: Duration.millis(20), newer: Duration.millis(100) }
const often = Schedule.spaced("10 millis")

/** A request for a bucket, and its place in the log. */
const request = (log: EventLogShape, n: number) =>
  Effect.map(
    BucketEvents.execute(
      log,
      subjectOf(n),
      { state: Bucket.initial, revision: 0 },
      Bucket.requestCreation({ jobId: jobId(n), name: nameOf(n), owner }),
      origin
    ),
    ({ revision }) => revision
  )
/** Anything at all, behind what is on its subject. */
const store = Effect.fnUntraced(function*(log: EventLogShape, subject: string, type: string | undefined, data = "{}") {
  const { revision } = yield* log.read(subject)
  const event: NewEvent = {
    id: `${subject}.${type}.${revision}`,
    headers: type === undefined ? {} : { "ce-type": type },
    data: new TextEncoder().encode(data)
  }
  return (yield* log.append(subject, { revision }, event)).sequence
})
const letterOf = (log: EventLogShape, sequence: number) =>
  Effect.map(
    DeadLetterEvents.load(log, DeadLetter.subject(DeadLetter.Sequence.make(sequence))),
    ({ state }) => state
  )
const redrive = Effect.fnUntraced(function*(log: EventLogShape, sequence: number) {
  const dead = DeadLetter.Sequence.make(sequence)
  const subject = DeadLetter.subject(dead)
  const known = yield* DeadLetterEvents.load(log, subject)
  return yield* DeadLetterEvents.execute(
    log,
    subject,
    known,
    DeadLetter.redrive({ sequence: dead, redrivenBy: "a client" }),
    origin
  )
})

type Handle = (wanted: Reaction.Wanted) => Effect.Effect<Outcome, LogUnavailable>
/** A reaction to requests as a process of its own. */
const react = (log: EventLogShape, handle: Handle, options: Partial<Reaction.Options> = {}) =>
  Reaction.run(log, {
    name: "reaction",
    source: "/test",
    ackWait,
    maxAckPending: 100,
    wants: ({ step }) => step?.step === "requested",
    handle,
    delays,
    ...options
  })
const start = (log: EventLogShape, handle: Handle, options?: Partial<Reaction.Options>) =>
  Effect.forkScoped(react(log, handle, options))

/** Waits until this is so. */
const until = (isSo: () => boolean) => Effect.repeat(Effect.sync(isSo), { until: (is) => is, schedule: often })
const untilDead = (log: EventLogShape, sequence: number, round = 1) =>
  Effect.repeat(letterOf(log, sequence), {
    until: (letter) => letter?.status === "dead" && letter.round === round,
    schedule: often
  })
/** Waits until all that is in the log was settled: what comes after it was handled. */
const untilPassed = Effect.fnUntraced(function*(log: EventLogShape, seen: ReadonlyArray<string>, n: number) {
  yield* request(log, n)
  yield* until(() => seen.includes(jobId(n)))
})

export const reactionSuite = (name: string, open: Effect.Effect<EventLogShape, unknown, Scope.Scope>) =>
  describe(name, () => {
    const test = (sentence: string, body: (log: EventLogShape) => Effect.Effect<void, unknown, Scope.Scope>) =>
      it.live(sentence, () => Effect.scoped(Effect.flatMap(open, body)))
    /** The jobs whose requests were handled, in order. */
    const recording = (outcome: (jobId: string, times: number) => Effect.Effect<Outcome, LogUnavailable>) => {
      const seen: Array<string> = []
      const firsts: Array<boolean> = []
      const handle: Handle = ({ isFirst, known }) => {
        const id = known.step?.jobId ?? ""
        seen.push(id)
        firsts.push(isFirst)
        return outcome(id, seen.filter((one) => one === id).length)
      }
      return { seen, firsts, handle }
    }

    test("what is done does not come again, also not to another process", (log) =>
      Effect.gen(function*() {
        const { firsts, handle, seen } = recording(() => Effect.succeed(done))
        yield* request(log, 1)
        const process = yield* start(log, handle)
        yield* until(() => seen.length === 1)
        yield* untilPassed(log, seen, 2)
        yield* Fiber.interrupt(process)
        yield* start(log, handle)
        yield* untilPassed(log, seen, 3)
        assert.deepStrictEqual(seen, [jobId(1), jobId(2), jobId(3)])
        assert.deepStrictEqual(firsts, [true, true, true])
      }))

    test("what is wanted again comes again, and is no first delivery then", (log) =>
      Effect.gen(function*() {
        const { firsts, handle, seen } = recording((_, times) =>
          Effect.succeed(times < 4 ? again(Duration.millis(times * 10)) : done)
        )
        yield* request(log, 1)
        yield* start(log, handle)
        yield* until(() => seen.length === 4)
        yield* untilPassed(log, seen, 2)
        assert.deepStrictEqual(firsts.slice(0, 4), [true, false, false, false])
      }))

    test("a handler may take longer than the ack wait, and nobody else gets its event meanwhile", (log) =>
      Effect.gen(function*() {
        const goOn = yield* Deferred.make<void>()
        const one = recording(() => Effect.as(Deferred.await(goOn), done))
        const two = recording(() => Effect.as(Deferred.await(goOn), done))
        yield* request(log, 1)
        yield* start(log, one.handle)
        yield* start(log, two.handle)
        yield* until(() => one.seen.length + two.seen.length === 1)
        yield* Effect.sleep(Duration.times(ackWait, 3))
        yield* Deferred.succeed(goOn, undefined)
        yield* request(log, 2)
        yield* until(() => [...one.seen, ...two.seen].includes(jobId(2)))
        assert.sameMembers([...one.seen, ...two.seen], [jobId(1), jobId(2)])
      }))

    test("processes share the events, and hold no more of them at once than may be unsettled", (log) =>
      Effect.gen(function*() {
        let held = 0
        let most = 0
        const ended: Array<string> = []
        const handle: Handle = ({ known }) =>
          Effect.gen(function*() {
            most = Math.max(most, ++held)
            yield* Effect.sleep("20 millis")
            held--
            ended.push(known.step?.jobId ?? "")
            return done
          })
        const jobs = Array.from({ length: 20 }, (_, n) => n)
        for (const n of jobs) yield* request(log, n)
        yield* start(log, handle, { maxAckPending: 3 })
        yield* start(log, handle, { maxAckPending: 3 })
        yield* until(() => ended.length === jobs.length)
        assert.strictEqual(most, 3)
        // What is held is at most two beside the one that ends.
        for (const [n, id] of ended.entries()) assert.isAtMost(Math.abs(jobs.findIndex((k) => jobId(k) === id) - n), 4)
      }))

    test("a delivery that comes while its event is handled here starts no second handler, and is the one settled", (log) =>
      Effect.gen(function*() {
        const goOn = yield* Deferred.make<void>()
        const { handle, seen } = recording((id) =>
          Effect.as(id === jobId(1) ? Deferred.await(goOn) : Effect.void, done)
        )
        let deliveries = 0
        // No sign of progress gets through at first, so that the log takes the event for lost.
        const deaf: EventLogShape = {
          ...log,
          consume: (options) =>
            Stream.map(log.consume(options), (delivery) => {
              deliveries++
              return deliveries > 2 ? delivery : { ...delivery, inProgress: Effect.void }
            })
        }
        yield* request(log, 1)
        yield* start(deaf, handle)
        yield* until(() => deliveries > 2)
        assert.deepStrictEqual(seen, [jobId(1)])
        yield* Deferred.succeed(goOn, undefined)
        yield* untilPassed(log, seen, 2)
        yield* Effect.sleep(ackWait)
        assert.deepStrictEqual(seen, [jobId(1), jobId(2)])
      }))

    test("what meets a defect each time is set aside with its reason, and delays no other", (log) =>
      Effect.gen(function*() {
        const { handle, seen } = recording((id) =>
          id === jobId(1) ? Effect.die(new Error("a defect")) : Effect.succeed(done)
        )
        const sequence = yield* request(log, 1)
        yield* start(log, handle)
        yield* untilPassed(log, seen, 2)
        const letter = yield* untilDead(log, sequence)
        assert.deepInclude(letter, {
          subject: subjectOf(1),
          type: "akave.BucketRequested.v1",
          deliveries: Reaction.maxDefects,
          jobId: jobId(1)
        })
        assert.include(letter?.reason, "a defect")
        yield* untilPassed(log, seen, 3)
        assert.lengthOf(seen.filter((id) => id === jobId(1)), Reaction.maxDefects)
        const [death] = (yield* log.read(DeadLetter.subject(DeadLetter.Sequence.make(sequence)))).events
        assert.deepInclude(death?.headers, { "ce-correlationid": jobId(1), traceparent: origin.traceparent })
      }))

    test("a log that is away, or a defect now and then, is no reason to set anything aside", (log) =>
      Effect.gen(function*() {
        const times = 3 * Reaction.maxDefects
        const { handle, seen } = recording((_, count) => {
          if (count === times) return Effect.succeed(done)
          if (count % 3 === 0) return Effect.succeed(again(Duration.zero))
          return count % 3 === 1
            ? Effect.die(new Error("a defect"))
            : Effect.fail(new LogUnavailable({ operation: "append", cause: "away" }))
        })
        const sequence = yield* request(log, 1)
        yield* start(log, handle)
        yield* until(() => seen.length === times)
        yield* untilPassed(log, seen, 2)
        assert.isUndefined(yield* letterOf(log, sequence))
      }))

    test("what can't be read is set aside: data of a known type, and what has no type", (log) =>
      Effect.gen(function*() {
        const { handle, seen } = recording(() => Effect.succeed(done))
        const unreadable = yield* store(log, subjectOf(1), "akave.BucketRequested.v1")
        const untyped = yield* store(log, subjectOf(2), undefined)
        yield* start(log, handle)
        assert.deepInclude(yield* untilDead(log, unreadable), { deliveries: 1, type: "akave.BucketRequested.v1" })
        const letter = yield* untilDead(log, untyped)
        assert.deepInclude(letter, { type: "" })
        assert.notProperty(letter, "jobId")
        yield* untilPassed(log, seen, 3)
        assert.deepStrictEqual(seen, [jobId(3)])
      }))

    test("a dead letter that is redriven is handled again, each time, and not as if it were new", (log) =>
      Effect.gen(function*() {
        let isBroken = true
        const { firsts, handle, seen } = recording((id) =>
          isBroken && id === jobId(1) ? Effect.die(new Error("a defect")) : Effect.succeed(done)
        )
        const sequence = yield* request(log, 1)
        yield* start(log, handle)
        yield* untilDead(log, sequence)
        yield* redrive(log, sequence)
        yield* untilDead(log, sequence, 2)
        isBroken = false
        yield* redrive(log, sequence)
        yield* until(() => seen.length === 2 * Reaction.maxDefects + 1)
        assert.deepStrictEqual(firsts, seen.map((_, n) => n === 0))
        assert.deepInclude(yield* letterOf(log, sequence), { status: "redriven", round: 2 })
      }))

    test("a redrive of what is not there, or of itself, is passed over", (log) =>
      Effect.gen(function*() {
        const { handle, seen } = recording(() => Effect.succeed(done))
        for (const [n, dead] of [1, 99].entries()) {
          const sequence = DeadLetter.Sequence.make(dead)
          const subject = DeadLetter.subject(sequence)
          yield* store(
            log,
            subject,
            "akave.DeadLetterRedriven.v1",
            JSON.stringify({ sequence, round: n + 1, redrivenBy: "nobody", occurredAt: "2026-01-01T00:00:00.000Z" })
          )
        }
        yield* start(log, handle)
        yield* untilPassed(log, seen, 1)
        assert.deepStrictEqual(seen, [jobId(1)])
      }))

    test("an event of an unknown kind is acknowledged, and an event that is not wanted is not handled", (log) =>
      Effect.gen(function*() {
        const { handle, seen } = recording(() => Effect.succeed(done))
        const foreign = yield* store(log, "crate.a.b", "akave.CrateRequested.v1")
        yield* request(log, 1)
        const started = Bucket.onJob(Job.startAttempt(jobId(1)))
        yield* BucketEvents.execute(log, subjectOf(1), yield* BucketEvents.load(log, subjectOf(1)), started, origin)
        yield* start(log, handle, { maxAckPending: 1 })
        yield* untilPassed(log, seen, 2)
        assert.deepStrictEqual(seen, [jobId(1), jobId(2)])
        assert.isUndefined(yield* letterOf(log, foreign))
      }))

    test("an event of a type that only a newer release knows is left to that, and is no dead letter", (log) =>
      Effect.gen(function*() {
        const { count: before } = yield* Metric.value(Reaction.newerEvents)
        const type = "akave.BucketRenameRequested.v1"
        const newer = yield* store(log, subjectOf(1), type)
        const older = recording(() => Effect.succeed(done))
        const process = yield* start(log, older.handle)
        yield* untilPassed(log, older.seen, 2)
        const isCounted = Effect.map(Metric.value(Reaction.newerEvents), ({ count }) => count > before)
        yield* Effect.repeat(isCounted, { until: (is) => is, schedule: often })
        assert.isUndefined(yield* letterOf(log, newer))
        yield* Fiber.interrupt(process)

        // The same kind as a newer release has it: it knows the type.
        const handled: Array<number> = []
        const kind: Kind = {
          ...BucketEvents.kind,
          types: [...BucketEvents.kind.types, type],
          read: (stored) =>
            stored.headers["ce-type"] === type
              ? Result.succeed({
                _tag: "Known",
                kind,
                event: { _tag: "BucketRenameRequested", occurredAt: DateTime.makeUnsafe(0) },
                step: undefined,
                toJson: () => ({})
              })
              : BucketEvents.kind.read(stored)
        }
        yield* Effect.forkScoped(
          react(log, ({ stored }) => Effect.sync(() => (handled.push(stored.sequence), done)), {
            wants: ({ event }) => event._tag === "BucketRenameRequested"
          }).pipe(Effect.provideService(Registry.Registry, Registry.of([kind, DeadLetterEvents.kind])))
        )
        yield* until(() => handled.length > 0)
        assert.deepStrictEqual(handled, [newer])
      }))

    test("what is under way when a process is stopped may end, and the rest goes to another process at once", (log) =>
      Effect.gen(function*() {
        const goOn = yield* Deferred.make<void>()
        const one = recording((id) => id === jobId(1) ? Effect.as(Deferred.await(goOn), done) : Effect.never)
        yield* request(log, 1)
        yield* request(log, 2)
        const process = yield* start(log, one.handle, { ackWait: Duration.minutes(1) })
        yield* until(() => one.seen.length === 2)
        const stopping = yield* Effect.forkScoped(Fiber.interrupt(process))
        yield* Deferred.succeed(goOn, undefined)
        yield* Fiber.join(stopping)
        const two = recording(() => Effect.succeed(done))
        yield* start(log, two.handle, { ackWait: Duration.minutes(1) })
        yield* until(() => two.seen.length > 0)
        yield* untilPassed(log, two.seen, 3)
        assert.deepStrictEqual(two.seen, [jobId(2), jobId(3)])
      }))

    test("a consumer begins where it is asked to if the log does not know it, and only then", (log) =>
      Effect.gen(function*() {
        const { handle, seen } = recording(() => Effect.succeed(done))
        yield* request(log, 1)
        const second = yield* request(log, 2)
        const process = yield* start(log, handle, { startAt: Effect.succeed(second) })
        yield* until(() => seen.length === 1)
        yield* Fiber.interrupt(process)
        yield* start(log, handle, { startAt: Effect.succeed(1) })
        yield* untilPassed(log, seen, 3)
        assert.deepStrictEqual(seen, [jobId(2), jobId(3)])
      }))
  })
