/** Commands on webhooks. */
import { type Caller, tenantOf } from "@akave-async/api/Caller"
import { maxWebhooks } from "@akave-async/api/WebhooksApi"
import * as Webhook from "@akave-async/domain/Webhook"
import type { UrlRefused } from "@akave-async/domain/WebhookUrl"
import type { Decision } from "@akave-async/eventing/Aggregate"
import * as AtTime from "@akave-async/eventing/AtTime"
import { EventLog, type LogUnavailable } from "@akave-async/eventing/EventLog"
import { Registry } from "@akave-async/eventing/Registry"
import { allowsPrivateConfig, codec, execute, isForAccount, load, unknown } from "@akave-async/eventing/WebhookEvents"
import { Context, type DateTime, type Duration, Effect, Layer, Option, Result, Schema, Semaphore } from "effect"
import { hexIdFor } from "./Ids.ts"
import type { LookupError } from "./ReadModel.ts"
import { WebhookModel } from "./WebhookModel.ts"

type By = Caller["Service"]

export class TooManyWebhooks extends Schema.TaggedError<TooManyWebhooks>()("TooManyWebhooks", {}) {
  override readonly message = `The account has ${maxWebhooks} webhooks, of ${maxWebhooks} that it may have`
}
/** No event of this sequence is one that the webhook's account could be sent. */
export class NotDeliverable extends Schema.TaggedError<NotDeliverable>()("NotDeliverable", {
  sequence: Schema.Natural
}) {
  override readonly message = `Event ${this.sequence} is none that the account could be sent`
}

/** What an account says of its endpoint. */
export type Settings = Pick<Webhook.Webhook, "url" | "eventTypes" | "operations" | "description">

/** The places of the first and the last event that are sent once more; none, where the first is the greater. */
export interface Range {
  readonly since: number
  readonly until: number
}

type Missing = Webhook.WebhookMissing | LogUnavailable

/** What there is to do with webhooks of the caller's account; those of others are missing. */
export class Webhooks extends Context.Service<Webhooks, {
  register(
    caller: By,
    settings: Settings
  ): Effect.Effect<Webhook.Webhook, UrlRefused | TooManyWebhooks | LookupError>
  /** The webhook as the log has it now. */
  get(caller: By, id: Webhook.Id): Effect.Effect<Webhook.Webhook, Missing>
  change(
    caller: By,
    id: Webhook.Id,
    change: Partial<Settings> & { readonly enabled?: boolean }
  ): Effect.Effect<Webhook.Webhook, UrlRefused | Missing>
  /** Gives it its next secret, and gives the version of it that the request has led to. */
  rotate(
    caller: By,
    id: Webhook.Id,
    grace: Duration.Duration
  ): Effect.Effect<{ readonly webhook: Webhook.Webhook; readonly version: number }, Missing>
  /** Has it sent a test, and gives the sequence of that. */
  test(caller: By, id: Webhook.Id): Effect.Effect<number, Webhook.WebhookOff | Missing>
  /** Has it sent one event once more. */
  resendOne(
    caller: By,
    id: Webhook.Id,
    sequence: number
  ): Effect.Effect<Range, NotDeliverable | Webhook.WebhookOff | Missing>
  /** Has it sent all events once more that have happened since a sequence, or a time. */
  resend(
    caller: By,
    id: Webhook.Id,
    since: number | DateTime.Utc
  ): Effect.Effect<Range, Webhook.WebhookOff | Missing>
  remove(caller: By, id: Webhook.Id): Effect.Effect<void, Missing>
}>()("@akave-async/gateway/Webhooks") {
  static readonly layer = Layer.effect(
    Webhooks,
    // oxlint-disable-next-line max-lines-per-function -- its commands share how a webhook is changed
    Effect.gen(function*() {
      const log = yield* EventLog
      const model = yield* WebhookModel
      const { read } = yield* Registry
      const allowsPrivate = yield* allowsPrivateConfig
      const registering = yield* Semaphore.make(1)

      const known = Effect.fnUntraced(function*(caller: By, id: Webhook.Id) {
        const loaded = yield* load(log, Webhook.subject(caller.owner, id))
        const { state } = loaded
        return state === undefined || state.status === "removed" || state.tenant !== tenantOf(caller).tenant
          ? yield* new Webhook.WebhookMissing()
          : { ...loaded, state }
      })

      /** Changes a webhook of the caller, and gives it as it is then. */
      const run = Effect.fnUntraced(function*<Event extends Webhook.Event, Rejection>(
        caller: By,
        id: Webhook.Id,
        decide: (by: Webhook.By) => Decision<Webhook.State, Event, Rejection>
      ) {
        yield* Effect.annotateCurrentSpan({ "webhook.id": id })
        const { actor: by, owner, requestId, traceparent } = caller
        const decision = decide(requestId === undefined ? { by } : { by, requestId })
        const origin = { source: "/akave/gateway", traceparent }
        const { state } = yield* execute(log, Webhook.subject(owner, id), yield* known(caller, id), decision, origin)
        return yield* Effect.orDie(Effect.fromNullishOr(state))
      })

      const register = Effect.fn("Webhooks.register")(
        function*(caller: By, settings: Settings) {
          const { actor: by, owner, requestId, traceparent } = caller
          const id = Webhook.Id.make(hexIdFor(requestId))
          const subject = Webhook.subject(owner, id)
          const loaded = requestId === undefined ? unknown : yield* load(log, subject)
          if (loaded.state === undefined && (yield* model.webhooks(caller)).length >= maxWebhooks) {
            return yield* new TooManyWebhooks()
          }
          const asked = { id, owner, ...tenantOf(caller), ...settings, by, allowsPrivate }
          const decision = Webhook.register(requestId === undefined ? asked : { ...asked, requestId })
          const { state } = yield* execute(log, subject, loaded, decision, { source: "/akave/gateway", traceparent })
          return yield* Effect.orDie(Effect.fromNullishOr(state))
        },
        // One after the other, so that those of this gateway are counted.
        registering.withPermit
      )

      const get = (caller: By, id: Webhook.Id) => Effect.map(known(caller, id), ({ state }) => state)

      const change = Effect.fn("Webhooks.change")(
        (caller: By, id: Webhook.Id, asked: Partial<Settings> & { readonly enabled?: boolean }) =>
          run(caller, id, (by) => Webhook.change({ ...asked, ...by, allowsPrivate }))
      )

      const rotate = Effect.fn("Webhooks.rotate")(
        function*(caller: By, id: Webhook.Id, grace: Duration.Duration) {
          const webhook = yield* run(caller, id, (by) => Webhook.rotate({ grace, ...by }))
          const repeat = webhook.requests.find(({ requestId }) => requestId === caller.requestId)
          return { webhook, version: repeat?.version ?? webhook.version }
        }
      )

      const test = Effect.fn("Webhooks.test")(function*(caller: By, id: Webhook.Id) {
        yield* run(caller, id, Webhook.test)
        const { events } = yield* log.read(Webhook.subject(caller.owner, id))
        const asked = events.findLast((stored) => {
          const event = Result.getOrUndefined(codec.decode(stored))
          return event?._tag === "WebhookTestAsked" && event.requestId === caller.requestId
        })
        return yield* Effect.orDie(Effect.map(Effect.fromNullishOr(asked), ({ sequence }) => sequence))
      })

      const resendOne = Effect.fn("Webhooks.resendOne")(
        function*(caller: By, id: Webhook.Id, sequence: number) {
          const { state } = yield* known(caller, id)
          const stored = yield* log.get(sequence)
          const event = Option.map(stored, read)
          const isDeliverable = Option.isSome(stored) && Option.isSome(event) && event.value._tag === "Known"
            && isForAccount(state, event.value, stored.value)
          if (!isDeliverable) return yield* new NotDeliverable({ sequence })
          const range = { since: sequence, until: sequence }
          yield* run(caller, id, (by) => Webhook.resend({ ...range, ...by }))
          return range
        }
      )

      const resend = Effect.fn("Webhooks.resend")(
        function*(caller: By, id: Webhook.Id, from: number | DateTime.Utc) {
          const since = typeof from === "number" ? from : yield* AtTime.firstSince(log, from)
          const range = { since, until: yield* log.lastSequence }
          if (range.since <= range.until) yield* run(caller, id, (by) => Webhook.resend({ ...range, ...by }))
          else yield* known(caller, id)
          return range
        }
      )

      const remove = Effect.fn("Webhooks.remove")((caller: By, id: Webhook.Id) => run(caller, id, Webhook.remove))

      return Webhooks.of({ register, get, change, rotate, test, resendOne, resend, remove })
    })
  )
}
