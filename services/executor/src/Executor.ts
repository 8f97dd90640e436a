/**
 * The process manager: takes events from the durable consumer that all executors share and takes the step that each asks
 * for. An event is acknowledged when its step is recorded; what a dead executor held comes to another one.
 */
import * as Bucket from "@akave-async/domain/Bucket"
import {
  type Delivery,
  EventLog,
  keepInProgress,
  type LogUnavailable,
  type StoredEvent
} from "@akave-async/eventing/EventLog"
import { Cause, Duration, Effect, Exit, FiberSet, Option, Result, Schedule, Stream } from "effect"
import * as DeadLetters from "./DeadLetters.ts"
import { ExecutorConfig } from "./ExecutorConfig.ts"
import { Lane } from "./Lane.ts"
import { done, type Outcome } from "./Outcome.ts"
import { Steps } from "./Steps.ts"

/** After SIGTERM, the steps under way have this long to come to their next record; then others get them at once. */
const drainTime = Duration.seconds(5)
/** A step that failed for want of the log, or by a defect, is taken again after this. */
const pause = Duration.seconds(1)

/** A step that is to be taken again at once, and was so a few times already, goes round in a circle: it gets a pause. */
const pauseOf = (after: Duration.Duration, { deliveryCount }: Delivery): Duration.Duration =>
  deliveryCount > triesWithoutPause ? Duration.max(after, pause) : after
const triesWithoutPause = 5

/** Reacts to events until it is interrupted; then takes no more, ends what is under way, and lets go of the rest. */
export const run = Effect.scoped(Effect.gen(function*() {
  const log = yield* EventLog
  const steps = yield* Steps
  const lane = yield* Lane
  const { ackWait, maxInFlight } = yield* ExecutorConfig

  const react = (
    event: Bucket.Event,
    stored: StoredEvent,
    isFirst: boolean
  ): Effect.Effect<Outcome, LogUnavailable> => {
    const told = Bucket.stepOf(event)
    switch (told.step) {
      case "requested":
        return steps.attempt(stored, told, isFirst)
      case "submitted":
        return steps.settle(stored, told, isFirst)
      default:
        return Effect.succeed(done)
    }
  }

  /** How often the step of an event died here since it last came to an end, by the event's sequence. */
  const deaths = new Map<number, number>()

  const setAside = (delivery: Delivery, dead: StoredEvent, reason: string) =>
    DeadLetters.record(log, dead, reason, delivery.deliveryCount).pipe(Effect.andThen(delivery.term(reason)))

  const handle = Effect.fnUntraced(function*(delivery: Delivery) {
    const wanted = yield* DeadLetters.wanted(log, delivery.event)
    if (Option.isNone(wanted)) return yield* delivery.ack
    const { event, isRedriven, stored } = wanted.value
    if (Result.isFailure(event)) return yield* setAside(delivery, stored, event.failure.message)
    const isFirst = delivery.deliveryCount === 1 && !isRedriven
    const { sequence } = delivery.event
    const step = lane.work(sequence, react(event.success, stored, isFirst))
    const exit = yield* Effect.exit(keepInProgress(delivery, ackWait)(step))
    const died = Exit.isFailure(exit) && Cause.hasDies(exit.cause) ? (deaths.get(sequence) ?? 0) + 1 : 0
    // A step that dies each time would be delivered for ever.
    const isDead = died >= DeadLetters.maxDeaths
    if (died === 0 || isDead) deaths.delete(sequence)
    else deaths.set(sequence, died)
    if (Exit.isSuccess(exit)) {
      return yield* exit.value._tag === "Done" ? delivery.ack : delivery.nak(pauseOf(exit.value.after, delivery))
    }
    return yield* isDead ? setAside(delivery, stored, Cause.pretty(exit.cause)) : Effect.failCause(exit.cause)
  }, (handling, delivery) =>
    handling.pipe(
      Effect.onError((cause) => {
        // What was interrupted goes to another executor at once.
        if (Cause.hasInterruptsOnly(cause)) return Effect.ignore(delivery.nak(Duration.zero))
        return Effect.logError("a step failed", cause).pipe(Effect.andThen(Effect.ignore(delivery.nak(pause))))
      }),
      Effect.exit
    ))

  const underWay = yield* FiberSet.make()
  yield* log.consume({ name: "executor", ackWait, maxAckPending: maxInFlight }).pipe(
    Stream.runForEach((delivery) => FiberSet.run(underWay, handle(delivery))),
    Effect.tapError((error) => Effect.logWarning(error.message)),
    Effect.retry(Schedule.spaced(pause)),
    Effect.ensuring(Effect.timeoutOption(FiberSet.awaitEmpty(underWay), drainTime))
  )
}))
