/**
 * How a service reacts to events: it is handed them by a durable consumer, and each delivery is settled by what its handler
 * comes to. Done: acknowledged. Again: delivered once more after a time. What no handler can process is set aside as a dead
 * letter, and comes back when it is redriven. While a handler runs, the log is informed that it is in progress.
 */
import * as DeadLetter from "@akave-async/domain/DeadLetter"
import * as Job from "@akave-async/domain/Job"
import * as Measure from "@akave-async/platform/Measure"
import * as RepeatedWarning from "@akave-async/platform/RepeatedWarning"
import * as Retry from "@akave-async/platform/Retry"
import * as Trace from "@akave-async/platform/Trace"
import { Cause, Duration, Effect, Exit, FiberSet, Metric, Option, Schema, Stream } from "effect"
import * as DeadLetterEvents from "./DeadLetterEvents.ts"
import {
  type ConsumerOptions,
  type Delivery,
  type EventLogShape,
  keepInProgress,
  type LogUnavailable,
  type StoredEvent
} from "./EventLog.ts"
import * as Kind from "./Kind.ts"
import type { Outcome } from "./Outcome.ts"
import { type Read, Registry } from "./Registry.ts"

/** An event that a handler is to process. */
export interface Wanted {
  readonly stored: StoredEvent
  readonly known: Kind.Known
  /** Whether no handler has seen it, as a rule: it was delivered for the first time, and not redriven. */
  readonly isFirst: boolean
}

export interface Options extends ConsumerOptions {
  /** The service that sets events aside, as a URI reference. */
  readonly source: string
  /** Whether an event is one to process; any other is acknowledged. */
  readonly wants: (known: Kind.Known) => boolean
  /** Processes an event. It may run twice for one event, also at the same time in two processes. */
  readonly handle: (wanted: Wanted) => Effect.Effect<Outcome, LogUnavailable>
  readonly delays?: Delays
}

export interface Delays {
  /** A handler that failed for want of the log, or because of a defect, runs again after this. */
  readonly failed: Duration.Duration
  /** An event of a type that only a newer release knows is delivered again after this: one may be running by then. */
  readonly newer: Duration.Duration
}
export const delays: Delays = { failed: Duration.seconds(1), newer: Duration.seconds(30) }

/** After an interruption, the handlers under way have this long to end; then others get their events at once. */
export const drainTime = Duration.seconds(5)
/** After so many defects in a row in one process, an event is set aside. */
export const maxDefects = 10
/** How often an event is wanted again at once before there is a pause: it goes round in a circle. */
const triesWithoutPause = 5
/** Characters of a reason that are kept: a defect's text may be of any length. */
const maxReason = 2_000

/** How often events were left to a newer release. */
export const newerEvents = Measure.counter(
  "akave.events.newer",
  "Deliveries of events whose type only a newer release knows"
)

const deliveries = Measure.labelled(
  Measure.counter("akave.reaction.deliveries", "Deliveries of events that a service has settled"),
  ["outcome", "redelivered"]
)

/** An event that is processed here now. It may be delivered again meanwhile, and then the latest delivery is settled. */
interface Running {
  delivery: Delivery
}

/** Reacts to events until it is interrupted; then takes no more, ends what is under way, and lets go of the rest. */
export const run = Effect.fnUntraced(
  // oxlint-disable-next-line max-lines-per-function -- its handling shares the consumer's options
  function*(
    log: EventLogShape,
    { delays: { failed: pause, newer } = delays, handle, source, wants, ...consumer }: Options
  ) {
    const registry = yield* Registry
    // There from the start, so that the first one is a change.
    yield* Metric.update(newerEvents, 0)
    const warnings = new Map<string, ReturnType<typeof RepeatedWarning.make>>()
    const running = new Map<number, Running>()
    /** How many defects in a row an event has met here, by its sequence. */
    const defects = new Map<number, number>()

    const warnOfNewer = (type: string) => {
      const warn = warnings.get(type) ?? RepeatedWarning.make()
      warnings.set(type, warn)
      return warn(`events of type ${type} are left to a newer release, which knows it`)
    }

    const bury = (delivery: Delivery, dead: StoredEvent, reason: string) =>
      setAside(log, source, dead, reason, delivery.deliveryCount).pipe(Effect.andThen(delivery.term(reason)))

    const process = Effect.fnUntraced(function*(run: Running, { known, stored }: Omit<Wanted, "isFirst">) {
      const { event: { sequence }, deliveryCount } = run.delivery
      const isFirst = deliveryCount === 1 && stored.sequence === sequence
      const current: Delivery = { ...run.delivery, inProgress: Effect.suspend(() => run.delivery.inProgress) }
      const { "ce-correlationid": jobId, "ce-type": type, traceparent } = stored.headers
      const exit = yield* keepInProgress(current, consumer.ackWait)(handle({ stored, known, isFirst })).pipe(
        Trace.continued(traceparent, `process ${type}`, {
          kind: "consumer",
          attributes: { "messaging.system": "nats", "messaging.destination.name": stored.subject, "job.id": jobId }
        }),
        Effect.annotateLogs({ jobId, subject: stored.subject, traceId: Trace.idOf(traceparent) }),
        Effect.exit
      )
      const count = Exit.isFailure(exit) && Cause.hasDies(exit.cause) ? (defects.get(sequence) ?? 0) + 1 : 0
      const isDead = count >= maxDefects
      if (count === 0 || isDead) defects.delete(sequence)
      else defects.set(sequence, count)
      const outcome = isDead ? "dead" : Exit.isFailure(exit) ? "failed" : exit.value._tag === "Done" ? "done" : "again"
      yield* Metric.update(deliveries(outcome, `${run.delivery.deliveryCount > 1}`), 1)
      if (Exit.isSuccess(exit)) {
        if (exit.value._tag === "Done") return yield* run.delivery.ack
        const isCircle = run.delivery.deliveryCount > triesWithoutPause
        return yield* run.delivery.nak(isCircle ? Duration.max(exit.value.after, pause) : exit.value.after)
      }
      return yield* isDead ? bury(run.delivery, stored, Cause.pretty(exit.cause)) : Effect.failCause(exit.cause)
    })

    const settle = Effect.fnUntraced(function*(run: Running) {
      const { delivery } = run
      const wanted = yield* resolve(log, registry.read, delivery.event)
      switch (wanted?.read._tag) {
        case undefined:
        case "Foreign":
          return yield* delivery.ack
        case "Newer":
          yield* Metric.update(newerEvents, 1)
          yield* warnOfNewer(wanted.read.error.type)
          return yield* delivery.nak(newer)
        case "Unreadable":
          return yield* bury(delivery, wanted.stored, wanted.read.error.message)
        case "Known":
          if (!wants(wanted.read)) return yield* delivery.ack
          return yield* process(run, { stored: wanted.stored, known: wanted.read })
      }
    }, (settling, run) =>
      settling.pipe(
        Effect.onError((cause) => {
          // What was interrupted goes to another process at once.
          if (Cause.hasInterruptsOnly(cause)) return Effect.ignore(run.delivery.nak(Duration.zero))
          return Effect.logError("a reaction failed", cause).pipe(
            Effect.andThen(Effect.suspend(() => Effect.ignore(run.delivery.nak(pause))))
          )
        }),
        Effect.ensuring(Effect.sync(() => running.delete(run.delivery.event.sequence))),
        Effect.exit
      ))

    const underWay = yield* FiberSet.make()
    const take = Effect.fnUntraced(function*(delivery: Delivery) {
      const known = running.get(delivery.event.sequence)
      // Its handler runs on, and its end settles the latest delivery.
      if (known !== undefined) known.delivery = delivery
      else {
        const run = { delivery }
        running.set(delivery.event.sequence, run)
        yield* FiberSet.run(underWay, settle(run))
      }
    })
    yield* log.consume(consumer).pipe(
      Stream.runForEach(take),
      Effect.tapError((error) => Effect.logWarning(error.message)),
      Effect.retry(Retry.endless(pause)),
      Effect.ensuring(Effect.timeoutOption(FiberSet.awaitEmpty(underWay), drainTime))
    )
  },
  Effect.scoped
)

/**
 * What a delivered event asks to be processed: itself or, where it redrives a dead letter, the event that had died. Nothing
 * where there is nothing to do. It is the event given here that is dead if it can't be processed.
 */
const resolve = Effect.fnUntraced(function*(
  log: EventLogShape,
  read: (stored: StoredEvent) => Read,
  delivered: StoredEvent
) {
  let stored = delivered
  while (true) {
    const found = read(stored)
    if (found._tag !== "Known" || !Kind.isOf(DeadLetterEvents.kind, found)) return { stored, read: found }
    const { event } = found
    if (event._tag === "DeadLettered") return undefined
    const original = yield* log.get(event.sequence)
    // Only what came before can have died, so this comes to an end, whatever is on the subject.
    if (Option.isNone(original) || original.value.sequence >= stored.sequence) {
      yield* Effect.logError(`event ${stored.sequence} redrives event ${event.sequence}, which the log does not have`)
      return undefined
    }
    stored = original.value
  }
})

/**
 * Sets an event aside; one that is set aside already stays as it is. To be done before the event is terminated: what a crash
 * leaves in between is set aside at the next delivery.
 */
export const setAside = Effect.fn("Reaction.setAside")(
  function*(log: EventLogShape, source: string, dead: StoredEvent, reason: string, deliveries: number) {
    const { headers, subject } = dead
    const sequence = DeadLetter.Sequence.make(dead.sequence)
    yield* Effect.logError(`event ${sequence} is set aside: ${reason}`)
    const jobId = Option.getOrUndefined(decodeJobId(headers["ce-correlationid"]))
    const decision = DeadLetter.setAside({
      sequence,
      subject,
      type: headers["ce-type"] ?? "",
      reason: reason.slice(0, maxReason),
      deliveries,
      ...(jobId === undefined ? {} : { jobId }),
      ...(headers["ce-account"] === undefined ? {} : { account: headers["ce-account"] })
    })
    yield* DeadLetterEvents.execute(log, DeadLetter.subject(sequence), DeadLetterEvents.unknown, decision, {
      source,
      causationId: headers["ce-id"],
      traceparent: headers["traceparent"]
    })
  }
)

const decodeJobId = Schema.decodeUnknownOption(Job.Id)
