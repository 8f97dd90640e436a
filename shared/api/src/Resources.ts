/** What the HTTP API shows: JSON with snake_case names and every field always there, null where it has no value. */
import { BucketName } from "@akave-async/domain/BucketName"
import { Address, BucketId, TransactionHash } from "@akave-async/domain/Chain"
import * as Job from "@akave-async/domain/Job"
import { Schema } from "effect"

export const JobResource = Schema.Struct({
  job_id: Job.Id,
  operation: Job.Operation,
  bucket_name: Schema.String,
  owner: Address,
  status: Job.Status,
  /** The transaction that carries the job, as soon as one is sent. */
  tx_hash: Schema.NullOr(TransactionHash),
  result: Schema.NullOr(Schema.Struct({
    bucket_id: BucketId,
    tx_hash: Schema.NullOr(TransactionHash),
    block_number: Schema.NullOr(Schema.Natural),
    gas_used: Schema.NullOr(Schema.Natural),
    adopted: Schema.Boolean
  })),
  error: Schema.NullOr(Job.Failure),
  attempts: Schema.Natural,
  created_at: Schema.DateTimeUtc,
  updated_at: Schema.DateTimeUtc
}).annotate({ identifier: "Job", description: "One accepted request and how far it has come" })
export type JobResource = typeof JobResource.Type

export const jobResource = (job: Job.Job): JobResource => ({
  job_id: job.id,
  operation: job.operation,
  bucket_name: job.bucketName,
  owner: job.owner,
  status: job.status,
  tx_hash: job.transactionHash ?? null,
  result: job.result === undefined ? null : {
    bucket_id: job.result.bucketId,
    tx_hash: job.result.transactionHash ?? null,
    block_number: job.result.blockNumber ?? null,
    gas_used: job.result.gasUsed ?? null,
    adopted: job.result.adopted
  },
  error: job.error ?? null,
  attempts: job.attempts,
  created_at: job.createdAt,
  updated_at: job.updatedAt
})

export const BucketRequest = Schema.Struct({
  name: BucketName
}).annotate({ identifier: "BucketRequest" })

export const BucketResource = Schema.Struct({
  name: Schema.String,
  bucket_id: BucketId,
  owner: Address,
  tx_hash: Schema.NullOr(TransactionHash),
  job_id: Job.Id,
  created_at: Schema.DateTimeUtc
}).annotate({ identifier: "Bucket", description: "A bucket on chain" })
export type BucketResource = typeof BucketResource.Type

export const BucketPage = Schema.Struct({
  buckets: Schema.Array(BucketResource),
  /** Give it as `after` to get the next page; null on the last one. */
  next: Schema.NullOr(Schema.String)
}).annotate({ identifier: "BucketPage" })

const Dependency = Schema.Struct({
  ready: Schema.Boolean,
  detail: Schema.String
})
export const Readiness = Schema.Struct({
  ready: Schema.Boolean,
  event_log: Dependency,
  read_model: Dependency,
  node: Dependency,
  chain: Dependency,
  /** Age of the oldest event that the read model has not applied, in milliseconds; null when it can't be told. */
  projection_lag_ms: Schema.NullOr(Schema.Finite)
}).annotate({ identifier: "Readiness" })
export type Readiness = typeof Readiness.Type
