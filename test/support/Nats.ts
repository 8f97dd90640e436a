/** A nats-server of a test's own, and the product's connection to it. */
import * as EventLogJetStream from "@akave-async/eventing/EventLogJetStream"
import * as NatsServer from "@akave-async/local/NatsServer"
import * as Ports from "@akave-async/local/Ports"
import { Reaper } from "@akave-async/local/Reaper"
import { Nats } from "@akave-async/platform/Nats"
import { jetstreamManager } from "@nats-io/jetstream"
import { ConfigProvider, Context, Duration, Effect, Layer, Schedule } from "effect"
import { existsSync, renameSync } from "node:fs"
import { join } from "node:path"

/** A server that runs, and can be killed and started again, also without its data. */
export const server = Effect.gen(function*() {
  const context = yield* Layer.build(Reaper.layer)
  const root = Context.get(context, Reaper).temporaryFolder()
  const folder = join(root, "nats")
  const port = yield* Ports.free
  const process = yield* NatsServer.make({
    binary: yield* NatsServer.findConfigured,
    port,
    folder,
    logFile: join(root, "nats.log"),
    pidFile: join(root, "nats.pid")
  }).pipe(Effect.provideContext(context))
  yield* process.start
  const kill = process.kill("SIGKILL")
  const move = (from: string, to: string) => Effect.sync(() => existsSync(from) && renameSync(from, to))

  return {
    port,
    url: `nats://${Ports.host}:${port}`,
    kill,
    start: process.start,
    /** Kills the server and starts it on an empty folder. */
    startEmpty: kill.pipe(Effect.andThen(move(folder, `${folder}.lost`)), Effect.andThen(process.start)),
    /** Kills the server and starts it on the data that it had before `startEmpty`. */
    startRestored: kill.pipe(
      Effect.andThen(move(folder, `${folder}.emptied`)),
      Effect.andThen(move(`${folder}.lost`, folder)),
      Effect.andThen(process.start)
    )
  }
})

/** A log on a server of its own, which can be stopped until its dedup window has passed, and started again. */
export const restartableLog = Effect.gen(function*() {
  const { kill, start, url } = yield* server
  const dedupWindow = Duration.millis(200)
  const options = { stream: "EVENTS", prefix: "events", replicas: 1, dedupWindow }
  const log = yield* EventLogJetStream.open(yield* connected(url), options)
  const pause = kill.pipe(
    Effect.andThen(Effect.sleep(Duration.times(dedupWindow, 2))),
    Effect.andThen(start),
    Effect.andThen(Effect.retry(log.lastSequence, Schedule.spaced("50 millis"))),
    Effect.orDie,
    Effect.asVoid
  )
  return { log, pause }
})

/** The names of all JetStream streams on a server. */
export const streamsOn = Effect.fnUntraced(function*(url: string) {
  const connection = yield* connected(url)
  return yield* Effect.promise(async () => {
    const names: Array<string> = []
    for await (const name of (await jetstreamManager(connection)).streams.names()) names.push(name)
    return names.toSorted()
  })
}, Effect.scoped)

/** Deletes a JetStream stream, as an accident would. */
export const deleteStream = Effect.fnUntraced(function*(url: string, name: string) {
  const connection = yield* connected(url)
  yield* Effect.promise(async () => (await jetstreamManager(connection)).streams.delete(name))
}, Effect.scoped)

/** A connection as the services have it. */
export const connected = Effect.fnUntraced(function*(url: string) {
  const settings = ConfigProvider.layer(ConfigProvider.fromUnknown({ NATS_URL: url }))
  return Context.get(yield* Layer.build(Layer.fresh(Layer.provide(Nats.layerConfig("test"), settings))), Nats)
})
