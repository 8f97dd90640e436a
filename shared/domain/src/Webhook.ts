/**
 * The webhook aggregate: an endpoint of an account that is sent the events of its jobs, or those of some types and operations.
 * The log holds no secret of it: that is derived from the master secret, the endpoint's id and the secret's version.
 */
import { DateTime, type Duration, Result, Schema } from "effect"
import { Address } from "./Ethereum.ts"
import * as Url from "./WebhookUrl.ts"

/** 16 hex digits, drawn when it is registered. */
export const Id = Schema.String.check(
  Schema.isPattern(/^[0-9a-f]{16}$/u, { message: "a webhook's id is 16 lower-case hex digits" })
).pipe(Schema.brand("WebhookId"))
export type Id = typeof Id.Type

/** A place in the event log. */
export const Sequence = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER }))

/** Why no events are sent: its account asked for that, it has answered that it is gone, or it has failed for too long. */
export const DisabledReason = Schema.Literals(["asked", "gone", "failing"])
export type DisabledReason = typeof DisabledReason.Type

const Names = Schema.Array(Schema.NonEmptyString)
/** What an account says of its endpoint. */
const settings = {
  url: Url.WebhookUrl,
  /** The CloudEvents types of the events that are sent; all, where there is none. */
  eventTypes: Names,
  /** The operations whose jobs' events are sent; all, where there is none. */
  operations: Names,
  description: Schema.String
}
const common = {
  webhookId: Id,
  owner: Address,
  by: Schema.NonEmptyString,
  /** The request that asked for it, where its repeats are known by this. */
  requestId: Schema.optionalKey(Schema.NonEmptyString),
  occurredAt: Schema.DateTimeUtc
}
const tenant = { tenant: Schema.optionalKey(Schema.NonEmptyString) }
const Version = Schema.Int.check(Schema.isGreaterThan(0))

// Tags and fields are the stored format: add an event or an optional field, never rename, retype or remove one.
export const Event = Schema.TaggedUnion({
  WebhookRegistered: { ...settings, ...tenant, ...common },
  /** Its settings as they are from now on. */
  WebhookChanged: { ...settings, ...common },
  WebhookEnabled: common,
  WebhookDisabled: { reason: DisabledReason, ...common },
  WebhookSecretRotated: {
    version: Version,
    /** Until then the secret of the version before signs too. */
    graceUntil: Schema.DateTimeUtc,
    ...common
  },
  /** It has answered nothing but failures since then. */
  WebhookFailing: { since: Schema.DateTimeUtc, ...common },
  WebhookRecovered: common,
  /** It is sent this very event. */
  WebhookTestAsked: common,
  /** It is sent the events from one sequence to another once more. */
  WebhookResendAsked: { since: Sequence, until: Sequence, ...common },
  WebhookRemoved: common
})
export type Event = typeof Event.Type
const {
  WebhookChanged,
  WebhookDisabled,
  WebhookEnabled,
  WebhookFailing,
  WebhookRecovered,
  WebhookRegistered,
  WebhookRemoved,
  WebhookResendAsked,
  WebhookSecretRotated,
  WebhookTestAsked
} = Event.cases

/** What the subjects of all webhooks begin with. The owner follows, so that one filter has its jobs' events and its webhooks'. */
export const kind = "webhook"
/** The subject, below the log's prefix, that holds all events of one webhook. */
export const subject = (owner: Address, id: Id): string => `${kind}.${owner.toLowerCase()}.${id}`

/** A webhook as the fold of its events. */
export const Webhook = Schema.Struct({
  id: Id,
  owner: Address,
  ...tenant,
  ...settings,
  status: Schema.Literals(["enabled", "disabled", "removed"]),
  disabledReason: Schema.optionalKey(DisabledReason),
  failingSince: Schema.optionalKey(Schema.DateTimeUtc),
  /** Of its secret: 1 when it is registered; each rotation adds one. */
  version: Version,
  graceUntil: Schema.optionalKey(Schema.DateTimeUtc),
  createdAt: Schema.DateTimeUtc,
  /** The requests that have changed it whose repeats are known, and the version that each has left it with. */
  requests: Schema.Array(Schema.Struct({ requestId: Schema.String, version: Version }))
})
export type Webhook = typeof Webhook.Type

/** Undefined while it is not registered. */
export type State = Webhook | undefined
export const initial: State = undefined

export const evolve = (state: State, event: Event): State => {
  const webhook = evolveWebhook(state, event)
  const { requestId } = event
  return webhook === undefined || requestId === undefined
    ? webhook
    : { ...webhook, requests: [...webhook.requests, { requestId, version: webhook.version }] }
}

const evolveWebhook = (state: State, event: Event): State => {
  if (event._tag === "WebhookRegistered") {
    const { _tag, by: _, occurredAt: createdAt, requestId: __, webhookId: id, ...registered } = event
    return state ?? { id, ...registered, status: "enabled", version: 1, createdAt, requests: [] }
  }
  if (state === undefined) return undefined
  const { disabledReason: _, failingSince: __, ...steady } = state
  switch (event._tag) {
    case "WebhookChanged": {
      const { description, eventTypes, operations, url } = event
      return { ...state, url, eventTypes, operations, description }
    }
    case "WebhookEnabled":
      return { ...steady, status: "enabled" }
    case "WebhookDisabled":
      return { ...state, status: "disabled", disabledReason: event.reason }
    case "WebhookSecretRotated":
      return { ...state, version: event.version, graceUntil: event.graceUntil }
    case "WebhookFailing":
      return { ...state, failingSince: event.since }
    case "WebhookRecovered":
      return { ...steady, ...(state.disabledReason === undefined ? {} : { disabledReason: state.disabledReason }) }
    case "WebhookTestAsked":
    case "WebhookResendAsked":
      return state
    case "WebhookRemoved":
      return { ...state, status: "removed" }
  }
}

/** The versions of its secret that deliveries are signed with at this time, the latest first. */
export const signingVersions = (
  { graceUntil, version }: Pick<Webhook, "version" | "graceUntil">,
  now: DateTime.Utc
): ReadonlyArray<number> =>
  graceUntil !== undefined && DateTime.isLessThan(now, graceUntil) ? [version, version - 1] : [version]

/** There is no such webhook, or it was removed. */
export class WebhookMissing extends Schema.TaggedError<WebhookMissing>()("WebhookMissing", {}) {
  override readonly message = "There is no such webhook"
}
/** It is disabled: nothing is sent to it. */
export class WebhookOff extends Schema.TaggedError<WebhookOff>()("WebhookOff", {}) {
  override readonly message = "The webhook is disabled: enable it first"
}

type Decision<Event, Rejection> = (
  state: State,
  occurredAt: DateTime.Utc
) => Result.Result<ReadonlyArray<Event>, Rejection>

/** Who does it, as events name them, and by which request: a repeat of it changes nothing more. */
export interface By {
  readonly by: string
  readonly requestId?: string
}
type Settings = Pick<Webhook, keyof typeof settings>

const isRepeat = (state: State, by: By): boolean =>
  by.requestId !== undefined && state?.requests.some(({ requestId }) => requestId === by.requestId) === true

/** Decides on a webhook that is there; a repeat of a request decides nothing. */
const onPresent = <Event, Rejection>(
  by: By,
  decide: (
    webhook: Webhook,
    common: By & { readonly webhookId: Id; readonly owner: Address; readonly occurredAt: DateTime.Utc }
  ) => Result.Result<ReadonlyArray<Event>, Rejection>
): Decision<Event, Rejection | WebhookMissing> =>
(state, occurredAt) => {
  if (state === undefined || state.status === "removed") return Result.fail(new WebhookMissing())
  if (isRepeat(state, by)) return Result.succeed([])
  return decide(state, { ...by, webhookId: state.id, owner: state.owner, occurredAt })
}

/** Registers a webhook; the id is drawn by the caller. */
export const register = (
  { allowsPrivate, id: webhookId, ...asked }: By & Settings & Pick<Webhook, "id" | "owner" | "tenant"> & {
    readonly allowsPrivate: boolean
  }
): Decision<typeof WebhookRegistered.Type, Url.UrlRefused> =>
(state, occurredAt) =>
  Result.map(
    Url.check(asked.url, allowsPrivate),
    () => state === undefined ? [WebhookRegistered.make({ webhookId, ...asked, occurredAt })] : []
  )

/** Changes what is given: settings, and whether events are sent. */
export const change = (
  { allowsPrivate, by, enabled, requestId, ...asked }: By & Partial<Settings> & {
    readonly enabled?: boolean
    readonly allowsPrivate: boolean
  }
) =>
  onPresent<
    typeof WebhookChanged.Type | typeof WebhookEnabled.Type | typeof WebhookDisabled.Type,
    Url.UrlRefused
  >(requestId === undefined ? { by } : { by, requestId }, (webhook, common) => {
    const { description, eventTypes, operations, status, url } = { ...webhook, ...asked }
    const changed = Object.keys(asked).length === 0
      ? []
      : [WebhookChanged.make({ url, eventTypes, operations, description, ...common })]
    const switched = enabled === undefined || enabled === (status === "enabled")
      ? []
      : [enabled ? WebhookEnabled.make(common) : WebhookDisabled.make({ reason: "asked", ...common })]
    return Result.map(Url.check(url, allowsPrivate || asked.url === undefined), () => [...changed, ...switched])
  })

/** Stops sending to an endpoint that has said that it is gone, or has failed for too long. */
export const giveUp = ({ reason, ...by }: By & { readonly reason: "gone" | "failing" }) =>
  onPresent<typeof WebhookDisabled.Type, never>(
    by,
    ({ status }, common) => Result.succeed(status === "disabled" ? [] : [WebhookDisabled.make({ reason, ...common })])
  )

/** Gives it its next secret; the one before signs too for the grace time. */
export const rotate = ({ grace, ...by }: By & { readonly grace: Duration.Duration }) =>
  onPresent<typeof WebhookSecretRotated.Type, never>(by, ({ version }, common) => {
    const graceUntil = DateTime.addDuration(common.occurredAt, grace)
    return Result.succeed([WebhookSecretRotated.make({ version: version + 1, graceUntil, ...common })])
  })

/** Records that it has answered nothing but failures since a time. */
export const noteFailing = ({ since, ...by }: By & { readonly since: DateTime.Utc }) =>
  onPresent<typeof WebhookFailing.Type, never>(
    by,
    ({ failingSince }, common) =>
      Result.succeed(failingSince === undefined ? [WebhookFailing.make({ since, ...common })] : [])
  )

/** Records that it has answered as it should, where it was failing. */
export const noteRecovered = (by: By) =>
  onPresent<typeof WebhookRecovered.Type, never>(
    by,
    ({ failingSince }, common) => Result.succeed(failingSince === undefined ? [] : [WebhookRecovered.make(common)])
  )

/** Has it sent a test. */
export const test = (by: By) =>
  onPresent<typeof WebhookTestAsked.Type, WebhookOff>(
    by,
    ({ status }, common) =>
      status === "enabled" ? Result.succeed([WebhookTestAsked.make(common)]) : Result.fail(new WebhookOff())
  )

/** Has it sent the events between two places of the log once more, both of them included. */
export const resend = ({ since, until, ...by }: By & { readonly since: number; readonly until: number }) =>
  onPresent<typeof WebhookResendAsked.Type, WebhookOff>(by, ({ status }, common) =>
    status === "enabled"
      ? Result.succeed([WebhookResendAsked.make({ since, until, ...common })])
      : Result.fail(new WebhookOff()))

/** Ends it for good. */
export const remove = (by: By) =>
  onPresent<typeof WebhookRemoved.Type, never>(by, (_, common) => Result.succeed([WebhookRemoved.make(common)]))
