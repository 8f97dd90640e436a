/**
 * Folds the log into Postgres, up to 1,000 events a transaction. The checkpoint moves in the same transaction and only
 * from the value it was read at, so several projectors can run: what one has applied, the others skip.
 */
import * as DeadLetter from "@akave-async/domain/DeadLetter"
import * as Job from "@akave-async/domain/Job"
import { EventLog, lost, type StoredEvent } from "@akave-async/eventing/EventLog"
import * as HashChain from "@akave-async/eventing/HashChain"
import * as NowAndThen from "@akave-async/platform/NowAndThen"
import { readModelTable } from "@akave-async/platform/Postgres"
import { Effect, Option, Schedule, Schema, Stream } from "effect"
import { SqlClient } from "effect/sql"
import * as Projection from "./Projection.ts"

/** The read model is behind what this reader was given first: it must read from the checkpoint again. */
class CheckpointBehind
  extends Schema.TaggedError<CheckpointBehind>()("CheckpointBehind", { sequence: Schema.Natural })
{
  override readonly message = `The read model stands at event ${this.sequence}, before what this projector has read`
}

const decodeJobs = Schema.decodeUnknownEffect(Schema.Array(Schema.toCodecJson(Job.Job)))

const decodeLetters = Schema.decodeUnknownEffect(Schema.Array(Schema.toCodecJson(DeadLetter.DeadLetter)))

const checkpoint = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  const table = yield* readModelTable
  const [row] = yield* sql<{ sequence: number; hash: string }>`
    select sequence, encode(hash, 'hex') as hash from ${
    table("projection_checkpoint")
  } where name = 'events' for update`
  return row ?? (yield* Effect.die(new Error("projection_checkpoint has no row named 'events'")))
})

/** JSON that Postgres takes: its text has no NUL and no half of a surrogate pair, while an error message may have both. */
const toJson = (rows: ReadonlyArray<unknown>): string =>
  JSON.stringify(
    rows,
    (_, value) => typeof value === "string" ? value.toWellFormed().replaceAll("\0", "\ufffd") : value
  )

/** Most batches have none, and then nothing is asked of the database. */
const applyDeadLetters = Effect.fnUntraced(function*(events: Projection.Batch["deadLetterEvents"]) {
  if (events.length === 0) return
  const sql = yield* SqlClient.SqlClient
  const table = yield* readModelTable
  const sequences = [...new Set(events.map(({ event }) => event.sequence))]
  const known = yield* sql<{ letter: unknown }>`
    select letter from ${table("dead_letters")} where sequence = any(${sequences}::bigint[])`
  const before = yield* Effect.orDie(decodeLetters(known.map(({ letter }) => letter)))
  const rows = Projection.deadLetterRows(new Map(before.map((letter) => [letter.sequence, letter])), events)
  yield* sql`
    insert into ${table("dead_letters")} (sequence, subject, type, reason, status, revision, letter)
    select sequence, subject, type, reason, status, revision, letter
    from jsonb_to_recordset(${toJson(rows)}::jsonb) as row(
      sequence bigint, subject text, type text, reason text, status text, revision bigint, letter jsonb)
    on conflict (sequence) do update set reason = excluded.reason, status = excluded.status,
      revision = excluded.revision, letter = excluded.letter`
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

    const batch = Projection.read(hash, unseen)
    yield* Effect.forEach(batch.undecodable, (message) => Effect.logError(message), { discard: true })
    const ids = [...new Set(batch.events.map(({ event }) => event.jobId))]
    const known = yield* sql<{ job: unknown }>`select job from ${table("bucket_jobs")} where id = any(${ids}::uuid[])`
    const before = yield* Effect.orDie(decodeJobs(known.map(({ job }) => job)))
    const { buckets, deletedBuckets, jobEvents, jobs } = Projection.rows(
      new Map(before.map((job) => [job.id, job])),
      batch.events
    )

    yield* sql`
      insert into ${table("event_archive")} (sequence, subject, headers, data, hash)
      select sequence, subject, headers, decode(data, 'hex'), decode(hash, 'hex')
      from jsonb_to_recordset(${JSON.stringify(batch.archive)}::jsonb)
        as row(sequence bigint, subject text, headers text, data text, hash text)`
    yield* sql`
      insert into ${table("job_events")} (sequence, job_id, type, occurred_at, event)
      select sequence, job_id, type, occurred_at, event
      from jsonb_to_recordset(${toJson(jobEvents)}::jsonb)
        as row(sequence bigint, job_id uuid, type text, occurred_at timestamptz, event jsonb)`
    yield* sql`
      insert into ${table("bucket_jobs")}
      select id, operation, bucket_name, owner, tenant, idempotency_key_hash, status, tx_hash, error, created_at, updated_at,
        revision, job
      from jsonb_to_recordset(${toJson(jobs)}::jsonb) as row(
        id uuid, operation text, bucket_name text, owner text, tenant text, idempotency_key_hash text, status text,
        tx_hash text, error jsonb, created_at timestamptz, updated_at timestamptz, revision bigint, job jsonb)
      on conflict (id) do update set status = excluded.status, tx_hash = excluded.tx_hash, error = excluded.error,
        updated_at = excluded.updated_at, revision = excluded.revision, job = excluded.job`
    yield* sql`
      delete from ${table("buckets")} as bucket using jsonb_to_recordset(${
      toJson(deletedBuckets)
    }::jsonb) as row(bucket_id text, revision bigint)
      where bucket.bucket_id = row.bucket_id and bucket.revision < row.revision`
    yield* sql`
      insert into ${table("buckets")} (owner, name, bucket_id, tx_hash, job_id, created_at, revision)
      select owner, name, bucket_id, tx_hash, job_id, created_at, revision
      from jsonb_to_recordset(${toJson(buckets)}::jsonb) as row(
        owner text, name text, bucket_id text, tx_hash text, job_id uuid, created_at timestamptz, revision bigint)
      on conflict do nothing`
    yield* applyDeadLetters(batch.deadLetterEvents)
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
export const standing = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  const table = yield* readModelTable
  const [row] = yield* sql<{ sequence: number; subject: string | null; headers: string | null; data: string | null }>`
    select sequence, subject, headers, encode(data, 'hex') as data
    from ${table("projection_checkpoint")} left join ${table("event_archive")} using (sequence) where name = 'events'`
  return row ?? (yield* Effect.die(new Error("projection_checkpoint has no row named 'events'")))
})

/** The sequence at which the read model stands, if the log is the one that it was made from; else nothing may be applied. */
export const agreed = Effect.gen(function*() {
  const log = yield* EventLog
  const { data, headers, sequence, subject } = yield* standing
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
  const warn = NowAndThen.make()
  return Effect.gen(function*() {
    const log = yield* EventLog
    const sequence = yield* agreed
    yield* Effect.logInfo("projecting").pipe(Effect.annotateLogs({ from: sequence + 1 }))
    // The log hands over all that has come since the last batch, up to its read-ahead of 1,000 events.
    yield* Stream.runForEachArray(log.subscribe(sequence + 1), apply)
  }).pipe(
    Effect.tapError((error) => warn(error.message, error.cause)),
    Effect.retry({ schedule: Schedule.spaced("500 millis") })
  )
})
