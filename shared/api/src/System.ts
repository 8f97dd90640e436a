/** What the gateway can do, and how it gets on. */
import * as Job from "@akave-async/domain/Job"
import { Schema } from "effect"
import { Operation } from "./Resources.ts"

export const Capabilities = Schema.Struct({
  /** Of this release. */
  version: Schema.String,
  operations: Schema.Array(Schema.Struct({
    operation: Operation,
    /** How it is asked for. */
    method: Schema.String,
    path: Schema.String,
    /** What is asked for, as JSON Schema. */
    input: Schema.Json
  })),
  limits: Schema.Struct({
    body_bytes: Schema.Natural,
    /** Of one file; other bodies are as large as `body_bytes` at most. */
    max_file_bytes: Schema.Natural,
    batch_names: Schema.Natural,
    page_size: Schema.Natural,
    wait_seconds: Schema.Natural,
    idempotency_key_characters: Schema.Natural
  }),
  error_categories: Schema.Array(Job.ErrorCategory),
  /** The ways to sign a request; none where there are no accounts. */
  signing_schemes: Schema.Array(Schema.String),
  /** When an accepted request is on the event log's disk. */
  durability: Schema.String
}).annotate({ identifier: "Capabilities" })
export type Capabilities = typeof Capabilities.Type

/** What is known of the jobs of one operation that were asked for within a time. */
const OperationStats = Schema.Struct({
  operation: Operation,
  requested: Schema.Natural,
  completed: Schema.Natural,
  failed: Schema.Natural,
  cancelled: Schema.Natural,
  /** Of the jobs that have completed or failed; null where there are none. */
  success_share: Schema.NullOr(Schema.Finite),
  requested_per_minute: Schema.Finite,
  /** From the request to the completion; null where no job has completed. */
  seconds_to_completion: Schema.NullOr(Schema.Struct({ mean: Schema.Finite, p95: Schema.Finite })),
  /** Mined transactions of these jobs. */
  transactions: Schema.Natural,
  /** What they have paid, in wei. */
  fees_wei: Schema.String.check(Schema.isPattern(/^[0-9]+$/))
})

/** The files of an account that the gateway knows to be on the network. */
const FileStats = Schema.Struct({
  files: Schema.Natural,
  /** As they were uploaded, and as they are stored, with encryption and parity blocks. */
  bytes: Schema.Natural,
  encoded_bytes: Schema.Natural
})

export const Stats = Schema.Struct({
  window_minutes: Schema.Natural,
  operations: Schema.Array(OperationStats),
  /** Now, whatever the time that was asked for. */
  stored: FileStats,
  /** That answer now and have the key of the caller's wallet; null where that can't be found out. */
  executors: Schema.NullOr(Schema.Natural)
}).annotate({ identifier: "Stats" })
export type Stats = typeof Stats.Type

export const statsQuery = {
  minutes: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 10_080 }))
}
