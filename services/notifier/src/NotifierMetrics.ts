/** What a notifier measures: attempts, what they come to, and how long events wait for their endpoints. */
import type { Outcome } from "@akave-async/domain/Delivery"
import * as Measure from "@akave-async/platform/Measure"
import { Clock, Duration, Effect, Metric } from "effect"
import type { Endpoint } from "./Endpoints.ts"

const attempts = Measure.labelled(
  Measure.counter("akave.webhook.attempts", "Attempts to send an event to a webhook, by what they have come to"),
  ["outcome"]
)
const duration = Measure.labelled(
  Measure.seconds("akave.webhook.attempt.duration", "From the beginning of an attempt to its answer"),
  ["outcome"]
)
const webhooks = Measure.labelled(
  Metric.gauge("akave.webhooks", { description: "Webhooks of all accounts" }),
  ["state"]
)
const age = Metric.gauge("akave.webhook.undelivered.age.seconds", {
  description: "Seconds since the oldest event happened that this notifier has not brought to its webhook"
})

/** Measures an attempt that was recorded. */
export const attempted = (outcome: Outcome, seconds: number) =>
  Effect.andThen(Metric.update(attempts(outcome), 1), Metric.update(duration(outcome), seconds))

const stateOf = ({ webhook: { failingSince, status } }: Endpoint) =>
  status === "enabled" && failingSince !== undefined ? "failing" : status

/** Counts the webhooks of each state; those that were removed are not counted. */
export const count = (endpoints: ReadonlyArray<Endpoint>) =>
  Effect.forEach(
    ["enabled", "failing", "disabled"],
    (state) => Metric.update(webhooks(state), endpoints.filter((one) => stateOf(one) === state).length),
    { discard: true }
  )

/** An event that is retried elsewhere is given up here this long after it was due, in milliseconds. */
const slack = Duration.toMillis(Duration.seconds(30))

/** The events that this notifier is at, by webhook and sequence. */
export class Undelivered {
  readonly #events = new Map<string, { readonly happened: number; keptUntil: number }>()

  /** An event is under way that has happened at this time, in milliseconds. */
  begin(key: string, happened: number): void {
    this.#events.set(key, { happened, keptUntil: Infinity })
  }

  /** It is over. */
  end(key: string): void {
    this.#events.delete(key)
  }

  /** It waits until this time, in milliseconds; then it may be another notifier's. */
  keep(key: string, until: number): void {
    const event = this.#events.get(key)
    if (event !== undefined) event.keptUntil = until + slack
  }

  /** Sets the age of the oldest; 0 where there is none. */
  readonly measure = Effect.flatMap(Clock.currentTimeMillis, (now) => {
    let oldest = now
    for (const [key, { happened, keptUntil }] of this.#events) {
      if (keptUntil < now) this.#events.delete(key)
      else oldest = Math.min(oldest, happened)
    }
    return Metric.update(age, (now - oldest) / 1_000)
  })
}
