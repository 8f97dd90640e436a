/** The whole history, wherever its events are: what was taken out of the log's stream comes from the archive. */
import { EventLog, type Sequence } from "@akave-async/eventing/EventLog"
import * as LogEvents from "@akave-async/eventing/LogEvents"
import * as Archive from "@akave-async/read-model/Archive"
import { Effect, Stream } from "effect"

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
