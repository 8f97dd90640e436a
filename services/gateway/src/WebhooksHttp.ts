/** The routes of webhooks. */
import { Api } from "@akave-async/api/Api"
import { Caller } from "@akave-async/api/Caller"
import * as Problems from "@akave-async/api/Problems"
import { deliveryResource, webhookResource } from "@akave-async/api/WebhooksApi"
import type * as Webhook from "@akave-async/domain/Webhook"
import { MasterSecret } from "@akave-async/platform/MasterSecret"
import * as WebhookSecrets from "@akave-async/platform/WebhookSecrets"
import { Duration, Effect, Redacted } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import { eventsUnavailable, logUnavailable, lookupFailures } from "./Unavailable.ts"
import { WebhookModel } from "./WebhookModel.ts"
import { type Range, type Settings, Webhooks } from "./Webhooks.ts"

const secretMissing = new Problems.MasterSecretMissing({
  detail: "The secrets of webhooks are derived from a master secret: the gateway's operator must set MASTER_SECRET"
})

const missing = ({ message }: Webhook.WebhookMissing) => new Problems.WebhookNotFound({ detail: message })
const off = ({ message }: Webhook.WebhookOff) => new Problems.WebhookDisabled({ detail: message })
const refused = ({ message }: { readonly message: string }) => new Problems.WebhookUrlRefused({ detail: message })
const failures = { WebhookMissing: missing, LogUnavailable: logUnavailable }

interface Asked {
  readonly url?: Settings["url"]
  readonly event_types?: ReadonlyArray<string>
  readonly operations?: ReadonlyArray<string>
  readonly description?: string
}
const settingsOf = ({ description, event_types: eventTypes, operations, url }: Asked): Partial<Settings> => ({
  ...(url === undefined ? {} : { url }),
  ...(eventTypes === undefined ? {} : { eventTypes }),
  ...(operations === undefined ? {} : { operations }),
  ...(description === undefined ? {} : { description })
})
const rangeResource = ({ since, until }: Range) => ({ since_sequence: since, until_sequence: until })

export const WebhooksHttp = HttpApiBuilder.group(
  Api,
  "webhooks",
  // oxlint-disable-next-line max-lines-per-function -- a handler for each route
  Effect.fnUntraced(function*(handlers) {
    const webhooks = yield* Webhooks
    const model = yield* WebhookModel
    const masters = yield* MasterSecret

    /** A webhook with the secret of a version, for the one time that it is shown. */
    const shown = (master: Redacted.Redacted, webhook: Webhook.Webhook, version: number) => ({
      ...webhookResource(webhook),
      secret: Redacted.value(WebhookSecrets.secretOf(master, webhook.id, version))
    })
    // Asked for before anything is changed: the secret is shown once.
    const master = Effect.suspend(() => {
      const current = masters.current()
      return current === undefined ? Effect.fail(secretMissing) : Effect.succeed(current)
    })

    return handlers.handleAll({
      list: Effect.fnUntraced(function*() {
        return { webhooks: (yield* model.webhooks(yield* Caller)).map(webhookResource) }
      }, Effect.catchTags(lookupFailures)),
      register: Effect.fnUntraced(
        function*({ payload: { description, event_types: eventTypes, operations, url } }) {
          const secret = yield* master
          const webhook = yield* webhooks.register(yield* Caller, { url, eventTypes, operations, description })
          return shown(secret, webhook, 1)
        },
        Effect.catchTags({
          ...lookupFailures,
          UrlRefused: refused,
          TooManyWebhooks: ({ message }) => new Problems.TooManyWebhooks({ detail: message }),
          LogUnavailable: logUnavailable
        })
      ),
      get: Effect.fnUntraced(
        function*({ params }) {
          return webhookResource(yield* webhooks.get(yield* Caller, params.webhook_id))
        },
        Effect.catchTags({ WebhookMissing: missing, LogUnavailable: eventsUnavailable })
      ),
      change: Effect.fnUntraced(
        function*({ params, payload: { enabled, ...asked } }) {
          const change = { ...settingsOf(asked), ...(enabled === undefined ? {} : { enabled }) }
          return webhookResource(yield* webhooks.change(yield* Caller, params.webhook_id, change))
        },
        Effect.catchTags({ ...failures, UrlRefused: refused })
      ),
      remove: Effect.fnUntraced(function*({ params }) {
        yield* webhooks.remove(yield* Caller, params.webhook_id)
      }, Effect.catchTags(failures)),
      rotate: Effect.fnUntraced(
        function*({ params, payload: { overlap_seconds } }) {
          const secret = yield* master
          const grace = Duration.seconds(overlap_seconds)
          const { version, webhook } = yield* webhooks.rotate(yield* Caller, params.webhook_id, grace)
          return shown(secret, webhook, version)
        },
        Effect.catchTags(failures)
      ),
      test: Effect.fnUntraced(
        function*({ params }) {
          return { sequence: yield* webhooks.test(yield* Caller, params.webhook_id) }
        },
        Effect.catchTags({ ...failures, WebhookOff: off })
      ),
      deliveries: Effect.fnUntraced(
        function*({ params, query }) {
          const { id } = yield* webhooks.get(yield* Caller, params.webhook_id)
          const page = yield* model.deliveries(id, query)
          return {
            deliveries: page.map(deliveryResource),
            next: page.length < query.limit ? null : page.at(-1)?.sequence ?? null
          }
        },
        Effect.catchTags({
          WebhookMissing: missing,
          LogUnavailable: eventsUnavailable,
          SqlError: lookupFailures.SqlError
        })
      ),
      resendOne: Effect.fnUntraced(
        function*({ params: { sequence, webhook_id } }) {
          return rangeResource(yield* webhooks.resendOne(yield* Caller, webhook_id, sequence))
        },
        Effect.catchTags({
          ...failures,
          WebhookOff: off,
          NotDeliverable: ({ message }) => new Problems.DeliveryNotFound({ detail: message })
        })
      ),
      resend: Effect.fnUntraced(
        function*({ params, payload: { since_at, since_sequence } }) {
          // One of the two is given.
          const since = since_sequence ?? since_at ?? 1
          return rangeResource(yield* webhooks.resend(yield* Caller, params.webhook_id, since))
        },
        Effect.catchTags({ ...failures, WebhookOff: off })
      )
    })
  })
)
