/**
 * How endpoints get on over their deliveries. That one fails and that it has recovered are events, so that the time is counted over
 * restarts and notifiers: one that has failed for too long is disabled, and so is one that says that it is gone.
 */
import * as Webhook from "@akave-async/domain/Webhook"
import type { Decision } from "@akave-async/eventing/Aggregate"
import type { EventLogShape } from "@akave-async/eventing/EventLog"
import { execute, load } from "@akave-async/eventing/WebhookEvents"
import { DateTime, Duration, Effect } from "effect"
import type { Answer } from "./Sender.ts"

const by = "notifier"
const source = "/akave/notifier"
/** The endpoint is there no more (RFC 9110, section 15.5.11). */
export const goneStatus = 410
/** The share of the time after which an endpoint is disabled, for which it fails before that is recorded. */
const unrecordedShare = 1 / 1_000

export const make = (log: EventLogShape, disableAfter: Duration.Duration) => {
  /** When each endpoint that this process knows to fail has begun to; not recorded. */
  const failures = new Map<Webhook.Id, DateTime.Utc>()
  const unrecorded = Duration.times(disableAfter, unrecordedShare)

  const run = <Event extends Webhook.Event>(
    { id, owner }: Webhook.Webhook,
    decide: Decision<Webhook.State, Event, Webhook.WebhookMissing>
  ) => {
    const subject = Webhook.subject(owner, id)
    return Effect.flatMap(load(log, subject), (known) => execute(log, subject, known, decide, { source })).pipe(
      // It was removed meanwhile.
      Effect.catchTag("WebhookMissing", () => Effect.void)
    )
  }

  /** Records what an answer says of the endpoint, given as it was a moment ago. */
  return Effect.fnUntraced(function*(webhook: Webhook.Webhook, { isTaken, statusCode }: Answer) {
    const { failingSince, id } = webhook
    if (isTaken) {
      failures.delete(id)
      if (failingSince !== undefined) yield* run(webhook, Webhook.noteRecovered({ by }))
      return
    }
    if (statusCode === goneStatus) {
      failures.delete(id)
      return yield* run(webhook, Webhook.giveUp({ reason: "gone", by }))
    }
    const now = yield* DateTime.now
    const since = failingSince ?? failures.get(id) ?? now
    failures.set(id, since)
    const lasts = DateTime.distance(since, now)
    if (failingSince === undefined) {
      // An endpoint that fails now and then would fill the log.
      if (Duration.isGreaterThanOrEqualTo(lasts, unrecorded)) {
        yield* run(webhook, Webhook.noteFailing({ since: now, by }))
      }
    } else if (Duration.isGreaterThanOrEqualTo(lasts, disableAfter)) {
      failures.delete(id)
      yield* run(webhook, Webhook.giveUp({ reason: "failing", by }))
    }
  })
}
