/** Events that were taken out of the log's stream, from the archive: what is old is read as what is new. */
import type * as Job from "@akave-async/domain/Job"
import { EventLog, LogUnavailable, type Sequence, type StoredEvent } from "@akave-async/eventing/EventLog"
import * as LogEvents from "@akave-async/eventing/LogEvents"
import { ofOwner } from "@akave-async/eventing/Recent"
import { Registry } from "@akave-async/eventing/Registry"
import * as Archive from "@akave-async/read-model/Archive"
import { Effect, Layer, Option, Stream } from "effect"

/** The archive is asked whether something was taken out of the log at most this often. */
const seamFreshness = "10 seconds"

const unavailable = (cause: unknown) => new LogUnavailable({ operation: "read archive", cause })

/**
 * The log, whose pages of an owner's events begin in the archive where they are that old. Pages of other filters are those of the log's
 * stream alone: kinds that are held in memory are never taken out.
 */
export const layer = Layer.effect(
  EventLog,
  Effect.gen(function*() {
    const log = yield* EventLog
    const context = yield* Effect.context<Archive.Database>()
    const seam = yield* Effect.cachedWithTTL(LogEvents.archivedUpTo(log), seamFreshness)

    const archived = (filter: string, from: Sequence, to: Sequence, limit: number) =>
      Archive.events(from, to).pipe(
        Stream.filter(({ subject }) => ofOwner(subject.split(".", 2)[1] ?? "") === filter),
        Stream.take(limit),
        Stream.runCollect,
        Effect.provideContext(context),
        Effect.mapError(unavailable)
      )
    const page = Effect.fnUntraced(function*(filter: string, from: Sequence, limit: number) {
      const to = yield* seam
      if (from > to || !filter.startsWith("*.0x")) return yield* log.page(filter, from, limit)
      const past = yield* archived(filter, from, to, limit)
      return past.length < limit ? [...past, ...yield* log.page(filter, to + 1, limit - past.length)] : past
    })
    return EventLog.of({ ...log, page })
  })
)

/** The events of a job that were taken out of the log's stream, in order, given the sequence of its last one. */
export const ofJob = Effect.fnUntraced(function*(id: Job.Id, revision: Sequence) {
  const { read } = yield* Registry
  const isFirst = (stored: StoredEvent) => {
    const found = read(stored)
    return found._tag === "Known" && found.step?.step === "requested"
  }
  const events: Array<StoredEvent> = []
  for (let to = revision; to > 0 && !events.some(isFirst);) {
    const segment = yield* Archive.segmentBefore(to)
    if (Option.isNone(segment)) break
    const own = (yield* Archive.unpack(segment.value)).filter(({ headers, sequence }) =>
      headers["ce-correlationid"] === id && sequence <= revision
    )
    events.unshift(...own)
    to = segment.value.firstSequence - 1
  }
  return events
}, Effect.mapError(unavailable))
