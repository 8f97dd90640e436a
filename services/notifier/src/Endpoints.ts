/** The webhooks of all accounts, held in memory from the log. */
import * as Webhook from "@akave-async/domain/Webhook"
import type { LogUnavailable, Sequence } from "@akave-async/eventing/EventLog"
import * as Held from "@akave-async/eventing/Held"
import { Tail } from "@akave-async/eventing/Tail"
import { codec } from "@akave-async/eventing/WebhookEvents"
import * as Retry from "@akave-async/platform/Retry"
import { Context, Effect, Layer, Result } from "effect"

export interface Endpoint {
  readonly webhook: Webhook.Webhook
  /** The event that has registered it or enabled it last: it is sent what comes after that. */
  readonly enabledAt: Sequence
  /** What it was for, from each of these events on, the first one first. */
  readonly filters: ReadonlyArray<Filter>
}

interface Filter extends Pick<Webhook.Webhook, "eventTypes" | "operations"> {
  readonly since: Sequence
}

/** A webhook with what it was for when an event happened: a consumer that is lost and made anew is handed events of long ago. */
export const asOf = ({ filters, webhook }: Endpoint, sequence: Sequence): Webhook.Webhook => {
  const { eventTypes, operations } = filters.findLast(({ since }) => since <= sequence) ?? webhook
  return { ...webhook, eventTypes, operations }
}

const isSame = (one: ReadonlyArray<string>, other: ReadonlyArray<string>) =>
  one.length === other.length && one.every((item, n) => item === other[n])

export class Endpoints extends Context.Service<Endpoints, {
  /** Waits until all webhooks are known that the log held when this process began. */
  readonly ready: Effect.Effect<void, LogUnavailable>
  /** All there are and were, as the log had them a moment ago. */
  readonly all: () => ReadonlyArray<Endpoint>
  get(id: Webhook.Id): Endpoint | undefined
  /** Waits until webhooks are known as they were when the event at this sequence happened. */
  upTo(sequence: Sequence): Effect.Effect<void, LogUnavailable>
}>()("@akave-async/notifier/Endpoints") {
  static readonly layer = Layer.effect(
    Endpoints,
    Effect.gen(function*() {
      const tail = yield* Tail
      const endpoints = new Map<Webhook.Id, Endpoint>()

      const ready = yield* Held.follow(Webhook.kind, (stored) => {
        const decoded = codec.decode(stored)
        if (Result.isFailure(decoded)) return
        const event = decoded.success
        const known = endpoints.get(event.webhookId)
        const webhook = Webhook.evolve(known?.webhook, event)
        if (webhook === undefined) return
        const isEnabling = known === undefined || event._tag === "WebhookEnabled"
        const { eventTypes, operations } = webhook
        const filters = known?.filters ?? []
        const last = filters.at(-1)
        const isChanged = last === undefined || !isSame(last.eventTypes, eventTypes)
          || !isSame(last.operations, operations)
        endpoints.set(webhook.id, {
          webhook,
          enabledAt: isEnabling ? stored.sequence : known.enabledAt,
          filters: isChanged ? [...filters, { since: stored.sequence, eventTypes, operations }] : filters
        })
      })

      const upTo = Effect.fnUntraced(function*(sequence: Sequence) {
        while ((yield* tail.next) <= sequence) yield* Effect.sleep(lookInterval)
        // What the tail has read is handed over in its own turn.
        yield* Effect.sleep(0)
      })

      return Endpoints.of({
        ready: Effect.retry(ready, Retry.endless("500 millis")),
        all: () => [...endpoints.values()],
        get: (id) => endpoints.get(id),
        upTo
      })
    })
  )
}

/** The tail is read at the same time as events are delivered: what it lacks comes within a moment. */
const lookInterval = "5 millis"
