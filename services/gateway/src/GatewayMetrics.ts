/** What a gateway measures of the whole: the jobs that have not ended, the dead letters, and how far the read model is behind. */
import * as Job from "@akave-async/domain/Job"
import { operations } from "@akave-async/domain/Operations"
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
    const counted = yield* readModel.liveJobs
    const keys = new Set(counted.map(({ operation, status }) => `${operation}\n${status}`))
    for (const { age, count, operation, status } of counted) {
      seen.add(`${operation}\n${status}`)
      yield* Metric.update(jobs(operation, status), count)
      yield* Metric.update(ages(operation, status), age)
    }
    // Where there may be some, and are none.
    yield* setAll([...seen].filter((key) => !keys.has(key)), 0)
  })
  yield* Effect.all([
    live.pipe(Effect.catch(() => setAll(seen, Number.NaN))),
    Measure.read(deadLetters, readModel.openDeadLetters),
    Measure.read(end, log.lastSequence),
    Measure.read(lag, behind),
    Measure.read(lagTime, lagSeconds)
  ], { concurrency: "unbounded", discard: true })
})
/** The operations and statuses that there are or were jobs of. */
const seen = new Set(
  Object.keys(operations).flatMap((operation) =>
    Job.Status.literals.flatMap((status) => Job.isTerminal(status) ? [] : [`${operation}\n${status}`])
  )
)

const setAll = (keys: Iterable<string>, value: number) =>
  Effect.forEach(keys, (key) => {
    const [operation = "", status = ""] = key.split("\n")
    return Effect.andThen(
      Metric.update(jobs(operation, status), value),
      Metric.update(ages(operation, status), value)
    )
  }, { discard: true })
