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

/** `GET /health`, `GET /health/ready` and `GET /metrics` on `HEALTH_PORT` (and `HOST`); no server where `HEALTH_PORT` is not set. */
export const layer = <R>({ checks, measure = Effect.void, service }: Options<R>) =>
  Layer.unwrap(Effect.gen(function*() {
    const port = yield* Config.option(Config.Port("HEALTH_PORT"))
    if (Option.isNone(port)) return Layer.empty
    const host = yield* Config.String("HOST").pipe(Config.withDefault("127.0.0.1"))
    const context = yield* Effect.context<R>()

    const readiness = Effect.gen(function*() {
      const states = yield* Effect.all(
        Record.map(checks, (question) => check(question, (answer) => typeof answer === "string" ? answer : "answers")),
        { concurrency: "unbounded" }
      )
      const ready = Object.values(states).every((state) => state.ready)
      return HttpServerResponse.jsonUnsafe({ ready, ...states }, { status: ready ? 200 : 503 })
    }).pipe(Effect.provideContext(context))

    const routes = Layer.mergeAll(
      HttpRouter.add("GET", "/health", HttpServerResponse.jsonUnsafe({ status: "ok" })),
      HttpRouter.add("GET", "/health/ready", readiness),
      Metrics.layer(service, Effect.provideContext(measure, context))
    )
    return HttpRouter.serve(routes, { disableLogger: true, disableListenLog: true }).pipe(
      Layer.provide(Listener.layer({ host, port: port.value }))
    )
  }))
