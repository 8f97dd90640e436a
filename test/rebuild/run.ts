/**
 * `npm run test:rebuild [-- --jobs N --kills N --seed N]`: a projector makes the read model of a log with so many jobs, four events
 * each; then it is rebuilt by `akave-async rebuild`, which is killed at random places, each time going on, until it is switched. It
 * ends with 0 if the canonical dumps of both are equal, byte by byte.
 */
import * as EventLogJetStream from "@akave-async/eventing/EventLogJetStream"
import * as Stack from "@akave-async/local/Stack"
import { Nats } from "@akave-async/platform/Nats"
import * as Postgres from "@akave-async/platform/Postgres"
import * as Dump from "@akave-async/read-model/Dump"
import { NodeRuntime } from "@effect/platform-node"
import { Clock, ConfigProvider, Console, Context, Duration, Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"
import { cpus, loadavg } from "node:os"
import { parseArgs } from "node:util"
import * as History from "../bench/History.ts"
import * as Processes from "../bench/Processes.ts"
import * as Kills from "./Kills.ts"

const { values } = parseArgs({
  options: {
    jobs: { type: "string", default: "250000" },
    kills: { type: "string", default: "10" },
    seed: { type: "string", default: "1" }
  }
})
const count = (name: keyof typeof values, least: number) => {
  const number = Number(values[name])
  if (Number.isSafeInteger(number) && number >= least) return number
  process.stderr.write(`--${name} takes a whole number from ${least} on, not "${values[name]}"\n`)
  return process.exit(2)
}
const [jobs, kills, seed] = [count("jobs", 1), count("kills", 0), count("seed", 0)]

const schema = "akave_async"

const rebuild = Effect.gen(function*() {
  const stack = yield* Stack.make({})
  const projector = stack.projector(0)
  for (const server of [stack.nats, stack.postgres]) yield* server.start
  const settings = { NATS_URL: stack.natsUrl, DATABASE_URL: stack.databaseUrl, READ_MODEL_SCHEMA: schema }
  const context = yield* Layer.build(Layer.merge(Nats.layerConfig("test"), Postgres.layerConfig(Duration.minutes(10))))
    .pipe(Effect.provideService(ConfigProvider.ConfigProvider, ConfigProvider.fromUnknown(settings)))
  const connection = Context.get(context, Nats)
  const sql = Context.get(context, SqlClient.SqlClient)
  const dump = (name: string) => Dump.digest(Dump.rows(name)).pipe(Effect.provideContext(context))
  const stream = { stream: "AKAVE_EVENTS", prefix: "akave.events" }
  yield* EventLogJetStream.create(connection, { ...stream, replicas: 1, dedupWindow: Duration.minutes(2) })
  const seconds = Effect.fnUntraced(function*<A, E, R>(effect: Effect.Effect<A, E, R>) {
    const begun = yield* Clock.currentTimeMillis
    yield* effect
    return ((yield* Clock.currentTimeMillis) - begun) / 1000
  })

  const events = 4 * jobs
  const published = yield* seconds(History.publish(connection, stream, jobs))
  yield* Console.log(`${events} events published in ${published.toFixed(1)} s`)

  const checkpoint = sql<{ sequence: number }>`select sequence from ${sql(`${schema}.projection_checkpoint`)}`
  yield* projector.start
  const projected = yield* seconds(
    checkpoint.pipe(Effect.delay("100 millis"), Effect.repeat({ until: ([row]) => row?.sequence === events }))
  )
  yield* Console.log(
    `projected in ${projected.toFixed(1)} s, ${Math.round(events / projected)} events/s, ${
      Processes.memory(stack, "projector").toFixed(0)
    } MB`
  )
  const live = yield* dump(schema)

  let [done, working, most] = [0, 0, 0]
  const last = yield* Kills.killed(
    settings,
    { events, kills, seed },
    ({ from, isSwitched, megabytes, seconds, to }) => {
      done += to - from
      working += seconds
      most = Math.max(most, megabytes)
      return Console.log(
        `${isSwitched ? "switched before it was" : "killed"} at event ${to}, begun at ${from}: ${
          megabytes.toFixed(0)
        } MB`
      )
    }
  )
  done += last.to - last.from
  working += last.seconds
  const rebuilt = yield* dump(schema)
  yield* Console.log(
    [
      `rebuilt${last.isSwitched ? " and switched" : ""} after ${kills} kills of seed ${seed}: ${
        Math.round(done / working)
      } events/s while it ran, at most ${Math.max(most, last.megabytes).toFixed(0)} MB`,
      `live     ${live.rows} rows, SHA-256 ${live.sha256}`,
      `rebuilt  ${rebuilt.rows} rows, SHA-256 ${rebuilt.sha256}`,
      `${cpus().length} cores, load ${loadavg().map((load) => load.toFixed(1)).join(" ")}`
    ].join("\n")
  )
  const isEqual = live.sha256 === rebuilt.sha256
  if (!isEqual) yield* Console.error("The rebuilt read model is not the live one.")
  process.exitCode = isEqual && last.isSwitched ? 0 : 1
})

NodeRuntime.runMain(Effect.scoped(rebuild))
