/** What the projector measures: how jobs get on, as their events show it, and how late it is. */
import * as Job from "@akave-async/domain/Job"
import * as Measure from "@akave-async/platform/Measure"
import type { Change } from "@akave-async/read-model/projections/Jobs"
import { DateTime, Effect, Metric } from "effect"

const stepDuration = Measure.labelled(
  Measure.seconds("akave.job.step.duration", "From a job's event before to this one: how long it was in that state"),
  ["operation", "step"]
)
const jobDuration = Measure.labelled(
  Measure.seconds("akave.job.duration", "From the request for a job to its end"),
  ["operation", "status", "category"]
)
const requested = Measure.labelled(Measure.counter("akave.jobs.requested", "Jobs that were asked for"), ["operation"])
const delay = Measure.seconds("akave.projection.delay", "From an event to its being in the read model")

const secondsBetween = (from: DateTime.Utc, to: DateTime.Utc) =>
  Math.max(0, to.epochMilliseconds - from.epochMilliseconds) / 1_000

/** Measures what a batch has shown, once it is in the read model. */
export const report = Effect.fnUntraced(function*(changes: ReadonlyArray<Change>) {
  const now = yield* DateTime.now
  for (const { after, before, step } of changes) {
    yield* Metric.update(delay, secondsBetween(step.occurredAt, now))
    const { operation, status } = after
    if (before === undefined) yield* Metric.update(requested(operation), 1)
    else {
      const seconds = secondsBetween(before.updatedAt, after.updatedAt)
      yield* Metric.update(stepDuration(operation, step.step), seconds)
    }
    if (!Job.isTerminal(status) || (before !== undefined && Job.isTerminal(before.status))) continue
    const category = Job.errorOf(after)?.category ?? "none"
    yield* Metric.update(jobDuration(operation, status, category), secondsBetween(after.createdAt, after.updatedAt))
  }
})
