import { EventLog, type StoredEvent } from "@akave-async/eventing/EventLog"
import * as EventLogMemory from "@akave-async/eventing/EventLogMemory"
import { Nats } from "@akave-async/platform/Nats"
import type { Database } from "@akave-async/platform/Postgres"
import * as Checkpoint from "@akave-async/read-model/Checkpoint"
import { migrate } from "@akave-async/read-model/Migrations"
import { onSchema } from "@akave-async/read-model/test/schema"
import { assert } from "@effect/vitest"
import { ConfigProvider, Context, Effect, Fiber, Layer, Schedule, type Scope } from "effect"
import { inject } from "vitest"
import * as Log from "../src/Log.ts"
import * as Projector from "../src/Projector.ts"

const test = (sentence: string, body: Effect.Effect<void, unknown, Database | Scope.Scope>) =>
  onSchema("projector_log", sentence, body)

const stored = (count: number): Array<StoredEvent> =>
  Array.from({ length: count }, (_, n) => ({
    sequence: n + 1,
    subject: `a.${n}`,
    headers: { "nats-msg-id": `id-${n}`, "ce-type": "akave.Said.v1" },
    data: Uint8Array.of(n, 255)
  }))

const applied = Effect.map(Checkpoint.checkpoint(), ({ sequence }) => sequence)

/** What a projector that has just started says of this log. */
const said = (events: Array<StoredEvent> | undefined) =>
  Effect.flatMap(
    EventLogMemory.openOn({ events }),
    (log) => Effect.provideService(Effect.flip(Checkpoint.verified), EventLog, log)
  ).pipe(Effect.map(({ message }) => message))

const ends =
  "The event log ends at event 3, and the read model has applied 4 events: nothing is applied until the log is restored"
const differs =
  "Event 4 of the event log is not the one that the read model has applied: nothing is applied until the log is restored"

test(
  "a log that does not hold what the read model was made from is reported in a sentence",
  Effect.gen(function*() {
    yield* migrate
    const events = stored(4)
    yield* Projector.apply(events)
    const changed = (change: Partial<StoredEvent>) =>
      events.map((one) => one.sequence === 4 ? { ...one, ...change } : one)

    assert.strictEqual(yield* said(events.slice(0, 3)), ends)
    assert.strictEqual(yield* said(changed({ data: Uint8Array.of(9) })), differs)
    assert.strictEqual(yield* said(changed({ subject: "b" })), differs)
    assert.strictEqual(yield* said(changed({ headers: { "nats-msg-id": "id-3" } })), differs)
    for (const longer of [events, stored(9)]) {
      const log = yield* EventLogMemory.openOn({ events: longer })
      assert.strictEqual((yield* Effect.provideService(Checkpoint.verified, EventLog, log)).sequence, 4)
    }
  })
)

test(
  "nothing of such a log is applied, and what follows is applied once it is restored",
  Effect.gen(function*() {
    yield* migrate
    yield* Projector.apply(stored(4))
    const storage: EventLogMemory.Storage = { events: stored(9).map((one) => ({ ...one, data: Uint8Array.of(0) })) }
    const log = yield* EventLogMemory.openOn(storage)
    let looks = 0
    const counted = { ...log, lastSequence: Effect.tap(log.lastSequence, () => Effect.sync(() => looks++)) }
    const projector = yield* Effect.forkScoped(Effect.provideService(Projector.run, EventLog, counted))
    yield* Effect.repeat(Effect.sync(() => looks), {
      until: (times) => times >= 3,
      schedule: Schedule.spaced("10 millis")
    })
    assert.strictEqual(yield* applied, 4)
    yield* Fiber.interrupt(projector)

    const restored = yield* EventLogMemory.openOn({ events: stored(9) })
    yield* Effect.forkScoped(Effect.provideService(Projector.run, EventLog, restored))
    yield* Effect.repeat(applied, { until: (sequence) => sequence === 9, schedule: Schedule.spaced("10 millis") })
  })
)

let streams = 0
/** A log of its own on the real server, as a projector on this read model attaches to it. */
const attached = Effect.gen(function*() {
  const id = `PROJECTOR_${process.pid}_${++streams}`
  const settings = ConfigProvider.layer(
    ConfigProvider.fromUnknown({ NATS_URL: inject("natsUrl"), EVENTS_STREAM: id, EVENTS_PREFIX: id.toLowerCase() })
  )
  const layer = Log.layerConfig.pipe(Layer.provide(Nats.layerConfig("test")), Layer.provide(settings), Layer.fresh)
  return Context.get(yield* Layer.build(layer), EventLog)
})
const messageOf = (effect: Effect.Effect<unknown, { readonly message: string }>) =>
  Effect.map(Effect.flip(effect), ({ message }) => message)

test(
  "the log is created for an empty read model",
  Effect.gen(function*() {
    yield* migrate
    const log = yield* attached
    assert.strictEqual(yield* log.lastSequence, 0)
    const event = { id: "one", headers: {}, data: new Uint8Array() }
    assert.strictEqual((yield* log.append("a", { revision: 0 }, event)).sequence, 1)
  })
)

test(
  "the log is not created for a read model that has applied events, nor before there is one",
  Effect.gen(function*() {
    const log = yield* attached
    assert.match(yield* messageOf(log.lastSequence), /^The event log did not answer \(create\): /)
    yield* migrate
    yield* Projector.apply(stored(4))
    const sentence =
      /^The event log PROJECTOR_\w+ is missing, and the read model has applied 4 events of it: nothing is/
    assert.match(yield* messageOf(log.lastSequence), sentence)
    assert.match(
      yield* messageOf(log.append("a", { revision: 0 }, { id: "1", headers: {}, data: new Uint8Array() })),
      sentence
    )
  })
)
