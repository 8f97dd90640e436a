import * as Bucket from "@akave-async/domain/Bucket"
import { BucketName } from "@akave-async/domain/BucketName"
import { Address } from "@akave-async/domain/Chain"
import * as DeadLetter from "@akave-async/domain/DeadLetter"
import * as Job from "@akave-async/domain/Job"
import * as BucketEvents from "@akave-async/eventing/BucketEvents"
import * as DeadLetterEvents from "@akave-async/eventing/DeadLetterEvents"
import type { EventLogShape, StoredEvent } from "@akave-async/eventing/EventLog"
import * as EventLogMemory from "@akave-async/eventing/EventLogMemory"
import { assert, describe, it } from "@effect/vitest"
import { DateTime, Effect, Option, Result } from "effect"
import * as DeadLetters from "../src/DeadLetters.ts"

const owner = Address.make("0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266")
const name = BucketName.make("my-bucket")
const subject = Bucket.subject(owner, name)
const jobId = Job.Id.make("019845e1-682f-7b02-a706-3b2422d13aec")
const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

const epoch = DateTime.makeUnsafe(0)

const get = (log: EventLogShape, sequence: number): Effect.Effect<StoredEvent> =>
  Effect.orDie(Effect.flatMap(log.get(sequence), (found) => Effect.fromOption(found)))

/** A log whose first event is a request for a bucket, and its second what nobody can read. */
const bench = Effect.gen(function*() {
  const log = yield* EventLogMemory.open
  const request = Bucket.RequestBucket.make({ jobId, name, owner })
  const nothing = { state: Bucket.initial, revision: 0 }
  yield* BucketEvents.execute(log, subject, nothing, request, { source: "/test", traceparent })
  yield* log.append("bucket.a.b", { revision: 0 }, { id: "garbage", headers: {}, data: Uint8Array.of(255) })
  return { log, requested: yield* get(log, 1), garbage: yield* get(log, 2) }
})

const letterOf = (log: EventLogShape, sequence: number) =>
  Effect.map(
    DeadLetterEvents.load(log, DeadLetter.subject(DeadLetter.Sequence.make(sequence))),
    ({ state }) => state
  )
/** Redrives a dead letter and gives the event that says so. */
const redrive = Effect.fnUntraced(function*(log: EventLogShape, sequence: number) {
  const dead = DeadLetter.Sequence.make(sequence)
  const subject = DeadLetter.subject(dead)
  const known = yield* DeadLetterEvents.load(log, subject)
  const command = DeadLetter.Redrive.make({ sequence: dead, redrivenBy: "a client" })
  const { revision } = yield* DeadLetterEvents.execute(log, subject, known, command, { source: "/test" })
  return yield* get(log, revision)
})

describe("an event that can't be processed", () => {
  it.effect("is set aside with its reason, its job and what caused it", () =>
    Effect.gen(function*() {
      const { log, requested } = yield* bench
      yield* DeadLetters.record(log, requested, "a step died", 10)
      assert.deepInclude(yield* letterOf(log, 1), {
        sequence: DeadLetter.Sequence.make(1),
        subject,
        type: "akave.BucketRequested.v1",
        reason: "a step died",
        deliveries: 10,
        jobId,
        status: "dead",
        round: 1
      })
      assert.deepInclude((yield* get(log, 3)).headers, {
        "ce-source": "/akave/executor",
        "ce-causationid": requested.headers["ce-id"],
        "ce-correlationid": jobId,
        traceparent
      })
    }))

  it.effect("is set aside though it has neither type nor job", () =>
    Effect.gen(function*() {
      const { garbage, log } = yield* bench
      yield* DeadLetters.record(log, garbage, "x".repeat(5_000), 1)
      const letter = yield* letterOf(log, 2)
      assert.deepInclude(letter, { type: "", deliveries: 1, reason: "x".repeat(2_000) })
      assert.notProperty(letter, "jobId")
    }))

  it.effect("is set aside once, however often it is delivered, until it is redriven and dies again", () =>
    Effect.gen(function*() {
      const { garbage, log } = yield* bench
      yield* DeadLetters.record(log, garbage, "unreadable", 1)
      yield* DeadLetters.record(log, garbage, "unreadable", 2)
      assert.strictEqual(yield* log.lastSequence, 3)
      yield* redrive(log, 2)
      yield* DeadLetters.record(log, garbage, "unreadable", 1)
      assert.deepInclude(yield* letterOf(log, 2), { status: "dead", round: 2 })
    }))
})

describe("what is wanted", () => {
  it.effect("by an event is the event itself, readable or not", () =>
    Effect.gen(function*() {
      const { garbage, log, requested } = yield* bench
      const readable = Option.getOrThrow(yield* DeadLetters.wanted(log, requested))
      assert.deepInclude(readable, { stored: requested, isRedriven: false })
      assert.deepInclude(Result.getOrThrow(readable.event), { _tag: "BucketRequested", jobId })
      const unreadable = Option.getOrThrow(yield* DeadLetters.wanted(log, garbage))
      assert.deepInclude(unreadable, { stored: garbage, isRedriven: false })
      assert.isTrue(Result.isFailure(unreadable.event))
    }))

  it.effect("by a dead letter is nothing", () =>
    Effect.gen(function*() {
      const { log, requested } = yield* bench
      yield* DeadLetters.record(log, requested, "a step died", 10)
      assert.isTrue(Option.isNone(yield* DeadLetters.wanted(log, yield* get(log, 3))))
    }))

  it.effect("by one that is redriven is the event that had died, each time", () =>
    Effect.gen(function*() {
      const { log, requested } = yield* bench
      for (const round of [1, 2]) {
        yield* DeadLetters.record(log, requested, "a step died", 10)
        const found = Option.getOrThrow(yield* DeadLetters.wanted(log, yield* redrive(log, 1)))
        assert.deepInclude(found, { stored: requested, isRedriven: true })
        assert.deepInclude(Result.getOrThrow(found.event), { _tag: "BucketRequested", jobId })
        assert.deepInclude(yield* letterOf(log, 1), { status: "redriven", round })
      }
    }))

  it.effect("by a redrive that could not be read itself is what that one had redriven", () =>
    Effect.gen(function*() {
      const { log, requested } = yield* bench
      yield* DeadLetters.record(log, requested, "a step died", 10)
      const first = yield* redrive(log, 1)
      yield* DeadLetters.record(log, first, "the executor was too old to read it", 1)
      const second = yield* redrive(log, first.sequence)
      assert.deepInclude(Option.getOrThrow(yield* DeadLetters.wanted(log, second)), { stored: requested })
    }))

  it.effect("by a redrive of itself, or of what is yet to come, is nothing", () =>
    Effect.gen(function*() {
      const { log } = yield* bench
      for (const sequence of [3, 9]) {
        const dead = DeadLetter.Sequence.make(sequence)
        const event = DeadLetter.DeadLetterRedriven.make({
          sequence: dead,
          round: 1,
          redrivenBy: "nobody",
          occurredAt: epoch
        })
        const encoded = yield* DeadLetterEvents.codec.encode(event, {
          id: `odd-${sequence}`,
          source: "/test",
          subject: DeadLetter.subject(dead),
          time: epoch
        })
        const { sequence: at } = yield* log.append(DeadLetter.subject(dead), { revision: 0 }, encoded)
        assert.isTrue(Option.isNone(yield* DeadLetters.wanted(log, yield* get(log, at))))
      }
    }))
})
