/** Liveness and readiness over HTTP for services that serve nothing else. */
import { Config, Effect, Layer, Option, Record } from "effect"
import { HttpRouter, HttpServerResponse } from "effect/http"
import { check } from "./HealthCheck.ts"
import * as Listener from "./Listener.ts"
import * as Metrics from "./Metrics.ts"

/** Names of dependencies, and for each a question that fails while it is away. An answer that is a text is shown. */
export type Checks<R> = Readonly<Record<string, Effect.Effect<unknown, { readonly message: string }, R>>>

export interface Options<R> {
  /** The name of the service. */
  readonly service: string
  /** What has to answer for the service to be ready. */
  readonly checks: Checks<R>
  /** Sets gauges to how things stand, whenever the metrics are asked for. */
  readonly measure?: Effect.Effect<unknown, never, R>
}

/** Whether all of them answer, and what each answers or why it does not. */
export const readiness = <R>(checks: Checks<R>) =>
  Effect.map(
    Effect.all(
      Record.map(checks, (question) => check(question, (answer) => typeof answer === "string" ? answer : "answers")),
      { concurrency: "unbounded" }
    ),
    (states) => ({ ready: Object.values(states).every((state) => state.ready), ...states })
  )

/** Where it listens, or nowhere. */
export const address = Effect.gen(function*() {
  const port = yield* Config.option(Config.Port("HEALTH_PORT"))
  const host = yield* Config.String("HOST").pipe(Config.withDefault("127.0.0.1"))
  return Option.map(port, (port) => ({ host, port }))
})

/** `GET /health`, `GET /health/ready` and `GET /metrics` on `HEALTH_PORT` (and `HOST`); no server where `HEALTH_PORT` is not set. */
export const layer = <R>({ checks, measure = Effect.void, service }: Options<R>) =>
  Layer.unwrap(Effect.gen(function*() {
    const listening = yield* address
    if (Option.isNone(listening)) return Layer.empty
    const context = yield* Effect.context<R>()

    const ready = readiness(checks).pipe(
      Effect.map((state) => HttpServerResponse.jsonUnsafe(state, { status: state.ready ? 200 : 503 })),
      Effect.provideContext(context)
    )

    const routes = Layer.mergeAll(
      HttpRouter.add("GET", "/health", HttpServerResponse.jsonUnsafe({ status: "ok" })),
      HttpRouter.add("GET", "/health/ready", ready),
      Metrics.layer(service, Effect.provideContext(measure, context))
    )
    return HttpRouter.serve(routes, { disableLogger: true, disableListenLog: true }).pipe(
      Layer.provide(Listener.layer(listening.value))
    )
  }))
