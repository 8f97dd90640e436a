import { Schema } from "effect"
import { Address, BucketId, TransactionHash } from "./Chain.ts"

/** A job is one accepted request; its id is a UUID version 7, so ids sort by the time they were given. */
export const Id = Schema.String.check(Schema.isUUID(7)).pipe(Schema.brand("JobId"))
export type Id = typeof Id.Type

export const Status = Schema.Literals(["queued", "processing", "completed", "failed", "cancelled"])
export type Status = typeof Status.Type

/** The statuses that a job never leaves. */
export const isTerminal = (status: Status): boolean =>
  status === "completed" || status === "failed" || status === "cancelled"

export const ErrorCategory = Schema.Literals([
  "invalid_request",
  "conflict",
  "insufficient_funds",
  "chain_timeout",
  "network",
  "reverted",
  "cancelled",
  "internal"
])
export type ErrorCategory = typeof ErrorCategory.Type

/** Why a job, or one attempt at it, failed. The code is the contract's own error name where there is one. */
export const Failure = Schema.Struct({
  category: ErrorCategory,
  code: Schema.NonEmptyString,
  message: Schema.String
})
export type Failure = typeof Failure.Type

export const Operation = Schema.Literals(["bucket.create", "bucket.delete"])
export type Operation = typeof Operation.Type

/** What a completed job did on chain. */
export const Result = Schema.Struct({
  bucketId: BucketId,
  /** Absent where the transaction of what was adopted is no longer told by the chain. */
  transactionHash: Schema.optionalKey(TransactionHash),
  blockNumber: Schema.optionalKey(Schema.Natural),
  /** Gas units that the transaction used. */
  gasUsed: Schema.optionalKey(Schema.Natural),
  /** True where what the job asks for was so already, and no transaction of this job did it. */
  adopted: Schema.Boolean
})
export type Result = typeof Result.Type

/** A job as the fold of its events. */
export const Job = Schema.Struct({
  id: Id,
  operation: Operation,
  bucketName: Schema.String,
  owner: Address,
  tenant: Schema.optionalKey(Schema.String),
  idempotencyKeyHash: Schema.optionalKey(Schema.String),
  status: Status,
  /** How many attempts were started. */
  attempts: Schema.Natural,
  /** Whether the last attempt that was started has failed. */
  attemptFailed: Schema.Boolean,
  /** When the first attempt was started. */
  startedAt: Schema.optionalKey(Schema.DateTimeUtc),
  /** Not to be tried again before this time. */
  retryAt: Schema.optionalKey(Schema.DateTimeUtc),
  transactionHash: Schema.optionalKey(TransactionHash),
  result: Schema.optionalKey(Result),
  error: Schema.optionalKey(Failure),
  createdAt: Schema.DateTimeUtc,
  updatedAt: Schema.DateTimeUtc
})
export type Job = typeof Job.Type
