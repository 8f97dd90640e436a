/**
 * Metrics by labels: how often, and how long. Names are those of OpenTelemetry where it has one, with the unit and, of a counter, `total`
 * behind them as Prometheus wants it; Prometheus has `_` for `.`.
 */
import { Effect, type Exit, Metric } from "effect"

/** Upper bounds of the buckets of durations, in seconds: from a call on one machine to a job that waits for its chain. */
const durations = [
  0.001,
  0.0025,
  0.005,
  0.01,
  0.025,
  0.05,
  0.1,
  0.2,
  0.25,
  0.5,
  1,
  2.5,
  5,
  10,
  30,
  60,
  300,
  600
]

/**
 * The series of a metric, by the values of these labels; each is made once. The values come from what the code knows, never from
 * what a client has sent, so that the series stay few.
 */
export const labelled = <Input, State>(
  metric: Metric.Metric<Input, State>,
  names: ReadonlyArray<string>
): (...values: ReadonlyArray<string>) => Metric.Metric<Input, State> => {
  const known = new Map<string, Metric.Metric<Input, State>>()
  return (...values) => {
    const key = values.join("\n")
    const found = known.get(key)
    if (found !== undefined) return found
    const made = Metric.withAttributes(metric, Object.fromEntries(names.map((name, n) => [name, values[n] ?? ""])))
    known.set(key, made)
    return made
  }
}

/** A counter that only grows: `<name>.total`. */
export const counter = (name: string, description: string) =>
  Metric.counter(`${name}.total`, { description, incremental: true })

/** A histogram of seconds: `<name>.seconds`. */
export const seconds = (name: string, description: string) =>
  Metric.histogram(`${name}.seconds`, { description, boundaries: durations })

/** Runs the effect and adds the seconds that it took to the series of how it ended. */
export const timed =
  <A, E>(seriesOf: (exit: Exit.Exit<A, E>) => Metric.Metric<number, unknown>) =>
  <R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.suspend(() => {
      const begun = performance.now()
      return Effect.onExit(effect, (exit) => Metric.update(seriesOf(exit), (performance.now() - begun) / 1_000))
    })

/** Sets a gauge to what is read now, or to `NaN` where that fails or takes too long. */
export const read = <E, R>(gauge: Metric.Metric<number, unknown>, value: Effect.Effect<number, E, R>) =>
  value.pipe(
    Effect.timeout(patience),
    Effect.catch(() => Effect.succeed(Number.NaN)),
    Effect.flatMap((now) => Metric.update(gauge, now))
  )
const patience = "2 seconds"
