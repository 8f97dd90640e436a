import {
  Context,
  Deferred,
  Duration,
  Effect,
  Fiber,
  FileSystem,
  Layer,
  Option,
  Path,
  Schedule,
  Schema,
  Stream
} from "effect"
import { ChildProcess } from "effect/process"
import { JsonRpcProvider } from "ethers"
import { createRequire } from "node:module"
import { promisify } from "node:util"
import { gunzip } from "node:zlib"
import { AnvilConfig, reachable } from "./DevnetConfig.ts"

export class RpcPortTaken extends Schema.TaggedError<RpcPortTaken>()("RpcPortTaken", { port: Schema.Int }) {
  override readonly message =
    `Port ${this.port} for the chain's JSON-RPC is already in use: free it, or set DEVNET_RPC_PORT to another port`
}
export class HostUnknown extends Schema.TaggedError<HostUnknown>()("HostUnknown", { host: Schema.String }) {
  override readonly message =
    `DEVNET_HOST is ${this.host}, which is no address of this machine: set it to one, or unset it`
}
export class StateUnreadable extends Schema.TaggedError<StateUnreadable>()("StateUnreadable", {
  path: Schema.String,
  detail: Schema.String
}) {
  override readonly message =
    `The kept chain ${this.path} cannot be read: move the file away to begin a new chain (${this.detail})`
}
export class AnvilNotStarted extends Schema.TaggedError<AnvilNotStarted>()("AnvilNotStarted", {
  detail: Schema.String
}) {
  override readonly message = `Anvil did not start: ${this.detail}`
}
export class AnvilStopped extends Schema.TaggedError<AnvilStopped>()("AnvilStopped", { detail: Schema.String }) {
  override readonly message = `Anvil stopped unexpectedly: ${this.detail}`
}
export class RpcFailed extends Schema.TaggedError<RpcFailed>()("RpcFailed", {
  method: Schema.String,
  cause: Schema.Defect()
}) {
  override readonly message = `The chain did not answer ${this.method}`
}

export const chainId = 31337

/**
 * States of past blocks that Anvil holds; calls against older blocks are refused, their receipts and logs are not. Each
 * state grows with the chain by about 100 bytes a block.
 */
const heldStates = 64
/** Anvil's first base fee, and what it is set back to. */
const baseFee = 1_000_000_000n
/** Clients send some transactions with a fee cap of 150 gwei; 20 full blocks multiply the base fee by 10.5. */
const baseFeeCeiling = 10_000_000_000n
const startTimeout = Duration.seconds(60)
const stopTimeout = Duration.seconds(5)
/** What a killed devnet loses of its chain at most, while a save takes less than a tenth of it. */
const saveInterval = Duration.seconds(1)
const saveTimeout = Duration.seconds(30)
const errorLines = 20

/** The development chain: an Anvil process that lives as long as the layer. */
export class Anvil extends Context.Service<Anvil, {
  readonly port: number
  /** As this machine reaches it. */
  readonly rpcUrl: string
  readonly provider: JsonRpcProvider
  readonly pid: number
  /** Where the chain is kept, if it is. */
  readonly statePath: Option.Option<string>
  rpc(method: string, params: ReadonlyArray<unknown>): Effect.Effect<unknown, RpcFailed>
  /** Never succeeds; fails when the process ends by itself. */
  readonly stopped: Effect.Effect<never, AnvilStopped>
}>()("@akave-async/devnet/Anvil") {
  static readonly layer = Layer.effect(
    Anvil,
    Effect.gen(function*() {
      const config = yield* AnvilConfig
      const state = yield* Effect.transposeOption(Option.map(config.dataDir, keptState))
      const { isRunning, pid, port, stopped } = yield* spawn(config, state)

      const rpcUrl = `http://${reachable(config.host)}:${port}`
      const provider = yield* Effect.acquireRelease(
        Effect.sync(() =>
          new JsonRpcProvider(rpcUrl, chainId, {
            staticNetwork: true,
            batchMaxCount: 1,
            cacheTimeout: -1,
            pollingInterval: 100
          })
        ),
        (provider) => Effect.sync(() => provider.destroy())
      )
      const rpc = Effect.fn("Anvil.rpc")((method: string, params: ReadonlyArray<unknown>) =>
        Effect.tryPromise({
          try: (): Promise<unknown> => provider.send(method, [...params]),
          catch: (cause) => new RpcFailed({ method, cause })
        })
      )

      // One line for each request would be written and thrown away.
      yield* rpc("anvil_setLoggingEnabled", [false]).pipe(
        Effect.mapError((error) => new AnvilNotStarted({ detail: error.message }))
      )
      if (config.holdsBaseFee) yield* holdBaseFee(rpc).pipe(Effect.forkScoped)
      if (Option.isSome(state)) yield* keep(rpc, isRunning, state.value.path)
      // It ends before the chain is saved for the last time, so that no block is mined that the next run does not know.
      yield* mine(rpc, config.blockTime).pipe(Effect.forkScoped)

      return Anvil.of({ port, rpcUrl, provider, pid, statePath: Option.map(state, ({ path }) => path), rpc, stopped })
    })
  )
}

type Rpc = Anvil["Service"]["rpc"]
interface KeptState {
  readonly path: string
  readonly exists: boolean
}

const keptState = Effect.fnUntraced(function*(dataDir: string) {
  const fs = yield* FileSystem.FileSystem
  const path = (yield* Path.Path).join(dataDir, "chain.json")
  const exists = yield* fs.makeDirectory(dataDir, { recursive: true }).pipe(
    Effect.andThen(fs.exists(path)),
    Effect.mapError((error) => new StateUnreadable({ path, detail: error.message }))
  )
  return { path, exists } satisfies KeptState
})

/** The program itself, not npm's wrapper around it, so that signals and the process id are Anvil's. */
const program = (): readonly [string, ...Array<string>] => {
  const wrapper = createRequire(import.meta.url).resolve("@foundry-rs/anvil/bin.mjs")
  const architecture = process.arch === "x64" ? "amd64" : process.arch
  const file = process.platform === "win32" ? "anvil.exe" : "anvil"
  try {
    return [createRequire(wrapper).resolve(`@foundry-rs/anvil-${process.platform}-${architecture}/bin/${file}`)]
  } catch {
    return [process.execPath, wrapper]
  }
}

const spawn = Effect.fnUntraced(function*(
  config: Effect.Success<typeof AnvilConfig>,
  state: Option.Option<KeptState>
) {
  const [command, ...prefix] = program()
  const loaded = Option.filter(state, ({ exists }) => exists)
  const anvil = yield* ChildProcess.make(command, [
    ...prefix,
    `--host=${config.host}`,
    `--port=${config.port}`,
    `--chain-id=${chainId}`,
    "--hardfork=cancun",
    "--no-mining",
    `--gas-limit=${config.gasLimit}`,
    `--block-base-fee-per-gas=${baseFee}`,
    `--prune-history=${heldStates}`,
    ...Option.match(loaded, { onNone: () => [], onSome: ({ path }) => [`--load-state=${path}`] })
  ], { stdin: "ignore", killSignal: "SIGTERM", forceKillAfter: stopTimeout }).pipe(
    Effect.mapError((error) => new AnvilNotStarted({ detail: error.message }))
  )
  yield* endWithUs(anvil.pid)

  const listening = yield* Deferred.make<number>()
  const output = anvil.stdout.pipe(Stream.decodeText(), Stream.splitLines)
  yield* Stream.runForEach(output, (line) => {
    const port = /^Listening on .*:(\d+)$/.exec(line)?.[1]
    return port === undefined ? Effect.void : Deferred.succeed(listening, Number(port))
  }).pipe(Effect.forkScoped)

  const errors: Array<string> = []
  const errorOutput = yield* anvil.stderr.pipe(
    Stream.decodeText(),
    Stream.splitLines,
    Stream.runForEach((line) => Effect.sync(() => errors.length < errorLines && errors.push(line))),
    Effect.forkScoped
  )
  const ended = Effect.gen(function*() {
    const exit = yield* Effect.result(anvil.exitCode)
    yield* Fiber.await(errorOutput).pipe(Effect.timeoutOption("1 second"))
    const detail = errors.find((line) => line.trim() !== "")
    return detail ?? (exit._tag === "Success" ? `exit code ${exit.success}` : "ended by a signal")
  })

  const port = yield* Deferred.await(listening).pipe(
    Effect.timeoutOrElse({
      duration: startTimeout,
      orElse: () => Effect.fail(new AnvilNotStarted({ detail: `no answer in ${Duration.format(startTimeout)}` }))
    }),
    Effect.raceFirst(Effect.flatMap(ended, (detail) => Effect.fail(whyNotStarted(detail, config, loaded))))
  )
  const stopped = Effect.flatMap(ended, (detail) => Effect.fail(new AnvilStopped({ detail })))
  const isRunning = Effect.orElseSucceed(anvil.isRunning, () => false)
  return { pid: anvil.pid, port, isRunning, stopped }
})

const whyNotStarted = (
  detail: string,
  { host, port }: Effect.Success<typeof AnvilConfig>,
  loaded: Option.Option<KeptState>
) => {
  if (detail.includes("Address already in use")) return new RpcPortTaken({ port })
  if (detail.includes("assign requested address")) return new HostUnknown({ host })
  if (Option.isSome(loaded) && detail.includes("--load-state")) {
    return new StateUnreadable({ path: loaded.value.path, detail: detail.split(": ").slice(-1).join() })
  }
  return new AnvilNotStarted({ detail })
}

/**
 * A devnet that is killed cannot stop its Anvil, which would go on and hold the port. This small shell waits for the
 * end of a pipe that only the devnet holds, and ends Anvil then.
 */
const endWithUs = (pid: number) =>
  process.platform === "win32"
    ? Effect.void
    : ChildProcess.make("sh", ["-c", `read -r _; kill -9 "$0"`, String(pid)], {
      stdout: "ignore",
      stderr: "ignore",
      forceKillAfter: stopTimeout
    }).pipe(Effect.mapError((error) => new AnvilNotStarted({ detail: error.message })))

/**
 * Blocks are asked for at their time. Anvil's own --block-time, where it is 2 seconds or less, overrides --prune-history
 * by 1500 states, which take gigabytes after some hours.
 */
const mine = (rpc: Rpc, blockTime: number) =>
  rpc("evm_mine", []).pipe(
    Effect.ignore,
    Effect.uninterruptible,
    Effect.repeat(Schedule.fixed(Duration.seconds(blockTime)))
  )

/** Full blocks raise the base fee by an eighth each; here it must stay far below the fee caps of clients. */
const holdBaseFee = (rpc: Rpc) =>
  rpc("eth_getBlockByNumber", ["latest", false]).pipe(
    Effect.flatMap(Schema.decodeUnknownEffect(Schema.Struct({ baseFeePerGas: Schema.String }))),
    Effect.flatMap((block) =>
      BigInt(block.baseFeePerGas) > baseFeeCeiling
        ? rpc("anvil_setNextBlockBaseFeePerGas", [`0x${baseFee.toString(16)}`])
        : Effect.void
    ),
    Effect.ignore,
    Effect.andThen(Effect.sleep("1 second")),
    Effect.forever
  )

/**
 * Saves the chain every second and once more at the end. Anvil's own saving overwrites its file in place, so that a
 * kill in mid-write would destroy the chain; here a finished file replaces the one before it.
 */
const keep = Effect.fnUntraced(function*(rpc: Rpc, isRunning: Effect.Effect<boolean>, path: string) {
  const fs = yield* FileSystem.FileSystem
  const next = `${path}.next`
  let saved: unknown

  const save = Effect.gen(function*() {
    const head = yield* rpc("eth_blockNumber", [])
    if (head === saved) return
    const dump = yield* Effect.flatMap(rpc("anvil_dumpState", []), Schema.decodeUnknownEffect(Schema.String))
    const text = yield* Effect.tryPromise(() => promisify(gunzip)(Buffer.from(dump.slice(2), "hex")))
    yield* Effect.scoped(Effect.gen(function*() {
      const file = yield* fs.open(next, { flag: "w" })
      yield* file.writeAll(text)
      yield* file.sync
    }))
    yield* fs.rename(next, path)
    saved = head
  }).pipe(
    Effect.timeout(saveTimeout),
    Effect.catch((error) =>
      // A chain that has ended is told of by `stopped`.
      Effect.when(Effect.logError(`The chain was not saved to ${path}: ${error.message}`), isRunning)
    ),
    Effect.withSpan("Anvil.save")
  )

  yield* Effect.addFinalizer(() => save)
  yield* Effect.gen(function*() {
    const [elapsed] = yield* Effect.timed(save)
    yield* Effect.sleep(Duration.max(saveInterval, Duration.times(elapsed, 10)))
  }).pipe(Effect.forever, Effect.forkScoped)
})
