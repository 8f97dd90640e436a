/** The buckets that are on chain, as far as jobs made them: `buckets`. */
import { kind } from "@akave-async/eventing/BucketEvents"
import * as Kind from "@akave-async/eventing/Kind"
import { readModelTable } from "@akave-async/platform/Postgres"
import { DateTime, Effect } from "effect"
import { SqlClient } from "effect/sql"
import type { Placed } from "../Batch.ts"
import { copyInto, toJson } from "../Rows.ts"
import type { Jobs } from "./Jobs.ts"

/**
 * Rows to write for these events. Buckets that were deleted are removed before others are added, since a bucket may have been
 * deleted and created again.
 */
export const rows = (jobs: Jobs, events: ReadonlyArray<Placed>) => {
  const buckets = new Map<string, Record<string, unknown>>()
  const deletedBuckets = new Map<string, { readonly bucket_id: string; readonly revision: number }>()
  for (const known of events) {
    if (!Kind.isOf(kind, known)) continue
    const { event, sequence } = known
    const job = jobs.get(event.jobId)?.job
    if (job === undefined) continue
    // A bucket that was created twice is the first one's.
    if (event._tag === "BucketCreated" && !buckets.has(event.bucketId)) {
      buckets.set(event.bucketId, {
        owner: job.owner,
        name: kind.jobs?.about(job).bucketName,
        bucket_id: event.bucketId,
        tx_hash: event.transactionHash ?? null,
        job_id: job.id,
        created_at: DateTime.formatIso(event.occurredAt),
        revision: sequence
      })
    }
    if (event._tag === "BucketDeleted") {
      buckets.delete(event.bucketId)
      deletedBuckets.set(event.bucketId, { bucket_id: event.bucketId, revision: sequence })
    }
  }
  return { deletedBuckets: [...deletedBuckets.values()], buckets: [...buckets.values()] }
}

export const apply = Effect.fn("Buckets.apply")(function*(events: ReadonlyArray<Placed>, jobs: Jobs) {
  const sql = yield* SqlClient.SqlClient
  const table = yield* readModelTable
  const { buckets, deletedBuckets } = rows(jobs, events)
  if (deletedBuckets.length > 0) {
    yield* sql`
      delete from ${table("buckets")} as bucket
      using jsonb_to_recordset(${toJson(deletedBuckets)}::jsonb) as row(bucket_id text, revision bigint)
      where bucket.bucket_id = row.bucket_id and bucket.revision < row.revision`
  }
  if (buckets.length === 0) return
  // Nearly all are new: copied in, they take a third of the time.
  const added = buckets.map((row) => columns.map((name) => row[name]))
  yield* sql.withTransaction(copyInto(table("buckets"), columns, added)).pipe(
    Effect.catchReason("SqlError", "UniqueViolation", () => addMissing(buckets))
  )
})

const columns = ["owner", "name", "bucket_id", "tx_hash", "job_id", "created_at", "revision"] as const

/** Adds those that are not there, one by one. */
const addMissing = Effect.fnUntraced(function*(buckets: ReturnType<typeof rows>["buckets"]) {
  const sql = yield* SqlClient.SqlClient
  const table = yield* readModelTable
  yield* sql`
    insert into ${table("buckets")} (owner, name, bucket_id, tx_hash, job_id, created_at, revision)
    select owner, name, bucket_id, tx_hash, job_id, created_at, revision
    from jsonb_to_recordset(${toJson(buckets)}::jsonb) as row(
      owner text, name text, bucket_id text, tx_hash text, job_id uuid, created_at timestamptz, revision bigint)
    on conflict do nothing`
})
