/** The event log in memory, for tests: the same promises as on JetStream, as long as the process lives. */
import { Clock, Duration, Effect, Latch, Layer, Option, Stream } from "effect"
import * as Continuity from "./Continuity.ts"
import { type Delivery, EventLog, type EventLogShape, lost, type StoredEvent, WrongRevision } from "./EventLog.ts"

/** What a log keeps. Tests take it away or change it under an open log; undefined is a log that is missing. */
export interface Storage {
  events: Array<StoredEvent> | undefined
  /**
   * How long an id that was stored is refused, whatever an append expects, and how long the last one is known; for ever by
   * default.
   */
  readonly dedupWindow?: Duration.Input
}

// oxlint-disable-next-line max-lines-per-function -- its operations share the stored events
export const openOn = Effect.fnUntraced(function*(storage: Storage): Effect.fn.Return<EventLogShape> {
  const consumers = new Map<string, Consumer>()
  const dedupWindow = Duration.toMillis(storage.dedupWindow ?? Duration.infinity)
  /** When each id was stored, in milliseconds. */
  const storedAt = new Map<string, number>()
  let seen: Continuity.Seen = { created: "", lastSequence: 0, mark: undefined }
  // Opened by whatever may give a waiting reader work; a reader that finds none closes it and waits.
  const changed = yield* Latch.make()

  const present = () => storage.events ?? []
  const idOf = (event: StoredEvent | undefined) => event?.headers["nats-msg-id"]
  const lastOf = (subject: string) => Option.fromNullishOr(present().findLast((event) => event.subject === subject))

  /** The events, if they are those that were there before, and what follows on them. */
  const known = (operation: string) =>
    Effect.suspend(() => {
      const { events } = storage
      const found = events && {
        lastSequence: events.length,
        idAtMark: seen.mark && idOf(events[seen.mark.sequence - 1])
      }
      const loss = Continuity.loss("in memory", seen, found)
      if (loss !== undefined || events === undefined) return Effect.fail(lost(operation, loss ?? ""))
      remember(events)
      return Effect.succeed(events)
    })
  const remember = (events: ReadonlyArray<StoredEvent>) => {
    const [last] = events.slice(-1)
    if (last === undefined || last.sequence <= seen.lastSequence) return
    seen = { ...seen, lastSequence: last.sequence, mark: { sequence: last.sequence, id: idOf(last) ?? "" } }
  }

  const append: EventLogShape["append"] = Effect.fnUntraced(function*(subject, expected, event) {
    const events = yield* known("append")
    const stored = events.find((one) => idOf(one) === event.id)
    const now = yield* Clock.currentTimeMillis
    const isRemembered = (id: string) => now - (storedAt.get(id) ?? now) <= dedupWindow
    if (stored !== undefined && isRemembered(event.id)) return { sequence: stored.sequence, isDuplicate: true }
    const revision = Option.match(lastOf(subject), { onNone: () => 0, onSome: (last) => last.sequence })
    const lastId = idOf(events.at(-1))
    const knownLastId = lastId !== undefined && isRemembered(lastId) ? lastId : ""
    const isExpected = (expected.revision ?? revision) === revision &&
      (!("lastSequence" in expected) ||
        (expected.lastSequence === events.length && (expected.lastId ?? knownLastId) === knownLastId))
    if (!isExpected) {
      // What stands on the subject is known again, however long ago it was stored.
      if (stored?.subject === subject) return { sequence: stored.sequence, isDuplicate: true }
      return yield* new WrongRevision({ subject })
    }
    const sequence = events.length + 1
    events.push({ sequence, subject, headers: { ...event.headers, "nats-msg-id": event.id }, data: event.data })
    storedAt.set(event.id, now)
    remember(events)
    yield* changed.open
    return { sequence, isDuplicate: false }
  })

  const subscribe: EventLogShape["subscribe"] = (from) =>
    Stream.paginate(
      Math.max(1, from),
      Effect.fnUntraced(function*(next) {
        while (present().length < next) {
          changed.closeUnsafe()
          yield* changed.await
        }
        remember(present())
        return [present().slice(next - 1), Option.some(present().length + 1)] as const
      })
    )

  /** The next event this consumer is owed, redeliveries first; or how many milliseconds until one may be. */
  const take = (consumer: Consumer, maxAckPending: number, now: number): StoredEvent | number => {
    const due = Array.from(consumer.pending).filter(([, { dueAt }]) => dueAt <= now).map(([sequence]) => sequence)
    while (
      consumer.next <= present().length && !isMatch(present()[consumer.next - 1]?.subject ?? "", consumer.filter)
    ) {
      consumer.next++
    }
    const isRoom = consumer.pending.size < maxAckPending && consumer.next <= present().length
    const sequence = due.length > 0 ? Math.min(...due) : isRoom ? consumer.next++ : undefined
    const event = sequence === undefined ? undefined : present()[sequence - 1]
    return event ?? Math.min(Infinity, ...Array.from(consumer.pending.values(), ({ dueAt }) => dueAt - now))
  }

  const consume: EventLogShape["consume"] = (
    { ackWait, filter = ">", maxAckPending, name, startAt = Effect.succeed(1) }
  ) =>
    Stream.unwrap(Effect.gen(function*() {
      const known = consumers.get(name)
      const consumer = known?.filter === filter ? known : { next: yield* startAt, pending: new Map(), filter }
      consumers.set(name, consumer)
      return handedOut(consumer, ackWait, maxAckPending)
    }))

  const handedOut = (consumer: Consumer, ackWait: Duration.Duration, maxAckPending: number) => {
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
      Effect.map(known("read"), (events) => {
        const found = events.filter((event) => event.subject === subject)
        return { events: found, revision: found.at(-1)?.sequence ?? 0 }
      }),
    last: (subject) => Effect.map(known("read last"), () => lastOf(subject)),
    get: (sequence) => Effect.map(known("read"), (events) => Option.fromNullishOr(events[sequence - 1])),
    nextUnder: (tokens, from) =>
      Effect.map(
        known("read"),
        (events) =>
          Option.fromNullishOr(
            events.find(({ sequence, subject }) => sequence >= from && isMatch(subject, `${tokens}.>`))
          )
      ),
    page: (filter, from, limit) =>
      Effect.map(
        known("page"),
        (events) =>
          events.filter(({ sequence, subject }) => sequence >= from && isMatch(subject, filter)).slice(0, limit)
      ),
    load: (name) =>
      Effect.map(known("load"), (events) => {
        const consumer = consumers.get(name)
        return {
          storedBytes: events.reduce((sum, { data }) => sum + data.length, 0),
          maxBytes: undefined,
          waiting: consumer === undefined ?
            0 :
            events.filter(({ sequence, subject }) => sequence >= consumer.next && isMatch(subject, consumer.filter))
              .length
        }
      }),
    lastSequence: Effect.map(known("look"), (events) => events.length),
    subscribe,
    consume,
    forget: (name) => Effect.map(known("forget"), () => void consumers.delete(name))
  }
})

/** Whether a subject has these tokens, of which `*` stands for any one and `>` for one or more at the end. */
const isMatch = (subject: string, filter: string): boolean => {
  const [wanted, found] = [filter.split("."), subject.split(".")]
  const isOpen = wanted.at(-1) === ">"
  const fixed = isOpen ? wanted.slice(0, -1) : wanted
  return (isOpen ? found.length > fixed.length : found.length === fixed.length) &&
    fixed.every((token, n) => token === "*" || token === found[n])
}

/** A log of its own, empty. */
export const open: Effect.Effect<EventLogShape> = Effect.suspend(() => openOn({ events: [] }))

export const layer: Layer.Layer<EventLog> = Layer.effect(EventLog, open)

interface Consumer {
  readonly filter: string
  /** The sequence to deliver for the first time next. */
  next: number
  /** What was delivered and not settled, and when each is due to be delivered again. */
  readonly pending: Map<number, { readonly deliveryCount: number; readonly dueAt: number }>
}
