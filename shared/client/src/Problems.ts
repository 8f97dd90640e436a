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

/** The event log does not answer. */
export class EventLogUnavailable extends Problem {
  override readonly _tag = "EventLogUnavailable" as const
  declare readonly code: "event_log_unavailable"
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

/** No more requests are accepted for now. */
export class Overloaded extends Problem {
  override readonly _tag = "Overloaded" as const
  declare readonly code: "overloaded"
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

/** Nobody can sign in that way for now. */
export class SignInUnavailable extends Problem {
  override readonly _tag = "SignInUnavailable" as const
  declare readonly code: "sign_in_unavailable"
}

/** The account has as many jobs in flight as it may. */
export class TooManyJobs extends Problem {
  override readonly _tag = "TooManyJobs" as const
  declare readonly code: "too_many_jobs"
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

/** The body is not JSON. */
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

/** The error class of each problem, by its code. */
export const problems = {
  account_exists: AccountExists,
  account_not_found: AccountNotFound,
  body_too_large: BodyTooLarge,
  bucket_busy: BucketBusy,
  bucket_exists: BucketExists,
  bucket_name_taken: BucketNameTaken,
  bucket_not_found: BucketNotFound,
  clock_skew: ClockSkew,
  dead_letter_not_found: DeadLetterNotFound,
  dead_letter_redriven: DeadLetterRedriven,
  delivery_not_found: DeliveryNotFound,
  event_log_unavailable: EventLogUnavailable,
  forbidden: Forbidden,
  idempotency_key_reused: IdempotencyKeyReused,
  internal_error: InternalError,
  invalid_request: InvalidRequest,
  job_not_cancellable: JobNotCancellable,
  job_not_found: JobNotFound,
  key_not_found: KeyNotFound,
  key_revoked: KeyRevoked,
  master_secret_missing: MasterSecretMissing,
  overloaded: Overloaded,
  rate_limited: RateLimited,
  read_model_unavailable: ReadModelUnavailable,
  sign_in_unavailable: SignInUnavailable,
  too_many_jobs: TooManyJobs,
  too_many_webhooks: TooManyWebhooks,
  unauthorized: Unauthorized,
  unsupported_media_type: UnsupportedMediaType,
  webhook_disabled: WebhookDisabled,
  webhook_not_found: WebhookNotFound,
  webhook_url_refused: WebhookUrlRefused
}
export type ApiProblem = InstanceType<typeof problems[keyof typeof problems]>
