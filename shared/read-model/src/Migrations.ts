/**
 * The tables of the read model, one migration a change: additive, unless it says otherwise. All of them can be dropped and filled
 * again.
 */
import * as HashChain from "@akave-async/eventing/HashChain"
import * as Segment from "@akave-async/eventing/Segment"
import { migrationsTable, ReadModelSchema, readModelTable } from "@akave-async/platform/Postgres"
import * as Retry from "@akave-async/platform/Retry"
import { Effect, Record, Schema } from "effect"
import { Migrator, SqlClient, SqlError } from "effect/sql"

const readModel = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  const table = yield* readModelTable
  yield* sql`
    create table ${table("bucket_jobs")} (
      id uuid primary key,
      operation text not null,
      bucket_name text not null,
      owner text not null,
      tenant text,
      idempotency_key_hash text,
      status text not null,
      tx_hash text,
      error jsonb,
      created_at timestamptz not null,
      updated_at timestamptz not null,
      -- The sequence of the job's last event.
      revision bigint not null,
      -- The job as the fold of its events.
      job jsonb not null
    )`
  yield* sql`create index bucket_jobs_status on ${table("bucket_jobs")} (status, id)`
  yield* sql`create index bucket_jobs_created_at on ${table("bucket_jobs")} (created_at, id)`
  yield* sql`create index bucket_jobs_bucket_name on ${table("bucket_jobs")} (bucket_name text_pattern_ops, id)`
  // Not unique: the log decides what happened, and a read model that refuses a fact stops.
  yield* sql`create index bucket_jobs_idempotency_key on ${table("bucket_jobs")} (owner, tenant, idempotency_key_hash)
    where idempotency_key_hash is not null`
  yield* sql`
    create table ${table("buckets")} (
      owner text not null,
      name text not null,
      bucket_id text not null unique,
      tx_hash text,
      job_id uuid not null,
      created_at timestamptz not null,
      revision bigint not null,
      primary key (owner, name)
    )`
  yield* sql`
    create table ${table("job_events")} (
      sequence bigint primary key,
      job_id uuid not null,
      type text not null,
      occurred_at timestamptz not null,
      event jsonb not null
    )`
  yield* sql`create index job_events_job on ${table("job_events")} (job_id, sequence)`
  yield* sql`
    create table ${table("event_archive")} (
      sequence bigint primary key,
      subject text not null,
      -- The JSON text that goes into the hash.
      headers text not null,
      data bytea not null,
      hash bytea not null
    )`
  yield* sql`
    create table ${table("projection_checkpoint")} (
      name text primary key,
      sequence bigint not null,
      hash bytea not null,
      -- When the last event that was applied had happened.
      occurred_at timestamptz,
      updated_at timestamptz not null default now()
    )`
  yield* sql`insert into ${table("projection_checkpoint")} (name, sequence, hash)
    values ('events', 0, decode(repeat('00', 32), 'hex'))`
})

const deadLetters = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  const table = yield* readModelTable
  yield* sql`
    create table ${table("dead_letters")} (
      -- The sequence of the event that died.
      sequence bigint primary key,
      subject text not null,
      type text not null,
      reason text not null,
      status text not null,
      -- The sequence of the letter's last event.
      revision bigint not null,
      -- The dead letter as the fold of its events.
      letter jsonb not null
    )`
  yield* sql`create index dead_letters_status on ${table("dead_letters")} (status, sequence)`
})

/** Jobs of other kinds have no bucket, and a job holds what its request held in one place. */
const jobsOfAllKinds = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  const table = yield* readModelTable
  yield* sql`alter table ${table("bucket_jobs")} alter column bucket_name drop not null`
  yield* sql`
    update ${table("bucket_jobs")}
    set job = (job - 'bucketName') || jsonb_build_object('request', jsonb_build_object('name', job->'bucketName'))
    where job ? 'bucketName'`
})

/** Buckets are listed by their owner, whichever case its address is written in. */
const bucketsOfOwner = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  const table = yield* readModelTable
  yield* sql`create index buckets_owner on ${table("buckets")} (lower(owner), name)`
})

/** Jobs are listed by their owner, the latest first. */
const jobsOfOwner = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  const table = yield* readModelTable
  yield* sql`create index bucket_jobs_owner on ${table("bucket_jobs")} (lower(owner), id)`
})

/**
 * The archive holds runs of events, each compressed as one, in place of a row for each event. Tables and columns go that hold what
 * archive and jobs hold too: a projector of an earlier release fails from then on, and applies nothing.
 */
const eventSegments = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  const table = yield* readModelTable
  yield* sql`
    create table ${table("event_segments")} (
      first_sequence bigint primary key,
      last_sequence bigint not null,
      -- What goes into the hash of each, in order, as one zstd frame.
      events bytea not null
    )`
  // It is compressed already.
  yield* sql`alter table ${table("event_segments")} alter column events set storage external`
  let next = 1
  while (true) {
    const rows = yield* sql<{ sequence: number; subject: string; headers: string; data: Uint8Array }>`
      select sequence, subject, headers, data from ${table("event_archive")}
      where sequence >= ${next} order by sequence limit ${segmentSize}`
    const events = rows.map(({ headers, ...event }) => ({ ...event, headers: Object.fromEntries(JSON.parse(headers)) }))
    const [first, last] = [events[0], events.at(-1)]
    if (first === undefined || last === undefined) break
    const segment = yield* Effect.promise(() => Segment.pack(events.map(HashChain.encode)))
    yield* sql`
      insert into ${table("event_segments")} (first_sequence, last_sequence, events)
      values (${first.sequence}, ${last.sequence}, ${segment})`
    next = last.sequence + 1
  }
  yield* sql`drop table ${table("event_archive")}, ${table("job_events")}`
  yield* sql`
    alter table ${table("bucket_jobs")} drop column tx_hash, drop column error, drop column idempotency_key_hash`
})
/** Events of one segment that are archived already. */
const segmentSize = 1_000

/** Webhooks, and what was sent to them. */
const webhooks = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  const table = yield* readModelTable
  yield* sql`
    create table ${table("webhooks")} (
      id text primary key,
      owner text not null,
      tenant text,
      status text not null,
      -- The sequence of the webhook's last event.
      revision bigint not null,
      -- The webhook as the fold of its events.
      webhook jsonb not null
    )`
  yield* sql`create index webhooks_owner on ${table("webhooks")} (lower(owner), id)`
  yield* sql`
    create table ${table("webhook_deliveries")} (
      webhook_id text not null,
      -- The sequence of the event that is sent.
      sequence bigint not null,
      outcome text not null,
      -- The sequence of the delivery's last event.
      revision bigint not null,
      -- The delivery as the fold of its attempts.
      delivery jsonb not null,
      primary key (webhook_id, sequence)
    )`
  yield* sql`create index webhook_deliveries_outcome on ${table("webhook_deliveries")} (webhook_id, outcome, sequence)`
})

/** Files on the network, which file a job is on, and what jobs have paid. */
const files = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  const table = yield* readModelTable
  yield* sql`
    create table ${table("files")} (
      owner text not null,
      bucket_name text not null,
      name text not null,
      file_id text not null,
      root_cid text not null,
      -- Bytes of the file, and of all its blocks.
      size bigint not null,
      encoded_size bigint not null,
      sha256 text not null,
      content_type text,
      encryption text not null,
      key_id text,
      name_on_wire text,
      parity_blocks int not null,
      is_public boolean not null,
      tenant text,
      job_id uuid not null,
      created_at timestamptz not null,
      -- The sequence of the last event that has changed it.
      revision bigint not null,
      primary key (owner, bucket_name, name)
    )`
  yield* sql`create index files_by_name on ${table("files")} (lower(owner), bucket_name, name collate "C")`
  // What a job's mined transactions have paid, in wei, and how many it has had.
  yield* sql`alter table ${table("bucket_jobs")} add column file_name text,
    add column fees numeric not null default 0, add column transactions int not null default 0`
  // Until now a job had one transaction, which its end tells of.
  yield* sql`
    update ${table("bucket_jobs")} set transactions = 1,
      fees = coalesce((job -> 'result' ->> 'gasUsed')::numeric * (job -> 'result' ->> 'effectiveGasPrice')::numeric, 0)
    where status = 'completed' and job -> 'result' ->> 'adopted' = 'false' and job -> 'result' ? 'transactionHash'`
  // Of a bucket that is to be deleted, the jobs that have not ended are asked for.
  yield* sql`create index bucket_jobs_live on ${table("bucket_jobs")} (lower(owner), bucket_name)
    where status in ('queued', 'processing')`
})

/** The migrator says which migration failed, and the database's error within says why. */
const reasonOf = (cause: unknown): string => {
  if (!(cause instanceof Error)) return "for an unknown reason"
  return SqlError.isSqlError(cause.cause) ? `${cause.message}: ${cause.cause.message}` : cause.message
}

/** The tables could not be made as they have to be; says what the database said. */
export class MigrationFailed extends Schema.TaggedError<MigrationFailed>()("MigrationFailed", {
  cause: Schema.Defect()
}) {
  override readonly message = `The read model's tables can't be made: ${reasonOf(this.cause)}`
}

/** By their numbers, which go up; the last is `readModelMigration`. */
export const migrations = {
  "0001_read_model": readModel,
  "0002_dead_letters": deadLetters,
  "0003_jobs_of_all_kinds": jobsOfAllKinds,
  "0004_buckets_of_owner": bucketsOfOwner,
  "0005_jobs_of_owner": jobsOfOwner,
  "0006_event_segments": eventSegments,
  "0007_webhooks": webhooks,
  "0008_files": files
}

/** Creates or updates the read model's tables. Within a transaction it may be done once only: what fails ends the transaction. */
export const migrateOnce = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  const schema = yield* ReadModelSchema
  // Asked for first: a role that may use the schema need not be one that may create others.
  const found = yield* sql`select 1 from pg_catalog.pg_namespace where nspname = ${schema}`
  if (found.length === 0) yield* sql`create schema if not exists ${sql(schema)}`
  yield* Migrator.make({})({
    loader: Migrator.fromRecord(
      Record.map(
        migrations,
        (migration) => Effect.provideService(migration, ReadModelSchema, schema)
      )
    ),
    table: `${schema}.${migrationsTable}`
  })
})

/** The same. Several projectors may start at once: the losers of that race try again. */
export const migrate = migrateOnce.pipe(
  Effect.retry(Retry.times(5, "500 millis")),
  Effect.mapError((cause) => new MigrationFailed({ cause }))
)
