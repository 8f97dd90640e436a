/** How an aggregate is read from the log and changed in it: every aggregate that has a subject of its own, in one way. */
import * as Retry from "@akave-async/platform/Retry"
import * as Trace from "@akave-async/platform/Trace"
import { DateTime, Effect, Result } from "effect"
import type { CloudEvents } from "./CloudEvent.ts"
import { type EventLogShape, LogUnavailable, type Revision, WrongRevision } from "./EventLog.ts"

/** What the machinery needs to know of an aggregate. */
export interface Aggregate<State, Event> {
  readonly codec: CloudEvents<Event>
  readonly initial: State
  readonly evolve: (state: State, event: Event) => State
  /** The id of an event: one fact has one id, whoever records it and however often. */
  readonly idOf: (event: Event) => string
  /** The job that an event belongs to, where it belongs to one. */
  readonly jobIdOf: (event: Event) => string | undefined
  /** The account that an event belongs to, given the state that it follows on; nobody's where this is not given. */
  readonly accountOf?: (event: Event, before: State) => string | undefined
  /**
   * Whether it is as if it had never been: whatever is asked of it from now on is decided as on the initial state. Its events may then
   * be taken out of the log's stream. None ever is where this is not given.
   */
  readonly hasEnded?: (state: State) => boolean
}

export interface Loaded<State> {
  readonly state: State
  readonly revision: Revision
}

/** What a command leads to at a time: the events that happen, none if they have happened already; or why it is refused. */
export type Decision<State, Event, Rejection> = (
  state: State,
  occurredAt: DateTime.Utc
) => Result.Result<ReadonlyArray<Event>, Rejection>

/** Who takes a step, and what made them take it. */
export interface Origin {
  /** The writer, as a URI reference. */
  readonly source: string
  readonly causationId?: string | undefined
  /** The trace that the step belongs to; the event names the present span, where that is of this trace. */
  readonly traceparent?: string | undefined
}

/** Writers that race for one aggregate: each round one of them wins, so a longer run of losses is a defect. */
const rereads = Retry.times(20, "5 millis")

export const make = <State, Event>(
  { accountOf, codec, evolve, idOf, initial, jobIdOf }: Aggregate<State, Event>
) => {
  /**
   * The aggregate behind a subject. Data that can't be read states no fact, and is passed over. An event of a type that a
   * newer release has written may state one that matters here, so that such an aggregate is left to newer releases.
   */
  const load = Effect.fnUntraced(
    function*(log: EventLogShape, subject: string): Effect.fn.Return<Loaded<State>, LogUnavailable> {
      const { events, revision } = yield* log.read(subject)
      let state = initial
      for (const stored of events) {
        const decoded = codec.decode(stored)
        if (Result.isSuccess(decoded)) state = evolve(state, decoded.success)
        else if (decoded.failure.isNewer) {
          return yield* new LogUnavailable({ operation: "read", cause: decoded.failure })
        }
      }
      return { revision, state }
    }
  )

  /**
   * Decides on what is known of the aggregate and appends what follows; where another writer was first, decides again on
   * what it wrote. Gives the aggregate as it is then. What is known may be a guess on which the command is accepted: the
   * log refuses what was decided on a wrong one.
   */
  const execute = Effect.fnUntraced(function*<Rejection>(
    log: EventLogShape,
    subject: string,
    known: Loaded<State>,
    decide: Decision<State, Event, Rejection>,
    origin: Origin
  ): Effect.fn.Return<Loaded<State>, Rejection | LogUnavailable> {
    const decideOn = Effect.fnUntraced(function*({ revision, state }: Loaded<State>) {
      const occurredAt = yield* DateTime.now
      const traceparent = yield* Trace.within(origin.traceparent)
      let loaded: Loaded<State> = { revision, state }
      for (const event of yield* Effect.fromResult(decide(state, occurredAt))) {
        const metadata = {
          ...origin,
          traceparent,
          id: idOf(event),
          subject,
          time: occurredAt,
          correlationId: jobIdOf(event),
          account: accountOf?.(event, loaded.state)
        }
        const encoded = yield* Effect.orDie(codec.encode(event, metadata))
        const appended = yield* log.append(subject, { revision: loaded.revision }, encoded)
        // The same step was taken by someone else, who may have gone on since.
        if (appended.isDuplicate) return yield* new WrongRevision({ subject })
        loaded = { revision: appended.sequence, state: evolve(loaded.state, event) }
      }
      return loaded
    })
    const isBeaten = (error: Rejection | LogUnavailable | WrongRevision) => error instanceof WrongRevision
    return yield* decideOn(known).pipe(
      Effect.catchIf(
        isBeaten,
        () => Effect.flatMap(load(log, subject), decideOn).pipe(Effect.retry({ while: isBeaten, schedule: rereads }))
      ),
      Effect.catchIf((error) => error instanceof WrongRevision, Effect.die)
    )
  })

  return { load, execute }
}
