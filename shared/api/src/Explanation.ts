/** How a job got where it is, for people: its life as a timeline, its fee, and what it waits for. */
import { Address, TransactionHash, Wei } from "@akave-async/domain/Ethereum"
import * as Job from "@akave-async/domain/Job"
import { Schema } from "effect"
import { Sequence } from "./Events.ts"
import { Operation } from "./Resources.ts"

/** What an event is to its job; `other` is of a type that this release does not know. */
export const Step = Schema.Literals([
  "requested",
  "started",
  "submitted",
  "attempt_failed",
  "advanced",
  "abandoned",
  "completed",
  "failed",
  "cancelled",
  "other"
])
export type Step = typeof Step.Type

/** What went on between two events. */
export const Pause = Schema.Literals([
  /** The request waited for an executor. */
  "executor",
  /** An executor prepared a transaction: asked the chain, got a nonce, signed and sent it. */
  "preparation",
  /** The transaction waited for the chain. */
  "chain",
  /** The wallet could not pay. */
  "funds",
  /** What failed was to be tried again later. */
  "next_attempt"
])
export type Pause = typeof Pause.Type

export const TimelineEntry = Schema.Struct({
  /** Of the event in the log. */
  sequence: Sequence,
  time: Schema.DateTimeUtc,
  step: Step,
  /** What happened, in words. */
  message: Schema.String,
  attempt: Schema.NullOr(Schema.Natural),
  tx_hash: Schema.NullOr(TransactionHash),
  nonce: Schema.NullOr(Schema.Natural),
  /** What the transaction offers for a gas unit at most, in wei. */
  max_fee_per_gas: Schema.NullOr(Wei),
  error: Schema.NullOr(Job.Failure),
  /** The executor that did it, by the id that `GET /services` has; null where it was none, or its release did not say. */
  executor: Schema.NullOr(Schema.String),
  /** Milliseconds since the entry before, and what it waited for. */
  waited_ms: Schema.NullOr(Schema.Natural),
  waited_for: Schema.NullOr(Pause)
}).annotate({ identifier: "TimelineEntry" })
export type TimelineEntry = typeof TimelineEntry.Type

/** Why a job has not ended. */
export const Reason = Schema.Literals([
  "event_log_away",
  "executors_away",
  "executor_without_key",
  "lane_stalled",
  "dead_letter",
  "chain_away",
  "funds",
  "fee_cap",
  "earlier_nonce",
  "mining",
  "confirmations",
  "withdrawal",
  "next_attempt",
  "turn",
  "handover",
  "in_progress",
  "unknown"
])
export type Reason = typeof Reason.Type

export const Waiting = Schema.Struct({
  reason: Reason,
  /** A sentence with all that is known. */
  detail: Schema.String,
  /** What to do; null where it goes on by itself. */
  advice: Schema.NullOr(Schema.String),
  /** The executor that has the job now. */
  executor: Schema.NullOr(Schema.String),
  /** From then on the job is ended as failed, if the chain lets it; null before its first attempt, and where no executor says. */
  deadline: Schema.NullOr(Schema.DateTimeUtc)
}).annotate({ identifier: "Waiting" })
export type Waiting = typeof Waiting.Type

/** Of the transaction that has completed the job or, where it has parts, of all that have done one. What transactions have cost that reverted or were withdrawn is not in its events. */
export const JobFees = Schema.Struct({
  gas_used: Schema.NullOr(Schema.Natural),
  /** Wei that were paid per gas unit, on average over several transactions, and the most that was offered. */
  effective_gas_price: Schema.NullOr(Wei),
  max_fee_per_gas: Schema.NullOr(Wei),
  /** Exactly; null where no transaction of the job was completed, or its price was not recorded. */
  paid_wei: Schema.NullOr(Wei),
  /** What it has not cost more than. */
  at_most_wei: Schema.NullOr(Wei)
}).annotate({ identifier: "JobFees" })
export type JobFees = typeof JobFees.Type

export const JobExplanation = Schema.Struct({
  job_id: Job.Id,
  operation: Operation,
  bucket_name: Schema.String,
  /** Null where the job is not on a file. */
  file_name: Schema.NullOr(Schema.String),
  owner: Address,
  status: Job.Status,
  summary: Schema.String,
  /** In the order of the log. While the event log is away, what the gateway remembers. */
  timeline: Schema.Array(TimelineEntry),
  /** Null once the job has ended. */
  waiting: Schema.NullOr(Waiting),
  fees: JobFees
}).annotate({ identifier: "JobExplanation", description: "A job's life, and what it waits for" })
export type JobExplanation = typeof JobExplanation.Type
