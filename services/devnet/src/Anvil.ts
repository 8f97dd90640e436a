// oxlint-disable max-lines -- one server from its start to its end
import {
  Clock,
  Context,
  Deferred,
  Duration,
  Effect,
  Fiber,
  Latch,
  Layer,
  Option,
  Schedule,
  Schema,
  Semaphore,
  Stream
} from "effect"
import { ChildProcess } from "effect/process"
import { JsonRpcProvider } from "ethers"
import { createRequire } from "node:module"
import { AnvilConfig, reachable } from "./DevnetConfig.ts"
import * as KeptChain from "./KeptChain.ts"

export class RpcPortTaken extends Schema.TaggedError<RpcPortTaken>()("RpcPortTaken", { port: Schema.Int }) {
  override readonly message =
    `Port ${this.port} for the chain's JSON-RPC is already in use: free it, or set DEVNET_RPC_PORT to another port`
}
export class HostUnknown extends Schema.TaggedError<HostUnknown>()("HostUnknown", { host: Schema.String }) {
  override readonly message =
    `DEVNET_HOST is ${this.host}, which is no address of this machine: set it to one, or unset it`
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
/** Empty blocks after which no client waits for confirmations any more. */
const mostConfirmations = 64
/** The time between two idle blocks, in times that one takes. */
const idlePause = 20
const longestIdle = Duration.seconds(10)
const startTimeout = Duration.seconds(60)
const stopTimeout = Duration.seconds(5)
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
  /** Runs the effect between two blocks. */
  withoutBlocks<A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R>
  /** Never succeeds; fails when the process ends by itself. */
  readonly stopped: Effect.Effect<never, AnvilStopped>
}>()("@akave-async/devnet/Anvil") {
  static readonly layer = Layer.effect(
    Anvil,
    Effect.gen(function*() {
      const config = yield* AnvilConfig
      const files = yield* Effect.transposeOption(Option.map(config.dataDir, KeptChain.files))
      const dump = Option.isSome(files)
        ? yield* KeptChain.prepare(files.value, withoutClients(config, files.value.dump))
        : Option.none()
      const calls = KeptChain.listen()
      const { isRunning, pid, port, stopped } = yield* spawn(config, dump, calls.line)
      const { provider, rpc, rpcUrl } = yield* connect(config.host, port)

      // Each call is reported in one line, which only the kept chain reads.
      yield* rpc("anvil_setLoggingEnabled", [Option.isSome(files)]).pipe(
        Effect.mapError((error) => new AnvilNotStarted({ detail: error.message }))
      )
      if (config.holdsBaseFee) yield* holdBaseFee(rpc).pipe(Effect.forkScoped)
      const mined = yield* Latch.make()
      if (Option.isSome(files)) {
        yield* KeptChain.keep({ rpc, calls, files: files.value, isLoaded: Option.isSome(dump), isRunning, mined })
      }
      // It ends before the chain is saved for the last time, so that no block is mined that the next run does not know.
      const turn = yield* Semaphore.make(1)
      const withoutBlocks = turn.withPermits(1)
      yield* mine(rpc, config.blockTime, mined, withoutBlocks).pipe(Effect.forkScoped)

      const statePath = Option.map(files, ({ dump }) => dump)
      return Anvil.of({ port, rpcUrl, provider, pid, statePath, rpc, withoutBlocks, stopped })
    })
  )
}

type Rpc = Anvil["Service"]["rpc"]

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

type Place = Pick<Effect.Success<typeof AnvilConfig>, "host" | "port" | "gasLimit">

const spawn = Effect.fnUntraced(function*(
  config: Place,
  dump: Option.Option<string>,
  onLine: (line: string) => Effect.Effect<void>
) {
  const [command, ...prefix] = program()
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
    // A block of a journal may be larger than the standard 2 MB.
    "--no-request-size-limit",
    ...Option.match(dump, { onNone: () => [], onSome: (path) => [`--load-state=${path}`] })
  ], { stdin: "ignore", killSignal: "SIGTERM", forceKillAfter: stopTimeout }).pipe(
    Effect.mapError((error) => new AnvilNotStarted({ detail: error.message }))
  )
  yield* endWithUs(anvil.pid)

  const listening = yield* Deferred.make<number>()
  const output = anvil.stdout.pipe(Stream.decodeText(), Stream.splitLines)
  yield* Stream.runForEach(output, (line) => {
    const port = /^Listening on .*:(\d+)$/.exec(line)?.[1]
    return port === undefined ? onLine(line) : Deferred.succeed(listening, Number(port))
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
    Effect.raceFirst(Effect.flatMap(ended, (detail) => Effect.fail(whyNotStarted(detail, config, dump))))
  )
  const stopped = Effect.flatMap(ended, (detail) => Effect.fail(new AnvilStopped({ detail })))
  const isRunning = Effect.orElseSucceed(anvil.isRunning, () => false)
  return { pid: anvil.pid, port, isRunning, stopped }
})

const whyNotStarted = (
  detail: string,
  { host, port }: Place,
  dump: Option.Option<string>
) => {
  if (detail.includes("Address already in use")) return new RpcPortTaken({ port })
  if (detail.includes("assign requested address")) return new HostUnknown({ host })
  if (Option.isSome(dump) && detail.includes("--load-state")) {
    return new KeptChain.StateUnreadable({ path: dump.value, detail: detail.split(": ").slice(-1).join() })
  }
  return new AnvilNotStarted({ detail })
}

const decodeAnswer = Schema.decodeUnknownResult(
  Schema.Union([
    Schema.Struct({ error: Schema.Struct({ message: Schema.String }) }),
    Schema.Struct({ result: Schema.Unknown })
  ])
)

const connect = Effect.fnUntraced(function*(host: string, port: number) {
  const rpcUrl = `http://${reachable(host)}:${port}`
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
  // Not by ethers, whose own decoding of UTF-8 takes some seconds for a dump.
  const rpc = Effect.fn("Anvil.rpc")((method: string, params: ReadonlyArray<unknown>) =>
    Effect.tryPromise({
      try: async (signal) => {
        const response = await fetch(rpcUrl, {
          method: "POST",
          headers: { "content-type": "application/json" },
          body: JSON.stringify({ jsonrpc: "2.0", id: 1, method, params }),
          signal
        })
        return await response.json()
      },
      catch: (cause) => new RpcFailed({ method, cause })
    }).pipe(
      Effect.flatMap((answer) => Effect.fromResult(decodeAnswer(answer))),
      Effect.flatMap((answer) =>
        "error" in answer ? Effect.fail(new Error(answer.error.message)) : Effect.succeed(answer.result)
      ),
      Effect.mapError((cause) => cause instanceof RpcFailed ? cause : new RpcFailed({ method, cause }))
    )
  )
  return { provider, rpc, rpcUrl }
})

/** An Anvil with this dump that makes no blocks, at a port that nobody knows. */
const withoutClients = (config: Place, dump: string) =>
  Effect.gen(function*() {
    const place = { host: "127.0.0.1", port: 0, gasLimit: config.gasLimit }
    const { port } = yield* spawn(place, Option.some(dump), () => Effect.void)
    const { rpc } = yield* connect(place.host, port)
    yield* rpc("anvil_setLoggingEnabled", [false])
    return rpc
  })

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

const PoolStatus = Schema.Struct({ pending: Schema.String, queued: Schema.String })

/**
 * Blocks are asked for at their time. Anvil's own --block-time, where it is 2 seconds or less, overrides --prune-history
 * by 1500 states, which take gigabytes after some hours.
 *
 * For each block Anvil hashes its whole state anew, which takes 0.1 s for 100,000 slots. So where nothing waits, and
 * nobody can wait for confirmations any more, blocks come more slowly, such that they take a part of the time only.
 */
const mine = (
  rpc: Rpc,
  blockTime: number,
  mined: Latch.Latch,
  inTurn: Anvil["Service"]["withoutBlocks"]
) => {
  let emptyBlocks = 0
  let cost = 1
  let idleUntil = 0
  return Effect.gen(function*() {
    const { pending, queued } = yield* Effect.flatMap(rpc("txpool_status", []), Schema.decodeUnknownEffect(PoolStatus))
    const isIdle = Number(pending) + Number(queued) === 0
    emptyBlocks = isIdle ? emptyBlocks + 1 : 0
    const start = yield* Clock.currentTimeMillis
    if (emptyBlocks > mostConfirmations && start < idleUntil) return
    yield* rpc("evm_mine", [])
    yield* mined.open
    const end = yield* Clock.currentTimeMillis
    // One slow answer, of a machine that is busy, counts twice the answer before it at most.
    cost = Math.max(1, Math.min(end - start, 2 * cost))
    idleUntil = end + Math.min(idlePause * cost, Duration.toMillis(longestIdle))
  }).pipe(
    Effect.ignore,
    inTurn,
    Effect.uninterruptible,
    Effect.repeat(Schedule.fixed(Duration.seconds(blockTime)))
  )
}

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
