/** The event log in memory, for tests: the same promises as on JetStream, as long as the process lives. */
import { Clock, Duration, Effect, Latch, Layer, Option, Stream } from "effect"
import type { NewEvent } from "./CloudEvent.ts"
import { type Delivery, EventLog, type EventLogShape, type StoredEvent, WrongRevision } from "./EventLog.ts"

export interface Options {
  /** How long ids of events are remembered for deduplication; for ever by default. */
  readonly dedupWindow?: Duration.Input
}

export const openWith = Effect.fnUntraced(function*(options: Options): Effect.fn.Return<EventLogShape> {
  const dedupWindow = Duration.toMillis(options.dedupWindow ?? Duration.infinity)
  const events: Array<StoredEvent> = []
  const remembered = new Map<string, { readonly sequence: number; readonly storedAt: number }>()
  const consumers = new Map<string, Consumer>()
  // Opened by whatever may give a waiting reader work; a reader that finds none closes it and waits.
  const changed = yield* Latch.make()

  const lastOf = (subject: string) => Option.fromNullishOr(events.findLast((event) => event.subject === subject))
  const lastId = () => events.at(-1)?.headers["nats-msg-id"]
  const store = (subject: string, event: NewEvent, storedAt: number): number => {
    const sequence = events.length + 1
    events.push({ sequence, subject, headers: { ...event.headers, "nats-msg-id": event.id }, data: event.data })
    remembered.set(event.id, { sequence, storedAt })
    return sequence
  }

  const append: EventLogShape["append"] = Effect.fnUntraced(function*(subject, expected, event) {
    const now = yield* Clock.currentTimeMillis
    const stored = remembered.get(event.id)
    if (stored !== undefined && now - stored.storedAt <= dedupWindow) {
      return { sequence: stored.sequence, isDuplicate: true }
    }
    const isExpected = "revision" in expected
      ? expected.revision === Option.match(lastOf(subject), { onNone: () => 0, onSome: (last) => last.sequence })
      : expected.lastSequence === events.length && expected.lastId === lastId()
    if (!isExpected) return yield* new WrongRevision({ subject })
    const sequence = store(subject, event, now)
    yield* changed.open
    return { sequence, isDuplicate: false }
  })

  const subscribe: EventLogShape["subscribe"] = (from) =>
    Stream.paginate(
      Math.max(1, from),
      Effect.fnUntraced(function*(next) {
        while (events.length < next) {
          changed.closeUnsafe()
          yield* changed.await
        }
        return [events.slice(next - 1), Option.some(events.length + 1)] as const
      })
    )

  /** The next event this consumer is owed, redeliveries first; or how many milliseconds until one may be. */
  const take = (consumer: Consumer, maxAckPending: number, now: number): StoredEvent | number => {
    const due = Array.from(consumer.pending).filter(([, { dueAt }]) => dueAt <= now).map(([sequence]) => sequence)
    const isRoom = consumer.pending.size < maxAckPending && consumer.next <= events.length
    const sequence = due.length > 0 ? Math.min(...due) : isRoom ? consumer.next++ : undefined
    const event = sequence === undefined ? undefined : events[sequence - 1]
    return event ?? Math.min(Infinity, ...Array.from(consumer.pending.values(), ({ dueAt }) => dueAt - now))
  }

  const consume: EventLogShape["consume"] = ({ ackWait, maxAckPending, name }) => {
    const consumer = consumers.get(name) ?? { next: 1, pending: new Map() }
    consumers.set(name, consumer)

    const settle = (sequence: number, dueIn: Duration.Duration | undefined) =>
      Effect.gen(function*() {
        const state = consumer.pending.get(sequence)
        if (state === undefined) return
        if (dueIn === undefined) consumer.pending.delete(sequence)
        else {consumer.pending.set(sequence, {
            ...state,
            dueAt: (yield* Clock.currentTimeMillis) + Duration.toMillis(dueIn)
          })}
        yield* changed.open
      })

    return Stream.fromEffectRepeat(Effect.gen(function*() {
      while (true) {
        const now = yield* Clock.currentTimeMillis
        const taken = take(consumer, maxAckPending, now)
        if (typeof taken !== "number") {
          const { sequence } = taken
          const deliveryCount = (consumer.pending.get(sequence)?.deliveryCount ?? 0) + 1
          consumer.pending.set(sequence, { deliveryCount, dueAt: now + Duration.toMillis(ackWait) })
          return {
            event: taken,
            deliveryCount,
            ack: settle(sequence, undefined),
            nak: (delay) => settle(sequence, delay),
            term: () => settle(sequence, undefined),
            inProgress: settle(sequence, ackWait)
          } satisfies Delivery
        }
        changed.closeUnsafe()
        yield* taken === Infinity ? changed.await : Effect.raceFirst(changed.await, Effect.sleep(taken))
      }
    }))
  }

  return {
    append,
    read: (subject) =>
      Effect.sync(() => {
        const found = events.filter((event) => event.subject === subject)
        return { events: found, revision: found.at(-1)?.sequence ?? 0 }
      }),
    last: (subject) => Effect.sync(() => lastOf(subject)),
    get: (sequence) => Effect.sync(() => Option.fromNullishOr(events[sequence - 1])),
    lastSequence: Effect.sync(() => events.length),
    subscribe,
    consume
  }
})

export const open: Effect.Effect<EventLogShape> = openWith({})

export const layer: Layer.Layer<EventLog> = Layer.effect(EventLog, open)

interface Consumer {
  /** The sequence to deliver for the first time next. */
  next: number
  /** What was delivered and not settled, and when each is due to be delivered again. */
  readonly pending: Map<number, { readonly deliveryCount: number; readonly dueAt: number }>
}
