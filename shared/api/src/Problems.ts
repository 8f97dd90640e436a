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
export class UnsupportedMediaType extends problem<UnsupportedMediaType>()(
  "UnsupportedMediaType",
  "unsupported_media_type",
  415,
  "The body is not JSON"
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
