/** The whole history, wherever its events are: what was taken out of the log's stream comes from the archive. */
import * as AtTime from "@akave-async/eventing/AtTime"
import { EventLog, LogUnavailable, type Sequence } from "@akave-async/eventing/EventLog"
import * as LogEvents from "@akave-async/eventing/LogEvents"
import type { Database } from "@akave-async/platform/Postgres"
import * as Archive from "@akave-async/read-model/Archive"
import { type DateTime, Effect, Option, Stream } from "effect"

/** The events of the log from one on to one that it has, in order. */
export const ofLog = (from: Sequence, to: Sequence) =>
  from > to
    ? Stream.empty
    : Stream.unwrap(Effect.map(EventLog, (log) => log.subscribe(from))).pipe(
      Stream.takeUntil(({ sequence }) => sequence >= to),
      Stream.filter(({ sequence }) => sequence <= to)
    )

/** The events of a range, in order: from the archive what was archived, the rest from the log, which must have the last one. */
export const events = (from: Sequence, to: Sequence) =>
  Stream.unwrap(Effect.map(Effect.flatMap(EventLog, LogEvents.archivedUpTo), (seam) =>
    Stream.concat(
      from > seam ? Stream.empty : Archive.events(from, Math.min(to, seam)),
      ofLog(Math.max(from, seam + 1), to)
    )))

/** The first event that happened at a time or later, as {@link AtTime.firstSince} finds it in a log that has all of them. */
export const firstSince = Effect.fnUntraced(function*(time: DateTime.Utc) {
  const log = yield* EventLog
  const context = yield* Effect.context<EventLog | Database>()
  const seam = yield* LogEvents.archivedUpTo(log)
  const read = (from: Sequence, to: Sequence) =>
    Stream.runCollect(events(from, to)).pipe(
      Effect.provideContext(context),
      Effect.mapError((cause) => new LogUnavailable({ operation: "read", cause }))
    )
  return yield* AtTime.firstSince({
    lastSequence: log.lastSequence,
    nextUnder: (tokens, from) =>
      from > seam
        ? log.nextUnder(tokens, from)
        : Effect.map(read(from, from), ([event]) => Option.fromUndefinedOr(event)),
    page: (_, from, limit) => read(from, from + limit - 1)
  }, time)
})
