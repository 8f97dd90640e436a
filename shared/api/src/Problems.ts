// oxlint-disable max-lines -- every error of the HTTP API
/**
 * Every error of the HTTP API, as RFC 9457 `application/problem+json`. `code` is stable and meant for programs, `type` is the
 * code as a URI, and `detail` is a sentence that says what to do.
 */
import { Schema } from "effect"
import { HttpApiError } from "effect/http-api"

const problem = <Self>() =>
<
  const Tag extends string,
  const Code extends string,
  const Status extends number,
  const Fields extends HttpApiError.ProblemExtensionFields = {}
>(tag: Tag, code: Code, status: Status, title: string, fields: Fields = {} as Fields) =>
  HttpApiError.Problem<Self>()(tag, { type: `urn:akave-async:problem:${code}`, status, title }, {
    ...fields,
    code: Schema.tag(code)
  })

export class InvalidRequest extends problem<InvalidRequest>()(
  "InvalidRequest",
  "invalid_request",
  400,
  "The request is not valid",
  { errors: Schema.Array(HttpApiError.ProblemIssue) }
) {}
export class BodyTooLarge extends problem<BodyTooLarge>()(
  "BodyTooLarge",
  "body_too_large",
  413,
  "The body is larger than 128 KiB"
) {}
/** Of a file: no byte of it came for a time. */
export class RequestTimeout extends problem<RequestTimeout>()(
  "RequestTimeout",
  "request_timeout",
  408,
  "The request did not come in time"
) {}
export class UnsupportedMediaType extends problem<UnsupportedMediaType>()(
  "UnsupportedMediaType",
  "unsupported_media_type",
  415,
  "The body is not of a type that is taken"
) {}
export class Unauthorized extends problem<Unauthorized>()(
  "Unauthorized",
  "unauthorized",
  401,
  "Not signed in"
) {}
/** `server_time` is the gateway's, as Unix time in seconds. */
export class ClockSkew extends problem<ClockSkew>()(
  "ClockSkew",
  "clock_skew",
  401,
  "The request was signed at another time",
  { server_time: Schema.Natural }
) {}
export class Forbidden extends problem<Forbidden>()("Forbidden", "forbidden", 403, "The key may not do this") {}
/** More requests than the account may send in a second. */
export class RateLimited extends problem<RateLimited>()(
  "RateLimited",
  "rate_limited",
  429,
  "The account sends more requests than it may"
) {}
export class TooManyJobs extends problem<TooManyJobs>()(
  "TooManyJobs",
  "too_many_jobs",
  429,
  "The account has as many jobs in flight as it may"
) {}
export class SignInUnavailable extends problem<SignInUnavailable>()(
  "SignInUnavailable",
  "sign_in_unavailable",
  503,
  "Nobody can sign in that way for now"
) {}
export class RouteNotFound extends problem<RouteNotFound>()(
  "RouteNotFound",
  "route_not_found",
  404,
  "There is nothing at this path"
) {}
export class MethodNotAllowed extends problem<MethodNotAllowed>()(
  "MethodNotAllowed",
  "method_not_allowed",
  405,
  "The path does not answer this method"
) {}
/** `job_id` is the job that created it. */
export class BucketExists extends problem<BucketExists>()(
  "BucketExists",
  "bucket_exists",
  409,
  "A bucket of this name exists",
  { job_id: Schema.String, bucket_id: Schema.String }
) {}
export class BucketNameTaken extends problem<BucketNameTaken>()(
  "BucketNameTaken",
  "bucket_name_taken",
  409,
  "Another account of the same wallet has the name"
) {}
/** `job_id` is the job that is under way. */
export class BucketBusy extends problem<BucketBusy>()(
  "BucketBusy",
  "bucket_busy",
  409,
  "A job for this bucket name is under way",
  { job_id: Schema.String }
) {}
export class BucketNotFound extends problem<BucketNotFound>()(
  "BucketNotFound",
  "bucket_not_found",
  404,
  "There is no such bucket"
) {}
/** `job_id` is the deletion that is under way, or has been asked for. */
export class BucketBeingDeleted extends problem<BucketBeingDeleted>()(
  "BucketBeingDeleted",
  "bucket_being_deleted",
  409,
  "The bucket is being deleted",
  { job_id: Schema.String }
) {}
/** `job_id` is one of the jobs on files of the bucket that are under way. */
export class BucketHasJobs extends problem<BucketHasJobs>()(
  "BucketHasJobs",
  "bucket_has_jobs",
  409,
  "Jobs on files of the bucket are under way",
  { job_id: Schema.String }
) {}
/** `job_id` is the job that uploaded it. */
export class FileExists extends problem<FileExists>()(
  "FileExists",
  "file_exists",
  409,
  "A file of this name exists",
  { job_id: Schema.String, root_cid: Schema.String }
) {}
/** `job_id` is the job that is under way. */
export class FileBusy extends problem<FileBusy>()(
  "FileBusy",
  "file_busy",
  409,
  "A job for this file name is under way",
  { job_id: Schema.String }
) {}
export class FileNameTaken extends problem<FileNameTaken>()(
  "FileNameTaken",
  "file_name_taken",
  409,
  "Another account of the same wallet has the name"
) {}
export class FileNotFound extends problem<FileNotFound>()(
  "FileNotFound",
  "file_not_found",
  404,
  "There is no such file"
) {}
/** `root_cid` is that of the file that is there; null where there is none. */
export class PreconditionFailed extends problem<PreconditionFailed>()(
  "PreconditionFailed",
  "precondition_failed",
  412,
  "The file is not the one that the request is for",
  { root_cid: Schema.NullOr(Schema.String) }
) {}
export class EmptyFile extends problem<EmptyFile>()("EmptyFile", "empty_file", 400, "The file has no content") {}
/** The body ended before all of it had come, or is not as long as `Content-Length` says. */
export class IncompleteBody extends problem<IncompleteBody>()(
  "IncompleteBody",
  "incomplete_body",
  400,
  "The body is not complete"
) {}
/** Both in 64 hex digits. */
export class DigestMismatch extends problem<DigestMismatch>()(
  "DigestMismatch",
  "digest_mismatch",
  400,
  "The body is not the one that the digest is of",
  { expected: Schema.String, actual: Schema.String }
) {}
/** `limit` is in bytes. */
export class FileTooLarge extends problem<FileTooLarge>()(
  "FileTooLarge",
  "file_too_large",
  413,
  "The file is larger than this gateway takes",
  { limit: Schema.Natural }
) {}
/** `limit` is in bytes. */
export class TooManyStagedBytes extends problem<TooManyStagedBytes>()(
  "TooManyStagedBytes",
  "too_many_staged_bytes",
  429,
  "The account has as many bytes waiting to be uploaded as it may",
  { limit: Schema.Natural }
) {}
export class StagingFull
  extends problem<StagingFull>()("StagingFull", "staging_full", 507, "The staging store is full")
{}
export class StagingUnavailable extends problem<StagingUnavailable>()(
  "StagingUnavailable",
  "staging_unavailable",
  503,
  "The staging store does not answer"
) {}
/** Node or chain do not answer, or do not have what the chain says that there is. */
export class NetworkUnavailable extends problem<NetworkUnavailable>()(
  "NetworkUnavailable",
  "network_unavailable",
  503,
  "The storage network does not give it for now"
) {}
/** `size` is that of the file, in bytes. */
export class RangeNotSatisfiable extends problem<RangeNotSatisfiable>()(
  "RangeNotSatisfiable",
  "range_not_satisfiable",
  416,
  "The file does not have these bytes",
  { size: Schema.Natural }
) {}
export class EncryptionKeyRequired extends problem<EncryptionKeyRequired>()(
  "EncryptionKeyRequired",
  "encryption_key_required",
  400,
  "The file is encrypted with a key that this gateway does not have"
) {}
export class WrongEncryptionKey extends problem<WrongEncryptionKey>()(
  "WrongEncryptionKey",
  "wrong_encryption_key",
  400,
  "The file was not encrypted with this key"
) {}
export class EncryptionNotConfigured extends problem<EncryptionNotConfigured>()(
  "EncryptionNotConfigured",
  "encryption_not_configured",
  409,
  "The gateway has no secret to encrypt files with"
) {}
export class DownloadNotFound extends problem<DownloadNotFound>()(
  "DownloadNotFound",
  "download_not_found",
  404,
  "There is no such download, or its link is not the one that was given"
) {}
export class DownloadNotReady extends problem<DownloadNotReady>()(
  "DownloadNotReady",
  "download_not_ready",
  409,
  "The download has not been completed"
) {}
export class DownloadExpired extends problem<DownloadExpired>()(
  "DownloadExpired",
  "download_expired",
  410,
  "The download was kept for its time and is gone"
) {}
export class IdempotencyKeyReused extends problem<IdempotencyKeyReused>()(
  "IdempotencyKeyReused",
  "idempotency_key_reused",
  422,
  "The idempotency key was used for another request"
) {}
export class AccountExists extends problem<AccountExists>()(
  "AccountExists",
  "account_exists",
  409,
  "The account is open already"
) {}
export class AccountNotFound extends problem<AccountNotFound>()(
  "AccountNotFound",
  "account_not_found",
  404,
  "There is no such account"
) {}
export class KeyNotFound extends problem<KeyNotFound>()(
  "KeyNotFound",
  "key_not_found",
  404,
  "The account has no such key"
) {}
export class KeyRevoked extends problem<KeyRevoked>()("KeyRevoked", "key_revoked", 409, "The key was revoked") {}
export class JobNotFound extends problem<JobNotFound>()("JobNotFound", "job_not_found", 404, "There is no such job") {}
export class JobNotCancellable extends problem<JobNotCancellable>()(
  "JobNotCancellable",
  "job_not_cancellable",
  409,
  "The job is no longer queued"
) {}
export class DeadLetterNotFound extends problem<DeadLetterNotFound>()(
  "DeadLetterNotFound",
  "dead_letter_not_found",
  404,
  "There is no such dead letter"
) {}
export class DeadLetterRedriven extends problem<DeadLetterRedriven>()(
  "DeadLetterRedriven",
  "dead_letter_redriven",
  409,
  "The dead letter was redriven and has not died since"
) {}
export class WebhookNotFound extends problem<WebhookNotFound>()(
  "WebhookNotFound",
  "webhook_not_found",
  404,
  "There is no such webhook"
) {}
/** No event of this sequence is one that the webhook's account could be sent. */
export class DeliveryNotFound extends problem<DeliveryNotFound>()(
  "DeliveryNotFound",
  "delivery_not_found",
  404,
  "There is no such delivery"
) {}
export class WebhookDisabled extends problem<WebhookDisabled>()(
  "WebhookDisabled",
  "webhook_disabled",
  409,
  "The webhook is disabled"
) {}
export class TooManyWebhooks extends problem<TooManyWebhooks>()(
  "TooManyWebhooks",
  "too_many_webhooks",
  409,
  "The account has as many webhooks as it may"
) {}
export class WebhookUrlRefused extends problem<WebhookUrlRefused>()(
  "WebhookUrlRefused",
  "webhook_url_refused",
  422,
  "No webhook may lead there"
) {}
export class MasterSecretMissing extends problem<MasterSecretMissing>()(
  "MasterSecretMissing",
  "master_secret_missing",
  503,
  "The gateway has no master secret"
) {}
export class Overloaded extends problem<Overloaded>()(
  "Overloaded",
  "overloaded",
  503,
  "No more requests are accepted for now"
) {}
export class EventLogUnavailable extends problem<EventLogUnavailable>()(
  "EventLogUnavailable",
  "event_log_unavailable",
  503,
  "The event log does not answer"
) {}
export class ReadModelUnavailable extends problem<ReadModelUnavailable>()(
  "ReadModelUnavailable",
  "read_model_unavailable",
  503,
  "The read model does not answer"
) {}
export class InternalError extends problem<InternalError>()(
  "InternalError",
  "internal_error",
  500,
  "The gateway failed"
) {}

const problems = [
  InvalidRequest,
  BodyTooLarge,
  RequestTimeout,
  UnsupportedMediaType,
  Unauthorized,
  ClockSkew,
  Forbidden,
  RateLimited,
  TooManyJobs,
  SignInUnavailable,
  RouteNotFound,
  MethodNotAllowed,
  BucketExists,
  BucketNameTaken,
  BucketBusy,
  BucketNotFound,
  BucketBeingDeleted,
  BucketHasJobs,
  FileExists,
  FileBusy,
  FileNameTaken,
  FileNotFound,
  PreconditionFailed,
  EmptyFile,
  IncompleteBody,
  DigestMismatch,
  FileTooLarge,
  TooManyStagedBytes,
  StagingFull,
  StagingUnavailable,
  NetworkUnavailable,
  RangeNotSatisfiable,
  EncryptionKeyRequired,
  WrongEncryptionKey,
  EncryptionNotConfigured,
  DownloadNotFound,
  DownloadNotReady,
  DownloadExpired,
  IdempotencyKeyReused,
  AccountExists,
  AccountNotFound,
  KeyNotFound,
  KeyRevoked,
  JobNotFound,
  JobNotCancellable,
  DeadLetterNotFound,
  DeadLetterRedriven,
  WebhookNotFound,
  DeliveryNotFound,
  WebhookDisabled,
  TooManyWebhooks,
  WebhookUrlRefused,
  MasterSecretMissing,
  Overloaded,
  EventLogUnavailable,
  ReadModelUnavailable,
  InternalError
] as const
export type Problem = InstanceType<typeof problems[number]>
export const isProblem = (value: unknown): value is Problem => problems.some((problem) => value instanceof problem)

const encode = Schema.encodeSync(Schema.toCodecJson(Schema.Union(problems)))
/** The body that reports a problem. */
export const toJson = (problem: Problem): unknown => encode(problem)
