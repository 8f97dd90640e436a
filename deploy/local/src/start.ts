/** `npm start`: runs the whole stack, shows a sample bucket, and keeps everything up until it is stopped. */
import { NodeRuntime } from "@effect/platform-node"
import { Cause, Config, Console, Effect, Option, Record, Runtime, Schema } from "effect"
import { FetchHttpClient } from "effect/http"
import { relative } from "node:path"
import * as Ports from "./Ports.ts"
import type * as Processes from "./Processes.ts"
import { showSampleBucket } from "./SampleBucket.ts"
import * as Stack from "./Stack.ts"
import * as Supervisor from "./Supervisor.ts"

/** An empty variable counts as absent. */
const optional = (name: string) =>
  Config.option(Config.String(name)).pipe(
    Config.map(Option.filter((text) => text !== "")),
    Config.map(Option.getOrUndefined)
  )

const settings = Config.all({
  dataDir: Config.String("DATA_DIR").pipe(Config.withDefault(`${Stack.repository}.data`)),
  natsUrl: optional("NATS_URL"),
  databaseUrl: optional("DATABASE_URL"),
  nodeAddress: optional("AKAVE_NODE_ADDRESS"),
  privateKeysDir: Config.option(Config.NonEmptyString("AKAVE_PRIVATE_KEYS_DIR")).pipe(
    Config.map(Option.getOrUndefined)
  ),
  privateKey: Config.option(Config.Redacted("AKAVE_PRIVATE_KEY")).pipe(Config.map(Option.getOrUndefined)),
  natsSyncInterval: optional("NATS_SYNC_INTERVAL")
})

/** Each port with the variable that sets it, and the one that is taken where nobody does. */
const portSettings = {
  gateway: ["PORT", 8000],
  nats: ["NATS_PORT", 4222],
  postgres: ["POSTGRES_PORT", 5432],
  rpc: ["DEVNET_RPC_PORT", 8545],
  node: ["DEVNET_NODE_PORT", 5500]
} as const

/** A port; 0 stands for any free one. */
const Port = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 65_535 }))

/**
 * A port that a person set must be that port. The others give way to free ones where they are taken, as they are beside
 * another clone that runs.
 */
const choosePorts = Effect.gen(function*() {
  const set = yield* Config.all(Record.map(portSettings, ([variable]) => Config.option(Config.schema(Port, variable))))
  // First those that leave no choice, so that none of them is given away.
  const exact = yield* Effect.all(Record.map(portSettings, ([variable], name) =>
    Option.match(set[name], {
      onNone: () => Effect.undefined,
      onSome: (port) => port === 0 ? Ports.free : Ports.exactly(port, variable)
    })))
  return yield* Effect.all(Record.map(portSettings, ([, preferred], name) => {
    const port = exact[name]
    return port === undefined ? Ports.preferring(preferred) : Effect.succeed(port)
  }))
})

const seconds = (millis: number) => `${(millis / 1000).toFixed(2)} s`

const printReady = ({ address, process }: Stack.Service, { details, millis, pid }: Processes.Running) => {
  const note = ["version", "syncInterval"].flatMap((name) => {
    const value = details[name]
    if (value === undefined) return []
    return [name === "syncInterval" ? `fsync ${value === "always" ? "at every write" : `every ${value}`}` : `${value}`]
  })
  const columns = [
    process.name.padEnd(11),
    address.padEnd(48),
    `pid ${pid}`.padEnd(11),
    seconds(millis).padStart(8),
    ...note
  ]
  return Console.log(`  ready  ${columns.join("  ")}`)
}

/** What the shell says, less what pg would read in this process, which asks its own Postgres. */
const shell = { ...process.env }
for (const name of Object.keys(shell).filter((name) => name.startsWith("PG"))) delete process.env[name]

const run = Effect.gen(function*() {
  const options = yield* settings
  const ports = yield* choosePorts
  const stack = yield* Stack.make({ ...options, shell, ports, counts: { notifier: 1 }, isDurable: true })
  yield* Effect.addFinalizer(() => Console.log("Stopping."))
  const folder = relative("", stack.dataDir)
  yield* Console.log(`Starting the stack. Data is in ${folder}, logs are in ${folder}/logs.`)
  yield* stack.start(printReady)
  yield* Console.log(`\nThe gateway answers at ${stack.gatewayUrl} (documentation: ${stack.gatewayUrl}/docs).`)
  const metrics = stack.services.flatMap(({ metricsUrl, process }) =>
    metricsUrl === undefined ? [] : [`  ${process.name.padEnd(11)}  ${metricsUrl}`]
  )
  yield* Console.log(`Metrics for Prometheus:\n${metrics.join("\n")}`)
  const [variable, preferred] = portSettings.gateway
  if (ports.gateway !== preferred && Option.isNone(yield* Config.option(Config.String(variable)))) {
    yield* Console.log(`Port ${preferred} is taken; ${variable} chooses another one.`)
  }
  yield* Effect.forkScoped(Supervisor.keepUp(stack.services, { onReady: printReady }), { startImmediately: true })
  yield* showSampleBucket(stack.gatewayUrl)
  yield* Console.log("\nCtrl-C stops everything.")
  return yield* Effect.never
})

/** Ends when the process that started this one is gone, so that nothing stays behind whatever ends `npm start`. */
const parentIsGone = Effect.gen(function*() {
  const parent = process.ppid
  while (process.ppid === parent) yield* Effect.sleep("500 millis")
})

// A closed terminal is a reason to stop in order, and then there is nowhere to write to.
process.once("SIGHUP", () => process.kill(process.pid, "SIGTERM"))
for (const output of [process.stdout, process.stderr]) output.on("error", () => {})

/** An expected failure in its own words; anything else is a mistake in this program, and shown whole. */
const sentence = (cause: Cause.Cause<unknown>): string => {
  const failure = Cause.squash(cause)
  if (failure instanceof Config.ConfigError) {
    const [, problem = failure.message, variable = "A setting"] = /\((.*)\s+at \["(\w+)"\]/.exec(failure.message) ?? []
    return `${variable} is not valid: ${problem}.`
  }
  const isExpected = cause.reasons.every((reason) => reason._tag !== "Die")
  return isExpected && failure instanceof Error ? failure.message : Cause.pretty(cause)
}

const teardown: Runtime.Teardown = (exit, onExit) => {
  if (exit._tag === "Failure" && Cause.hasInterruptsOnly(exit.cause)) return onExit(0)
  Runtime.defaultTeardown(exit, onExit)
}

Effect.scoped(run).pipe(
  Effect.raceFirst(parentIsGone),
  Effect.provide(FetchHttpClient.layer),
  Effect.tapCause((cause) => Cause.hasInterruptsOnly(cause) ? Effect.void : Console.error(sentence(cause))),
  (program) => NodeRuntime.runMain(program, { disableErrorReporting: true, teardown })
)
