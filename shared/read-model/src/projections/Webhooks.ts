/** The webhooks of all accounts, and what was sent to them: `webhooks` and `webhook_deliveries`. */
import * as Delivery from "@akave-async/domain/Delivery"
import * as Webhook from "@akave-async/domain/Webhook"
import * as DeliveryEvents from "@akave-async/eventing/DeliveryEvents"
import * as Kind from "@akave-async/eventing/Kind"
import * as WebhookEvents from "@akave-async/eventing/WebhookEvents"
import { readModelTable } from "@akave-async/platform/Postgres"
import { Effect, Schema } from "effect"
import { SqlClient } from "effect/sql"
import type { Placed } from "../Batch.ts"
import { toJson } from "../Rows.ts"

const encodeWebhook = Schema.encodeSync(Schema.toCodecJson(Webhook.Webhook))
const decodeWebhooks = Schema.decodeUnknownEffect(Schema.Array(Schema.toCodecJson(Webhook.Webhook)))
const encodeDelivery = Schema.encodeSync(Schema.toCodecJson(Delivery.Delivery))
const decodeDeliveries = Schema.decodeUnknownEffect(Schema.Array(Schema.toCodecJson(Delivery.Delivery)))

/** The aggregates of one kind that these events speak of, as the events leave them, each with the sequence of its last event. */
const folded = <State, Event extends Kind.AnyEvent>(
  kind: Kind.Kind<Event>,
  keyOf: (event: Event) => string,
  evolve: (state: State | undefined, event: Event) => State | undefined,
  before: ReadonlyMap<string, State>,
  events: ReadonlyArray<Placed>
) => {
  const found = new Map<string, { readonly state: State; readonly revision: number }>()
  for (const known of events) {
    if (!Kind.isOf(kind, known)) continue
    const key = keyOf(known.event)
    const state = evolve(found.get(key)?.state ?? before.get(key), known.event)
    if (state !== undefined) found.set(key, { state, revision: (known as Placed).sequence })
  }
  return [...found.values()]
}

/** A delivery by its webhook and the event that is sent. */
export const keyOf = ({ sequence, webhookId }: { readonly webhookId: string; readonly sequence: number }): string =>
  `${webhookId} ${sequence}`

/** Rows of the webhooks that these events speak of, given the webhooks as they were before. */
export const webhookRows = (before: ReadonlyMap<string, Webhook.Webhook>, events: ReadonlyArray<Placed>) =>
  folded(WebhookEvents.kind, ({ webhookId }) => webhookId, Webhook.evolve, before, events).map(
    ({ revision, state }) => ({
      id: state.id,
      owner: state.owner,
      tenant: state.tenant ?? null,
      status: state.status,
      revision,
      webhook: encodeWebhook(state)
    })
  )

/** Rows of the deliveries that these events speak of, given the deliveries as they were before. */
export const deliveryRows = (before: ReadonlyMap<string, Delivery.Delivery>, events: ReadonlyArray<Placed>) =>
  folded(DeliveryEvents.kind, keyOf, Delivery.evolve, before, events).map(({ revision, state }) => ({
    webhook_id: state.webhookId,
    sequence: state.sequence,
    outcome: state.outcome,
    revision,
    delivery: encodeDelivery(state)
  }))

const applyWebhooks = Effect.fnUntraced(function*(events: ReadonlyArray<Placed>) {
  const ids = new Set(events.flatMap((known) => Kind.isOf(WebhookEvents.kind, known) ? [known.event.webhookId] : []))
  if (ids.size === 0) return
  const sql = yield* SqlClient.SqlClient
  const table = yield* readModelTable
  const known = yield* sql<{ webhook: unknown }>`
    select webhook from ${table("webhooks")} where id = any(${[...ids]}::text[])`
  const before = yield* Effect.orDie(decodeWebhooks(known.map(({ webhook }) => webhook)))
  const rows = webhookRows(new Map(before.map((one) => [one.id, one])), events)
  yield* sql`
    insert into ${table("webhooks")} (id, owner, tenant, status, revision, webhook)
    select id, owner, tenant, status, revision, webhook from jsonb_to_recordset(${toJson(rows)}::jsonb) as row(
      id text, owner text, tenant text, status text, revision bigint, webhook jsonb)
    on conflict (id) do update set status = excluded.status, revision = excluded.revision,
      webhook = excluded.webhook`
})

const applyDeliveries = Effect.fnUntraced(function*(events: ReadonlyArray<Placed>) {
  const asked = events.flatMap((known) => Kind.isOf(DeliveryEvents.kind, known) ? [known.event] : [])
  if (asked.length === 0) return
  const sql = yield* SqlClient.SqlClient
  const table = yield* readModelTable
  const known = yield* sql<{ delivery: unknown }>`
    select delivery from ${table("webhook_deliveries")} where (webhook_id, sequence) in (
      select * from unnest(${asked.map(({ webhookId }) => webhookId)}::text[], ${
    asked.map(({ sequence }) => sequence)
  }::bigint[]))`
  const before = yield* Effect.orDie(decodeDeliveries(known.map(({ delivery }) => delivery)))
  const rows = deliveryRows(new Map(before.map((one) => [keyOf(one), one])), events)
  yield* sql`
    insert into ${table("webhook_deliveries")} (webhook_id, sequence, outcome, revision, delivery)
    select webhook_id, sequence, outcome, revision, delivery
    from jsonb_to_recordset(${toJson(rows)}::jsonb) as row(
      webhook_id text, sequence bigint, outcome text, revision bigint, delivery jsonb)
    on conflict (webhook_id, sequence) do update set outcome = excluded.outcome, revision = excluded.revision,
      delivery = excluded.delivery`
})

/** Most batches have none, and then nothing is asked of the database. */
export const apply = Effect.fn("Webhooks.apply")(function*(events: ReadonlyArray<Placed>) {
  yield* applyWebhooks(events)
  yield* applyDeliveries(events)
})
