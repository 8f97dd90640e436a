// oxlint-disable max-lines -- all that goes over the wire
/** Made from the definition of the HTTP API by `node shared/client/generate.ts`: change that, and run this. */
import type { CallOptions } from "./CallOptions.ts"
import type { Route } from "./Route.ts"

/** The version of the API's definition. */
export const version = "0.1.0"

export interface EventLogUnavailableJson {
  readonly detail?: string
  readonly instance?: string
  readonly code: "event_log_unavailable"
  readonly type: "urn:akave-async:problem:event_log_unavailable"
  readonly status?: 503
  readonly title?: "The event log does not answer"
}

export interface InvalidRequestJson {
  readonly detail?: string
  readonly instance?: string
  readonly errors: ReadonlyArray<{
    readonly path: ReadonlyArray<string | number | "Infinity" | "-Infinity" | "NaN">
    readonly message: string
  }>
  readonly code: "invalid_request"
  readonly type: "urn:akave-async:problem:invalid_request"
  readonly status?: 400
  readonly title?: "The request is not valid"
}

/** Each check with what it has found */
export interface Diagnosis {
  readonly status: "ok" | "warning" | "failed"
  readonly findings: ReadonlyArray<Finding>
}

export interface Finding {
  readonly check: string
  readonly status: "ok" | "warning" | "failed"
  readonly message: string
  readonly advice: string | null
}

export interface ServiceList {
  readonly services: ReadonlyArray<Service>
}

/** A service that answers, as it describes itself */
export interface Service {
  readonly name: string
  readonly id: string
  readonly version: string
  readonly build: string | null
  readonly node: string | null
  readonly started_at: string
  readonly lanes: ReadonlyArray<string>
  readonly clock: string | null
  readonly ready: boolean | null
  readonly checks: Readonly<Record<string, unknown>>
}

export interface Readiness {
  readonly ready: boolean
  readonly event_log: {
    readonly ready: boolean
    readonly detail: string
  }
  readonly read_model: {
    readonly ready: boolean
    readonly detail: string
  }
  readonly node: {
    readonly ready: boolean
    readonly detail: string
  }
  readonly chain: {
    readonly ready: boolean
    readonly detail: string
  }
  readonly staging: {
    readonly ready: boolean
    readonly detail: string
  }
  readonly lanes: {
    readonly ready: boolean
    readonly detail: string
  }
  readonly projection_lag_ms: number | null
}

export interface Stats {
  readonly window_minutes: number
  readonly operations: ReadonlyArray<{
    readonly operation:
      | "bucket.create"
      | "bucket.delete"
      | "file.upload"
      | "file.delete"
      | "file.access"
      | "file.download"
    readonly requested: number
    readonly completed: number
    readonly failed: number
    readonly cancelled: number
    readonly success_share: number | null
    readonly requested_per_minute: number
    readonly seconds_to_completion: {
      readonly mean: number
      readonly p95: number
    } | null
    readonly transactions: number
    readonly fees_wei: string
  }>
  readonly stored: {
    readonly files: number
    readonly bytes: number
    readonly encoded_bytes: number
  }
  readonly executors: number | null
}

export interface Capabilities {
  readonly version: string
  readonly operations: ReadonlyArray<{
    readonly operation:
      | "bucket.create"
      | "bucket.delete"
      | "file.upload"
      | "file.delete"
      | "file.access"
      | "file.download"
    readonly method: string
    readonly path: string
    readonly input: unknown
  }>
  readonly limits: {
    readonly body_bytes: number
    readonly max_file_bytes: number
    readonly batch_names: number
    readonly page_size: number
    readonly wait_seconds: number
    readonly idempotency_key_characters: number
  }
  readonly error_categories: ReadonlyArray<
    | "invalid_request"
    | "conflict"
    | "insufficient_funds"
    | "chain_timeout"
    | "network"
    | "reverted"
    | "cancelled"
    | "internal"
  >
  readonly signing_schemes: ReadonlyArray<string>
  readonly durability: string
}

export interface Redriven {
  readonly redriven: number
  readonly sequences: ReadonlyArray<number>
  readonly more: boolean
}

export interface RedriveRequest {
  readonly type?: string
  readonly subject?: string
  readonly reason?: string
  readonly all?: true
}

/** An event of the log that could not be processed */
export interface DeadLetter {
  readonly sequence: number
  readonly subject: string
  readonly type: string
  readonly reason: string
  readonly deliveries: number
  readonly job_id: string | null
  readonly status: "dead" | "redriven"
  readonly round: number
  readonly died_at: string
  readonly redriven_at: string | null
  readonly redriven_by: string | null
}

export interface DeadLetterPage {
  readonly dead_letters: ReadonlyArray<DeadLetter>
  readonly next: number | null
}

/** A key of an account, without its secret */
export interface Key {
  readonly key_id: string
  readonly public_key: string
  readonly label: string
  readonly scopes: ReadonlyArray<"read" | "write" | "admin">
  readonly version: number
  readonly issued_at: string
  readonly expires_at: string | null
  readonly grace_until: string | null
  readonly revoked_at: string | null
}

/** A key with its secret, which is shown once */
export interface NewKey {
  readonly key_id: string
  readonly public_key: string
  readonly label: string
  readonly scopes: ReadonlyArray<"read" | "write" | "admin">
  readonly version: number
  readonly issued_at: string
  readonly expires_at: string | null
  readonly grace_until: string | null
  readonly revoked_at: string | null
  readonly secret: string
}

export interface RotationRequest {
  readonly grace_seconds?: number
}

export interface KeyRequest {
  readonly label: string
  readonly scopes: ReadonlyArray<"read" | "write" | "admin">
  readonly expires_at?: string
}

/** Who may use the gateway, for which wallet and how much */
export interface Account {
  readonly account: string
  readonly owner: string
  readonly limits: {
    readonly requests_per_second: number
    readonly jobs_in_flight: number
  }
  readonly keys: ReadonlyArray<Key>
}

export interface LimitsRequest {
  readonly requests_per_second: number
  readonly jobs_in_flight: number
}

export interface AccountRequest {
  readonly account: string
  readonly owner: string
  readonly limits: {
    readonly requests_per_second: number
    readonly jobs_in_flight: number
  }
}

export interface AccountPage {
  readonly accounts: ReadonlyArray<Account>
  readonly next: string | null
}

/** Who the gateway takes the client for */
export interface Caller {
  readonly account: string
  readonly owner: string
  readonly limits: {
    readonly requests_per_second: number
    readonly jobs_in_flight: number
  } | null
  readonly scopes: ReadonlyArray<"read" | "write" | "admin">
  readonly actor: string
}

export interface Resend {
  readonly since_sequence: number
  readonly until_sequence: number
}

export interface ResendRequest {
  readonly since_sequence?: number
  readonly since_at?: string
}

export interface WebhookDeliveryPage {
  readonly deliveries: ReadonlyArray<WebhookDelivery>
  readonly next: number | null
}

/** An event on its way to a webhook */
export interface WebhookDelivery {
  readonly sequence: number
  readonly event_type: string
  readonly outcome: "succeeded" | "retrying" | "given_up"
  readonly attempts: number
  readonly first_attempt_at: string
  readonly last_attempt_at: string
  readonly next_attempt_at: string | null
  readonly status_code: number | null
  readonly error: string | null
  readonly duration_ms: number
  readonly answer: string
}

export interface WebhookTest {
  readonly sequence: number
}

/** A webhook with its secret, which is shown once */
export interface NewWebhook {
  readonly webhook_id: string
  readonly url: string
  readonly event_types: ReadonlyArray<string>
  readonly operations: ReadonlyArray<string>
  readonly description: string
  readonly enabled: boolean
  readonly disabled_reason: "asked" | "gone" | "failing" | null
  readonly failing_since: string | null
  readonly secret_version: number
  readonly secret_before_until: string | null
  readonly created_at: string
  readonly secret: string
}

export interface SecretRotation {
  readonly overlap_seconds?: number
}

/** An endpoint that is sent events, without its secret */
export interface Webhook {
  readonly webhook_id: string
  readonly url: string
  readonly event_types: ReadonlyArray<string>
  readonly operations: ReadonlyArray<string>
  readonly description: string
  readonly enabled: boolean
  readonly disabled_reason: "asked" | "gone" | "failing" | null
  readonly failing_since: string | null
  readonly secret_version: number
  readonly secret_before_until: string | null
  readonly created_at: string
}

export interface WebhookChange {
  readonly url?: string
  readonly event_types?: ReadonlyArray<
    | "akave.BucketRequested.v1"
    | "akave.BucketStarted.v1"
    | "akave.BucketSubmitted.v1"
    | "akave.BucketAttemptFailed.v1"
    | "akave.BucketCreated.v1"
    | "akave.BucketFailed.v1"
    | "akave.BucketCancelled.v1"
    | "akave.BucketDeletionRequested.v1"
    | "akave.BucketDeletionStarted.v1"
    | "akave.BucketDeletionSubmitted.v1"
    | "akave.BucketDeletionAttemptFailed.v1"
    | "akave.BucketDeleted.v1"
    | "akave.BucketDeletionFailed.v1"
    | "akave.BucketDeletionCancelled.v1"
    | "akave.FileUploadRequested.v1"
    | "akave.FileUploadStarted.v1"
    | "akave.FileUploadSubmitted.v1"
    | "akave.FileUploadAttemptFailed.v1"
    | "akave.FileUploadAdvanced.v1"
    | "akave.FileUploadAbandoned.v1"
    | "akave.FileUploaded.v1"
    | "akave.FileUploadFailed.v1"
    | "akave.FileUploadCancelled.v1"
    | "akave.FileDeletionRequested.v1"
    | "akave.FileDeletionStarted.v1"
    | "akave.FileDeletionSubmitted.v1"
    | "akave.FileDeletionAttemptFailed.v1"
    | "akave.FileDeleted.v1"
    | "akave.FileDeletionFailed.v1"
    | "akave.FileDeletionCancelled.v1"
    | "akave.FileAccessRequested.v1"
    | "akave.FileAccessStarted.v1"
    | "akave.FileAccessSubmitted.v1"
    | "akave.FileAccessAttemptFailed.v1"
    | "akave.FileAccessChanged.v1"
    | "akave.FileAccessFailed.v1"
    | "akave.FileAccessCancelled.v1"
    | "akave.FileDownloadRequested.v1"
    | "akave.FileDownloadStarted.v1"
    | "akave.FileDownloadAttemptFailed.v1"
    | "akave.FileDownloaded.v1"
    | "akave.FileDownloadFailed.v1"
    | "akave.FileDownloadCancelled.v1"
  >
  readonly operations?: ReadonlyArray<
    "bucket.create" | "bucket.delete" | "file.upload" | "file.delete" | "file.access" | "file.download"
  >
  readonly description?: string
  readonly enabled?: boolean
}

export interface WebhookRequest {
  readonly url: string
  readonly event_types?: ReadonlyArray<
    | "akave.BucketRequested.v1"
    | "akave.BucketStarted.v1"
    | "akave.BucketSubmitted.v1"
    | "akave.BucketAttemptFailed.v1"
    | "akave.BucketCreated.v1"
    | "akave.BucketFailed.v1"
    | "akave.BucketCancelled.v1"
    | "akave.BucketDeletionRequested.v1"
    | "akave.BucketDeletionStarted.v1"
    | "akave.BucketDeletionSubmitted.v1"
    | "akave.BucketDeletionAttemptFailed.v1"
    | "akave.BucketDeleted.v1"
    | "akave.BucketDeletionFailed.v1"
    | "akave.BucketDeletionCancelled.v1"
    | "akave.FileUploadRequested.v1"
    | "akave.FileUploadStarted.v1"
    | "akave.FileUploadSubmitted.v1"
    | "akave.FileUploadAttemptFailed.v1"
    | "akave.FileUploadAdvanced.v1"
    | "akave.FileUploadAbandoned.v1"
    | "akave.FileUploaded.v1"
    | "akave.FileUploadFailed.v1"
    | "akave.FileUploadCancelled.v1"
    | "akave.FileDeletionRequested.v1"
    | "akave.FileDeletionStarted.v1"
    | "akave.FileDeletionSubmitted.v1"
    | "akave.FileDeletionAttemptFailed.v1"
    | "akave.FileDeleted.v1"
    | "akave.FileDeletionFailed.v1"
    | "akave.FileDeletionCancelled.v1"
    | "akave.FileAccessRequested.v1"
    | "akave.FileAccessStarted.v1"
    | "akave.FileAccessSubmitted.v1"
    | "akave.FileAccessAttemptFailed.v1"
    | "akave.FileAccessChanged.v1"
    | "akave.FileAccessFailed.v1"
    | "akave.FileAccessCancelled.v1"
    | "akave.FileDownloadRequested.v1"
    | "akave.FileDownloadStarted.v1"
    | "akave.FileDownloadAttemptFailed.v1"
    | "akave.FileDownloaded.v1"
    | "akave.FileDownloadFailed.v1"
    | "akave.FileDownloadCancelled.v1"
  >
  readonly operations?: ReadonlyArray<
    "bucket.create" | "bucket.delete" | "file.upload" | "file.delete" | "file.access" | "file.download"
  >
  readonly description?: string
}

export interface WebhookList {
  readonly webhooks: ReadonlyArray<Webhook>
}

export interface EventPage {
  readonly events: ReadonlyArray<Event>
  readonly next: number | null
}

/** An event of the log, as a CloudEvent in the JSON format */
export interface Event {
  readonly specversion: "1.0"
  readonly id: string
  readonly source: string
  readonly type: string
  readonly subject: string
  readonly time?: string
  readonly datacontenttype: "application/json"
  readonly sequence: string
  readonly correlationid?: string
  readonly causationid?: string
  readonly traceparent?: string
  readonly data?: unknown
  readonly data_base64?: string
}

/** One accepted request and how far it has come */
export interface Job {
  readonly job_id: string
  readonly operation:
    | "bucket.create"
    | "bucket.delete"
    | "file.upload"
    | "file.delete"
    | "file.access"
    | "file.download"
  readonly bucket_name: string
  readonly file_name: string | null
  readonly owner: string
  readonly status: "queued" | "processing" | "completed" | "failed" | "cancelled"
  readonly progress: Progress | null
  readonly tx_hash: string | null
  readonly result: {
    readonly operation: "bucket.create"
    readonly bucket_id: string
    readonly tx_hash: string | null
    readonly block_number: number | null
    readonly gas_used: number | null
    readonly effective_gas_price: string | null
    readonly adopted: boolean
  } | {
    readonly operation: "bucket.delete"
    readonly bucket_id: string
    readonly tx_hash: string | null
    readonly block_number: number | null
    readonly gas_used: number | null
    readonly effective_gas_price: string | null
    readonly adopted: boolean
  } | {
    readonly operation: "file.upload"
    readonly file_id: string
    readonly root_cid: string
    readonly encoded_size: number
    readonly tx_hash: string | null
    readonly block_number: number | null
    readonly gas_used: number | null
    readonly effective_gas_price: string | null
    readonly adopted: boolean
  } | {
    readonly operation: "file.delete"
    readonly file_id: string
    readonly tx_hash: string | null
    readonly block_number: number | null
    readonly gas_used: number | null
    readonly effective_gas_price: string | null
    readonly adopted: boolean
  } | {
    readonly operation: "file.access"
    readonly file_id: string
    readonly is_public: boolean
    readonly tx_hash: string | null
    readonly block_number: number | null
    readonly gas_used: number | null
    readonly effective_gas_price: string | null
    readonly adopted: boolean
  } | {
    readonly operation: "file.download"
    readonly url: string
    readonly expires_at: string
    readonly tx_hash: string | null
    readonly block_number: number | null
    readonly gas_used: number | null
    readonly effective_gas_price: string | null
    readonly adopted: boolean
  } | null
  readonly error: {
    readonly category:
      | "invalid_request"
      | "conflict"
      | "insufficient_funds"
      | "chain_timeout"
      | "network"
      | "reverted"
      | "cancelled"
      | "internal"
    readonly code: string
    readonly message: string
  } | null
  readonly attempts: number
  readonly created_at: string
  readonly updated_at: string
}

/** How far a job on a file has come */
export interface Progress {
  readonly stage:
    | "waiting"
    | "deleting"
    | "creating"
    | "storing"
    | "committing"
    | "removing"
    | "fetching"
    | "changing"
    | "done"
  readonly bytes_done: number
  readonly bytes_total: number
  readonly parts_done: number
  readonly parts_total: number
}

/** A job's life, and what it waits for */
export interface JobExplanation {
  readonly job_id: string
  readonly operation:
    | "bucket.create"
    | "bucket.delete"
    | "file.upload"
    | "file.delete"
    | "file.access"
    | "file.download"
  readonly bucket_name: string
  readonly file_name: string | null
  readonly owner: string
  readonly status: "queued" | "processing" | "completed" | "failed" | "cancelled"
  readonly summary: string
  readonly timeline: ReadonlyArray<TimelineEntry>
  readonly waiting: Waiting | null
  readonly fees: JobFees
}

export interface JobFees {
  readonly gas_used: number | null
  readonly effective_gas_price: string | null
  readonly max_fee_per_gas: string | null
  readonly paid_wei: string | null
  readonly at_most_wei: string | null
}

export interface Waiting {
  readonly reason:
    | "event_log_away"
    | "executors_away"
    | "executor_without_key"
    | "lane_stalled"
    | "dead_letter"
    | "chain_away"
    | "funds"
    | "fee_cap"
    | "earlier_nonce"
    | "mining"
    | "confirmations"
    | "withdrawal"
    | "next_attempt"
    | "turn"
    | "handover"
    | "in_progress"
    | "unknown"
  readonly detail: string
  readonly advice: string | null
  readonly executor: string | null
  readonly deadline: string | null
}

export interface TimelineEntry {
  /** A place in the event log: 0 is before the first event */
  readonly sequence: number
  readonly time: string
  readonly step:
    | "requested"
    | "started"
    | "submitted"
    | "attempt_failed"
    | "advanced"
    | "abandoned"
    | "completed"
    | "failed"
    | "cancelled"
    | "other"
  readonly message: string
  readonly attempt: number | null
  readonly tx_hash: string | null
  readonly nonce: number | null
  readonly max_fee_per_gas: string | null
  readonly error: {
    readonly category:
      | "invalid_request"
      | "conflict"
      | "insufficient_funds"
      | "chain_timeout"
      | "network"
      | "reverted"
      | "cancelled"
      | "internal"
    readonly code: string
    readonly message: string
  } | null
  readonly executor: string | null
  readonly waited_ms: number | null
  readonly waited_for: "executor" | "preparation" | "chain" | "funds" | "next_attempt" | null
}

export interface JobPage {
  readonly jobs: ReadonlyArray<Job>
  readonly next: string | null
}

export interface DownloadRequest {
  readonly keep_seconds?: number
}

export interface AccessRequest {
  readonly is_public: boolean
}

/** A file on the network */
export interface File {
  readonly bucket_name: string
  readonly file_name: string
  readonly file_id: string
  readonly root_cid: string | null
  readonly size: number
  readonly encoded_size: number
  readonly sha256: string | null
  readonly content_type: string | null
  readonly encryption: "none" | "account" | "client" | null
  readonly parity_blocks: number | null
  readonly is_public: boolean | null
  readonly owner: string
  readonly job_id: string | null
  readonly created_at: string
}

export interface FilePage {
  readonly files: ReadonlyArray<File>
  readonly next: string | null
}

export interface BucketBusyJson {
  readonly detail?: string
  readonly instance?: string
  readonly job_id: string
  readonly code: "bucket_busy"
  readonly type: "urn:akave-async:problem:bucket_busy"
  readonly status?: 409
  readonly title?: "A job for this bucket name is under way"
}

/** A bucket on chain */
export interface Bucket {
  readonly name: string
  readonly bucket_id: string
  readonly owner: string
  readonly tx_hash: string | null
  readonly job_id: string
  readonly created_at: string
}

export interface BucketPage {
  readonly buckets: ReadonlyArray<Bucket>
  readonly next: string | null
}

export interface BatchResult {
  readonly accepted: number
  readonly refused: number
  readonly answers: ReadonlyArray<BatchAnswer>
}

export interface BatchAnswer {
  readonly name: string
  readonly status: 202 | 400 | 409 | 503
  readonly job: Job | null
  readonly problem:
    | InvalidRequestJson
    | BucketExistsJson
    | BucketNameTakenJson
    | BucketBusyJson
    | EventLogUnavailableJson
    | null
}

export interface BucketNameTakenJson {
  readonly detail?: string
  readonly instance?: string
  readonly code: "bucket_name_taken"
  readonly type: "urn:akave-async:problem:bucket_name_taken"
  readonly status?: 409
  readonly title?: "Another account of the same wallet has the name"
}

export interface BucketExistsJson {
  readonly detail?: string
  readonly instance?: string
  readonly job_id: string
  readonly bucket_id: string
  readonly code: "bucket_exists"
  readonly type: "urn:akave-async:problem:bucket_exists"
  readonly status?: 409
  readonly title?: "A bucket of this name exists"
}

export interface BatchRequest {
  readonly names: ReadonlyArray<string>
}

export interface BucketRequest {
  readonly name: string
}

/** The methods that follow from the routes, by group. */
export interface Methods {
  readonly account: {
    /** Who you are to the gateway, and what you may do */
    get(options?: CallOptions): Promise<Caller>
  }
  readonly accounts: {
    /** All accounts with their keys, by id */
    list(query?: {
      readonly after?: string
      readonly limit?: number
    }, options?: CallOptions): AsyncIterable<AccountPage["accounts"][number]>
    /** Open an account for a wallet */
    open(body: AccountRequest, options?: CallOptions): Promise<Account>
    /** An account with its keys */
    get(account: string, options?: CallOptions): Promise<Account>
    /** Change how much an account may do */
    changeLimits(account: string, body: LimitsRequest, options?: CallOptions): Promise<Account>
    /** Issue a key, and show its secret once */
    issueKey(account: string, body: KeyRequest, options?: CallOptions): Promise<NewKey>
    /** Give a key its next secret, and show it once */
    rotateKey(account: string, key_id: string, body?: RotationRequest, options?: CallOptions): Promise<NewKey>
    /** Revoke a key, with all its secrets */
    revokeKey(account: string, key_id: string, options?: CallOptions): Promise<Key>
  }
  readonly buckets: {
    /** Ask for a bucket; answers at once with the job that creates it */
    submit(body: BucketRequest, options?: CallOptions): Promise<Job>
    /** The buckets on chain, by name */
    list(query?: {
      readonly after?: string
      readonly limit?: number
    }, options?: CallOptions): AsyncIterable<BucketPage["buckets"][number]>
    /** Ask for up to 1,000 buckets; answers with one answer for each name */
    submitAll(body: BatchRequest, options?: CallOptions): Promise<BatchResult>
    /** A bucket on chain */
    get(name: string, options?: CallOptions): Promise<Bucket>
    /** Ask for a bucket's deletion; answers at once with the job that deletes it */
    submitDelete(name: string, options?: CallOptions): Promise<Job>
  }
  readonly deadLetters: {
    /** Events that could not be processed, in the order of the log */
    list(query?: {
      readonly type?: string
      readonly subject?: string
      readonly reason?: string
      readonly status?: "dead" | "redriven"
      readonly after?: number
      readonly limit?: number
    }, options?: CallOptions): AsyncIterable<DeadLetterPage["dead_letters"][number]>
    /** An event that could not be processed */
    get(sequence: number, options?: CallOptions): Promise<DeadLetter>
    /** Have a dead letter processed again */
    redrive(sequence: number, options?: CallOptions): Promise<DeadLetter>
    /** Have all dead letters processed again that a filter names, at most 1,000 at a time */
    redriveAll(body: RedriveRequest, options?: CallOptions): Promise<Redriven>
  }
  readonly events: {
    /** The events of all jobs: a page, or as they come */
    list(query?: {
      readonly after?: number
      readonly limit?: number
    }, options?: CallOptions): AsyncIterable<EventPage["events"][number]>
  }
  readonly files: {
    /** Ask for a file's deletion; answers at once with the job that deletes it */
    submitDelete(name: string, file_name: string, options?: CallOptions): Promise<Job>
    /** Ask for a change of who may read a file; answers at once with the job that does it */
    submitAccess(name: string, file_name: string, body: AccessRequest, options?: CallOptions): Promise<Job>
    /** The files of a bucket, by name */
    list(name: string, query?: {
      readonly after?: string
      readonly limit?: number
      readonly prefix?: string
      /** Who is asked: the gateway's read model or, in the chain's order, the network */
      readonly source?: "read_model" | "network"
    }, options?: CallOptions): AsyncIterable<FilePage["files"][number]>
    /** Have a file fetched, as a job whose result is kept for a time */
    submitDownload(name: string, file_name: string, body?: DownloadRequest, options?: CallOptions): Promise<Job>
  }
  readonly health: {
    /** Whether the gateway runs */
    live(options?: CallOptions): Promise<{
      readonly status: "ok"
    }>
    /** Whether the gateway can do its work, dependency by dependency */
    ready(options?: CallOptions): Promise<Readiness>
  }
  readonly jobs: {
    /** Jobs, the latest first */
    list(query?: {
      readonly status?: "queued" | "processing" | "completed" | "failed" | "cancelled"
      readonly operation?:
        | "bucket.create"
        | "bucket.delete"
        | "file.upload"
        | "file.delete"
        | "file.access"
        | "file.download"
      readonly bucket?: string
      readonly prefix?: string
      readonly since?: string
      readonly until?: string
      readonly after?: string
      readonly limit?: number
    }, options?: CallOptions): AsyncIterable<JobPage["jobs"][number]>
    /** Cancel a job */
    cancel(job_id: string, options?: CallOptions): Promise<Job>
    /** How a job got where it is, and what it waits for */
    explain(job_id: string, options?: CallOptions): Promise<JobExplanation>
  }
  readonly operations: {
    /** The gateways, executors and projectors that answer now */
    services(options?: CallOptions): Promise<ServiceList>
    /** What is wrong with the deployment, and what to do */
    diagnosis(options?: CallOptions): Promise<Diagnosis>
  }
  readonly system: {
    /** What the gateway can do: operations with their inputs, limits, error categories */
    capabilities(options?: CallOptions): Promise<Capabilities>
    /** How the jobs of the last minutes got on, by operation */
    stats(query?: {
      readonly minutes?: number
    }, options?: CallOptions): Promise<Stats>
  }
  readonly webhooks: {
    /** The account's webhooks */
    list(options?: CallOptions): Promise<WebhookList>
    /** Register an endpoint that is sent events, and show its secret once */
    register(body: WebhookRequest, options?: CallOptions): Promise<NewWebhook>
    /** A webhook as it is now */
    get(webhook_id: string, options?: CallOptions): Promise<Webhook>
    /** Change a webhook, or switch it off and on */
    change(webhook_id: string, body?: WebhookChange, options?: CallOptions): Promise<Webhook>
    /** Remove a webhook for good */
    remove(webhook_id: string, options?: CallOptions): Promise<void>
    /** Give a webhook its next secret, and show it once */
    rotate(webhook_id: string, body?: SecretRotation, options?: CallOptions): Promise<NewWebhook>
    /** Send a test event to a webhook */
    test(webhook_id: string, options?: CallOptions): Promise<WebhookTest>
    /** What was sent to a webhook, the latest events first */
    deliveries(webhook_id: string, query?: {
      readonly after?: number
      readonly limit?: number
      readonly outcome?: "succeeded" | "retrying" | "given_up"
    }, options?: CallOptions): AsyncIterable<WebhookDeliveryPage["deliveries"][number]>
    /** Send an event to a webhook once more */
    resendOne(webhook_id: string, sequence: number, options?: CallOptions): Promise<Resend>
    /** Send a webhook all events since a time or a sequence once more */
    resend(webhook_id: string, body: ResendRequest, options?: CallOptions): Promise<Resend>
  }
}

/** How each of these methods is asked for. */
export const routes: { readonly [Group in keyof Methods]: { readonly [Name in keyof Methods[Group]]: Route } } = {
  account: {
    get: { method: "GET", path: "/account", params: [] }
  },
  accounts: {
    list: { method: "GET", path: "/accounts", params: [], hasQuery: true, items: "accounts" },
    open: { method: "POST", path: "/accounts", params: [], hasBody: true },
    get: { method: "GET", path: "/accounts/{account}", params: ["account"] },
    changeLimits: { method: "PUT", path: "/accounts/{account}/limits", params: ["account"], hasBody: true },
    issueKey: { method: "POST", path: "/accounts/{account}/keys", params: ["account"], hasBody: true },
    rotateKey: {
      method: "POST",
      path: "/accounts/{account}/keys/{key_id}/rotate",
      params: ["account", "key_id"],
      hasBody: true
    },
    revokeKey: { method: "DELETE", path: "/accounts/{account}/keys/{key_id}", params: ["account", "key_id"] }
  },
  buckets: {
    submit: { method: "POST", path: "/buckets", params: [], hasBody: true, isKeyed: true },
    list: { method: "GET", path: "/buckets", params: [], hasQuery: true, items: "buckets" },
    submitAll: { method: "POST", path: "/buckets/batch", params: [], hasBody: true, isKeyed: true },
    get: { method: "GET", path: "/buckets/{name}", params: ["name"] },
    submitDelete: { method: "DELETE", path: "/buckets/{name}", params: ["name"], isKeyed: true }
  },
  deadLetters: {
    list: { method: "GET", path: "/dead-letters", params: [], hasQuery: true, items: "dead_letters" },
    get: { method: "GET", path: "/dead-letters/{sequence}", params: ["sequence"] },
    redrive: { method: "POST", path: "/dead-letters/{sequence}/redrive", params: ["sequence"] },
    redriveAll: { method: "POST", path: "/dead-letters/redrive", params: [], hasBody: true }
  },
  events: {
    list: { method: "GET", path: "/events", params: [], hasQuery: true, items: "events" }
  },
  files: {
    submitDelete: {
      method: "DELETE",
      path: "/buckets/{name}/files/{file_name}",
      params: ["name", "file_name"],
      isKeyed: true,
      isConditional: true
    },
    submitAccess: {
      method: "PATCH",
      path: "/buckets/{name}/files/{file_name}",
      params: ["name", "file_name"],
      hasBody: true,
      isKeyed: true,
      isConditional: true
    },
    list: { method: "GET", path: "/buckets/{name}/files", params: ["name"], hasQuery: true, items: "files" },
    submitDownload: {
      method: "POST",
      path: "/buckets/{name}/files/{file_name}/downloads",
      params: ["name", "file_name"],
      hasBody: true,
      isKeyed: true
    }
  },
  health: {
    live: { method: "GET", path: "/health", params: [] },
    ready: { method: "GET", path: "/health/ready", params: [] }
  },
  jobs: {
    list: { method: "GET", path: "/jobs", params: [], hasQuery: true, items: "jobs" },
    cancel: { method: "DELETE", path: "/jobs/{job_id}", params: ["job_id"] },
    explain: { method: "GET", path: "/jobs/{job_id}/explanation", params: ["job_id"] }
  },
  operations: {
    services: { method: "GET", path: "/services", params: [] },
    diagnosis: { method: "GET", path: "/diagnosis", params: [] }
  },
  system: {
    capabilities: { method: "GET", path: "/capabilities", params: [] },
    stats: { method: "GET", path: "/stats", params: [], hasQuery: true }
  },
  webhooks: {
    list: { method: "GET", path: "/webhooks", params: [] },
    register: { method: "POST", path: "/webhooks", params: [], hasBody: true },
    get: { method: "GET", path: "/webhooks/{webhook_id}", params: ["webhook_id"] },
    change: { method: "PATCH", path: "/webhooks/{webhook_id}", params: ["webhook_id"], hasBody: true },
    remove: { method: "DELETE", path: "/webhooks/{webhook_id}", params: ["webhook_id"] },
    rotate: { method: "POST", path: "/webhooks/{webhook_id}/rotate", params: ["webhook_id"], hasBody: true },
    test: { method: "POST", path: "/webhooks/{webhook_id}/test", params: ["webhook_id"] },
    deliveries: {
      method: "GET",
      path: "/webhooks/{webhook_id}/deliveries",
      params: ["webhook_id"],
      hasQuery: true,
      items: "deliveries"
    },
    resendOne: {
      method: "POST",
      path: "/webhooks/{webhook_id}/deliveries/{sequence}/resend",
      params: ["webhook_id", "sequence"]
    },
    resend: { method: "POST", path: "/webhooks/{webhook_id}/resend", params: ["webhook_id"], hasBody: true }
  }
}
