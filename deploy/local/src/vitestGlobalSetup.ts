/** One nats-server and one Postgres for a whole run of integration tests; they end with it, however it ends. */
import { Context, Effect, Exit, Layer, Scope } from "effect"
import { join } from "node:path"
import type { TestProject } from "vitest/node"
import * as NatsServer from "./NatsServer.ts"
import * as Ports from "./Ports.ts"
import * as Postgres from "./Postgres.ts"
import { Reaper } from "./Reaper.ts"

declare module "vitest" {
  export interface ProvidedContext {
    natsUrl: string
    databaseUrl: string
  }
}

const servers = Effect.gen(function*() {
  const context = yield* Layer.build(Reaper.layer)
  const folder = Context.get(context, Reaper).temporaryFolder()
  const files = (name: string) => ({
    folder: join(folder, name),
    logFile: join(folder, `${name}.log`),
    pidFile: join(folder, `${name}.pid`)
  })
  const [natsPort, postgresPort] = [yield* Ports.free, yield* Ports.free]
  const binary = yield* NatsServer.findConfigured
  const nats = yield* NatsServer.make({ binary, port: natsPort, ...files("nats") }).pipe(Effect.provideContext(context))
  const postgres = yield* Postgres.make({ port: postgresPort, isDurable: false, ...files("postgres") }).pipe(
    Effect.provideContext(context)
  )
  yield* Effect.all([nats.start, postgres.start], { concurrency: "unbounded" })
  return { natsUrl: `nats://${Ports.host}:${natsPort}`, databaseUrl: Postgres.url(postgresPort) }
})

export default async (project: TestProject): Promise<() => Promise<void>> => {
  const scope = Scope.makeUnsafe()
  const stop = () => Effect.runPromise(Scope.close(scope, Exit.void))
  try {
    const { databaseUrl, natsUrl } = await Effect.runPromise(Effect.provideService(servers, Scope.Scope, scope))
    project.provide("natsUrl", natsUrl)
    project.provide("databaseUrl", databaseUrl)
  } catch (cause) {
    await stop()
    throw cause
  }
  return stop
}
