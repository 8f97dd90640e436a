/** The routes of webhooks: endpoints that are sent an account's events, and what was sent to them. */
import * as Bucket from "@akave-async/domain/Bucket"
import * as Delivery from "@akave-async/domain/Delivery"
import * as Download from "@akave-async/domain/Download"
import * as File from "@akave-async/domain/File"
import * as Webhook from "@akave-async/domain/Webhook"
import { WebhookUrl } from "@akave-async/domain/WebhookUrl"
import { Effect, Schema, Struct } from "effect"
import { HttpApiEndpoint, HttpApiGroup, HttpApiSchema, OpenApi } from "effect/http-api"
import { Identification } from "./Caller.ts"
import { bodyErrors, page, Validation } from "./Conventions.ts"
import * as Problems from "./Problems.ts"
import { Operation } from "./Resources.ts"

/** The most webhooks that an account has. */
export const maxWebhooks = 20

/** The CloudEvents types of the events of jobs, which are those that a webhook can be sent. */
export const EventType = Schema.Literals(
  [...Struct.keys(Bucket.Event.cases), ...Struct.keys(File.Event.cases), ...Struct.keys(Download.Event.cases)].map((
    tag
  ) => `akave.${tag}.v1` as const)
)

const Description = Schema.String.check(Schema.isMaxLength(200, { message: "at most 200 characters" }))
const EventTypes = Schema.Array(EventType).check(Schema.isMaxLength(100, { message: "at most 100 types" }))
const Operations = Schema.Array(Operation).check(Schema.isMaxLength(100, { message: "at most 100 operations" }))

export const WebhookRequest = Schema.Struct({
  url: WebhookUrl,
  /** All, where there is none. */
  event_types: EventTypes.pipe(Schema.withDecodingDefaultKey(Effect.succeed([]))),
  /** All, where there is none. */
  operations: Operations.pipe(Schema.withDecodingDefaultKey(Effect.succeed([]))),
  description: Description.pipe(Schema.withDecodingDefaultKey(Effect.succeed("")))
}).annotate({ identifier: "WebhookRequest" })

/** What is to be another than it is. */
export const WebhookChange = Schema.Struct({
  url: Schema.optionalKey(WebhookUrl),
  event_types: Schema.optionalKey(EventTypes),
  operations: Schema.optionalKey(Operations),
  description: Schema.optionalKey(Description),
  /** What happens while it is false is not sent later. */
  enabled: Schema.optionalKey(Schema.Boolean)
}).annotate({ identifier: "WebhookChange" })

export const WebhookResource = Schema.Struct({
  webhook_id: Webhook.Id,
  url: Schema.String,
  event_types: Schema.Array(Schema.String),
  operations: Schema.Array(Schema.String),
  description: Schema.String,
  enabled: Schema.Boolean,
  /** Null while it is enabled. */
  disabled_reason: Schema.NullOr(Webhook.DisabledReason),
  /** Since then it has answered nothing but failures. */
  failing_since: Schema.NullOr(Schema.DateTimeUtc),
  /** 1 at first; each rotation adds one. */
  secret_version: Schema.Int,
  /** Until then the secret before this version signs too. */
  secret_before_until: Schema.NullOr(Schema.DateTimeUtc),
  created_at: Schema.DateTimeUtc
}).annotate({ identifier: "Webhook", description: "An endpoint that is sent events, without its secret" })
export type WebhookResource = typeof WebhookResource.Type

export const NewWebhook = Schema.Struct({
  ...WebhookResource.fields,
  /** Shown this once: nothing keeps it. */
  secret: Schema.String
}).annotate({ identifier: "NewWebhook", description: "A webhook with its secret, which is shown once" })

export const webhookResource = (webhook: Webhook.Webhook): WebhookResource => ({
  webhook_id: webhook.id,
  url: webhook.url,
  event_types: webhook.eventTypes,
  operations: webhook.operations,
  description: webhook.description,
  enabled: webhook.status === "enabled",
  disabled_reason: webhook.disabledReason ?? null,
  failing_since: webhook.failingSince ?? null,
  secret_version: webhook.version,
  secret_before_until: webhook.graceUntil ?? null,
  created_at: webhook.createdAt
})

export const WebhookList = Schema.Struct({ webhooks: Schema.Array(WebhookResource) }).annotate({
  identifier: "WebhookList"
})

export const DeliveryResource = Schema.Struct({
  /** Of the event that is sent. */
  sequence: Schema.Int,
  event_type: Schema.String,
  outcome: Delivery.Outcome,
  attempts: Schema.Int,
  first_attempt_at: Schema.DateTimeUtc,
  last_attempt_at: Schema.DateTimeUtc,
  next_attempt_at: Schema.NullOr(Schema.DateTimeUtc),
  /** Of the last answer; null where none came. */
  status_code: Schema.NullOr(Schema.Int),
  /** Why the last attempt has failed. */
  error: Schema.NullOr(Schema.String),
  duration_ms: Schema.Int,
  /** What the last answer begins with. */
  answer: Schema.String
}).annotate({ identifier: "WebhookDelivery", description: "An event on its way to a webhook" })
export type DeliveryResource = typeof DeliveryResource.Type

export const deliveryResource = (delivery: Delivery.Delivery): DeliveryResource => ({
  sequence: delivery.sequence,
  event_type: delivery.eventType,
  outcome: delivery.outcome,
  attempts: delivery.attempts,
  first_attempt_at: delivery.firstAttemptAt,
  last_attempt_at: delivery.lastAttemptAt,
  next_attempt_at: delivery.nextAttemptAt ?? null,
  status_code: delivery.statusCode ?? null,
  error: delivery.error ?? null,
  duration_ms: delivery.durationMillis,
  answer: delivery.answer
})

export const DeliveryPage = Schema.Struct({
  deliveries: Schema.Array(DeliveryResource),
  /** Give it as `after` to get the next page; null on the last one. */
  next: Schema.NullOr(Webhook.Sequence)
}).annotate({ identifier: "WebhookDeliveryPage" })

export const SecretRotation = Schema.Struct({
  /** How long the secret before signs too, in seconds. */
  overlap_seconds: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 30 * 24 * 3600 })).pipe(
    Schema.withDecodingDefaultKey(Effect.succeed(24 * 3600))
  )
}).annotate({ identifier: "SecretRotation" })

export const ResendRequest = Schema.Struct({
  since_sequence: Schema.optionalKey(Webhook.Sequence),
  since_at: Schema.optionalKey(Schema.DateTimeUtc)
}).check(
  Schema.makeFilter(
    ({ since_at, since_sequence }) =>
      (since_at === undefined) !== (since_sequence === undefined) ||
      { path: ["since_sequence"], issue: "either a sequence or a time to begin with" },
    { toJsonSchema: () => ({ oneOf: [{ required: ["since_sequence"] }, { required: ["since_at"] }] }) }
  )
).annotate({ identifier: "ResendRequest" })

export const Resend = Schema.Struct({
  /** The events that are sent once more are between these two, both of them included; none, where the first is the greater. */
  since_sequence: Schema.Int,
  until_sequence: Schema.Int
}).annotate({ identifier: "Resend" })

export const Test = Schema.Struct({
  /** Of the event that is sent: its delivery is listed by this. */
  sequence: Schema.Int
}).annotate({ identifier: "WebhookTest" })

const params = { webhook_id: Webhook.Id }
const log = [Problems.WebhookNotFound, Problems.EventLogUnavailable] as const
const changes = [...log, ...bodyErrors] as const

export class WebhooksGroup extends HttpApiGroup.make("webhooks").add(
  HttpApiEndpoint.get("list", "/webhooks", { success: WebhookList, error: [Problems.ReadModelUnavailable] })
    .annotate(OpenApi.Summary, "The account's webhooks")
    .annotate(OpenApi.Description, "All of them, as all requests that were answered before have left them."),
  HttpApiEndpoint.post("register", "/webhooks", {
    payload: WebhookRequest,
    success: NewWebhook.pipe(HttpApiSchema.status(201)),
    error: [
      Problems.TooManyWebhooks,
      Problems.WebhookUrlRefused,
      Problems.MasterSecretMissing,
      Problems.EventLogUnavailable,
      Problems.ReadModelUnavailable,
      ...bodyErrors
    ]
  }).annotate(OpenApi.Summary, "Register an endpoint that is sent events, and show its secret once")
    .annotate(
      OpenApi.Description,
      "It is sent what happens to the account's jobs from now on, as CloudEvents that are signed by Standard Webhooks."
    ),
  HttpApiEndpoint.get("get", "/webhooks/:webhook_id", { params, success: WebhookResource, error: log })
    .annotate(OpenApi.Summary, "A webhook as it is now")
    .annotate(OpenApi.Description, "As the event log has it now, without its secret."),
  HttpApiEndpoint.patch("change", "/webhooks/:webhook_id", {
    params,
    payload: WebhookChange,
    success: WebhookResource,
    error: [Problems.WebhookUrlRefused, ...changes]
  }).annotate(OpenApi.Summary, "Change a webhook, or switch it off and on")
    .annotate(OpenApi.Description, "What is not given stays as it is. What happens while it is off is not sent later."),
  HttpApiEndpoint.delete("remove", "/webhooks/:webhook_id", {
    params,
    success: HttpApiSchema.Empty(204).annotate({ description: "The webhook is removed" }),
    error: changes
  }).annotate(OpenApi.Summary, "Remove a webhook for good")
    .annotate(OpenApi.Description, "Nothing more is sent to it, what waits for another attempt neither."),
  HttpApiEndpoint.post("rotate", "/webhooks/:webhook_id/rotate", {
    params,
    payload: SecretRotation,
    success: NewWebhook,
    error: [Problems.MasterSecretMissing, ...changes]
  }).annotate(OpenApi.Summary, "Give a webhook its next secret, and show it once")
    .annotate(OpenApi.Description, "For the overlap, deliveries have a signature by the secret before too."),
  HttpApiEndpoint.post("test", "/webhooks/:webhook_id/test", {
    params,
    success: Test.pipe(HttpApiSchema.status(202)),
    error: [Problems.WebhookDisabled, ...changes]
  }).annotate(OpenApi.Summary, "Send a test event to a webhook")
    .annotate(OpenApi.Description, "An event of type `akave.WebhookTestAsked.v1`, whatever types it is for otherwise."),
  HttpApiEndpoint.get("deliveries", "/webhooks/:webhook_id/deliveries", {
    params,
    query: { ...page, after: Schema.optionalKey(Webhook.Sequence), outcome: Schema.optionalKey(Delivery.Outcome) },
    success: DeliveryPage,
    error: [...log, Problems.ReadModelUnavailable]
  }).annotate(OpenApi.Summary, "What was sent to a webhook, the latest events first")
    .annotate(OpenApi.Description, "Each event once, with its last attempt."),
  HttpApiEndpoint.post("resendOne", "/webhooks/:webhook_id/deliveries/:sequence/resend", {
    params: { ...params, sequence: Webhook.Sequence },
    success: Resend.pipe(HttpApiSchema.status(202)),
    error: [Problems.DeliveryNotFound, Problems.WebhookDisabled, ...changes]
  }).annotate(OpenApi.Summary, "Send an event to a webhook once more")
    .annotate(
      OpenApi.Description,
      "Any event of the account's jobs, whatever types and operations the webhook is for."
    ),
  HttpApiEndpoint.post("resend", "/webhooks/:webhook_id/resend", {
    params,
    payload: ResendRequest,
    success: Resend.pipe(HttpApiSchema.status(202)),
    error: [Problems.WebhookDisabled, ...changes]
  }).annotate(OpenApi.Summary, "Send a webhook all events since a time or a sequence once more")
    .annotate(OpenApi.Description, "Those that it is for and that have happened until now.")
).annotate(OpenApi.Description, "Endpoints that are sent events").middleware(Validation).middleware(Identification) {}
