/** Examples of webhooks and their deliveries. */
import * as Webhook from "@akave-async/domain/Webhook"
import { WebhookUrl } from "@akave-async/domain/WebhookUrl"
import { DateTime } from "effect"
import { encode } from "./JsonObject.ts"
import * as Problems from "./Problems.ts"
import {
  DeliveryPage,
  DeliveryResource,
  NewWebhook,
  Resend,
  ResendRequest,
  SecretRotation,
  Test,
  WebhookChange,
  WebhookList,
  WebhookRequest,
  WebhookResource
} from "./WebhooksApi.ts"

const url = WebhookUrl.make("https://hooks.example.org/akave")
const createdAt = DateTime.makeUnsafe("2026-11-21T10:10:55.853Z")
const webhook: WebhookResource = {
  webhook_id: Webhook.Id.make("3f1d2c3b4a590817"),
  url,
  event_types: ["akave.BucketCreated.v1"],
  operations: [],
  description: "our backend",
  enabled: true,
  disabled_reason: null,
  failing_since: null,
  secret_version: 1,
  secret_before_until: null,
  created_at: createdAt
}
const delivery: DeliveryResource = {
  sequence: 4711,
  event_type: "akave.BucketCreated.v1",
  outcome: "retrying",
  attempts: 1,
  first_attempt_at: createdAt,
  last_attempt_at: createdAt,
  next_attempt_at: DateTime.makeUnsafe("2026-11-21T10:11:01.420Z"),
  status_code: 500,
  error: "The endpoint has answered 500",
  duration_ms: 37,
  answer: "Internal Server Error"
}

export const problems = [
  new Problems.WebhookNotFound({ detail: "There is no such webhook" }),
  new Problems.DeliveryNotFound({ detail: `Event ${delivery.sequence} is none that the account could be sent` }),
  new Problems.WebhookDisabled({ detail: "The webhook is disabled: enable it first" }),
  new Problems.TooManyWebhooks({ detail: "The account has 20 webhooks, of 20 that it may have" }),
  new Problems.WebhookUrlRefused({ detail: "10.0.0.1 is no address on the internet" }),
  new Problems.MasterSecretMissing({ detail: "The gateway's operator must set MASTER_SECRET" })
]

/** By the name of a schema in the document. */
export const examples = {
  Webhook: { webhook: encode(WebhookResource, webhook) },
  NewWebhook: { webhook: encode(NewWebhook, { ...webhook, secret: `whsec_${"x".repeat(43)}=` }) },
  WebhookList: { webhooks: encode(WebhookList, { webhooks: [webhook] }) },
  WebhookRequest: {
    webhook: encode(WebhookRequest, {
      url,
      event_types: ["akave.BucketCreated.v1"],
      operations: [],
      description: "our backend"
    })
  },
  WebhookChange: { off: encode(WebhookChange, { enabled: false }) },
  SecretRotation: { day: encode(SecretRotation, { overlap_seconds: 86_400 }) },
  ResendRequest: {
    time: encode(ResendRequest, { since_at: createdAt }),
    sequence: encode(ResendRequest, { since_sequence: 4711 })
  },
  Resend: { resend: encode(Resend, { since_sequence: 4711, until_sequence: 4799 }) },
  WebhookTest: { test: encode(Test, { sequence: 4800 }) },
  WebhookDelivery: { delivery: encode(DeliveryResource, delivery) },
  WebhookDeliveryPage: { page: encode(DeliveryPage, { deliveries: [delivery], next: null }) }
}
