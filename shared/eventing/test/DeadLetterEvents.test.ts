import * as DeadLetter from "@akave-async/domain/DeadLetter"
import * as Job from "@akave-async/domain/Job"
import { assert, describe, it } from "@effect/vitest"
import { DateTime, Effect, Result } from "effect"
import * as BucketEvents from "../src/BucketEvents.ts"
import { codec, execute, idOf, kind, load, unknown } from "../src/DeadLetterEvents.ts"
import type { EventLogShape } from "../src/EventLog.ts"
import * as EventLogMemory from "../src/EventLogMemory.ts"
import * as Kind from "../src/Kind.ts"
import * as Registry from "../src/Registry.ts"

const sequence = DeadLetter.Sequence.make(7)
const subject = DeadLetter.subject(sequence)
const jobId = Job.Id.make("019845e1-682f-7b02-a706-3b2422d13aec")
const letter = { sequence, subject: "bucket.a.b", type: "akave.BucketRequested.v1", reason: "it died", deliveries: 10 }
const setAside = DeadLetter.setAside({ ...letter, jobId })
const redrive = DeadLetter.redrive({ sequence, redrivenBy: "a client" })
const origin = { source: "/test" }

/** Who sets an event aside does not look whether others did so before; who redrives it does. */
const run = (log: EventLogShape, decide: typeof setAside | typeof redrive) =>
  Effect.flatMap(
    decide === setAside ? Effect.succeed(unknown) : load(log, subject),
    (known) => execute<{ readonly _tag: string }>(log, subject, known, decide, origin)
  )

describe("a dead letter", () => {
  it.effect("goes through rounds, whose events are facts of their own", () =>
    Effect.gen(function*() {
      const log = yield* EventLogMemory.open
      for (const decide of [setAside, setAside, redrive, setAside, redrive]) yield* run(log, decide)
      const { events, revision } = yield* log.read(subject)
      assert.deepStrictEqual(events.map(({ headers }) => headers["ce-id"]), [
        "dead-letter.7.1.dead",
        "dead-letter.7.1.redriven",
        "dead-letter.7.2.dead",
        "dead-letter.7.2.redriven"
      ])
      assert.strictEqual(events[0]?.headers["ce-correlationid"], jobId)
      assert.notProperty(events[1]?.headers, "ce-correlationid")
      const loaded = yield* load(log, subject)
      assert.strictEqual(loaded.revision, revision)
      assert.deepInclude(loaded.state, { ...letter, jobId, round: 2, status: "redriven", redrivenBy: "a client" })
    }))

  it.effect("is redriven by one of those who try at once", () =>
    Effect.gen(function*() {
      const log = yield* EventLogMemory.open
      yield* run(log, setAside)
      const known = yield* load(log, subject)
      const tried = yield* Effect.forEach(
        Array.from({ length: 10 }),
        () => Effect.result(execute(log, subject, known, redrive, origin)),
        { concurrency: "unbounded" }
      )
      assert.lengthOf(tried.filter(Result.isSuccess), 1)
      const refused = tried.filter(Result.isFailure).map(({ failure }) => failure._tag)
      assert.deepStrictEqual([...new Set(refused)], ["AlreadyRedriven"])
      assert.strictEqual((yield* log.read(subject)).events.length, 2)
    }))

  it.effect("is set aside once by all who try at once", () =>
    Effect.gen(function*() {
      const log = yield* EventLogMemory.open
      const tried = yield* Effect.forEach(Array.from({ length: 10 }), () => run(log, setAside), {
        concurrency: "unbounded"
      })
      assert.deepStrictEqual([...new Set(tried.map(({ revision }) => revision))], [1])
    }))

  it.effect("is known in spite of what nobody can read on its subject", () =>
    Effect.gen(function*() {
      const log = yield* EventLogMemory.open
      const garbage = { id: "garbage", headers: { "ce-type": "akave.DeadLettered.v1" }, data: Uint8Array.of(255) }
      yield* log.append(subject, { revision: 0 }, garbage)
      assert.deepStrictEqual(yield* load(log, subject), { state: undefined, revision: 1 })
      assert.strictEqual((yield* run(log, setAside)).revision, 2)
    }))
})

it.effect.prop(
  "reports each event of the log with the aggregate of its subject",
  [DeadLetter.Event],
  ([event]) =>
    Effect.gen(function*() {
      const metadata = { id: idOf(event), source: "/test", subject, time: event.occurredAt }
      const { data, headers } = yield* codec.encode(event, metadata)
      const stored = { sequence: 9, subject: DeadLetter.subject(event.sequence), headers, data }
      const { read } = Registry.of(Registry.kinds)
      const known = read(stored)
      assert.isTrue(known._tag === "Known" && Kind.isOf(kind, known) && !Kind.isOf(BucketEvents.kind, known))
      assert.deepInclude(known, { event, step: undefined })
      assert.strictEqual(read({ ...stored, subject: "bucket.a.b" })._tag, "Newer")
      assert.strictEqual(read({ ...stored, subject: "crate.a.b" })._tag, "Foreign")
      assert.isTrue(Result.isFailure(BucketEvents.codec.decode(stored)))
    })
)

it("gives no two facts one id", () => {
  const occurredAt = DateTime.makeUnsafe(0)
  const ids = [7, 71].flatMap((n) =>
    [1, 11].flatMap((round) => {
      const common = { sequence: DeadLetter.Sequence.make(n), round, occurredAt }
      const dead = DeadLetter.DeadLettered.make({ ...letter, ...common })
      return [dead, DeadLetter.DeadLetterRedriven.make({ ...common, redrivenBy: "a client" })].map(idOf)
    })
  )
  assert.strictEqual(new Set(ids).size, 8)
})
