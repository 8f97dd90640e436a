/** The jobs of all kinds, and their events: `bucket_jobs` and `job_events`. */
import * as Job from "@akave-async/domain/Job"
import type { JobsOf } from "@akave-async/eventing/Kind"
import { Registry } from "@akave-async/eventing/Registry"
import { readModelTable } from "@akave-async/platform/Postgres"
import { DateTime, Effect } from "effect"
import { SqlClient } from "effect/sql"
import type { Placed } from "../Batch.ts"
import { toJson } from "../Rows.ts"

/** Jobs by their ids. */
export type Jobs = ReadonlyMap<string, Job.Job>

/** Rows to write for these events, and the jobs after them, given the jobs that they speak of as they were before. */
export const rows = (before: Jobs, events: ReadonlyArray<Placed>) => {
  const jobs = new Map<string, Job.Job>()
  const changed = new Map<string, { readonly kind: JobsOf; readonly revision: number }>()
  const jobEvents: Array<Record<string, unknown>> = []
  for (const { event, kind, sequence, step, toJson } of events) {
    if (step === undefined || kind.jobs === undefined) continue
    const { jobId, occurredAt } = step
    jobEvents.push({
      sequence,
      job_id: jobId,
      type: event._tag,
      occurred_at: DateTime.formatIso(occurredAt),
      event: toJson()
    })
    const job = Job.evolve(jobs.get(jobId) ?? before.get(jobId), step)
    if (job === undefined) continue
    jobs.set(jobId, job)
    changed.set(jobId, { kind: kind.jobs, revision: sequence })
  }
  const jobRows = Array.from(changed, ([id, { kind, revision }]) => {
    const job = jobs.get(id) as Job.Job
    return {
      id,
      operation: job.operation,
      bucket_name: kind.about(job).bucketName ?? null,
      owner: job.owner,
      tenant: job.tenant ?? null,
      idempotency_key_hash: job.idempotencyKeyHash ?? null,
      status: job.status,
      tx_hash: Job.transactionOf(job) ?? null,
      error: Job.errorOf(job) ?? null,
      created_at: DateTime.formatIso(job.createdAt),
      updated_at: DateTime.formatIso(job.updatedAt),
      revision,
      job: kind.toJson(job)
    }
  })
  return { jobs: new Map([...before, ...jobs]), jobRows, jobEvents }
}

/** Writes the rows of these events, and gives the jobs that they speak of as they are after them. */
export const apply = Effect.fn("Jobs.apply")(function*(events: ReadonlyArray<Placed>) {
  const sql = yield* SqlClient.SqlClient
  const table = yield* readModelTable
  const { readJobs } = yield* Registry
  const ids = [...new Set(events.flatMap(({ step }) => step === undefined ? [] : [step.jobId]))]
  const known = yield* sql<{ job: unknown }>`select job from ${table("bucket_jobs")} where id = any(${ids}::uuid[])`
  const before = yield* Effect.orDie(readJobs(known.map(({ job }) => job)))
  const { jobEvents, jobRows, jobs } = rows(new Map(before.map((job) => [job.id, job])), events)
  yield* sql`
    insert into ${table("job_events")} (sequence, job_id, type, occurred_at, event)
    select sequence, job_id, type, occurred_at, event
    from jsonb_to_recordset(${toJson(jobEvents)}::jsonb)
      as row(sequence bigint, job_id uuid, type text, occurred_at timestamptz, event jsonb)`
  yield* sql`
    insert into ${table("bucket_jobs")}
    select id, operation, bucket_name, owner, tenant, idempotency_key_hash, status, tx_hash, error, created_at, updated_at,
      revision, job
    from jsonb_to_recordset(${toJson(jobRows)}::jsonb) as row(
      id uuid, operation text, bucket_name text, owner text, tenant text, idempotency_key_hash text, status text,
      tx_hash text, error jsonb, created_at timestamptz, updated_at timestamptz, revision bigint, job jsonb)
    on conflict (id) do update set status = excluded.status, tx_hash = excluded.tx_hash, error = excluded.error,
      updated_at = excluded.updated_at, revision = excluded.revision, job = excluded.job`
  return jobs
})
