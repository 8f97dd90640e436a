/** How the log's own records stand in it. */
import * as Log from "@akave-async/domain/Log"
import { Effect, Option, Result } from "effect"
import * as Aggregate from "./Aggregate.ts"
import * as CloudEvent from "./CloudEvent.ts"
import type { EventLogShape, LogUnavailable, Sequence } from "./EventLog.ts"
import * as Kind from "./Kind.ts"

export const codec = CloudEvent.make(Log.Event)

/** The id of a record: there is one for each place of the log, and for each file that events went to. */
const idOf = (event: Log.Event): string => {
  switch (event._tag) {
    case "CheckpointSigned":
      return `${Log.subject(event._tag)}.${event.sequence}`
    case "LogRestored":
      return `${Log.subject(event._tag)}.${event.restoration}`
    case "EventsArchived":
      return `${Log.subject(event._tag)}.${event.sha256}`
  }
}

const aggregate: Aggregate.Aggregate<Log.State, Log.Event> = { ...Log, codec, idOf, jobIdOf: () => undefined }

export const { execute, load } = Aggregate.make(aggregate)

export const kind = Kind.make(Log.kind, ["records"], aggregate)

/** Events up to this one may be in the archive alone; 0 where the log has all of them. */
export const archivedUpTo = (log: EventLogShape): Effect.Effect<Sequence, LogUnavailable> =>
  Effect.map(log.last(Log.subject("EventsArchived")), (last) => {
    const record = Option.flatMap(last, (stored) => Result.getSuccess(codec.decode(stored)))
    return Option.isSome(record) && record.value._tag === "EventsArchived" ? record.value.upTo : 0
  })
