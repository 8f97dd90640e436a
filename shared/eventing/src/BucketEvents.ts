/** How bucket events stand in the log, and how a bucket is read from it and changed in it. */
import * as Bucket from "@akave-async/domain/Bucket"
import { DateTime, Effect, Result } from "effect"
import * as CloudEvent from "./CloudEvent.ts"
import { type EventLogShape, type LogUnavailable, type Revision, WrongRevision } from "./EventLog.ts"

export const codec = CloudEvent.make(Bucket.Event)

export interface Loaded {
  readonly state: Bucket.State
  readonly revision: Revision
}

/** The bucket behind a subject. What can't be decoded states no fact that is known here, and is passed over. */
export const load = (log: EventLogShape, subject: string): Effect.Effect<Loaded, LogUnavailable> =>
  Effect.map(log.read(subject), ({ events, revision }) => ({
    revision,
    state: events.map(codec.decode).filter(Result.isSuccess).map(({ success }) => success)
      .reduce(Bucket.evolve, Bucket.initial)
  }))

/** Who takes a step, and what made them take it. */
export interface Origin {
  /** The writer, as a URI reference. */
  readonly source: string
  readonly causationId?: string | undefined
  readonly traceparent?: string | undefined
}

/** Writers that race for one bucket: each round one of them wins, so a longer run of losses is a defect. */
const rereads = 20

/**
 * Decides on what is known of the bucket and appends what follows; where another writer was first, decides again on what
 * it wrote. Gives the bucket as it is then. What is known may be a guess: the log refuses what was decided on a wrong one.
 */
export const execute = Effect.fnUntraced(function*(
  log: EventLogShape,
  subject: string,
  known: Loaded,
  command: Bucket.Command,
  origin: Origin
): Effect.fn.Return<Loaded, Bucket.Rejection | LogUnavailable> {
  const { jobId } = command
  const decideOn = Effect.fnUntraced(function*({ revision, state }: Loaded) {
    const occurredAt = yield* DateTime.now
    let loaded: Loaded = { revision, state }
    for (const event of yield* Effect.fromResult(Bucket.decide(state, command, occurredAt))) {
      const metadata = { ...origin, id: idOf(event), subject, time: occurredAt, correlationId: jobId }
      const encoded = yield* Effect.orDie(codec.encode(event, metadata))
      const appended = yield* log.append(subject, { revision: loaded.revision }, encoded)
      // The same step was taken by someone else, who may have gone on since.
      if (appended.isDuplicate) return yield* new WrongRevision({ subject })
      loaded = { revision: appended.sequence, state: Bucket.evolve(loaded.state, event) }
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

/** The id of an event: one step of one job has one id, whoever takes the step and however often. */
export const idOf = (event: Bucket.Event): string => {
  const { jobId } = event
  const told = Bucket.stepOf(event)
  switch (told.step) {
    case "started":
      return `${jobId}.attempt.${told.event.attempt}.started`
    case "submitted":
      return `${jobId}.submitted.${told.event.transactionHash}`
    case "attemptFailed":
      return `${jobId}.attempt.${told.event.attempt}.failed`
    default:
      return `${jobId}.${told.step}`
  }
}
