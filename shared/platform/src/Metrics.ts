/**
 * What a process reports at `GET /metrics`, as Prometheus text: all metrics of its code, and those of the process itself, which are
 * read when they are asked for.
 */
import { Effect, Layer, Metric } from "effect"
import { HttpRouter, HttpServerResponse } from "effect/http"
import { PrometheusMetrics } from "effect/observability"
import { monitorEventLoopDelay } from "node:perf_hooks"
import { getHeapStatistics } from "node:v8"
import manifest from "../package.json" with { type: "json" }

const memory = Metric.gauge("process.memory.usage.bytes", { description: "Resident memory, in bytes" })
const heap = Metric.gauge("v8js.memory.heap.used.bytes", { description: "JavaScript objects in memory, in bytes" })
const heapLimit = Metric.gauge("v8js.memory.heap.limit.bytes", {
  description: "The most that JavaScript objects may take; the process ends beyond it, in bytes"
})
const cpu = Metric.gauge("process.cpu.time.seconds", { description: "Seconds of CPU that the process has used" })
const uptime = Metric.gauge("process.uptime.seconds", { description: "Seconds since the process began" })
const meanDelay = Metric.gauge("nodejs.eventloop.delay.mean.seconds", {
  description: "How late the event loop was on the average since this was asked for last, in seconds"
})
const highDelay = Metric.gauge("nodejs.eventloop.delay.p99.seconds", {
  description: "How late the event loop was at most in 99 of 100 looks since this was asked for last, in seconds"
})
const build = Metric.gauge("akave.build.info", { description: "1, with what runs here as labels" })

/** The event loop is looked at so often, in milliseconds. */
const resolution = 20
const nanosPerSecond = 1e9
/** How late a look was, in seconds, that came so many nanoseconds after the one before. */
const late = (nanos: number) => Math.max(0, nanos / nanosPerSecond - resolution / 1_000)
const microsPerSecond = 1e6

/** Serves `/metrics` of a service on the router. What is measured only when it is asked for is `measure`'s. */
export const layer = (service: string, measure: Effect.Effect<unknown> = Effect.void) =>
  Layer.unwrap(Effect.gen(function*() {
    const delay = yield* Effect.acquireRelease(
      Effect.sync(() => {
        const delay = monitorEventLoopDelay({ resolution })
        delay.enable()
        return delay
      }),
      (delay) => Effect.sync(() => delay.disable())
    )
    const ofProcess = Effect.suspend(() => {
      const { system, user } = process.cpuUsage()
      const { heapUsed, rss } = process.memoryUsage()
      // Without a look there is no delay to report.
      const [mean, high] = delay.count === 0 ? [0, 0] : [late(delay.mean), late(delay.percentile(99))]
      delay.reset()
      return Effect.all([
        Metric.update(memory, rss),
        Metric.update(heap, heapUsed),
        Metric.update(heapLimit, getHeapStatistics().heap_size_limit),
        Metric.update(cpu, (system + user) / microsPerSecond),
        Metric.update(uptime, process.uptime()),
        Metric.update(meanDelay, mean),
        Metric.update(highDelay, high),
        Metric.update(
          Metric.withAttributes(build, { service, version: manifest.version, node: process.versions.node }),
          1
        )
      ], { discard: true })
    })
    return HttpRouter.add(
      "GET",
      "/metrics",
      Effect.map(
        Effect.andThen(Effect.all([ofProcess, measure]), PrometheusMetrics.format()),
        (text) => HttpServerResponse.text(text, { contentType: "text/plain; version=0.0.4; charset=utf-8" })
      )
    )
  }))
