/** Queries on the tables of webhooks that the projector keeps. */
import { type Caller, tenantOf } from "@akave-async/api/Caller"
import * as Delivery from "@akave-async/domain/Delivery"
import * as Webhook from "@akave-async/domain/Webhook"
import { readModelTable } from "@akave-async/platform/Postgres"
import { Context, Effect, Layer, Schema } from "effect"
import { SqlClient, type SqlError } from "effect/sql"
import { inTime, type LookupError, ReadModel } from "./ReadModel.ts"

type By = Caller["Service"]

export interface DeliveryQuery {
  readonly outcome?: Delivery.Outcome
  readonly after?: number
  readonly limit: number
}

export class WebhookModel extends Context.Service<WebhookModel, {
  /** All webhooks of the caller's account, by id: as whatever the log held when this was called has left them. */
  webhooks(caller: By): Effect.Effect<ReadonlyArray<Webhook.Webhook>, LookupError>
  /** What was sent to a webhook, before this event, the latest events first. */
  deliveries(
    id: Webhook.Id,
    query: DeliveryQuery
  ): Effect.Effect<ReadonlyArray<Delivery.Delivery>, SqlError.SqlError>
}>()("@akave-async/gateway/WebhookModel") {
  static readonly layer = Layer.effect(
    WebhookModel,
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      const table = yield* readModelTable
      const { caughtUp } = yield* ReadModel

      const webhooks = Effect.fn("WebhookModel.webhooks")(function*(caller: By) {
        yield* caughtUp
        const { tenant = null } = tenantOf(caller)
        const rows = yield* sql<{ webhook: unknown }>`
          select webhook from ${table("webhooks")}
          where lower(owner) = ${caller.owner.toLowerCase()} and tenant is not distinct from ${tenant}
            and status <> ${removed} order by id`
        return yield* Effect.orDie(decodeWebhooks(rows.map(({ webhook }) => webhook)))
      }, inTime)

      const deliveries = Effect.fn("WebhookModel.deliveries")(
        function*(id: Webhook.Id, { after, limit, outcome }: DeliveryQuery) {
          const rows = yield* sql<{ delivery: unknown }>`
            select delivery from ${table("webhook_deliveries")} where ${
            sql.and([
              sql`webhook_id = ${id}`,
              ...after === undefined ? [] : [sql`sequence < ${after}`],
              ...outcome === undefined ? [] : [sql`outcome = ${outcome}`]
            ])
          } order by sequence desc limit ${limit}`
          return yield* Effect.orDie(decodeDeliveries(rows.map(({ delivery }) => delivery)))
        },
        inTime
      )

      return WebhookModel.of({ webhooks, deliveries })
    })
  )
}

const removed: Webhook.Webhook["status"] = "removed"
const decodeWebhooks = Schema.decodeUnknownEffect(Schema.Array(Schema.toCodecJson(Webhook.Webhook)))
const decodeDeliveries = Schema.decodeUnknownEffect(Schema.Array(Schema.toCodecJson(Delivery.Delivery)))
