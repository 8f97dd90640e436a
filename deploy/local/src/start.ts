/** `npm start`: runs the whole stack, shows a sample bucket, and keeps everything up until it is told to stop. */
import { NodeRuntime } from "@effect/platform-node"
import { Cause, Config, Console, DateTime, Effect, Fiber, Option, Runtime, Schema } from "effect"
import { FetchHttpClient } from "effect/http"
import { relative } from "node:path"
import * as Ports from "./Ports.ts"
import type * as Processes from "./Processes.ts"
import { showSampleBucket } from "./SampleBucket.ts"
import * as Stack from "./Stack.ts"

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
  privateKey: Config.option(Config.Redacted("AKAVE_PRIVATE_KEY")).pipe(Config.map(Option.getOrUndefined)),
  natsSyncInterval: optional("NATS_SYNC_INTERVAL")
})

/** A port that a person set must be that port. The preferred one gives way to a free one where it is taken. */
const portFor = Effect.fnUntraced(function*(variable: string, preferred: number) {
  const set = yield* Config.option(Config.Port(variable))
  return Option.isSome(set) ? yield* Ports.exactly(set.value, variable) : yield* Ports.preferring(preferred)
})

/** The gateway's address is what people have in their scripts: it is never another one than expected. */
const gatewayPort = Effect.gen(function*() {
  const port = yield* Config.Port("PORT").pipe(Config.withDefault(8000))
  return yield* Ports.exactly(port, "PORT")
})

class GaveUp extends Schema.TaggedError<GaveUp>()("GaveUp", { reason: Schema.String, attempts: Schema.Int }) {
  override readonly message = `${this.reason} It was started ${this.attempts} times in a row, which is enough.`
}

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

/** A service that dies is started again after a pause that doubles from half a second, at most five times in a row. */
const supervise = Effect.fnUntraced(function*(service: Stack.Service) {
  const { process } = service
  const maxAttempts = 5
  let attempts = 0
  while (true) {
    const startedAt = yield* DateTime.now
    const ended = yield* process.exited
    const isStable = DateTime.toEpochMillis(yield* DateTime.now) - DateTime.toEpochMillis(startedAt) > 60_000
    if (isStable) attempts = 0
    let reason = `${process.name} ended (${
      ended.signal ?? `exit code ${ended.code}`
    }), saying at last: ${ended.lastWords}.`
    while (true) {
      if (attempts === maxAttempts) return yield* new GaveUp({ reason, attempts })
      const pause = 500 * 2 ** attempts++
      yield* Console.log(`  ${reason} Starting it again in ${seconds(pause)}.`)
      yield* Effect.sleep(pause)
      const result = yield* Effect.result(process.start)
      if (result._tag === "Success") {
        yield* printReady(service, result.success)
        break
      }
      reason = `${result.failure.message}.`
    }
  }
})

const run = Effect.gen(function*() {
  const options = yield* settings
  const ports = {
    gateway: yield* gatewayPort,
    nats: yield* portFor("NATS_PORT", 4222),
    postgres: yield* portFor("POSTGRES_PORT", 5432),
    rpc: yield* portFor("DEVNET_RPC_PORT", 8545),
    node: yield* portFor("DEVNET_NODE_PORT", 5500)
  }
  const stack = yield* Stack.make({ ...options, ports, isDurable: true })
  yield* Effect.addFinalizer(() => Console.log("Stopping."))
  const folder = relative("", stack.dataDir)
  yield* Console.log(`Starting the stack. Data is in ${folder}, logs are in ${folder}/logs.`)
  yield* stack.start(printReady)
  yield* Console.log(`\nThe gateway answers at ${stack.gatewayUrl} (documentation: ${stack.gatewayUrl}/docs).`)
  const supervision = yield* Effect.forkScoped(
    Effect.forEach(stack.services, supervise, { concurrency: "unbounded", discard: true }),
    { startImmediately: true }
  )
  yield* Effect.raceFirst(showSampleBucket(stack.gatewayUrl), Fiber.join(supervision))
  yield* Console.log("\nCtrl-C stops everything.")
  yield* Fiber.join(supervision)
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
