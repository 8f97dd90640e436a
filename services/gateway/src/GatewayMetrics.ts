/** What a gateway measures of the whole: the jobs that have not ended, the dead letters, and how far the read model is behind. */
import { EventLog } from "@akave-async/eventing/EventLog"
import * as Measure from "@akave-async/platform/Measure"
import { Clock, Effect, Metric, Option } from "effect"
import { ReadModel } from "./ReadModel.ts"

const jobs = Measure.labelled(
  Metric.gauge("akave.jobs", { description: "Jobs that have not ended" }),
  ["operation", "status"]
)
const ages = Measure.labelled(
  Metric.gauge("akave.jobs.age.seconds", {
    description: "Seconds since the oldest job that has not ended was asked for"
  }),
  ["operation", "status"]
)
const deadLetters = Metric.gauge("akave.dead_letters", { description: "Events that are set aside and not redriven" })
const end = Metric.gauge("akave.event_log.end", { description: "The sequence of the last event" })
const lag = Metric.gauge("akave.projection.lag.events", { description: "Events that the read model has not applied" })
const lagTime = Metric.gauge("akave.projection.lag.seconds", {
  description: "Seconds since the oldest event happened that the read model has not applied"
})

/** Seconds since the oldest event that the read model has not applied; 0 where there is none, `NaN` for one without a time. */
export const lagSeconds = Effect.gen(function*() {
  const log = yield* EventLog
  const waiting = yield* log.get((yield* (yield* ReadModel).checkpoint) + 1)
  if (Option.isNone(waiting)) return 0
  const happened = Date.parse(waiting.value.headers["ce-time"] ?? "")
  return Math.max(0, (yield* Clock.currentTimeMillis) - happened) / 1_000
})

/** Sets the gauges to how things stand. What can't be read is `NaN`. */
export const measure = Effect.gen(function*() {
  const log = yield* EventLog
  const readModel = yield* ReadModel
  // The read model is asked first: the log goes on meanwhile.
  const behind = Effect.gen(function*() {
    const applied = yield* readModel.checkpoint
    return Math.max(0, (yield* log.lastSequence) - applied)
  })
  const live = Effect.gen(function*() {
    const rows = yield* Effect.option(readModel.liveJobs)
    const counted = new Map(Option.getOrElse(rows, () => []).map((row) => [`${row.operation}\n${row.status}`, row]))
    for (const key of counted.keys()) seen.add(key)
    // Where there were some and are none.
    const absent = Option.isSome(rows) ? 0 : Number.NaN
    for (const key of seen) {
      const labels = key.split("\n")
      yield* Metric.update(jobs(...labels), counted.get(key)?.count ?? absent)
      yield* Metric.update(ages(...labels), counted.get(key)?.age ?? absent)
    }
  })
  yield* Effect.all([
    live,
    Measure.read(deadLetters, readModel.openDeadLetters),
    Measure.read(end, log.lastSequence),
    Measure.read(lag, behind),
    Measure.read(lagTime, lagSeconds)
  ], { concurrency: "unbounded", discard: true })
})
/** Operations and statuses of which there were jobs. */
const seen = new Set<string>()
