/**
 * The delivery aggregate: one event on its way to one webhook, as the record of all attempts to send it. What was asked for once
 * more is a new round of attempts.
 */
import { DateTime, Duration, Result, Schema } from "effect"
import { local } from "./Account.ts"
import { Id as WebhookId, Sequence } from "./Webhook.ts"

/** What an attempt has come to: it was taken, it is tried again later, or it is not tried again. */
export const Outcome = Schema.Literals(["succeeded", "retrying", "given_up"])
export type Outcome = typeof Outcome.Type

const attempted = {
  webhookId: WebhookId,
  /** The account of the webhook; absent for the local one. */
  tenant: Schema.optionalKey(Schema.NonEmptyString),
  /** The place in the log of the event that is sent, and its type. */
  sequence: Sequence,
  eventType: Schema.String,
  /** The place in the log of what asked for it once more. */
  resend: Schema.optionalKey(Sequence),
  outcome: Outcome,
  nextAttemptAt: Schema.optionalKey(Schema.DateTimeUtc),
  /** Of the answer; absent where none came. */
  statusCode: Schema.optionalKey(Schema.Int),
  /** Why it has failed. */
  error: Schema.optionalKey(Schema.String),
  durationMillis: Schema.Natural,
  /** What the answer begins with. */
  answer: Schema.String
}

// Tags and fields are the stored format: add an event or an optional field, never rename, retype or remove one.
export const Event = Schema.TaggedUnion({
  DeliveryAttempted: {
    ...attempted,
    /** From 1, over all rounds. */
    attempt: Schema.Int.check(Schema.isGreaterThan(0)),
    occurredAt: Schema.DateTimeUtc
  }
})
export type Event = typeof Event.Type
const { DeliveryAttempted } = Event.cases

/** What the subjects of all deliveries begin with. The account follows, and no owner: lanes are not handed them. */
export const kind = "delivery"
/** The subject, below the log's prefix, that holds all attempts to send an event to a webhook. */
export const subject = (
  { sequence, tenant, webhookId }: {
    readonly tenant?: string
    readonly webhookId: WebhookId
    readonly sequence: number
  }
): string => `${kind}.${tenant ?? local}.${webhookId}.${sequence}`

/** A delivery as the fold of its attempts. */
export const Delivery = Schema.Struct({
  ...attempted,
  attempts: Schema.Natural,
  /** Attempts of the present round, and when the first of them was made. */
  attemptsOfRound: Schema.Natural,
  firstAttemptAt: Schema.DateTimeUtc,
  lastAttemptAt: Schema.DateTimeUtc
})
export type Delivery = typeof Delivery.Type

/** Undefined before the first attempt. */
export type State = Delivery | undefined
export const initial: State = undefined

export const evolve = (state: State, event: Event): State => {
  const { _tag, attempt: attempts, occurredAt, ...attempted } = event
  const round = state !== undefined && state.resend === event.resend ? state : undefined
  return {
    ...attempted,
    attempts,
    attemptsOfRound: (round?.attemptsOfRound ?? 0) + 1,
    firstAttemptAt: round?.firstAttemptAt ?? occurredAt,
    lastAttemptAt: occurredAt
  }
}

/** Whether no attempt follows on those that were made, unless it is asked for. */
export const hasEnded = (state: State): boolean => state !== undefined && state.outcome !== "retrying"

/** How failed attempts are followed by others. */
export interface Policy {
  /** The pause after the first one; each further one is twice as long, up to the longest. */
  readonly firstPause: Duration.Duration
  readonly longestPause: Duration.Duration
  /** No attempt is made later than this after the first. */
  readonly within: Duration.Duration
}

/**
 * The pause after this many failures in a row: at least as long as the policy says and up to half as long again, so that what has
 * failed together does not come back together, and at least as long as the endpoint asks for; never longer than the longest.
 * @param jitter From 0 up to 1.
 */
export const pauseAfter = (
  { firstPause, longestPause }: Policy,
  failures: number,
  jitter: number,
  retryAfter: Duration.Duration = Duration.zero
): Duration.Duration =>
  Duration.min(
    longestPause,
    Duration.max(retryAfter, Duration.times(firstPause, 2 ** Math.min(failures - 1, 40) * (1 + jitter / 2)))
  )

/** When a delivery is to be attempted. */
export type Due = { readonly _tag: "Now" } | { readonly _tag: "Later"; readonly at: DateTime.Utc } | {
  readonly _tag: "Over"
}

/** When the delivery is to be attempted that a round asks for: the first one, or that of a request to send it once more. */
export const due = (state: State, resend: number | undefined, now: DateTime.Utc): Due => {
  if (state === undefined) return { _tag: "Now" }
  const [asked, known] = [resend ?? 0, state.resend ?? 0]
  if (asked !== known) return { _tag: asked > known ? "Now" : "Over" }
  if (state.outcome !== "retrying" || state.nextAttemptAt === undefined) return { _tag: "Over" }
  return DateTime.isGreaterThan(state.nextAttemptAt, now) ? { _tag: "Later", at: state.nextAttemptAt } : { _tag: "Now" }
}

/** An attempt that was made, and how the endpoint has answered. */
export interface Attempt
  extends Omit<typeof DeliveryAttempted.Type, "_tag" | "attempt" | "occurredAt" | "outcome" | "nextAttemptAt">
{
  readonly isTaken: boolean
  /** Whether no other is to follow, whatever the policy says. */
  readonly isLast: boolean
  /** How long the endpoint asks to wait for the next. */
  readonly retryAfter?: Duration.Duration
}

/** Records an attempt, with what follows on it. */
export const recordAttempt =
  ({ isLast, isTaken, retryAfter, ...attempt }: Attempt, policy: Policy, jitter: number) =>
  (state: State, occurredAt: DateTime.Utc): Result.Result<ReadonlyArray<Event>, never> => {
    const recorded = { ...attempt, attempt: (state?.attempts ?? 0) + 1, occurredAt }
    if (isTaken) return Result.succeed([DeliveryAttempted.make({ ...recorded, outcome: "succeeded" })])
    const { attemptsOfRound, firstAttemptAt } = state !== undefined && state.resend === attempt.resend
      ? state
      : { attemptsOfRound: 0, firstAttemptAt: occurredAt }
    const pause = pauseAfter(policy, attemptsOfRound + 1, jitter, retryAfter)
    const nextAttemptAt = DateTime.addDuration(occurredAt, pause)
    const isOver = isLast || DateTime.isGreaterThan(nextAttemptAt, DateTime.addDuration(firstAttemptAt, policy.within))
    return Result.succeed([
      DeliveryAttempted.make(
        isOver ? { ...recorded, outcome: "given_up" } : { ...recorded, outcome: "retrying", nextAttemptAt }
      )
    ])
  }
