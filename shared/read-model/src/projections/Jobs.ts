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

/** What mined transactions have paid. */
export interface Spent {
  readonly transactions: number
  /** In wei, of those whose price is known. */
  readonly fees: bigint
}
const nothingSpent: Spent = { transactions: 0, fees: 0n }

/** Jobs while events are folded into them. */
export interface Folding {
  readonly jobs: Map<string, Folded>
  /** Those that the events have changed, and their kinds. */
  readonly changed: Map<string, JobsOf>
  /** What the events report that jobs have paid, beside what those report that come before. */
  readonly spent: Map<string, Spent>
}
export const folding = (): Folding => ({ jobs: new Map(), changed: new Map(), spent: new Map() })

/** What a step reports that its job has paid; what was found done cost it nothing. */
const spentBy = (step: Job.Step): Spent => {
  if ((step.step !== "advanced" && step.step !== "completed") || step.adopted) return nothingSpent
  const { effectiveGasPrice = 0n, gasUsed = 0, transactionHash } = step
  return transactionHash === undefined
    ? nothingSpent
    : { transactions: 1, fees: effectiveGasPrice * BigInt(gasUsed) }
}

/** Folds events into the jobs that they speak of, as these were before. What a job has seen of these events is passed over. */
export const fold = (
  { changed, jobs, spent }: Folding,
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
    const own = spentBy(step)
    if (own.transactions === 0) continue
    const before = spent.get(step.jobId) ?? nothingSpent
    spent.set(step.jobId, { transactions: before.transactions + own.transactions, fees: before.fees + own.fees })
  }
}

/** Rows to write for the jobs that were changed. What they have spent is added to what their rows have. */
export const rowsOf = ({ changed, jobs, spent }: Folding) =>
  Array.from(changed, ([id, kind]) => {
    const { job, revision } = jobs.get(id) as Folded
    const { bucketName = null, fileName = null } = kind.about(job)
    const { fees, transactions } = spent.get(id) ?? nothingSpent
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
      job: kind.toJson(job),
      // JSON has no whole numbers of this size.
      fees: `${fees}`,
      transactions
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
      as job (id, operation, bucket_name, file_name, owner, tenant, status, created_at, updated_at, revision, job,
        fees, transactions)
    select id, operation, bucket_name, file_name, owner, tenant, status, created_at, updated_at, revision, job,
      fees, transactions
    from json_to_recordset(${toJson(changed)}::json) as row(
      id uuid, operation text, bucket_name text, file_name text, owner text, tenant text, status text,
      created_at timestamptz, updated_at timestamptz, revision bigint, job jsonb, fees numeric, transactions int)
    on conflict (id) do update set status = excluded.status, updated_at = excluded.updated_at,
      revision = excluded.revision, job = excluded.job,
      fees = job.fees + excluded.fees, transactions = job.transactions + excluded.transactions
    where job.revision < excluded.revision`
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
  "job",
  "fees",
  "transactions"
] as const satisfies ReadonlyArray<keyof Row>
