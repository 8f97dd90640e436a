// oxlint-disable max-lines -- every problem of the API
/** Made from the definition of the HTTP API by `node shared/client/generate.ts`: change that, and run this. */
import { Problem } from "./Errors.ts"

/** The account is open already. */
export class AccountExists extends Problem {
  override readonly _tag = "AccountExists" as const
  declare readonly code: "account_exists"
}

/** There is no such account. */
export class AccountNotFound extends Problem {
  override readonly _tag = "AccountNotFound" as const
  declare readonly code: "account_not_found"
}

/** The body is larger than 128 KiB. */
export class BodyTooLarge extends Problem {
  override readonly _tag = "BodyTooLarge" as const
  declare readonly code: "body_too_large"
}

/** The bucket is being deleted. */
export class BucketBeingDeleted extends Problem {
  override readonly _tag = "BucketBeingDeleted" as const
  declare readonly code: "bucket_being_deleted"
  declare readonly job_id: string
}

/** A job for this bucket name is under way. */
export class BucketBusy extends Problem {
  override readonly _tag = "BucketBusy" as const
  declare readonly code: "bucket_busy"
  declare readonly job_id: string
}

/** A bucket of this name exists. */
export class BucketExists extends Problem {
  override readonly _tag = "BucketExists" as const
  declare readonly code: "bucket_exists"
  declare readonly job_id: string
  declare readonly bucket_id: string
}

/** Jobs on files of the bucket are under way. */
export class BucketHasJobs extends Problem {
  override readonly _tag = "BucketHasJobs" as const
  declare readonly code: "bucket_has_jobs"
  declare readonly job_id: string
}

/** Another account of the same wallet has the name. */
export class BucketNameTaken extends Problem {
  override readonly _tag = "BucketNameTaken" as const
  declare readonly code: "bucket_name_taken"
}

/** There is no such bucket. */
export class BucketNotFound extends Problem {
  override readonly _tag = "BucketNotFound" as const
  declare readonly code: "bucket_not_found"
}

/** The request was signed at another time. */
export class ClockSkew extends Problem {
  override readonly _tag = "ClockSkew" as const
  declare readonly code: "clock_skew"
  declare readonly server_time: number
}

/** There is no such dead letter. */
export class DeadLetterNotFound extends Problem {
  override readonly _tag = "DeadLetterNotFound" as const
  declare readonly code: "dead_letter_not_found"
}

/** The dead letter was redriven and has not died since. */
export class DeadLetterRedriven extends Problem {
  override readonly _tag = "DeadLetterRedriven" as const
  declare readonly code: "dead_letter_redriven"
}

/** There is no such delivery. */
export class DeliveryNotFound extends Problem {
  override readonly _tag = "DeliveryNotFound" as const
  declare readonly code: "delivery_not_found"
}

/** The body is not the one that the digest is of. */
export class DigestMismatch extends Problem {
  override readonly _tag = "DigestMismatch" as const
  declare readonly code: "digest_mismatch"
  declare readonly expected: string
  declare readonly actual: string
}

/** The download was kept for its time and is gone. */
export class DownloadExpired extends Problem {
  override readonly _tag = "DownloadExpired" as const
  declare readonly code: "download_expired"
}

/** There is no such download, or its link is not the one that was given. */
export class DownloadNotFound extends Problem {
  override readonly _tag = "DownloadNotFound" as const
  declare readonly code: "download_not_found"
}

/** The download has not been completed. */
export class DownloadNotReady extends Problem {
  override readonly _tag = "DownloadNotReady" as const
  declare readonly code: "download_not_ready"
}

/** The file has no content. */
export class EmptyFile extends Problem {
  override readonly _tag = "EmptyFile" as const
  declare readonly code: "empty_file"
}

/** The file is encrypted with a key that this gateway does not have. */
export class EncryptionKeyRequired extends Problem {
  override readonly _tag = "EncryptionKeyRequired" as const
  declare readonly code: "encryption_key_required"
}

/** The gateway has no secret to encrypt files with. */
export class EncryptionNotConfigured extends Problem {
  override readonly _tag = "EncryptionNotConfigured" as const
  declare readonly code: "encryption_not_configured"
}

/** The event log does not answer. */
export class EventLogUnavailable extends Problem {
  override readonly _tag = "EventLogUnavailable" as const
  declare readonly code: "event_log_unavailable"
}

/** A job for this file name is under way. */
export class FileBusy extends Problem {
  override readonly _tag = "FileBusy" as const
  declare readonly code: "file_busy"
  declare readonly job_id: string
}

/** A file of this name exists. */
export class FileExists extends Problem {
  override readonly _tag = "FileExists" as const
  declare readonly code: "file_exists"
  declare readonly job_id: string
  declare readonly root_cid: string
}

/** Another account of the same wallet has the name. */
export class FileNameTaken extends Problem {
  override readonly _tag = "FileNameTaken" as const
  declare readonly code: "file_name_taken"
}

/** There is no such file. */
export class FileNotFound extends Problem {
  override readonly _tag = "FileNotFound" as const
  declare readonly code: "file_not_found"
}

/** The file is larger than this gateway takes. */
export class FileTooLarge extends Problem {
  override readonly _tag = "FileTooLarge" as const
  declare readonly code: "file_too_large"
  declare readonly limit: number
}

/** The key may not do this. */
export class Forbidden extends Problem {
  override readonly _tag = "Forbidden" as const
  declare readonly code: "forbidden"
}

/** The idempotency key was used for another request. */
export class IdempotencyKeyReused extends Problem {
  override readonly _tag = "IdempotencyKeyReused" as const
  declare readonly code: "idempotency_key_reused"
}

/** The body is not complete. */
export class IncompleteBody extends Problem {
  override readonly _tag = "IncompleteBody" as const
  declare readonly code: "incomplete_body"
}

/** The gateway failed. */
export class InternalError extends Problem {
  override readonly _tag = "InternalError" as const
  declare readonly code: "internal_error"
}

/** The request is not valid. */
export class InvalidRequest extends Problem {
  override readonly _tag = "InvalidRequest" as const
  declare readonly code: "invalid_request"
  declare readonly errors: ReadonlyArray<{
    readonly path: ReadonlyArray<string | number | "Infinity" | "-Infinity" | "NaN">
    readonly message: string
  }>
}

/** The job is no longer queued. */
export class JobNotCancellable extends Problem {
  override readonly _tag = "JobNotCancellable" as const
  declare readonly code: "job_not_cancellable"
}

/** There is no such job. */
export class JobNotFound extends Problem {
  override readonly _tag = "JobNotFound" as const
  declare readonly code: "job_not_found"
}

/** The account has no such key. */
export class KeyNotFound extends Problem {
  override readonly _tag = "KeyNotFound" as const
  declare readonly code: "key_not_found"
}

/** The key was revoked. */
export class KeyRevoked extends Problem {
  override readonly _tag = "KeyRevoked" as const
  declare readonly code: "key_revoked"
}

/** The gateway has no master secret. */
export class MasterSecretMissing extends Problem {
  override readonly _tag = "MasterSecretMissing" as const
  declare readonly code: "master_secret_missing"
}

/** The storage network does not give it for now. */
export class NetworkUnavailable extends Problem {
  override readonly _tag = "NetworkUnavailable" as const
  declare readonly code: "network_unavailable"
}

/** No more requests are accepted for now. */
export class Overloaded extends Problem {
  override readonly _tag = "Overloaded" as const
  declare readonly code: "overloaded"
}

/** The file is not the one that the request is for. */
export class PreconditionFailed extends Problem {
  override readonly _tag = "PreconditionFailed" as const
  declare readonly code: "precondition_failed"
  declare readonly root_cid: string | null
}

/** The file does not have these bytes. */
export class RangeNotSatisfiable extends Problem {
  override readonly _tag = "RangeNotSatisfiable" as const
  declare readonly code: "range_not_satisfiable"
  declare readonly size: number
}

/** The account sends more requests than it may. */
export class RateLimited extends Problem {
  override readonly _tag = "RateLimited" as const
  declare readonly code: "rate_limited"
}

/** The read model does not answer. */
export class ReadModelUnavailable extends Problem {
  override readonly _tag = "ReadModelUnavailable" as const
  declare readonly code: "read_model_unavailable"
}

/** The request did not come in time. */
export class RequestTimeout extends Problem {
  override readonly _tag = "RequestTimeout" as const
  declare readonly code: "request_timeout"
}

/** Nobody can sign in that way for now. */
export class SignInUnavailable extends Problem {
  override readonly _tag = "SignInUnavailable" as const
  declare readonly code: "sign_in_unavailable"
}

/** The staging store is full. */
export class StagingFull extends Problem {
  override readonly _tag = "StagingFull" as const
  declare readonly code: "staging_full"
}

/** The staging store does not answer. */
export class StagingUnavailable extends Problem {
  override readonly _tag = "StagingUnavailable" as const
  declare readonly code: "staging_unavailable"
}

/** The account has as many jobs in flight as it may. */
export class TooManyJobs extends Problem {
  override readonly _tag = "TooManyJobs" as const
  declare readonly code: "too_many_jobs"
}

/** The account has as many bytes waiting to be uploaded as it may. */
export class TooManyStagedBytes extends Problem {
  override readonly _tag = "TooManyStagedBytes" as const
  declare readonly code: "too_many_staged_bytes"
  declare readonly limit: number
}

/** The account has as many webhooks as it may. */
export class TooManyWebhooks extends Problem {
  override readonly _tag = "TooManyWebhooks" as const
  declare readonly code: "too_many_webhooks"
}

/** Not signed in. */
export class Unauthorized extends Problem {
  override readonly _tag = "Unauthorized" as const
  declare readonly code: "unauthorized"
}

/** The body is not of a type that is taken. */
export class UnsupportedMediaType extends Problem {
  override readonly _tag = "UnsupportedMediaType" as const
  declare readonly code: "unsupported_media_type"
}

/** The webhook is disabled. */
export class WebhookDisabled extends Problem {
  override readonly _tag = "WebhookDisabled" as const
  declare readonly code: "webhook_disabled"
}

/** There is no such webhook. */
export class WebhookNotFound extends Problem {
  override readonly _tag = "WebhookNotFound" as const
  declare readonly code: "webhook_not_found"
}

/** No webhook may lead there. */
export class WebhookUrlRefused extends Problem {
  override readonly _tag = "WebhookUrlRefused" as const
  declare readonly code: "webhook_url_refused"
}

/** The file was not encrypted with this key. */
export class WrongEncryptionKey extends Problem {
  override readonly _tag = "WrongEncryptionKey" as const
  declare readonly code: "wrong_encryption_key"
}

/** The error class of each problem, by its code. */
export const problems = {
  account_exists: AccountExists,
  account_not_found: AccountNotFound,
  body_too_large: BodyTooLarge,
  bucket_being_deleted: BucketBeingDeleted,
  bucket_busy: BucketBusy,
  bucket_exists: BucketExists,
  bucket_has_jobs: BucketHasJobs,
  bucket_name_taken: BucketNameTaken,
  bucket_not_found: BucketNotFound,
  clock_skew: ClockSkew,
  dead_letter_not_found: DeadLetterNotFound,
  dead_letter_redriven: DeadLetterRedriven,
  delivery_not_found: DeliveryNotFound,
  digest_mismatch: DigestMismatch,
  download_expired: DownloadExpired,
  download_not_found: DownloadNotFound,
  download_not_ready: DownloadNotReady,
  empty_file: EmptyFile,
  encryption_key_required: EncryptionKeyRequired,
  encryption_not_configured: EncryptionNotConfigured,
  event_log_unavailable: EventLogUnavailable,
  file_busy: FileBusy,
  file_exists: FileExists,
  file_name_taken: FileNameTaken,
  file_not_found: FileNotFound,
  file_too_large: FileTooLarge,
  forbidden: Forbidden,
  idempotency_key_reused: IdempotencyKeyReused,
  incomplete_body: IncompleteBody,
  internal_error: InternalError,
  invalid_request: InvalidRequest,
  job_not_cancellable: JobNotCancellable,
  job_not_found: JobNotFound,
  key_not_found: KeyNotFound,
  key_revoked: KeyRevoked,
  master_secret_missing: MasterSecretMissing,
  network_unavailable: NetworkUnavailable,
  overloaded: Overloaded,
  precondition_failed: PreconditionFailed,
  range_not_satisfiable: RangeNotSatisfiable,
  rate_limited: RateLimited,
  read_model_unavailable: ReadModelUnavailable,
  request_timeout: RequestTimeout,
  sign_in_unavailable: SignInUnavailable,
  staging_full: StagingFull,
  staging_unavailable: StagingUnavailable,
  too_many_jobs: TooManyJobs,
  too_many_staged_bytes: TooManyStagedBytes,
  too_many_webhooks: TooManyWebhooks,
  unauthorized: Unauthorized,
  unsupported_media_type: UnsupportedMediaType,
  webhook_disabled: WebhookDisabled,
  webhook_not_found: WebhookNotFound,
  webhook_url_refused: WebhookUrlRefused,
  wrong_encryption_key: WrongEncryptionKey
}
export type ApiProblem = InstanceType<typeof problems[keyof typeof problems]>
