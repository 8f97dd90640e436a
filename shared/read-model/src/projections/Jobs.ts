/** The jobs of all kinds: `bucket_jobs`. */
import * as Job from "@akave-async/domain/Job"
import type { JobsOf } from "@akave-async/eventing/Kind"
import { Registry } from "@akave-async/eventing/Registry"
import { readModelTable } from "@akave-async/platform/Postgres"
import { DateTime, Effect } from "effect"
import { SqlClient } from "effect/sql"
import type { Placed } from "../Batch.ts"
import { copyInto, toJson } from "../Rows.ts"

/** A job, and the sequence of its last event. */
export interface Folded {
  readonly job: Job.Job
  readonly revision: number
}

/** What an event has made of a job. */
export interface Change {
  readonly before: Job.Job | undefined
  readonly after: Job.Job
  readonly step: Job.Step
}

/** Jobs by their ids. */
export type Jobs = ReadonlyMap<string, Folded>

/** Jobs while events are folded into them. */
export interface Folding {
  readonly jobs: Map<string, Folded>
  /** Those that the events have changed, and their kinds. */
  readonly changed: Map<string, JobsOf>
}

/** Folds events into the jobs that they speak of, as these were before. What a job has seen of these events is passed over. */
export const fold = (
  { changed, jobs }: Folding,
  events: ReadonlyArray<Placed>,
  onChange: (change: Change) => void = () => {}
): void => {
  for (const { kind, sequence, step } of events) {
    if (step === undefined || kind.jobs === undefined) continue
    const known = jobs.get(step.jobId)
    if (known !== undefined && known.revision >= sequence) continue
    const job = Job.evolve(known?.job, step)
    if (job === undefined) continue
    onChange({ before: known?.job, after: job, step })
    jobs.set(step.jobId, { job, revision: sequence })
    changed.set(step.jobId, kind.jobs)
  }
}

/** Rows to write for the jobs that were changed. */
export const rowsOf = ({ changed, jobs }: Folding) =>
  Array.from(changed, ([id, kind]) => {
    const { job, revision } = jobs.get(id) as Folded
    const { bucketName = null, fileName = null } = kind.about(job)
    return {
      id,
      operation: job.operation,
      bucket_name: bucketName,
      file_name: fileName,
      owner: job.owner,
      tenant: job.tenant ?? null,
      status: job.status,
      created_at: DateTime.formatIso(job.createdAt),
      updated_at: DateTime.formatIso(job.updatedAt),
      revision,
      job: kind.toJson(job)
    }
  })
export type Row = ReturnType<typeof rowsOf>[number]

/** The jobs of these ids as the read model has them. */
export const find = Effect.fnUntraced(function*(ids: ReadonlyArray<string>) {
  if (ids.length === 0) return []
  const sql = yield* SqlClient.SqlClient
  const table = yield* readModelTable
  const { readJobs } = yield* Registry
  const found = yield* sql<{ job: unknown; revision: number }>`
    select job, revision from ${table("bucket_jobs")} where id = any(${ids}::uuid[])`
  const jobs = yield* Effect.orDie(readJobs(found.map(({ job }) => job)))
  return jobs.map((job, n): Folded => ({ job, revision: found[n]?.revision ?? 0 }))
})

/**
 * Writes jobs. Those that the read model has not are copied in, which takes it a quarter of the time.
 * @param asked Those that may not be there.
 */
export const write = Effect.fn("Jobs.write")(function*(rows: ReadonlyArray<Row>, asked: ReadonlySet<string>) {
  if (rows.length === 0) return
  const sql = yield* SqlClient.SqlClient
  const table = yield* readModelTable
  const found = asked.size === 0 ? [] : yield* sql<{ id: string }>`
    select id from ${table("bucket_jobs")} where id = any(${[...asked]}::uuid[])`
  const there = new Set(found.map(({ id }) => id))
  const isNew = ({ id }: Row) => asked.has(id) && !there.has(id)
  const [added, changed] = [rows.filter(isNew), rows.filter((row) => !isNew(row))]
  if (added.length > 0) {
    yield* copyInto(
      table("bucket_jobs"),
      columns,
      added.map((row) => columns.map((name) => row[name]))
    )
  }
  if (changed.length === 0) return
  yield* sql`
    insert into ${table("bucket_jobs")}
      (id, operation, bucket_name, file_name, owner, tenant, status, created_at, updated_at, revision, job)
    select id, operation, bucket_name, file_name, owner, tenant, status, created_at, updated_at, revision, job
    from json_to_recordset(${toJson(changed)}::json) as row(
      id uuid, operation text, bucket_name text, file_name text, owner text, tenant text, status text,
      created_at timestamptz, updated_at timestamptz, revision bigint, job jsonb)
    on conflict (id) do update set status = excluded.status, updated_at = excluded.updated_at,
      revision = excluded.revision, job = excluded.job`
})

const columns = [
  "id",
  "operation",
  "bucket_name",
  "file_name",
  "owner",
  "tenant",
  "status",
  "created_at",
  "updated_at",
  "revision",
  "job"
] as const satisfies ReadonlyArray<keyof Row>
