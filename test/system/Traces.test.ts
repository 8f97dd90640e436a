/** One trace over all that a request passes through. */
import * as Stack from "@akave-async/local/Stack"
import { assert, it } from "@effect/vitest"
import { Effect, Schedule } from "effect"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { ended, freshName, request } from "../support/Gateway.ts"

interface Span {
  readonly service: string
  readonly name: string
  readonly traceId: string
  readonly spanId: string
  readonly parentSpanId: string | undefined
  readonly kind: number
}

/** Collects spans as an OpenTelemetry collector does (OTLP 1.5, over HTTP as JSON), until the scope closes. */
const collector = Effect.gen(function*() {
  const spans: Array<Span> = []
  const server = yield* Effect.acquireRelease(
    Effect.callback<ReturnType<typeof createServer>>((resume) => {
      const server = createServer((incoming, response) => {
        let body = ""
        incoming.setEncoding("utf8").on("data", (part: string) => body += part).on("end", () => {
          for (const { resource, scopeSpans } of JSON.parse(body).resourceSpans) {
            const service = resource.attributes.find(({ key }: { key: string }) =>
              key === "service.name"
            ).value.stringValue
            for (const { spans: some } of scopeSpans) {
              for (const span of some) spans.push({ ...span, service, parentSpanId: span.parentSpanId || undefined })
            }
          }
          response.writeHead(200, { "content-type": "application/json" }).end("{}")
        })
      })
      server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
    }),
    (server) => Effect.sync(() => server.close())
  )
  return { spans, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` }
})

/** `SPAN_KIND_CONSUMER` of OTLP. */
const consumer = 5
const traceId = "0af7651916cd43dd8448eb211c80319c"
const clientSpan = "b7ad6b7169203331"

it.live(
  "a request's trace goes on through the log, the executor, the chain, the read model and the live stream",
  () =>
    Effect.gen(function*() {
      const { spans, url } = yield* collector
      const traced = { OTEL_EXPORTER_OTLP_ENDPOINT: url, OTEL_BSP_SCHEDULE_DELAY: "100" }
      const stack = yield* Stack.started({ env: { gateway: traced, executor: traced, projector: traced } })
      const { body } = yield* request(`${stack.gatewayUrl}/buckets`, {
        method: "POST",
        headers: { "content-type": "application/json", traceparent: `00-${traceId}-${clientSpan}-01` },
        body: JSON.stringify({ name: freshName() })
      })
      // The stream of the job ends with it.
      yield* Effect.promise(async () => {
        const response = await fetch(`${stack.gatewayUrl}/jobs/${body.job_id}/events`, {
          headers: { accept: "text/event-stream" }
        })
        return response.text()
      })
      yield* ended(stack.gatewayUrl, body.job_id)

      /** The last hop of each line, which ends with the client's own span. */
      const lines = {
        eth_sendRawTransaction: [
          "executor: Chain.send",
          "executor: Steps.work",
          "executor: process akave.BucketRequested.v1",
          "gateway: Buckets.request",
          "gateway: POST"
        ],
        "project akave.BucketCreated.v1": [
          "executor: Steps.work",
          "executor: process akave.BucketRequested.v1",
          "gateway: Buckets.request",
          "gateway: POST"
        ],
        "send akave.BucketCreated.v1": [
          "executor: Steps.work",
          "executor: process akave.BucketRequested.v1",
          "gateway: Buckets.request",
          "gateway: POST"
        ]
      }
      type Spans = typeof spans
      /** The hops from a span to the first that is not there, and the id of that one. */
      const lineOf = (found: Spans, name: string) => {
        const byId = new Map(found.map((span) => [span.spanId, span]))
        const line: Array<string> = []
        let parent = found.find((one) => one.name === name)?.parentSpanId
        for (let span = byId.get(parent ?? ""); span !== undefined; span = byId.get(parent ?? "")) {
          line.push(`${span.service}: ${span.name}`)
          parent = span.parentSpanId
        }
        return { line, parent }
      }
      // A span is sent when it ends, so that of a hop may come after those of the hops that follow it.
      const found = yield* Effect.repeat(Effect.sync(() => spans.filter((span) => span.traceId === traceId)), {
        until: (found) => Object.keys(lines).every((name) => lineOf(found, name).parent === clientSpan),
        schedule: Schedule.spaced("50 millis")
      })
      for (const [name, expected] of Object.entries(lines)) {
        assert.deepStrictEqual(lineOf(found, name), { line: expected, parent: clientSpan }, name)
      }
      assert.strictEqual(found.find(({ name }) => name === "process akave.BucketRequested.v1")?.kind, consumer)
    }).pipe(Effect.scoped),
  60_000
)
