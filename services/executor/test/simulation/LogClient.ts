/** A log as an executor sees it: over a network that loses, repeats and holds up. */
import { type Delivery, type EventLogShape, LogUnavailable } from "@akave-async/eventing/EventLog"
import { Cause, Effect, type Fiber, Queue, Stream } from "effect"
import type { Dice } from "./Dice.ts"
import type { Line } from "./Network.ts"
import type { Process, Time } from "./Time.ts"

/** How events come to their reader. */
export interface Deliveries {
  /** How often one comes late, which lets later ones overtake it. */
  readonly held: number
  readonly repeated: number
  /** How often the log has forgotten how many times it has delivered an event. */
  readonly miscounted: number
  /** How often a delivery is the last one of its connection. */
  readonly cut: number
}

export const smooth: Deliveries = { held: 0, repeated: 0, miscounted: 0, cut: 0 }

/** Hands a delivery to a reader after some milliseconds. */
export type Reader = (delivery: Delivery, millis: number) => void

export interface ClientOptions {
  readonly name: string
  readonly log: EventLogShape
  readonly line: Line
  readonly time: Time
  readonly dice: Dice
  readonly server: Process
  readonly from: Process
  readonly deliveries: () => Deliveries
  /** All who read at present: an event that is delivered again may come to any of them. */
  readonly readers: Set<Reader>
  readonly staleReads: () => number
}

const away = (operation: string) => new LogUnavailable({ operation, cause: "no answer in time" })

/** The longest that a delivery is held up, in milliseconds. */
const longestHold = 15_000

export const connect = (
  { deliveries, dice, from, line, log, name, readers, server, staleReads, time }: ClientOptions
): EventLogShape => {
  const runSync = Effect.runSyncExitWith(server.context)
  const call = <A, E>(what: string, effect: Effect.Effect<A, E>) =>
    line.call<A, E | LogUnavailable>(`${name} ${what}`, () => runSync(effect), () => away(what))

  /** The last event that the copy which answers has. */
  const visible = Effect.map(log.lastSequence, (last) => dice.chance(staleReads()) ? last - dice.whole(1, 3) : last)

  const remote = (delivery: Delivery, isMiscounted: boolean): Delivery => ({
    event: delivery.event,
    deliveryCount: isMiscounted ? 1 : delivery.deliveryCount,
    ack: call("ack", delivery.ack),
    nak: (delay) => call("nak", delivery.nak(delay)),
    term: (reason) => call("term", delivery.term(reason)),
    inProgress: call("in progress", delivery.inProgress)
  })

  const consume: EventLogShape["consume"] = (options) =>
    Stream.unwrap(Effect.gen(function*() {
      yield* call("consume", Effect.void)
      const startAt = Effect.succeed(options.startAt === undefined ? 1 : yield* options.startAt)
      const mailbox = yield* Queue.unbounded<Delivery, LogUnavailable>()
      let isOpen = true
      const handOver: Reader = (delivery, millis) =>
        time.after(millis, () => {
          if (!isOpen || !from.isAlive()) return
          Queue.offerUnsafe(mailbox, remote(delivery, dice.chance(deliveries().miscounted)))
        })
      const pump: Fiber.Fiber<void, LogUnavailable> = server.fork(
        log.consume({ ...options, startAt }).pipe(Stream.runForEach((delivery) =>
          Effect.sync(() => {
            const { cut, held, repeated } = deliveries()
            handOver(delivery, dice.chance(held) ? dice.between(0, longestHold) : dice.between(0, 30))
            if (dice.chance(repeated)) {
              const [first = handOver, ...others] = readers
              dice.pick([first, ...others])(delivery, dice.between(0, longestHold))
            }
            if (dice.chance(cut)) {
              time.after(dice.between(0, 100), () => {
                isOpen = false
                if (from.isAlive()) Queue.failCauseUnsafe(mailbox, Cause.fail(away("deliver")))
              })
            }
          }).pipe(
            // Readers of one consumer take turns.
            Effect.andThen(Effect.sleep(dice.between(1, 30))),
            Effect.andThen(() => (isOpen && from.isAlive() ? Effect.void : Effect.interrupt))
          )
        ))
      )
      readers.add(handOver)
      yield* Effect.addFinalizer(() =>
        Effect.sync(() => {
          isOpen = false
          readers.delete(handOver)
          pump.interruptUnsafe()
        })
      )
      return Stream.fromQueue(mailbox)
    }))

  return {
    append: (subject, expected, event) => call(`append ${event.id}`, log.append(subject, expected, event)),
    read: (subject) => call("read", log.read(subject)),
    last: (subject) => call("last", log.last(subject)),
    get: (sequence) =>
      call("get", Effect.flatMap(visible, (end) => sequence <= end ? log.get(sequence) : Effect.succeedNone)),
    load: (consumer) => call("load", log.load(consumer)),
    page: (filter, from, limit) => call("page", log.page(filter, from, limit)),
    nextUnder: (tokens, from) => call("next under", log.nextUnder(tokens, from)),
    lastSequence: call("last sequence", log.lastSequence),
    subscribe: (sequence) => log.subscribe(sequence),
    consume,
    forget: (consumer) => call("forget", log.forget(consumer))
  }
}
