/** How an aggregate is read from the log and changed in it: every aggregate that has a subject of its own, in one way. */
import { DateTime, Effect, Result } from "effect"
import type { CloudEvents } from "./CloudEvent.ts"
import { type EventLogShape, type LogUnavailable, type Revision, WrongRevision } from "./EventLog.ts"

/** What the machinery needs to know of an aggregate. */
export interface Aggregate<State, Event, Command, Rejection> {
  readonly codec: CloudEvents<Event>
  readonly initial: State
  readonly evolve: (state: State, event: Event) => State
  readonly decide: (
    state: State,
    command: Command,
    occurredAt: DateTime.Utc
  ) => Result.Result<ReadonlyArray<Event>, Rejection>
  /** The id of an event: one fact has one id, whoever records it and however often. */
  readonly idOf: (event: Event) => string
  /** The job that an event belongs to, where it belongs to one. */
  readonly jobOf: (event: Event) => string | undefined
}

export interface Loaded<State> {
  readonly state: State
  readonly revision: Revision
}

/** Who takes a step, and what made them take it. */
export interface Origin {
  /** The writer, as a URI reference. */
  readonly source: string
  readonly causationId?: string | undefined
  readonly traceparent?: string | undefined
}

/** Writers that race for one aggregate: each round one of them wins, so a longer run of losses is a defect. */
const rereads = 20

export const make = <State, Event, Command, Rejection extends { readonly _tag: string }>(
  { codec, decide, evolve, idOf, initial, jobOf }: Aggregate<State, Event, Command, Rejection>
) => {
  /** The aggregate behind a subject. What can't be decoded states no fact that is known here, and is passed over. */
  const load = (log: EventLogShape, subject: string): Effect.Effect<Loaded<State>, LogUnavailable> =>
    Effect.map(log.read(subject), ({ events, revision }) => ({
      revision,
      state: events.map(codec.decode).filter(Result.isSuccess).map(({ success }) => success).reduce(evolve, initial)
    }))

  /**
   * Decides on what is known of the aggregate and appends what follows; where another writer was first, decides again on
   * what it wrote. Gives the aggregate as it is then. What is known may be a guess on which the command is accepted: the
   * log refuses what was decided on a wrong one.
   */
  const execute = Effect.fnUntraced(function*(
    log: EventLogShape,
    subject: string,
    known: Loaded<State>,
    command: Command,
    origin: Origin
  ): Effect.fn.Return<Loaded<State>, Rejection | LogUnavailable> {
    const decideOn = Effect.fnUntraced(function*({ revision, state }: Loaded<State>) {
      const occurredAt = yield* DateTime.now
      let loaded: Loaded<State> = { revision, state }
      for (const event of yield* Effect.fromResult(decide(state, command, occurredAt))) {
        const metadata = { ...origin, id: idOf(event), subject, time: occurredAt, correlationId: jobOf(event) }
        const encoded = yield* Effect.orDie(codec.encode(event, metadata))
        const appended = yield* log.append(subject, { revision: loaded.revision }, encoded)
        // The same step was taken by someone else, who may have gone on since.
        if (appended.isDuplicate) return yield* new WrongRevision({ subject })
        loaded = { revision: appended.sequence, state: evolve(loaded.state, event) }
      }
      return loaded
    })
    return yield* decideOn(known).pipe(
      Effect.catchTag("WrongRevision", () =>
        Effect.flatMap(load(log, subject), decideOn).pipe(
          Effect.retry({ while: (error) => error._tag === "WrongRevision", times: rereads })
        )),
      Effect.catchTag("WrongRevision", Effect.die)
    )
  })

  return { load, execute }
}
