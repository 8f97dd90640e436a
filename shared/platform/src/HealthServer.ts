/** Liveness and readiness over HTTP for services that serve nothing else. */
import { NodeHttpServer } from "@effect/platform-node"
import { Config, Effect, Layer, Option, Result } from "effect"
import { HttpRouter, HttpServerResponse } from "effect/http"
import { createServer } from "node:http"

/** Names of dependencies, and for each a question that fails while it is away. */
export type Checks<R> = Readonly<Record<string, Effect.Effect<unknown, { readonly message: string }, R>>>

/** A dependency that takes longer than this to answer is not ready. */
const patience = "1500 millis"

/** `GET /health` and `GET /health/ready` on `HEALTH_PORT` (and `HOST`); no server where `HEALTH_PORT` is not set. */
export const layer = <R>(checks: Checks<R>) =>
  Layer.unwrap(Effect.gen(function*() {
    const port = yield* Config.option(Config.Port("HEALTH_PORT"))
    if (Option.isNone(port)) return Layer.empty
    const host = yield* Config.String("HOST").pipe(Config.withDefault("127.0.0.1"))
    const context = yield* Effect.context<R>()

    const readiness = Effect.gen(function*() {
      const states = yield* Effect.forEach(Object.entries(checks), ([name, check]) =>
        check.pipe(
          Effect.mapError((error) => error.message),
          Effect.timeoutOrElse({ duration: patience, orElse: () => Effect.fail("no answer in time") }),
          Effect.result,
          Effect.map((state) =>
            [
              name,
              { ready: Result.isSuccess(state), detail: Result.isSuccess(state) ? "answers" : state.failure }
            ] as const
          )
        ), { concurrency: "unbounded" })
      const ready = states.every(([, state]) => state.ready)
      return HttpServerResponse.jsonUnsafe({ ready, ...Object.fromEntries(states) }, { status: ready ? 200 : 503 })
    }).pipe(Effect.provideContext(context))

    const routes = Layer.mergeAll(
      HttpRouter.add("GET", "/health", HttpServerResponse.jsonUnsafe({ status: "ok" })),
      HttpRouter.add("GET", "/health/ready", readiness)
    )
    return HttpRouter.serve(routes, { disableLogger: true, disableListenLog: true }).pipe(
      Layer.provide(NodeHttpServer.layer(createServer, { host, port: port.value }))
    )
  }))
