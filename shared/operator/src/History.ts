/** The whole history, wherever its events are: what was taken out of the log's stream comes from the archive. */
import * as Log from "@akave-async/domain/Log"
import { EventLog, type Sequence } from "@akave-async/eventing/EventLog"
import * as LogEvents from "@akave-async/eventing/LogEvents"
import * as Archive from "@akave-async/read-model/Archive"
import { Effect, Option, Result, Stream } from "effect"

/** All events up to this one are in the archive, and some of them there alone; 0 where all are in the log. */
export const archivedUpTo = Effect.gen(function*() {
  const log = yield* EventLog
  const last = yield* log.last(Log.subject("EventsArchived"))
  if (Option.isNone(last)) return 0
  const record = LogEvents.codec.decode(last.value)
  return Result.isSuccess(record) && record.success._tag === "EventsArchived" ? record.success.upTo : 0
})

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
  Stream.unwrap(Effect.map(archivedUpTo, (seam) =>
    Stream.concat(
      from > seam ? Stream.empty : Archive.events(from, Math.min(to, seam)),
      ofLog(Math.max(from, seam + 1), to)
    )))
