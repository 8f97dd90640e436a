/**
 * Folds the log into Postgres, a run of events a transaction. The checkpoint moves in the same transaction and only
 * from the value it was read at, so several projectors can run: what one has applied, the others skip.
 */
import { EventLog, lost, type StoredEvent } from "@akave-async/eventing/EventLog"
import * as HashChain from "@akave-async/eventing/HashChain"
import * as Segment from "@akave-async/eventing/Segment"
import * as Measure from "@akave-async/platform/Measure"
import { readModelTable } from "@akave-async/platform/Postgres"
import * as RepeatedWarning from "@akave-async/platform/RepeatedWarning"
import * as Retry from "@akave-async/platform/Retry"
import * as Trace from "@akave-async/platform/Trace"
import { Clock, DateTime, Effect, Metric, Option, Schema, Stream } from "effect"
import { SqlClient } from "effect/sql"
import type * as Batch from "./Batch.ts"
import * as JobMetrics from "./JobMetrics.ts"
import * as Projections from "./Projections.ts"
import * as Reader from "./Reader.ts"

/** The read model is behind what this reader was given first: it must read from the checkpoint again. */
class CheckpointBehind
  extends Schema.TaggedError<CheckpointBehind>()("CheckpointBehind", { sequence: Schema.Natural })
{
  override readonly message = `The read model stands at event ${this.sequence}, before what this projector has read`
}

interface Checkpoint {
  readonly sequence: number
  readonly hash: Uint8Array
}

/** Where the read model stands. */
export const checkpoint = Effect.fnUntraced(function*(lock: "" | "for update" = "") {
  const sql = yield* SqlClient.SqlClient
  const table = yield* readModelTable
  const [row] = yield* sql<Checkpoint>`
    select sequence, hash from ${table("projection_checkpoint")} where name = 'events' ${sql.literal(lock)}`
  return row ?? (yield* Effect.die(new Error("projection_checkpoint has no row named 'events'")))
})

const newerEvents = Measure.counter(
  "akave.projection.newer_events",
  "Events that were archived and not projected, because only a newer release knows their type"
)
const warnOfNewer = RepeatedWarning.make()

/** Reports what is archived and not projected. */
const report = Effect.fnUntraced(function*({ newer, unreadable }: Batch.Batch) {
  yield* Effect.forEach(unreadable, (message) => Effect.logError(message), { discard: true })
  if (newer.length === 0) return
  yield* Metric.update(newerEvents, newer.length)
  const types = [...new Set(newer)].toSorted().join(", ")
  yield* warnOfNewer(`events of types that a newer release knows are archived and not projected: ${types}`)
})

/** Writes a run that follows on the checkpoint. */
const write = Effect.fnUntraced(function*({ batch, jobs, segment }: Reader.Run) {
  const sql = yield* SqlClient.SqlClient
  const table = yield* readModelTable
  const { firstSequence, lastHash, lastSequence, occurredAt } = batch
  yield* sql`
    insert into ${table("event_segments")} (first_sequence, last_sequence, events)
    values (${firstSequence}, ${lastSequence}, ${segment})`
  yield* Projections.apply(batch.events, jobs)
  yield* sql`
    update ${table("projection_checkpoint")} set sequence = ${lastSequence}, hash = ${lastHash},
      occurred_at = coalesce(${
    occurredAt === undefined ? null : DateTime.formatIso(occurredAt)
  }::timestamptz, occurred_at),
      updated_at = now()
    where name = 'events'`
})

/**
 * Applies what of these events follows on the checkpoint, in one transaction, and gives how many it were.
 * @param ahead The same events, if they were read ahead.
 */
export const apply = Effect.fn("Projector.apply")(function*(stored: ReadonlyArray<StoredEvent>, ahead?: Reader.Run) {
  const sql = yield* SqlClient.SqlClient
  yield* Effect.annotateCurrentSpan({ "projector.events": stored.length })
  const begun = yield* Clock.currentTimeNanos
  const run = yield* sql.withTransaction(Effect.gen(function*() {
    const { hash, sequence } = yield* checkpoint("for update")
    const unseen = stored.filter((event) => event.sequence > sequence)
    const [first] = unseen
    if (first === undefined) return undefined
    if (first.sequence !== sequence + 1) return yield* new CheckpointBehind({ sequence })
    const run = ahead !== undefined && unseen.length === stored.length
      ? ahead
      : yield* (yield* Reader.make(hash))(unseen)
    yield* write(run)
    return run
  }))
  if (run === undefined) return 0
  yield* report(run.batch)
  yield* JobMetrics.report(run.jobs.changes)
  yield* Trace.processed("project", run.stored, begun)
  return run.stored.length
})

/** The event that the read model stands at, as its archive has it; none where it stands before the first. */
const lastArchived = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  const table = yield* readModelTable
  const [row] = yield* sql<{ events: Uint8Array }>`
    select events from ${table("event_segments")} order by first_sequence desc limit 1`
  if (row === undefined) return undefined
  return (yield* Effect.promise(() => Segment.unpack(row.events))).at(-1)
})

/** Where the read model stands, if the log is the one that it was made from; else nothing may be applied. */
export const verifiedCheckpoint = Effect.gen(function*() {
  const log = yield* EventLog
  const standing = yield* checkpoint()
  const { sequence } = standing
  const last = yield* log.lastSequence
  const remedy = "nothing is applied until the log is restored"
  if (last < sequence) {
    return yield* lost(
      "compare",
      `The event log ends at event ${last}, and the read model has applied ${sequence} events: ${remedy}`
    )
  }
  if (sequence === 0) return standing
  // The read model may go on meanwhile.
  const archived = yield* lastArchived
  const stored = archived === undefined ? Option.none() : yield* log.get(archived.sequence)
  const isSame = archived !== undefined
    && Option.exists(stored, (event) => HashChain.encode(event).equals(HashChain.encode(archived)))
  if (!isSame) {
    return yield* lost(
      "compare",
      `Event ${
        archived?.sequence ?? sequence
      } of the event log is not the one that the read model has applied: ${remedy}`
    )
  }
  return standing
})

/** Under load events are collected before they are read, so that they are written in fewer transactions: so many milliseconds… */
const pausePerEvent = 1
/** …and never more. */
const longestPause = 40

/** Applies all there is and all that comes, for ever. What fails is tried again from the checkpoint. */
export const run = Effect.suspend(() => {
  const warn = RepeatedWarning.make()
  return Effect.gen(function*() {
    // There from the start, so that the first one is a change.
    yield* Metric.update(newerEvents, 0)
    const log = yield* EventLog
    const { hash, sequence } = yield* verifiedCheckpoint
    yield* Effect.logInfo("projecting").pipe(Effect.annotateLogs({ from: sequence + 1 }))
    const read = yield* Reader.make(hash)
    // Gives all that has come since it was last asked, up to the log's read-ahead.
    const take = yield* Stream.toPull(log.subscribe(sequence + 1))
    const end = yield* log.lastSequence
    let pause = 0
    const next = Effect.gen(function*() {
      if (pause > 0) yield* Effect.sleep(pause)
      const events: Array<StoredEvent> = []
      // What the log held at the start comes for certain; in long runs most of its jobs are written once.
      do events.push(...(yield* take))
      while (events.length < Reader.runSize && (events.at(-1)?.sequence ?? end) < end)
      pause = Math.min(longestPause, pausePerEvent * (events.length - 1))
      return yield* read(events)
    })
    // While one run is written, the next one is read.
    yield* Stream.fromEffectRepeat(next).pipe(
      Stream.buffer({ capacity: 1 }),
      Stream.runForEach((run) => apply(run.stored, run))
    )
  }).pipe(
    Effect.scoped,
    Effect.tapError((error) => warn(error.message, error.cause)),
    Effect.retry(Retry.endless("500 millis"))
  )
})
