/** How the events of webhooks stand in the log, how a webhook is read from it and changed in it, and which events it is sent. */
import * as Webhook from "@akave-async/domain/Webhook"
import { Config, DateTime } from "effect"
import * as Aggregate from "./Aggregate.ts"
import * as CloudEvent from "./CloudEvent.ts"
import type { StoredEvent } from "./EventLog.ts"
import * as Kind from "./Kind.ts"

/** Whether webhooks may lead to any address, and by http: `WEBHOOK_ALLOW_PRIVATE`. */
export const allowsPrivateConfig = Config.Boolean("WEBHOOK_ALLOW_PRIVATE").pipe(Config.withDefault(false))

export const codec = CloudEvent.make(Webhook.Event)

/** What is known of a webhook of which nothing is in the log. */
export const unknown: Aggregate.Loaded<Webhook.State> = { state: Webhook.initial, revision: 0 }

const factOf = (event: Webhook.Event): string => {
  switch (event._tag) {
    case "WebhookRegistered":
      return "registered"
    case "WebhookRemoved":
      return "removed"
    case "WebhookSecretRotated":
      return `rotated.${event.version}`
    default:
      return `${event._tag}.${DateTime.toEpochMillis(event.occurredAt)}`
  }
}

const aggregate: Aggregate.Aggregate<Webhook.State, Webhook.Event> = {
  ...Webhook,
  codec,
  idOf: (event) => `${Webhook.kind}.${event.webhookId}.${factOf(event)}`,
  jobIdOf: () => undefined,
  accountOf: (event, before) => event._tag === "WebhookRegistered" ? event.tenant : before?.tenant
}

export const { execute, load } = Aggregate.make(aggregate)

export const kind = Kind.make(Webhook.kind, ["owner", "webhook"], aggregate)

/** Whether an event is one that the webhook's account may be sent: one of its jobs, or a test of this webhook. */
export const isForAccount = (
  webhook: Webhook.Webhook,
  known: Kind.Known,
  { headers, subject }: StoredEvent
): boolean => {
  if (Kind.isOf(kind, known)) return known.event._tag === "WebhookTestAsked" && known.event.webhookId === webhook.id
  return known.step !== undefined && headers["ce-account"] === webhook.tenant
    && subject.split(".", 2)[1] === webhook.owner.toLowerCase()
}

/** Whether the webhook is sent an event by itself: its account may be, and its settings name the event. */
export const wants = (webhook: Webhook.Webhook, known: Kind.Known, stored: StoredEvent): boolean => {
  const { eventTypes, operations } = webhook
  if (!isForAccount(webhook, known, stored)) return false
  if (known.step === undefined) return true
  return (eventTypes.length === 0 || eventTypes.includes(stored.headers["ce-type"] ?? ""))
    && (operations.length === 0 || operations.includes(known.step.operation))
}
