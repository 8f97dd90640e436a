/** Readers of the event log get what they are owed, whatever happens between them and a real nats-server. */
import type { NewEvent } from "@akave-async/eventing/CloudEvent"
import type { Delivery, EventLogShape } from "@akave-async/eventing/EventLog"
import * as EventLogJetStream from "@akave-async/eventing/EventLogJetStream"
import { assert, it } from "@effect/vitest"
import { jetstreamManager } from "@nats-io/jetstream"
import { Clock, Duration, Effect, Fiber, Queue, type Scope, Stream } from "effect"
import * as Nats from "../support/Nats.ts"
import * as NatsProxy from "../support/NatsProxy.ts"

const options = { stream: "EVENTS", prefix: "events", replicas: 1, dedupWindow: Duration.minutes(2) }
const ackWait = Duration.seconds(1)
const consumer = { name: "reader", ackWait, maxAckPending: 100 }

const event = (id: string): NewEvent => ({ id, headers: { "ce-id": id }, data: new TextEncoder().encode("{}") })
const append = (log: EventLogShape, id: string) =>
  Effect.retry(log.append(`s.${id}`, { revision: 0 }, event(id)), { while: (error) => error._tag === "LogUnavailable" })

/** A server, a log on it that is read through a proxy, and the same log beside the proxy. */
const world = Effect.gen(function*() {
  const server = yield* Nats.server
  const proxy = yield* NatsProxy.make(server.port)
  const connection = yield* Nats.connected(server.url)
  const beside = yield* EventLogJetStream.open(connection, options)
  const manager = yield* Effect.promise(() => jetstreamManager(connection))
  const log = yield* EventLogJetStream.attach(yield* Nats.connected(proxy.url), options)
  return { server, proxy, beside, log, manager }
})
type World = Effect.Success<typeof world>

/** Reads on, acknowledging, and hands over the ids in the order of their delivery. */
const reader = Effect.fnUntraced(
  function*(log: EventLogShape, settle: (delivery: Delivery) => Effect.Effect<void> = ({ ack }) => Effect.ignore(ack)) {
    const ids = yield* Queue.unbounded<string>()
    yield* log.consume(consumer).pipe(
      // Side by side, as executors work: a settlement that a killed server does not answer holds up no other.
      Stream.mapEffect(
        (delivery) => Effect.andThen(settle(delivery), Queue.offer(ids, delivery.event.headers["ce-id"] ?? "")),
        { concurrency: "unbounded" }
      ),
      Stream.runDrain,
      Effect.forkScoped
    )
    return ids
  }
)
/** Takes deliveries until all of these have come. */
const untilAll = Effect.fnUntraced(function*(ids: Queue.Queue<string>, wanted: ReadonlyArray<string>) {
  const missing = new Set(wanted)
  while (missing.size > 0) missing.delete(yield* Queue.take(ids))
})
const numbered = (name: string, count: number) => Array.from({ length: count }, (_, n) => `${name}-${n}`)

const pullRequest = /^\$JS\.API\.CONSUMER\.MSG\.NEXT\./

const test = (sentence: string, body: (world: World) => Effect.Effect<void, unknown, Scope.Scope>) =>
  it.live(sentence, () => Effect.scoped(Effect.flatMap(world, body)))

test("a reader goes on when its durable consumer is deleted under it", ({ beside, log, manager }) =>
  Effect.gen(function*() {
    const ids = yield* reader(log)
    yield* append(beside, "before")
    yield* untilAll(ids, ["before"])
    yield* Effect.promise(() => manager.consumers.delete(options.stream, consumer.name))
    yield* Effect.forEach(numbered("after", 20), (id) => append(beside, id))
    yield* untilAll(ids, numbered("after", 20))
  }))

test("a reader whose requests the server does not get is replaced", ({ beside, log, proxy }) =>
  Effect.gen(function*() {
    const inboxes = new Set<string>()
    proxy.toServer = ({ args: [subject = "", inbox = ""], verb }) => {
      if (!verb.endsWith("PUB") || !pullRequest.test(subject)) return true
      inboxes.add(inbox)
      return [...inboxes].indexOf(inbox) > 0
    }
    const ids = yield* reader(log)
    yield* append(beside, "one")
    yield* untilAll(ids, ["one"])
    assert.strictEqual(inboxes.size, 2)
  }))

test("a reader that hears nothing of what the server hands out is replaced", ({ beside, log, proxy }) =>
  Effect.gen(function*() {
    const inboxes = new Map<string, string>()
    let deaf: string | undefined
    let swallowed = 0
    proxy.toServer = ({ args: [subject = "", second = ""], verb }) => {
      if (verb === "SUB") inboxes.set(subject, second)
      // The inbox of the first request that is seen, by the number of its subscription.
      if (verb.endsWith("PUB") && pullRequest.test(subject)) deaf ??= inboxes.get(second)
      return true
    }
    proxy.toClient = ({ args: [, subscription], verb }) => {
      if (!verb.endsWith("MSG") || subscription !== deaf) return true
      swallowed++
      return false
    }
    const ids = yield* reader(log)
    yield* append(beside, "one")
    yield* untilAll(ids, ["one"])
    assert.isAbove(swallowed, 0)
  }))

test("a reader goes on when the server has ended its subscription", ({ beside, log, proxy }) =>
  Effect.gen(function*() {
    const subscriptions = new Map<string, string>()
    let current = ""
    proxy.toServer = ({ args: [subject = "", second = ""], verb }) => {
      if (verb === "SUB") subscriptions.set(subject, second)
      if (verb.endsWith("PUB") && pullRequest.test(subject)) current = subscriptions.get(second) ?? ""
      return true
    }
    const ids = yield* reader(log)
    yield* append(beside, "before")
    yield* untilAll(ids, ["before"])
    yield* proxy.inject(`UNSUB ${current}`)
    // Answered behind it, on the same connection.
    yield* log.lastSequence
    yield* append(beside, "after")
    yield* untilAll(ids, ["after"])
  }))

test("a consumer that hands out nothing to any reader is made anew, behind what was settled", ({ beside, log, manager, proxy }) =>
  Effect.gen(function*() {
    const seen: Array<string> = []
    const ids = yield* reader(log, (delivery) => {
      const id = delivery.event.headers["ce-id"] ?? ""
      seen.push(id)
      return id === "kept" ? Effect.void : Effect.ignore(delivery.ack)
    })
    yield* append(beside, "settled")
    yield* append(beside, "kept")
    yield* untilAll(ids, ["settled", "kept"])
    const { created } = yield* Effect.promise(() => manager.consumers.info(options.stream, consumer.name))

    let isDeleted = false
    let requests = 0
    proxy.toServer = ({ args: [subject = ""], verb }) => {
      if (verb.endsWith("PUB") && subject.startsWith("$JS.API.CONSUMER.DELETE.")) isDeleted = true
      if (isDeleted || !verb.endsWith("PUB") || !pullRequest.test(subject)) return true
      requests++
      return false
    }
    yield* proxy.cut
    yield* proxy.mend
    const later = numbered("later", 10)
    yield* Effect.forEach(later, (id) => append(beside, id))
    yield* untilAll(ids, ["kept", ...later])
    assert.isAbove(requests, 0)
    assert.deepStrictEqual(seen.filter((id) => id === "settled"), ["settled"])
    const now = yield* Effect.promise(() => manager.consumers.info(options.stream, consumer.name))
    assert.notStrictEqual(now.created, created)
  }))

test("a reader whose connection was cut for longer than the ack wait goes on when it is back", ({ beside, log, proxy }) =>
  Effect.gen(function*() {
    const held = yield* reader(log, () => Effect.void)
    yield* append(beside, "held")
    yield* untilAll(held, ["held"])
    yield* proxy.cut
    // It comes to another reader when the ack wait is over.
    const other = yield* Stream.runHead(beside.consume(consumer)).pipe(Effect.flatMap(Effect.fromOption))
    assert.strictEqual(other.event.headers["ce-id"], "held")
    yield* other.ack
    yield* proxy.mend
    yield* append(beside, "after")
    yield* untilAll(held, ["after"])
  }))

test("readers go on within 5 s after their server was killed and started again, and miss nothing", ({ beside, log, server }) =>
  Effect.gen(function*() {
    const total = 300
    const ids = yield* reader(log)
    const subscribed: Array<string> = []
    const subscriber = yield* log.subscribe(1).pipe(
      Stream.map(({ headers }) => subscribed.push(headers["ce-id"] ?? "")),
      Stream.takeUntil((count) => count === total + 1),
      Stream.runDrain,
      Effect.forkScoped
    )
    const names = numbered("event", total)
    const times: Array<number> = []
    const writer = yield* Effect.forEach(names, (id, n) =>
      Effect.gen(function*() {
        if (n % 100 === 50) {
          yield* server.kill
          yield* server.start
          const back = yield* Clock.currentTimeMillis
          yield* append(beside, id)
          yield* untilAll(ids, [id])
          times.push((yield* Clock.currentTimeMillis) - back)
        } else yield* append(beside, id)
      })).pipe(Effect.forkScoped)
    yield* Fiber.join(writer)
    yield* append(beside, "last")
    yield* untilAll(ids, ["last"])
    yield* Fiber.join(subscriber)
    assert.deepStrictEqual(subscribed, [...names, "last"])
    console.info(`Readers went on ${times.join(", ")} ms after their server was back.`)
    for (const time of times) assert.isBelow(time, 5000)
  }))
