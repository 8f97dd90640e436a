/**
 * The port to an event log: an append-only, totally ordered list of events, each under a subject. Subjects are given
 * without the log's own prefix.
 */
import type { Option, Stream } from "effect"
import { Context, Duration, Effect, Schema } from "effect"
import { type NewEvent, type Sequence, type StoredEvent, UndecodableEvent } from "./CloudEvent.ts"

export type { Sequence, StoredEvent } from "./CloudEvent.ts"

/** The sequence of the last message on a subject when it was read, 0 for none. */
export type Revision = number

/** What the writer saw when it decided; the append is refused if something came in between. */
export type Expected =
  /** Nothing was appended to the same subject since this revision. */
  | { readonly revision: Revision }
  /**
   * Nothing at all was appended since this sequence. Where a revision is given, nothing was appended to the same subject
   * since then either.
   *
   * `lastId` is for an append that follows on another one of the same group, whose sequence is only expected: the event
   * there must have this id. A server forgets the last id when it restarts and the dedup window has passed, so an id that
   * was not appended a moment ago says nothing, and must not be given.
   */
  | { readonly lastSequence: Sequence; readonly lastId?: string | undefined; readonly revision?: Revision }

export interface Appended {
  readonly sequence: Sequence
  /** True where an event of the same id was stored before, so that this call stored nothing. */
  readonly isDuplicate: boolean
}

export class WrongRevision extends Schema.TaggedError<WrongRevision>()("WrongRevision", { subject: Schema.String }) {
  override readonly message = `Another event was first on ${this.subject}`
}
/** The log is there no more, or is not the one that was there before. Only a person can put it back. */
export class LogLost extends Schema.TaggedError<LogLost>()("LogLost", { loss: Schema.String }) {
  override readonly message = this.loss
}
export class LogUnavailable extends Schema.TaggedError<LogUnavailable>()("LogUnavailable", {
  operation: Schema.String,
  cause: Schema.Defect()
}) {
  override readonly message = this.cause instanceof LogLost || this.cause instanceof UndecodableEvent
    ? this.cause.message
    : this.cause instanceof WrongRevision
    ? `Other writers were first each time (${this.operation})`
    : `The event log did not answer (${this.operation}): ${
      this.cause instanceof Error ? this.cause.message : this.cause
    }`
  readonly isRetryable = true
}

/** The failure of an operation on a log that was lost. */
export const lost = (operation: string, loss: string): LogUnavailable =>
  new LogUnavailable({ operation, cause: new LogLost({ loss }) })

/** One event handed to a durable consumer. Until it is settled it will be delivered again after the ack wait. */
export interface Delivery {
  readonly event: StoredEvent
  /** How often this event was delivered to the consumer, this time included. */
  readonly deliveryCount: number
  /** Done: never deliver it again. Returns when the log has taken note. */
  readonly ack: Effect.Effect<void, LogUnavailable>
  /** Not done: deliver it again after the delay. */
  readonly nak: (delay: Duration.Duration) => Effect.Effect<void, LogUnavailable>
  /** It can never be done: never deliver it again. */
  readonly term: (reason: string) => Effect.Effect<void, LogUnavailable>
  /** Still at work: start the ack wait anew. */
  readonly inProgress: Effect.Effect<void, LogUnavailable>
}

export interface ConsumerOptions {
  /** Readers with one name share the events between them, and the log keeps their position. */
  readonly name: string
  /** Time without a settlement or a sign of progress after which an event is delivered again. */
  readonly ackWait: Duration.Duration
  /** How many events may be unsettled at once, over all readers of this consumer. */
  readonly maxAckPending: number
  /**
   * The events that are handed out: those whose subjects have these tokens; `*` stands for any one, `>` for one or more at the
   * end. All, if it is not given.
   */
  readonly filter?: string
  /** The first event that a consumer which the log does not know yet is handed; the first of all if it is not given. */
  readonly startAt?: Effect.Effect<Sequence, LogUnavailable>
}

export interface Load {
  /** Bytes that are stored. */
  readonly storedBytes: number
  /** Bytes that may be stored; undefined where there is no limit. */
  readonly maxBytes: number | undefined
  /** Events that the consumer was not handed yet; 0 where there is no such consumer. */
  readonly waiting: number
}

/**
 * A log is known again by what was seen of it. Where it is missing, ends before that or shows another past, every
 * operation fails with a `LogUnavailable` that says so, until the log is as it was; nothing is appended meanwhile.
 */
export interface EventLogShape {
  /** Appends one event. An event whose id is in the log already (within its dedup window) is not stored again. */
  append(subject: string, expected: Expected, event: NewEvent): Effect.Effect<Appended, WrongRevision | LogUnavailable>
  /** All events on a subject, in order, and the revision to state when appending. */
  read(subject: string): Effect.Effect<
    { readonly events: ReadonlyArray<StoredEvent>; readonly revision: Revision },
    LogUnavailable
  >
  /** The last event on a subject. */
  last(subject: string): Effect.Effect<Option.Option<StoredEvent>, LogUnavailable>
  /** The event at a sequence. */
  get(sequence: Sequence): Effect.Effect<Option.Option<StoredEvent>, LogUnavailable>
  /**
   * The first event from this sequence on whose subject begins with these tokens and goes on after them; the token `*` stands
   * for any one.
   */
  nextUnder(tokens: string, from: Sequence): Effect.Effect<Option.Option<StoredEvent>, LogUnavailable>
  /**
   * The first events from this sequence on whose subjects have these tokens, of which `*` stands for any one and `>` for one or
   * more at the end. Fewer than the limit are all that there are so far.
   */
  page(filter: string, from: Sequence, limit: number): Effect.Effect<ReadonlyArray<StoredEvent>, LogUnavailable>
  /** The sequence of the last event in the log, 0 for none. Asks the log, and so reports its loss. */
  readonly lastSequence: Effect.Effect<Sequence, LogUnavailable>
  /** How full the log is, and how much a durable consumer has before it. */
  load(consumer: string): Effect.Effect<Load, LogUnavailable>
  /**
   * Every event from this sequence on, in order, then each new one as it comes. A log that is away is waited for; the
   * stream fails when the log is lost.
   */
  subscribe(from: Sequence): Stream.Stream<StoredEvent, LogUnavailable>
  /** The events that a durable consumer is handed. Each must be settled. A log that is away, or lost, is waited for. */
  consume(options: ConsumerOptions): Stream.Stream<Delivery, LogUnavailable>
  /** Forgets a durable consumer and its position, where there is one. Whoever reads by it makes it anew. */
  forget(consumer: string): Effect.Effect<void, LogUnavailable>
}

/** The log of what happened to buckets and jobs. */
export class EventLog extends Context.Service<EventLog, EventLogShape>()("@akave-async/eventing/EventLog") {}

/**
 * Runs the work while reporting to the log every third of the ack wait that it goes on. A sign that fails, or hangs, is one
 * sign less: the next one follows in its time.
 */
export const keepInProgress = (delivery: Delivery, ackWait: Duration.Duration) =>
<A, E, R>(
  work: Effect.Effect<A, E, R>
): Effect.Effect<A, E, R> => {
  const interval = Duration.times(ackWait, 1 / 3)
  return delivery.inProgress.pipe(
    Effect.timeoutOption(interval),
    Effect.ignore,
    Effect.delay(interval),
    Effect.forever,
    Effect.raceFirst(work)
  ) as Effect.Effect<A, E, R>
}
