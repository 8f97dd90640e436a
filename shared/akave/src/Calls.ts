/** How calls to the node and to the chain are traced and measured, by OpenTelemetry's names. */
import { Effect, Metric } from "effect"

type System = "grpc" | "jsonrpc"

const duration = Metric.histogram("rpc.client.call.duration.seconds", {
  description: "Seconds from a call to its answer",
  boundaries: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60]
})
/** As many as there are methods that the SDK calls, times two. */
const series = new Map<string, typeof duration>()

const seriesOf = (system: System, method: string, isError: boolean) => {
  const key = `${method} ${isError}`
  const found = series.get(key)
  if (found !== undefined) return found
  const made = Metric.withAttributes(duration, {
    "rpc.system": system,
    "rpc.method": method,
    outcome: isError ? "error" : "ok"
  })
  series.set(key, made)
  return made
}

/** Traces a call of this method as a span of its own, and measures how long it takes. */
export const measured =
  (system: System, method: string) => <A, E, R>(call: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.suspend(() => {
      const begun = performance.now()
      return Effect.onExit(
        call,
        (exit) => Metric.update(seriesOf(system, method, exit._tag === "Failure"), (performance.now() - begun) / 1_000)
      )
    }).pipe(
      Effect.withSpan(method, { kind: "client", attributes: { "rpc.system": system, "rpc.method": method } })
    ) as Effect.Effect<A, E, R>
