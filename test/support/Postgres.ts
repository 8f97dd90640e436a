/** A Postgres of a test's own, and the product's connection to it. */
import * as Ports from "@akave-async/local/Ports"
import * as LocalPostgres from "@akave-async/local/Postgres"
import { Reaper } from "@akave-async/local/Reaper"
import * as Postgres from "@akave-async/platform/Postgres"
import { parseUrl } from "@akave-async/platform/PostgresSettings"
import { Context, Duration, Effect, Layer, Redacted } from "effect"
import * as Reactivity from "effect/reactivity/Reactivity"
import { join } from "node:path"

/** A server that runs, and can be frozen; `folder` is its data's. */
export const server = Effect.gen(function*() {
  const context = yield* Layer.build(Reaper.layer)
  const root = Context.get(context, Reaper).temporaryFolder()
  const port = yield* Ports.free
  const folder = join(root, "postgres")
  const process = yield* LocalPostgres.make({
    port,
    folder,
    isDurable: false,
    logFile: join(root, "postgres.log"),
    pidFile: join(root, "postgres.pid")
  }).pipe(Effect.provideContext(context))
  yield* process.start
  return {
    port,
    folder,
    process,
    url: LocalPostgres.url(port),
    freeze: process.kill("SIGSTOP"),
    thaw: process.kill("SIGCONT")
  }
})

export interface Options {
  readonly patience?: Duration.Duration
  readonly maxConnections?: number
}

const optionsOf = Effect.fnUntraced(function*(
  url: string,
  { maxConnections = 4, patience = Duration.seconds(30) }: Options
) {
  const config = yield* Effect.fromResult(parseUrl(url, undefined))
  return { connection: Redacted.make(config), maxConnections, patience }
})

/** A client as the services have it. */
export const connected = Effect.fnUntraced(function*(url: string, options: Options = {}) {
  return yield* Postgres.make(yield* optionsOf(url, options)).pipe(Effect.provide(Reactivity.layer))
})

/** The same, on the read model in a schema. */
export const database = (url: string, schema: string, options: Options = {}) =>
  Layer.unwrap(Effect.map(optionsOf(url, options), (options) => Postgres.layer({ ...options, schema })))
