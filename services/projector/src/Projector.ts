/**
 * Folds the log into Postgres, up to 1,000 events a transaction. The checkpoint moves in the same transaction and only
 * from the value it was read at, so several projectors can run: what one has applied, the others skip.
 */
import { EventLog, lost, type StoredEvent } from "@akave-async/eventing/EventLog"
import * as HashChain from "@akave-async/eventing/HashChain"
import { Registry } from "@akave-async/eventing/Registry"
import { readModelTable } from "@akave-async/platform/Postgres"
import * as RepeatedWarning from "@akave-async/platform/RepeatedWarning"
import * as Retry from "@akave-async/platform/Retry"
import { Effect, Metric, Option, Schema, Stream } from "effect"
import { SqlClient } from "effect/sql"
import * as Batch from "./Batch.ts"
import * as Projections from "./Projections.ts"

/** The read model is behind what this reader was given first: it must read from the checkpoint again. */
class CheckpointBehind
  extends Schema.TaggedError<CheckpointBehind>()("CheckpointBehind", { sequence: Schema.Natural })
{
  override readonly message = `The read model stands at event ${this.sequence}, before what this projector has read`
}

const checkpoint = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  const table = yield* readModelTable
  const [row] = yield* sql<{ sequence: number; hash: string }>`
    select sequence, encode(hash, 'hex') as hash from ${
    table("projection_checkpoint")
  } where name = 'events' for update`
  return row ?? (yield* Effect.die(new Error("projection_checkpoint has no row named 'events'")))
})

const newerEvents = Metric.counter("akave.projector.newer_events", {
  description: "Events that were archived and not projected, because only a newer release knows their type",
  incremental: true
})
const warnOfNewer = RepeatedWarning.make()

/** Reports what is archived and not projected. */
const report = Effect.fnUntraced(function*({ newer, unreadable }: Batch.Batch) {
  yield* Effect.forEach(unreadable, (message) => Effect.logError(message), { discard: true })
  if (newer.length === 0) return
  yield* Metric.update(newerEvents, newer.length)
  const types = [...new Set(newer)].toSorted().join(", ")
  yield* warnOfNewer(`events of types that a newer release knows are archived and not projected: ${types}`)
})

/** Applies what follows on the checkpoint, in one transaction. */
export const apply = Effect.fn("Projector.apply")(function*(stored: ReadonlyArray<StoredEvent>) {
  const sql = yield* SqlClient.SqlClient
  const table = yield* readModelTable
  yield* Effect.annotateCurrentSpan({ "projector.events": stored.length })

  return yield* sql.withTransaction(Effect.gen(function*() {
    const { hash, sequence } = yield* checkpoint
    const unseen = stored.filter((event) => event.sequence > sequence)
    const [first] = unseen
    if (first === undefined) return 0
    if (first.sequence !== sequence + 1) return yield* new CheckpointBehind({ sequence })

    const batch = Batch.read(yield* Registry, hash, unseen)
    yield* report(batch)
    yield* sql`
      insert into ${table("event_archive")} (sequence, subject, headers, data, hash)
      select sequence, subject, headers, decode(data, 'hex'), decode(hash, 'hex')
      from jsonb_to_recordset(${JSON.stringify(batch.archive)}::jsonb)
        as row(sequence bigint, subject text, headers text, data text, hash text)`
    yield* Projections.apply(batch.events)
    yield* sql`
      update ${
      table("projection_checkpoint")
    } set sequence = ${batch.lastSequence}, hash = decode(${batch.lastHash}, 'hex'),
        occurred_at = coalesce(${batch.occurredAt}::timestamptz, occurred_at), updated_at = now()
      where name = 'events' and sequence = ${sequence}`
    return unseen.length
  }))
})

/** The sequence at which the read model stands, and the event that it applied there, as the archive has it. */
export const checkpointEvent = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  const table = yield* readModelTable
  const [row] = yield* sql<{ sequence: number; subject: string | null; headers: string | null; data: string | null }>`
    select sequence, subject, headers, encode(data, 'hex') as data
    from ${table("projection_checkpoint")} left join ${table("event_archive")} using (sequence) where name = 'events'`
  return row ?? (yield* Effect.die(new Error("projection_checkpoint has no row named 'events'")))
})

/** The sequence at which the read model stands, if the log is the one that it was made from; else nothing may be applied. */
export const verifiedCheckpoint = Effect.gen(function*() {
  const log = yield* EventLog
  const { data, headers, sequence, subject } = yield* checkpointEvent
  const last = yield* log.lastSequence
  const remedy = "nothing is applied until the log is restored"
  if (last < sequence) {
    return yield* lost(
      "compare",
      `The event log ends at event ${last}, and the read model has applied ${sequence} events: ${remedy}`
    )
  }
  if (sequence === 0) return sequence
  const stored = yield* log.get(sequence)
  const isSame = Option.exists(
    stored,
    (event) =>
      event.subject === subject && HashChain.canonicalHeaders(event) === headers
      && Buffer.from(event.data).toString("hex") === data
  )
  if (!isSame) {
    return yield* lost(
      "compare",
      `Event ${sequence} of the event log is not the one that the read model has applied: ${remedy}`
    )
  }
  return sequence
})

/** Applies all there is and all that comes, for ever. What fails is tried again from the checkpoint. */
export const run = Effect.suspend(() => {
  const warn = RepeatedWarning.make()
  return Effect.gen(function*() {
    const log = yield* EventLog
    const sequence = yield* verifiedCheckpoint
    yield* Effect.logInfo("projecting").pipe(Effect.annotateLogs({ from: sequence + 1 }))
    // The log hands over all that has come since the last batch, up to its read-ahead of 1,000 events.
    yield* Stream.runForEachArray(log.subscribe(sequence + 1), apply)
  }).pipe(
    Effect.tapError((error) => warn(error.message, error.cause)),
    Effect.retry(Retry.endless("500 millis"))
  )
})
