/** Events that were taken out of the log's stream, from the archive: what is old is read as what is new. */
import * as Job from "@akave-async/domain/Job"
import { EventLog, LogUnavailable, type Sequence, type StoredEvent } from "@akave-async/eventing/EventLog"
import { type Current, subjectOf } from "@akave-async/eventing/JobEvents"
import * as LogEvents from "@akave-async/eventing/LogEvents"
import { ofOwner } from "@akave-async/eventing/Recent"
import { Registry } from "@akave-async/eventing/Registry"
import * as Archive from "@akave-async/read-model/Archive"
import { Effect, Layer, Option, Stream } from "effect"

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

    const archived = (filter: string, from: Sequence, to: Sequence, limit: number) =>
      Archive.events(from, to).pipe(
        Stream.filter(({ subject }) => ofOwner(subject.split(".", 2)[1] ?? "") === filter),
        Stream.take(limit),
        Stream.runCollect,
        Effect.provideContext(context),
        Effect.mapError(unavailable)
      )
    const page = Effect.fnUntraced(function*(filter: string, from: Sequence, limit: number) {
      const events = yield* log.page(filter, from, limit)
      // Asked for afterwards: what is taken out while the page is read is recorded before.
      const to = filter.startsWith("*.0x") ? yield* LogEvents.archivedUpTo(log) : 0
      if (from > to) return events
      const past = yield* archived(filter, from, to, limit)
      return past.length < limit ? [...past, ...yield* log.page(filter, to + 1, limit - past.length)] : past
    })
    return EventLog.of({ ...log, page })
  })
)

/** Whether the events of a job may have been taken out of the log's stream. */
export const isPast = Effect.fnUntraced(function*({ job, revision }: Current) {
  return Job.isTerminal(job.status) && revision <= (yield* LogEvents.archivedUpTo(yield* EventLog))
})

/** The events of a job in the order of the log; those of an old one may be in the archive alone. */
export const eventsOf = Effect.fnUntraced(function*(current: Current) {
  const { job, revision } = current
  const log = yield* EventLog
  const own = ofJob(job, (yield* log.read(subjectOf(job))).events)
  return own.length === 0 && (yield* isPast(current)) ? ofJob(job, yield* archivedOf(job.id, revision)) : own
})

/** Of some events those of a job. */
export const ofJob = (job: Current["job"], events: ReadonlyArray<StoredEvent>) =>
  events.filter(({ headers, subject }) => subject === subjectOf(job) && headers["ce-correlationid"] === job.id)

/** The events of a job that were taken out of the log's stream, in order, given the sequence of its last one. */
const archivedOf = Effect.fnUntraced(function*(id: Job.Id, revision: Sequence) {
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
