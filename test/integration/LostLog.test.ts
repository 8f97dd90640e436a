/** A log on a real nats-server that comes back without its data, or with other data. */
import type { NewEvent } from "@akave-async/eventing/CloudEvent"
import { type EventLogShape, LogLost } from "@akave-async/eventing/EventLog"
import * as EventLogJetStream from "@akave-async/eventing/EventLogJetStream"
import { assert, it } from "@effect/vitest"
import { Duration, Effect, Fiber, Schedule, type Scope, Stream } from "effect"
import * as Nats from "../support/Nats.ts"
import * as NatsProxy from "../support/NatsProxy.ts"

const options = { stream: "EVENTS", prefix: "events", replicas: 1, dedupWindow: Duration.minutes(2) }
const event = (id: string): NewEvent => ({ id, headers: { "ce-id": id }, data: new TextEncoder().encode("{}") })
const append = (log: EventLogShape, id: string) => log.append(`s.${id}`, { revision: 0 }, event(id))

/** The sentence that reports the loss, once the server answers again. */
const lossOf = (log: EventLogShape) =>
  Effect.flip(log.lastSequence).pipe(
    Effect.repeat({ until: ({ cause }) => cause instanceof LogLost }),
    Effect.map(({ message }) => message)
  )
const untilThere = (log: EventLogShape) => Effect.retry(log.lastSequence, Schedule.spaced("50 millis"))

const test = (sentence: string, body: Effect.Effect<void, unknown, Scope.Scope>) =>
  it.live(sentence, () => Effect.scoped(body))

test(
  "a server without its data takes nothing and gets no stream, until its data is back",
  Effect.gen(function*() {
    const server = yield* Nats.server
    const log = yield* EventLogJetStream.open(yield* Nats.connected(server.url), options)
    for (const id of ["one", "two"]) yield* append(log, id)
    const later = yield* log.consume({ name: "c", ackWait: Duration.seconds(2), maxAckPending: 10 }).pipe(
      Stream.tap(({ ack }) => Effect.ignore(ack)),
      Stream.filter(({ event: { headers } }) => headers["ce-id"] === "three"),
      Stream.runHead,
      Effect.forkScoped
    )
    const subscriber = yield* Effect.forkScoped(Effect.flip(Stream.runDrain(log.subscribe(1))))

    yield* server.startEmpty
    assert.strictEqual(yield* lossOf(log), "The event log EVENTS is missing. It had 2 events: restore it")
    assert.match((yield* Effect.flip(append(log, "three"))).message, /is missing/)
    assert.match((yield* Fiber.join(subscriber)).message, /is missing/)
    assert.deepStrictEqual(yield* Nats.streamsOn(server.url), [])

    yield* server.startRestored
    assert.strictEqual(yield* untilThere(log), 2)
    assert.strictEqual((yield* append(log, "three")).sequence, 3)
    yield* Fiber.join(later)
  })
)

test(
  "what is under way while the server is away is not stored in the log that comes in its place",
  Effect.gen(function*() {
    const server = yield* Nats.server
    const proxy = yield* NatsProxy.make(server.port)
    const log = yield* EventLogJetStream.open(yield* Nats.connected(proxy.url), options)
    for (const id of ["one", "two"]) yield* append(log, id)

    yield* proxy.cut
    yield* server.startEmpty
    const replaced = yield* EventLogJetStream.open(yield* Nats.connected(server.url), options)
    const writers = yield* Effect.forkScoped(Effect.forEach(
      Array.from({ length: 50 }, (_, n) => n),
      (n) => Effect.flip(append(log, `${n}`)),
      { concurrency: "unbounded" }
    ))
    yield* Effect.yieldNow
    yield* proxy.mend
    yield* Fiber.join(writers)
    assert.strictEqual(yield* lossOf(log), "The event log EVENTS has 0 events, and it had 2: restore it")
    // As long as the old one, and longer: it is another one still.
    for (const id of ["a", "b", "c"]) yield* append(replaced, id)
    assert.match(yield* lossOf(log), /was replaced: its event 2 is another than before/)
    assert.match((yield* Effect.flip(append(log, "three"))).message, /was replaced/)
    assert.strictEqual(yield* replaced.lastSequence, 3)

    yield* server.startRestored
    assert.strictEqual(yield* untilThere(log), 2)
    assert.strictEqual((yield* append(log, "three")).sequence, 3)
  })
)

test(
  "a log that nobody has seen is waited for, and read when it is there",
  Effect.gen(function*() {
    const server = yield* Nats.server
    const log = yield* EventLogJetStream.attach(yield* Nats.connected(server.url), options)
    const read = yield* Effect.forkScoped(
      Stream.runHead(log.consume({ name: "c", ackWait: Duration.seconds(2), maxAckPending: 10 }))
    )
    assert.strictEqual((yield* Effect.flip(append(log, "one"))).message, "There is no event log EVENTS")
    assert.deepStrictEqual(yield* Nats.streamsOn(server.url), [])
    yield* EventLogJetStream.create(yield* Nats.connected(server.url), options)
    yield* append(log, "one")
    const delivery = yield* Effect.flatMap(Fiber.join(read), Effect.fromOption)
    assert.strictEqual(delivery.event.headers["ce-id"], "one")
  })
)
