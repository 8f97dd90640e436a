/**
 * Serves the webhooks: each has a durable consumer, which all notifiers share and which begins where the webhook was registered or
 * enabled, so that none delays another. A webhook that is disabled or removed has no consumer.
 */
import type * as Webhook from "@akave-async/domain/Webhook"
import { EventLog, type LogUnavailable, type StoredEvent } from "@akave-async/eventing/EventLog"
import * as Kind from "@akave-async/eventing/Kind"
import { again, done, type Outcome } from "@akave-async/eventing/Outcome"
import * as Reaction from "@akave-async/eventing/Reaction"
import { Registry } from "@akave-async/eventing/Registry"
import * as WebhookEvents from "@akave-async/eventing/WebhookEvents"
import * as RepeatedWarning from "@akave-async/platform/RepeatedWarning"
import * as Retry from "@akave-async/platform/Retry"
import { Cause, Duration, Effect, Schedule } from "effect"
import { Deliveries } from "./Deliveries.ts"
import { asOf, Endpoints } from "./Endpoints.ts"
import { maxUnsettled, NotifierConfig } from "./NotifierConfig.ts"

/** The durable consumer of a webhook. */
export const consumerOf = (id: Webhook.Id): string => `notifier-${id}`

/** How often it is looked for webhooks that are new, or are to be served in another way. */
const lookInterval = "100 millis"
const until = (isSo: () => boolean) =>
  Effect.sync(isSo).pipe(Effect.repeat({ until: (is) => is, schedule: Schedule.spaced(lookInterval) }))

/** Events of a range that are read at a time. */
const pageSize = 1_000

/** Serves all webhooks until it is interrupted. */
// oxlint-disable-next-line max-lines-per-function -- what serves a webhook shares the services
export const run = Effect.gen(function*() {
  const log = yield* EventLog
  const endpoints = yield* Endpoints
  const { deliver } = yield* Deliveries
  const { read } = yield* Registry
  const { ackWait, concurrency } = yield* NotifierConfig
  yield* endpoints.ready

  /** The events between two places of the log that a webhook is sent once more; one that is asked for alone whatever it is. */
  const inRange = Effect.fnUntraced(function*(
    webhook: Webhook.Webhook,
    since: number,
    until: number
  ) {
    const isOne = since === until
    const found = yield* log.page(`*.${webhook.owner.toLowerCase()}.>`, since, isOne ? 1 : pageSize)
    const isWanted = (stored: StoredEvent) => {
      const event = read(stored)
      if (event._tag !== "Known" || stored.sequence > until) return false
      return isOne
        ? WebhookEvents.isForAccount(webhook, event, stored)
        : event.step !== undefined && WebhookEvents.wants(webhook, event, stored)
    }
    const next = found.length < pageSize ? until + 1 : (found.at(-1)?.sequence ?? until) + 1
    return { wanted: found.filter(isWanted), next }
  })

  /** Sends the events of a range once more. Each is tried on its own; it is done when all of them are. */
  const resend = Effect.fnUntraced(function*(
    webhook: Webhook.Webhook,
    { since, until }: { readonly since: number; readonly until: number },
    asked: number
  ) {
    let pause = Duration.infinity
    for (let from = since; from <= until;) {
      const { next, wanted } = yield* inRange(webhook, from, until)
      const outcomes = yield* Effect.forEach(wanted, (stored) => deliver(webhook.id, stored, asked), { concurrency })
      for (const outcome of outcomes) if (outcome._tag === "Again") pause = Duration.min(pause, outcome.after)
      from = next
    }
    return Duration.isFinite(pause) ? again(pause) : done
  })

  const handle = Effect.fnUntraced(
    function*(id: Webhook.Id, { known, stored }: Reaction.Wanted): Effect.fn.Return<Outcome, LogUnavailable> {
      yield* endpoints.upTo(stored.sequence)
      const endpoint = endpoints.get(id)
      if (endpoint === undefined || stored.sequence < endpoint.enabledAt) return done
      const { webhook } = endpoint
      if (Kind.isOf(WebhookEvents.kind, known) && known.event._tag === "WebhookResendAsked") {
        return known.event.webhookId === id ? yield* resend(webhook, known.event, stored.sequence) : done
      }
      return WebhookEvents.wants(asOf(endpoint, stored.sequence), known, stored) ? yield* deliver(id, stored) : done
    }
  )

  const react = ({ enabledAt, webhook: { id, owner } }: NonNullable<ReturnType<typeof endpoints.get>>) =>
    Reaction.run(log, {
      name: consumerOf(id),
      source: "/akave/notifier",
      ackWait,
      maxAckPending: maxUnsettled,
      filter: `*.${owner.toLowerCase()}.>`,
      startAt: Effect.succeed(enabledAt + 1),
      wants: () => true,
      handle: (wanted) => handle(id, wanted)
    })

  /** Serves one webhook until it is removed. */
  const serve = Effect.fnUntraced(function*(id: Webhook.Id) {
    while (true) {
      const endpoint = endpoints.get(id)
      if (endpoint?.webhook.status === "enabled") {
        const isOther = () => {
          const now = endpoints.get(id)
          return now?.webhook.status !== "enabled" || now.enabledAt !== endpoint.enabledAt
        }
        yield* Effect.raceFirst(react(endpoint), until(isOther))
      }
      if (endpoints.get(id)?.webhook.status === "enabled") continue
      yield* log.forget(consumerOf(id))
      if (endpoints.get(id)?.webhook.status === "removed") return
      yield* until(() => endpoints.get(id)?.webhook.status !== "disabled")
    }
  })

  const served = new Set<Webhook.Id>()
  yield* Effect.gen(function*() {
    for (const { webhook: { id } } of endpoints.all().filter(({ webhook }) => !served.has(webhook.id))) {
      served.add(id)
      const warn = RepeatedWarning.make()
      yield* serve(id).pipe(
        Effect.tapCause((cause) =>
          Cause.hasInterruptsOnly(cause) ? Effect.void : warn(`webhook ${id} is served again`, cause)
        ),
        Effect.sandbox,
        Effect.retry(Retry.endless("1 second")),
        Effect.forkScoped
      )
    }
  }).pipe(Effect.repeat(Schedule.spaced(lookInterval)))
})
