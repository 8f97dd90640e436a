/** Brings events to their webhooks, and records each attempt: what was recorded is not done again, whichever notifier comes next. */
import * as Delivery from "@akave-async/domain/Delivery"
import * as Webhook from "@akave-async/domain/Webhook"
import * as CloudEventJson from "@akave-async/eventing/CloudEventJson"
import { execute, load } from "@akave-async/eventing/DeliveryEvents"
import { EventLog, type LogUnavailable, type StoredEvent } from "@akave-async/eventing/EventLog"
import { again, done, type Outcome } from "@akave-async/eventing/Outcome"
import { Failpoint } from "@akave-async/platform/Failpoint"
import { MasterSecret } from "@akave-async/platform/MasterSecret"
import * as RepeatedWarning from "@akave-async/platform/RepeatedWarning"
import * as WebhookSecrets from "@akave-async/platform/WebhookSecrets"
import { Clock, Context, DateTime, Duration, Effect, Layer, Random, type Redacted, Semaphore } from "effect"
import { Endpoints } from "./Endpoints.ts"
import { NotifierConfig } from "./NotifierConfig.ts"
import * as NotifierMetrics from "./NotifierMetrics.ts"
import * as Sender from "./Sender.ts"
import * as Standing from "./Standing.ts"

const source = "/akave/notifier"
/** Without a master secret nothing can be signed: it is looked for again after this. */
const secretPause = Duration.seconds(5)

/** The id of a message: the same for all attempts, by whichever notifier. */
export const messageIdOf = (webhookId: Webhook.Id, sequence: number): string => `msg_${webhookId}_${sequence}`

/** The message that brings an event to a webhook (Standard Webhooks 1.0), signed at a time. */
export const messageOf = (
  masters: ReadonlyArray<Redacted.Redacted>,
  webhook: Webhook.Webhook,
  stored: StoredEvent,
  now: DateTime.Utc
): Sender.Message => {
  const id = messageIdOf(webhook.id, stored.sequence)
  const timestamp = Math.floor(DateTime.toEpochMillis(now) / 1_000)
  const body = CloudEventJson.toJson(stored)
  const versions = Webhook.signingVersions(webhook, now)
  return {
    url: webhook.url,
    body,
    headers: {
      "content-type": "application/cloudevents+json",
      "user-agent": "akave-async-webhooks/1",
      "webhook-id": id,
      "webhook-timestamp": `${timestamp}`,
      "webhook-signature": WebhookSecrets.signaturesOf(masters, webhook.id, versions, { id, timestamp, body })
    }
  }
}

export class Deliveries extends Context.Service<Deliveries, {
  /**
   * Brings an event to a webhook, where that is due: done once it was taken or is given up, else again after a time.
   * @param resend The place in the log of what asks for it once more.
   */
  deliver(id: Webhook.Id, stored: StoredEvent, resend?: number): Effect.Effect<Outcome, LogUnavailable>
  /** Sets what is measured of events that are under way. */
  readonly measure: Effect.Effect<void>
}>()("@akave-async/notifier/Deliveries") {
  static readonly layer = Layer.effect(
    Deliveries,
    // oxlint-disable-next-line max-lines-per-function -- an attempt and its record share what is known of the webhook
    Effect.gen(function*() {
      const log = yield* EventLog
      const endpoints = yield* Endpoints
      const masters = yield* MasterSecret
      const failpoint = yield* Failpoint
      const { concurrency, disableAfter, policy, ...options } = yield* NotifierConfig
      const note = Standing.make(log, disableAfter)
      const undelivered = new NotifierMetrics.Undelivered()
      const turns = new Map<Webhook.Id, Semaphore.Semaphore>()
      const warn = RepeatedWarning.make()

      const turnOf = (id: Webhook.Id) => {
        const turn = turns.get(id) ?? Semaphore.makeUnsafe(concurrency)
        turns.set(id, turn)
        return turn.withPermit
      }

      /** Makes an attempt, and gives the delivery as it is then. */
      const attempt = Effect.fnUntraced(function*(
        webhook: Webhook.Webhook,
        stored: StoredEvent,
        known: Effect.Success<ReturnType<typeof load>>,
        resend: number | undefined
      ) {
        const { headers, sequence } = stored
        const begun = performance.now()
        const message = messageOf(masters.taken(), webhook, stored, yield* DateTime.now)
        const answer = yield* Sender.send(message, options)
        const millis = performance.now() - begun
        yield* failpoint.hit("answered")
        // Before the record, after which nobody comes back to this answer.
        yield* note(webhook, answer)
        const made: Delivery.Attempt = {
          webhookId: webhook.id,
          ...(webhook.tenant === undefined ? {} : { tenant: webhook.tenant }),
          sequence,
          eventType: headers["ce-type"] ?? "",
          ...(resend === undefined ? {} : { resend }),
          ...(answer.statusCode === undefined ? {} : { statusCode: answer.statusCode }),
          ...(answer.error === undefined ? {} : { error: answer.error }),
          durationMillis: Math.round(millis),
          answer: answer.text,
          isTaken: answer.isTaken,
          isLast: answer.statusCode === Standing.goneStatus,
          ...(answer.retryAfter === undefined ? {} : { retryAfter: answer.retryAfter })
        }
        const decision = Delivery.recordAttempt(made, policy, yield* Random.next)
        const { state } = yield* execute(log, Delivery.subject(made), known, decision, {
          source,
          causationId: headers["ce-id"],
          traceparent: headers["traceparent"]
        })
        yield* failpoint.hit("recorded")
        if (state !== undefined) yield* NotifierMetrics.attempted(state.outcome, millis / 1_000)
        return state
      })

      const attemptIfDue = Effect.fnUntraced(
        function*(id: Webhook.Id, stored: StoredEvent, resend: number | undefined) {
          const webhook = endpoints.get(id)?.webhook
          // What happens while it is disabled is not sent later.
          if (webhook?.status !== "enabled") return done
          if (masters.current() === undefined) {
            yield* warn("webhooks wait: set MASTER_SECRET to what the gateways have")
            return again(secretPause)
          }
          const of = { webhookId: id, sequence: stored.sequence }
          const subject = Delivery.subject(webhook.tenant === undefined ? of : { ...of, tenant: webhook.tenant })
          const known = yield* load(log, subject)
          const isDue = Delivery.due(known.state, resend, yield* DateTime.now)._tag === "Now"
          const state = isDue ? yield* attempt(webhook, stored, known, resend) : known.state
          const now = yield* DateTime.now
          const next = Delivery.due(state, resend, now)
          if (next._tag === "Over") return done
          return again(next._tag === "Later" ? DateTime.distance(now, next.at) : Duration.zero)
        }
      )

      const deliver = Effect.fn("Deliveries.deliver")(
        function*(id: Webhook.Id, stored: StoredEvent, resend?: number) {
          yield* Effect.annotateCurrentSpan({ "webhook.id": id, "event.sequence": stored.sequence })
          const key = `${id} ${stored.sequence}`
          const now = yield* Clock.currentTimeMillis
          // What is sent once more may have happened long ago.
          undelivered.begin(key, resend === undefined ? Date.parse(stored.headers["ce-time"] ?? "") : now)
          const outcome = yield* turnOf(id)(attemptIfDue(id, stored, resend)).pipe(
            Effect.onError(() => Effect.sync(() => undelivered.end(key)))
          )
          if (outcome._tag === "Done") undelivered.end(key)
          else undelivered.keep(key, (yield* Clock.currentTimeMillis) + Duration.toMillis(outcome.after))
          return outcome
        }
      )

      return Deliveries.of({ deliver, measure: undelivered.measure })
    })
  )
}
