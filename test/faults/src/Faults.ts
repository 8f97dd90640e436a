/** The faults, as values: what each does to a {@link Rig} that is under load. When a fault's effect ends, the fault is over. */
import { names as failpoints } from "@akave-async/executor/Failpoints"
import type * as Processes from "@akave-async/local/Processes"
import { jetstream, jetstreamManager, StorageType } from "@nats-io/jetstream"
import { connect } from "@nats-io/transport-node"
import { Duration, Effect, Fiber, Option, Schedule, type Scope } from "effect"
import { parseUnits, toQuantity } from "ethers"
import { execFile } from "node:child_process"
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readlinkSync,
  renameSync,
  rmSync,
  writeFileSync,
  writeSync
} from "node:fs"
import { join } from "node:path"
import { promisify } from "node:util"
import type { Violation } from "./Checker.ts"
import { fold, isTerminal } from "./Fold.ts"
import type { Client } from "./LoadClient.ts"
import * as NatsProxy from "./NatsProxy.ts"
import * as Observer from "./Observer.ts"
import * as Proxy from "./Proxy.ts"
import { funds, type Pair, pairs, type Profile, revived, type Rig, until } from "./Rig.ts"
import * as RpcProxy from "./RpcProxy.ts"
import { headerOf } from "./Vocabulary.ts"

/** What a fault takes hold of: two faults on different things can happen at the same time. */
export type Part =
  | "executor"
  | "gateway"
  | "projector"
  | "notifier"
  | "nats"
  | "postgres"
  | "chain"
  | "rpc"
  | "node"
  | "wallet"
  | "staging"

export interface Fault {
  readonly number: number
  /** Distinguishes faults of one number. */
  readonly variant?: string
  readonly name: string
  /** About how long it takes, in seconds. */
  readonly lasts: number
  readonly profile: Profile
  readonly touches: ReadonlyArray<Part>
  /** Gives what was wrong while it lasted. The client asks for more than its steady load where the fault needs it. */
  readonly run: (rig: Rig, client: Client) => Effect.Effect<ReadonlyArray<Violation>, unknown, Scope.Scope>
}

export const idOf = ({ number, variant }: Fault): string => variant === undefined ? `${number}` : `${number}.${variant}`

const usual: Profile = {
  name: "usual",
  env: {
    // The fees rise beyond what the executors may pay, and nothing but their fault brings them down again.
    devnet: { DEVNET_HOLD_BASE_FEE: "false" },
    executor: { MAX_FEE_PER_GAS: `${parseUnits("50", "gwei")}` }
  }
}
const shortMemory = { EVENTS_DEDUP_WINDOW: "200 millis" }
const forgetful: Profile = {
  name: "forgetful",
  env: { projector: shortMemory, executor: shortMemory, gateway: shortMemory, notifier: shortMemory }
}
/** Blocks that a reorganisation replaces at most. */
const maxDepth = 5
const careful: Profile = { name: "careful", env: { executor: { CONFIRMATIONS: `${maxDepth + 1}` } } }

const run = promisify(execFile)
const seconds = ({ pace }: Rig, count: number) => Effect.sleep(Duration.seconds(count * pace))
const nothing: ReadonlyArray<Violation> = []
const wrong = (evidence: string): Violation => ({ rule: "fault", evidence })
/** What never came about, and so has shown nothing. */
const missed = (evidence: string): Violation => ({ rule: "happened", evidence })

/** A state of things that lasts for some seconds and ends however the time ends. */
const lasting = (rig: Rig, count: number, begin: Effect.Effect<void>, end: Effect.Effect<void>) =>
  Effect.as(Effect.acquireUseRelease(begin, () => seconds(rig, count), () => end), nothing)

const executors = ({ stack }: Rig) => [stack.executor(0), stack.executor(1), stack.executor(2)]

const killed = (rig: Rig, process: Processes.Process, awaySeconds: number) =>
  process.kill("SIGKILL").pipe(
    Effect.andThen(seconds(rig, awaySeconds)),
    Effect.andThen(revived(process)),
    Effect.as(nothing)
  )

/** Those of jobs that have one part, and some of uploads. */
const points = [
  ...failpoints.filter((name) => name !== "advanced"),
  "advanced.create",
  "claimed.chunk.0",
  "sent.chunk.0",
  "advanced.chunk.0",
  "receipt-seen.commit",
  "submitted.delete",
  "sent.undo"
]

const crashes: Fault = {
  number: 1,
  name: "an executor is killed at each failpoint",
  lasts: 60,
  profile: usual,
  touches: ["executor"],
  run: Effect.fnUntraced(function*(rig) {
    const found: Array<Violation> = []
    for (const name of points) {
      const file = join(rig.failpoints, name)
      yield* Effect.sync(() => writeFileSync(file, ""))
      const hit = until(Effect.sync(() => !existsSync(file))).pipe(
        Effect.andThen(until(
          Effect.map(Effect.forEach(executors(rig), ({ pid }) => pid), (pids) => pids.includes(undefined))
        )),
        Effect.timeoutOption("30 seconds")
      )
      if (Option.isNone(yield* hit)) {
        found.push(missed(`no executor came to the failpoint "${name}"`))
        yield* Effect.sync(() => rmSync(file, { force: true }))
      }
      yield* Effect.forEach(executors(rig), revived)
    }
    return found
  })
}

const kills: ReadonlyArray<Fault> = [
  {
    number: 2,
    variant: "gateway",
    name: "a gateway is killed and started again",
    lasts: 5,
    profile: usual,
    touches: ["gateway"],
    run: (rig) => killed(rig, rig.stack.gateway(1), 2)
  },
  {
    number: 2,
    variant: "projector",
    name: "both projectors are killed and started again",
    lasts: 6,
    profile: usual,
    touches: ["projector"],
    run: (rig) =>
      Effect.as(
        Effect.all([killed(rig, rig.stack.projector(0), 1), killed(rig, rig.stack.projector(1), 3)], {
          concurrency: 2
        }),
        nothing
      )
  },
  {
    number: 2,
    variant: "notifier",
    name: "both notifiers are killed and started again",
    lasts: 6,
    profile: usual,
    touches: ["notifier"],
    run: (rig) =>
      Effect.as(
        Effect.all([killed(rig, rig.stack.notifier(0), 1), killed(rig, rig.stack.notifier(1), 3)], {
          concurrency: 2
        }),
        nothing
      )
  }
]

const frozen: Fault = {
  number: 3,
  name: "an executor is frozen for 60 s",
  lasts: 60,
  profile: usual,
  touches: ["executor"],
  run: (rig) => lasting(rig, 60, rig.stack.executor(0).kill("SIGSTOP"), rig.stack.executor(0).kill("SIGCONT"))
}

const natsKilled: Fault = {
  number: 4,
  name: "the NATS server is killed and started again",
  lasts: 5,
  profile: usual,
  touches: ["nats"],
  run: (rig) => killed(rig, rig.stack.nats, 3)
}

const natsEmptied: Fault = {
  number: 5,
  name: "the NATS server comes back without its data, and gets it back",
  lasts: 25,
  profile: usual,
  touches: ["nats", "executor", "gateway", "projector", "notifier"],
  run: Effect.fnUntraced(function*(rig) {
    const { stack } = rig
    const found: Array<Violation> = []
    const store = join(stack.dataDir, "nats", "jetstream")
    yield* stack.nats.kill("SIGKILL")
    yield* Effect.sync(() => renameSync(store, `${store}.lost`))
    yield* stack.nats.start

    const isReady = (url: string) =>
      Effect.promise((signal) =>
        fetch(`${url}/health/ready`, { signal: AbortSignal.any([signal, AbortSignal.timeout(3_000)]) })
          .then(({ status }) => status === 200, () => false)
      )
    for (const url of stack.gatewayUrls) {
      const reported = yield* until(Effect.map(isReady(url), (ready) => !ready)).pipe(
        Effect.timeoutOption("15 seconds")
      )
      if (Option.isNone(reported)) found.push(wrong(`the gateway at ${url} calls itself ready while the log is gone`))
    }
    // One of each kind comes back in this state, as a supervisor would bring it back.
    const restarted = yield* Effect.forkScoped(Effect.forEach(
      [stack.projector(1), stack.executor(2), stack.gateway(1), stack.notifier(1)],
      (process) => Effect.andThen(process.kill("SIGKILL"), revived(process)),
      { concurrency: "unbounded" }
    ))
    yield* seconds(rig, 10)
    const made = yield* Observer.streams(stack.natsUrl)
    if (made.length > 0) found.push(wrong(`the emptied server was given the streams ${made.join(", ")}`))
    for (const url of stack.gatewayUrls) {
      if (yield* isReady(url)) found.push(wrong(`the gateway at ${url} calls itself ready on an emptied log`))
    }

    yield* stack.nats.kill("SIGKILL")
    yield* Effect.sync(() => {
      rmSync(store, { recursive: true, force: true })
      renameSync(`${store}.lost`, store)
    })
    yield* stack.nats.start
    yield* Effect.timeout(Fiber.join(restarted), "60 seconds")
    return found
  })
}

const postgresLost: ReadonlyArray<Fault> = [
  {
    number: 6,
    variant: "kill",
    name: "Postgres is killed and started again",
    lasts: 6,
    profile: usual,
    touches: ["postgres"],
    run: (rig) => killed(rig, rig.stack.postgres, 3)
  },
  {
    number: 6,
    variant: "restore",
    name: "Postgres is set back to an older copy",
    lasts: 20,
    profile: usual,
    touches: ["postgres"],
    run: Effect.fnUntraced(function*(rig) {
      const { stack } = rig
      const data = join(stack.dataDir, "postgres")
      const copy = `${data}.copy`
      yield* stack.postgres.stop
      // Owners and modes are kept: Postgres refuses a folder that others may read.
      yield* Effect.promise(() => run("cp", ["-a", data, copy]))
      yield* stack.postgres.start
      yield* seconds(rig, 8)
      yield* stack.postgres.stop
      yield* Effect.sync(() => {
        rmSync(data, { recursive: true })
        renameSync(copy, data)
      })
      yield* stack.postgres.start
      return nothing
    })
  }
]

const partsOf: Readonly<Record<Pair, ReadonlyArray<Part>>> = {
  "executor-nats": ["executor", "nats"],
  "gateway-nats": ["gateway", "nats"],
  "projector-nats": ["projector", "nats"],
  "notifier-nats": ["notifier", "nats"],
  "gateway-postgres": ["gateway", "postgres"],
  "projector-postgres": ["projector", "postgres"],
  "executor-rpc": ["executor", "rpc"],
  "executor-node": ["executor", "node"],
  "gateway-node": ["gateway", "node"]
}

/** What happens to a connection, one after the other, each for so many seconds. */
const networks: ReadonlyArray<readonly [network: Proxy.Network, lasts: number]> = [
  [Proxy.cut, 6],
  [Proxy.blackHole, 12],
  [Proxy.slow(2_000), 12],
  [Proxy.lossy(0.2), 12]
]

/** A proxy's fault is had again where it struck nothing by chance: then it has shown nothing. */
const struck =
  (what: string, count: () => number) => (fault: Effect.Effect<ReadonlyArray<Violation>, unknown, never>) =>
    Effect.suspend(() => {
      const before = count()
      const hasStruck = () => count() > before
      return Effect.map(
        Effect.repeat(fault, { until: hasStruck, times: 3 }),
        (found) => hasStruck() ? found : [...found, missed(`${what} never happened`)]
      )
    })

const disconnections: ReadonlyArray<Fault> = pairs.map((pair) => ({
  number: 7,
  variant: pair,
  name: `${pair} is cut, silent, 2 s slow, and loses 20 %, one after the other`,
  lasts: 46,
  profile: usual,
  touches: partsOf[pair],
  run: (rig) => {
    const { become, disturbed } = rig.links[pair]
    // Executors ask the node when they start, and not again.
    const use = pair === "executor-node" ? killed(rig, rig.stack.executor(2), 0) : seconds(rig, 1)
    return Effect.forEach(networks, ([network, lasts]) => {
      const disturbance = lasting(rig, lasts, become(network), become(Proxy.sound)).pipe(
        struck(`a network that is ${network._tag}`, disturbed)
      )
      return Effect.map(Effect.all([disturbance, use], { concurrency: 2 }), ([found]) => found)
    }).pipe(Effect.map((found) => found.flat()))
  }
}))

const doubled: Fault = {
  number: 8,
  name: "every event is delivered twice",
  lasts: 15,
  profile: usual,
  touches: ["executor", "nats"],
  run: (rig) =>
    lasting(rig, 15, rig.executorNats.misdeliver(NatsProxy.twice), rig.executorNats.misdeliver(NatsProxy.none)).pipe(
      struck("a second delivery", rig.executorNats.misdelivered)
    )
}

const forgotten: Fault = {
  number: 9,
  name: "appends are tried again after the server forgot their first try",
  lasts: 20,
  profile: forgetful,
  touches: ["executor", "gateway", "nats"],
  run: (rig) => {
    const { executorNats, gatewayNats } = rig
    const misdeliver = (how: NatsProxy.Misdelivery) =>
      Effect.andThen(executorNats.misdeliver(how), gatewayNats.misdeliver(how))
    return lasting(rig, 20, misdeliver(NatsProxy.loseAppendAnswers(0.2)), misdeliver(NatsProxy.none)).pipe(
      struck("a lost answer to an executor", executorNats.misdelivered),
      struck("a lost answer to a gateway", gatewayNats.misdelivered)
    )
  }
}

/** Long enough for a forgetful server that is started again to know nothing of what happened before, in seconds. */
const pauseSeconds = 3

const paused: ReadonlyArray<Fault> = [
  {
    number: 21,
    variant: "nats",
    name: "the NATS server is stopped, its dedup window passes, and it is started again",
    lasts: 8,
    profile: forgetful,
    touches: ["nats"],
    run: ({ stack: { nats } }) =>
      nats.stop.pipe(
        Effect.andThen(Effect.sleep(Duration.seconds(pauseSeconds))),
        Effect.andThen(nats.start),
        Effect.as(nothing)
      )
  },
  {
    number: 21,
    variant: "everything",
    name: "everything is stopped, the dedup window passes, and everything is started again",
    lasts: 20,
    profile: forgetful,
    touches: ["executor", "gateway", "projector", "notifier", "nats", "postgres", "chain", "rpc", "node", "wallet"],
    run: ({ stack }) =>
      stack.stop.pipe(
        Effect.andThen(Effect.sleep(Duration.seconds(pauseSeconds))),
        Effect.andThen(stack.start()),
        Effect.as(nothing)
      )
  }
]

const misbehaving = (
  number: number,
  variant: string | undefined,
  name: string,
  behaviour: RpcProxy.Behaviour,
  lasts: number
): Fault => ({
  number,
  ...(variant === undefined ? {} : { variant }),
  name,
  lasts,
  profile: usual,
  touches: ["rpc"],
  run: (rig) =>
    lasting(rig, lasts, rig.rpc.behave(behaviour), rig.rpc.behave(RpcProxy.honest)).pipe(
      struck("the fault", rig.rpc.misbehaved)
    )
})

const rpcFaults: ReadonlyArray<Fault> = [
  misbehaving(
    10,
    undefined,
    "the RPC says nothing after its node accepted a transaction",
    RpcProxy.loseSendAnswers(0.5),
    25
  ),
  misbehaving(
    10,
    "errors",
    "the RPC says nothing after its node accepted a transaction, and later reports errors in other words",
    RpcProxy.rewriteErrors(0.5),
    25
  ),
  misbehaving(
    11,
    undefined,
    "the RPC's nonces, receipts and state are 3 blocks old at times",
    RpcProxy.stale(3, 0.5),
    20
  )
]

/** Repeats something for some seconds, so often a second. */
const repeated = <E>(
  { pace }: Rig,
  forSeconds: number,
  everyMillis: number,
  what: Effect.Effect<unknown, E>
) =>
  what.pipe(
    Effect.andThen(Effect.sleep(everyMillis)),
    Effect.forever,
    Effect.timeoutOption(Duration.seconds(forSeconds * pace)),
    Effect.as(nothing)
  )

/** An order to the chain that is under way is waited for, so that it can't overtake the next one. */
const rpcOf = ({ chain }: Rig) => (method: string, ...params: ReadonlyArray<unknown>) =>
  Effect.uninterruptible(Effect.promise((): Promise<unknown> => chain.send(method, [...params])))

const dropped: Fault = {
  number: 12,
  name: "the mempool is emptied again and again",
  lasts: 12,
  profile: usual,
  touches: ["chain"],
  run: (rig) => repeated(rig, 12, 400, rpcOf(rig)("anvil_dropAllTransactions"))
}

const reorganised: Fault = {
  number: 13,
  name: "the chain is reorganised by 1 to 5 blocks",
  lasts: 25,
  profile: careful,
  touches: ["chain"],
  run: Effect.fnUntraced(function*(rig) {
    for (let depth = 1; depth <= maxDepth; depth++) {
      yield* rpcOf(rig)("anvil_reorg", depth, [])
      yield* seconds(rig, 5)
    }
    return nothing
  })
}

const dear: Fault = {
  number: 14,
  name: "fees are 100 times higher, beyond what executors may pay",
  lasts: 20,
  profile: usual,
  touches: ["chain"],
  run: (rig) => {
    const setBaseFee = (gwei: string) =>
      rpcOf(rig)("anvil_setNextBlockBaseFeePerGas", toQuantity(parseUnits(gwei, "gwei")))
    return Effect.ensuring(repeated(rig, 20, 200, setBaseFee("100")), Effect.ignore(setBaseFee("1")))
  }
}

/** A transaction of the wallet that does nothing and is none of the product's. */
const sendOutside = ({ chain, wallet }: Rig, nonce: number, fee: bigint) =>
  Effect.promise(async () => {
    const raw = await wallet.signTransaction({
      type: 2,
      chainId: 31_337,
      to: wallet.address,
      nonce,
      gasLimit: 21_000,
      maxFeePerGas: fee,
      maxPriorityFeePerGas: fee
    })
    // Refused where the executors were faster.
    return chain.send("eth_sendRawTransaction", [raw]).then(() => true, () => false)
  })

const usedElsewhere: Fault = {
  number: 15,
  name: "the wallet is used from elsewhere, at its next nonce and in place of a waiting transaction",
  lasts: 15,
  profile: usual,
  touches: ["wallet"],
  run: Effect.fnUntraced(function*(rig) {
    const { chain, wallet } = rig
    const sent = { next: 0, replaced: 0 }
    const waiting = Effect.map(
      rpcOf(rig)("txpool_content"),
      (content) =>
        Object.entries(Object(Object(content).pending))
          .filter(([address]) => address.toLowerCase() === wallet.address.toLowerCase())
          .flatMap(([, byNonce]) => Object.keys(Object(byNonce)).map(Number))
    )
    const fee = parseUnits("20", "gwei")
    const once = Effect.gen(function*() {
      const next = yield* Effect.promise(() => chain.getTransactionCount(wallet.address, "pending"))
      if (yield* sendOutside(rig, next, fee)) sent.next++
      const [first] = yield* waiting
      if (first !== undefined && (yield* sendOutside(rig, first, fee * 2n))) sent.replaced++
    })
    yield* Effect.repeat(repeated(rig, 15, 700, once), { until: () => sent.next > 0 && sent.replaced > 0, times: 3 })
    return Object.entries(sent).filter(([, count]) => count === 0).map(([kind]) => missed(`none was sent as ${kind}`))
  })
}

const emptied: Fault = {
  number: 16,
  name: "the wallet is empty for 20 s",
  lasts: 20,
  profile: usual,
  touches: ["wallet"],
  run: (rig) => {
    const setBalance = (wei: bigint) =>
      Effect.asVoid(rpcOf(rig)("anvil_setBalance", rig.wallet.address, toQuantity(wei)))
    return lasting(rig, 20, setBalance(0n), setBalance(funds))
  }
}

const blocked: Fault = {
  number: 17,
  name: "an executor's event loop is blocked for 90 s",
  lasts: 90,
  profile: usual,
  touches: ["executor"],
  run: (rig) =>
    rig.order(rig.stack.executor(0), { blockMillis: 90_000 * rig.pace }).pipe(
      Effect.andThen(seconds(rig, 90)),
      Effect.as(nothing)
    )
}

const diskSize = "64m"

/** The server's store lies on a file system of its own, which is small. */
const smallDisk: Profile = {
  name: "small disk",
  prepare: (dataDir) => {
    const folder = join(dataDir, "nats")
    return Effect.acquireRelease(
      Effect.promise(() => {
        mkdirSync(folder, { recursive: true })
        return run("mount", ["-t", "tmpfs", "-o", `size=${diskSize}`, "tmpfs", folder])
      }),
      () => Effect.promise(() => run("umount", ["--lazy", folder]))
    )
  }
}

/** Whether a file system can be mounted here, so that a full disk can be had. */
export const canMount = (folder: string): Effect.Effect<boolean> =>
  Effect.promise(() =>
    run("mount", ["-t", "tmpfs", "-o", "size=1m", "tmpfs", folder]).then(
      () => run("umount", [folder]).then(() => true),
      () => false
    )
  )

const fullDisk: ReadonlyArray<Fault> = [
  {
    number: 18,
    variant: "disk",
    name: "the NATS server's disk is full, then has room again",
    lasts: 15,
    profile: smallDisk,
    touches: ["nats"],
    run: (rig) => {
      const file = join(rig.stack.dataDir, "nats", "filler")
      return lasting(rig, 10, Effect.sync(() => fill(file)), Effect.sync(() => rmSync(file))).pipe(
        // A server that met a full disk may have switched its store off, and needs to be started again.
        Effect.andThen(rig.stack.nats.restart),
        Effect.as(nothing)
      )
    }
  },
  {
    number: 18,
    variant: "limit",
    name: "the NATS server has stored all that it may (max_file_store), then has room again",
    lasts: 15,
    profile: { name: "limited store", natsMaxFileStore: "64MB" },
    touches: ["nats"],
    run: (rig) =>
      Effect.acquireUseRelease(
        Effect.promise(() => connect({ servers: rig.stack.natsUrl })),
        (connection) => {
          const filler = { name: "FILLER", subjects: ["filler"], storage: StorageType.File }
          const manager = jetstreamManager(connection)
          const begin = Effect.promise(async () => {
            await (await manager).streams.add(filler)
            const bytes = new Uint8Array(512 * 1024)
            const store = () =>
              jetstream(connection).publish(filler.subjects[0] ?? "", bytes).then(() => true, () => false)
            while (await store());
          })
          return lasting(
            rig,
            10,
            begin,
            Effect.promise(async () => void (await (await manager).streams.delete(filler.name)))
          )
        },
        (connection) => Effect.promise(() => connection.close())
      )
  }
]

/** Writes until nothing more goes on the disk. */
const fill = (path: string): void => {
  const file = openSync(path, "w")
  const bytes = Buffer.alloc(64 * 1024)
  try {
    while (writeSync(file, bytes) > 0);
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "ENOSPC")) throw error
  } finally {
    closeSync(file)
  }
}

const away: Fault = {
  number: 19,
  name: "the node and its chain are away",
  lasts: 15,
  profile: usual,
  touches: ["chain", "rpc", "node", "wallet"],
  run: (rig) =>
    rig.stack.devnet.stop.pipe(
      Effect.andThen(seconds(rig, 10)),
      Effect.andThen(rig.stack.devnet.start),
      Effect.as(nothing)
    )
}

const clocks: ReadonlyArray<Fault> = (["executor", "gateway"] as const).map((kind) => ({
  number: 20,
  variant: kind,
  name: `the clock of a${kind === "executor" ? "n executor" : " gateway"} jumps an hour forth and back`,
  lasts: 24,
  profile: usual,
  touches: [kind],
  run: (rig) => {
    const hour = 3_600_000
    const shift = (shiftMillis: number) => rig.order(rig.stack[kind](0), { shiftMillis })
    return lasting(rig, 12, shift(hour), Effect.void).pipe(
      Effect.andThen(lasting(rig, 12, shift(-hour), Effect.void)),
      Effect.ensuring(shift(0))
    )
  }
}))

/** Few jobs may be in flight, and what a dead executor held comes soon to another one. */
const narrow: Profile = {
  name: "narrow",
  env: { executor: { EXECUTOR_MAX_IN_FLIGHT: "20", EXECUTOR_ACK_WAIT: "3 seconds" } }
}
const backlogSize = 300
/** What has shown something: each executor was killed while jobs waited. */
const fewestKills = 3

const backlog: Fault = {
  number: 22,
  name: `${backlogSize} requests wait for executors that may have few in flight, and are killed in turn meanwhile`,
  lasts: 75,
  profile: narrow,
  touches: ["executor"],
  run: Effect.fnUntraced(function*(rig, client) {
    const processes = executors(rig)
    yield* Effect.forEach(processes, ({ stop }) => stop, { concurrency: "unbounded" })
    const promised = yield* client.askFor(backlogSize)
    yield* Effect.forEach(processes, revived, { concurrency: "unbounded" })

    const left = Effect.map(Effect.delay(Observer.readLog(rig.stack.natsUrl), "400 millis"), (log) => {
      const { jobs } = fold(log)
      return promised.map((jobId) => jobs.get(jobId)).filter((job) => job === undefined || !isTerminal(job)).length
    })
    let waiting = promised.length
    let kills = 0
    while (true) {
      // The next one is killed when about all that was in flight at the last kill has ended, and as much again.
      const next = waiting - 2 * rig.maxInFlight
      yield* until(Effect.map(left, (now) => (waiting = now) <= Math.max(0, next)))
      if (waiting === 0) break
      const process = processes[kills++ % processes.length]
      if (process !== undefined) yield* killed(rig, process, 1)
    }
    return [
      ...(promised.length === backlogSize ? [] : [missed(`only ${promised.length} requests were accepted`)]),
      ...(kills >= fewestKills ? [] : [missed(`the executors were killed ${kills} times while jobs waited`)])
    ]
  })
}

/** The node's admin port, by which it is told to misbehave. */
const misled: Profile = {
  name: "usual",
  env: { ...usual.env, devnet: { ...usual.env?.devnet, DEVNET_ADMIN_PORT: "0" } }
}

/** Has the node of the devnet misbehave, for some seconds. */
const misbehavingNode = (variant: string, name: string, document: unknown, lasts: number): Fault => ({
  number: 23,
  variant,
  name,
  lasts,
  profile: misled,
  touches: ["node"],
  run: (rig) => {
    const ask = (init: RequestInit) =>
      Effect.gen(function*() {
        const { details } = yield* rig.stack.devnet.start
        const { status } = yield* Effect.promise(() => fetch(`${details["admin_url"]}/faults`, init))
        if (status >= 300) return yield* Effect.die(new Error(`the node answered ${status} to a fault`))
      })
    const json = { "content-type": "application/json" }
    return lasting(
      rig,
      lasts,
      Effect.orDie(ask({ method: "PUT", headers: json, body: JSON.stringify(document) })),
      Effect.orDie(ask({ method: "DELETE" }))
    )
  }
})

const nodeFaults: ReadonlyArray<Fault> = [
  misbehavingNode("lose", "the node does not find two fifths of its blocks", { lose: { share: 0.4 } }, 20),
  misbehavingNode(
    "corrupt",
    "the node changes a byte of a third of its blocks, and cuts others short",
    { corrupt: { share: 0.3 }, truncate: { indexes: [1] } },
    20
  ),
  misbehavingNode(
    "slow",
    "the node takes seconds for blocks, and refuses some",
    {
      delay: [
        { rpc: "FileUploadBlock", block_indexes: [0, 7, 31], ms: 3_000 },
        { rpc: "FileDownloadBlock", block_indexes: [0, 3], ms: 3_000 },
        { rpc: "FileUploadChunkCreate", ms: 1_000 }
      ],
      refuse: [{ rpc: "FileUploadBlock", code: "UNAVAILABLE", every: 7 }]
    },
    25
  ),
  misbehavingNode(
    "fills",
    "the node records blocks on chain 15 s late, and forgets some, and what it was told of",
    { fills: { delay_ms: 15_000, drop: 10 }, forget_announcements: true },
    25
  ),
  misbehavingNode("hold", "the node records no blocks on chain", { fills: { hold: true } }, 20)
]

/** The folder of a stack that files are staged in. */
const stagingOf = ({ stack }: Rig) => join(stack.dataDir, "staging")
const stagedFiles = (rig: Rig): ReadonlyArray<string> => {
  const folder = stagingOf(rig)
  return existsSync(folder)
    ? readdirSync(folder, { recursive: true }).map((path) => join(folder, String(path))).filter((path) =>
      /[0-9a-f]{12}$/.test(path)
    )
    : []
}

const stagedLost: Fault = {
  number: 24,
  variant: "lost",
  name: "files are lost from the staging store",
  lasts: 15,
  profile: usual,
  touches: ["staging"],
  run: (rig) => {
    let lost = 0
    const once = Effect.sync(() => {
      const all = stagedFiles(rig)
      const path = all[Math.floor(rig.random() * all.length)]
      if (path === undefined) return
      rmSync(path, { force: true })
      lost++
    })
    return Effect.map(
      Effect.repeat(repeated(rig, 15, 1_000, once), { until: () => lost > 0, times: 3 }),
      () => lost > 0 ? nothing : [missed("nothing was staged that could be lost")]
    )
  }
}

/** The staging store lies on a file system of its own, which is small. */
const smallStaging: Profile = {
  name: "small staging",
  prepare: (dataDir) => {
    const folder = join(dataDir, "staging")
    return Effect.acquireRelease(
      Effect.promise(() => {
        mkdirSync(folder, { recursive: true })
        return run("mount", ["-t", "tmpfs", "-o", `size=${diskSize}`, "tmpfs", folder])
      }),
      () => Effect.promise(() => run("umount", ["--lazy", folder]))
    )
  }
}

const stagingFull: ReadonlyArray<Fault> = [
  {
    number: 24,
    variant: "full",
    name: "the staging store's disk is full, then has room again",
    lasts: 15,
    profile: smallStaging,
    touches: ["staging"],
    run: Effect.fnUntraced(function*(rig, client) {
      const file = join(stagingOf(rig), "filler")
      const jobId = yield* Effect.acquireUseRelease(
        Effect.sync(() => fill(file)),
        () => Effect.tap(client.upload(client.bucket, "too-much.bin", 1_000_000), seconds(rig, 12)),
        () => Effect.sync(() => rmSync(file))
      )
      return jobId === undefined ? nothing : [missed("there was room for a file")]
    })
  },
  {
    number: 24,
    variant: "limit",
    name: "each account may have few bytes staged",
    lasts: 15,
    profile: { name: "few bytes", env: { gateway: { STAGED_BYTES_PER_ACCOUNT: "2000000" } } },
    touches: ["staging"],
    run: Effect.fnUntraced(function*(rig, client) {
      const asked = yield* Effect.forEach(
        Array.from({ length: 12 }, (_, n) => `many-${n}.bin`),
        (file) => client.upload(client.bucket, file, 900_000),
        { concurrency: "unbounded" }
      )
      yield* seconds(rig, 12)
      return asked.some((jobId) => jobId === undefined) ? nothing : [missed("no upload was refused")]
    })
  }
]

const stagingSlow: Fault = {
  number: 24,
  variant: "slow",
  name: "each read and write of the staging store takes 0.3 s",
  lasts: 20,
  profile: usual,
  touches: ["staging"],
  run: (rig) => {
    const all = [...executors(rig), rig.stack.gateway(0), rig.stack.gateway(1)]
    const slow = (delayMillis: number) =>
      Effect.forEach(all, (process) => rig.order(process, { delayMillis }), { concurrency: "unbounded", discard: true })
    return lasting(rig, 20, slow(300), slow(0))
  }
}

/** Bytes of an upload of five chunks. */
const fiveChunks = 70_000_000

/** Whether a process has a file open whose path holds this, as Linux reports it in /proc. */
const hasOpen = (pid: number, text: string): boolean => {
  const folder = `/proc/${pid}/fd`
  try {
    return readdirSync(folder).some((fd) => {
      try {
        return readlinkSync(join(folder, fd)).includes(text)
      } catch {
        return false
      }
    })
  } catch {
    return false
  }
}

const takenOver: Fault = {
  number: 25,
  name: "an executor is frozen in the middle of an upload, another one takes it over, and it goes on",
  lasts: 60,
  profile: {
    name: "taken over",
    env: { ...usual.env, executor: { ...usual.env?.executor, EXECUTOR_ACK_WAIT: "3 seconds" } }
  },
  touches: ["executor"],
  run: Effect.fnUntraced(function*(rig, client) {
    const jobId = yield* client.upload(client.bucket, "five-chunks.bin", fiveChunks)
    if (jobId === undefined) return [missed("the upload was not accepted")]
    const job = Effect.map(Observer.readLog(rig.stack.natsUrl), (log) => {
      const { events, jobs } = fold(log)
      const sources = new Map(log.map((message) => [message.sequence, headerOf(message, "ce-source")]))
      const own = events.filter((event) => event.jobId === jobId)
      return { job: jobs.get(jobId), sources: new Set(own.map(({ sequence }) => sources.get(sequence) ?? "").slice(1)) }
    })
    yield* until(Effect.map(job, ({ job }) => job?.done.has("create") ?? false))
    const { job: asked, sources } = yield* job
    const staged = String(asked?.request.staged)
    // The one that reads a chunk of it.
    const reader = Effect.map(
      Effect.forEach(executors(rig), (process) => Effect.map(process.pid, (pid) => ({ pid, process }))),
      (all) => all.find(({ pid }) => pid !== undefined && hasOpen(pid, staged))?.process
    ).pipe(
      Effect.repeat({ until: (process) => process !== undefined, schedule: Schedule.spaced("10 millis") }),
      Effect.timeoutOption("20 seconds")
    )
    const frozen = Option.getOrUndefined(yield* reader)
    if (frozen === undefined) return [missed("no executor was seen to read the file")]
    const isTaken = Effect.map(job, (now) => [...now.sources].some((source) => !sources.has(source)))
    const taken = yield* Effect.acquireUseRelease(
      frozen.kill("SIGSTOP"),
      () => Effect.timeoutOption(until(isTaken), "40 seconds"),
      () => frozen.kill("SIGCONT")
    )
    if (Option.isNone(taken)) return [wrong(`job ${jobId} was not taken over from ${frozen.name}`)]
    const isOver = Effect.map(job, ({ job }) => job !== undefined && isTerminal(job))
    const over = yield* Effect.timeoutOption(until(isOver), "60 seconds")
    return Option.isSome(over) && (yield* job).job?.status === "completed"
      ? nothing
      : [wrong(`job ${jobId} was not completed`)]
  })
}

/** Every fault, in the order of their numbers. */
export const all: ReadonlyArray<Fault> = [
  crashes,
  ...kills,
  frozen,
  natsKilled,
  natsEmptied,
  ...postgresLost,
  ...disconnections,
  doubled,
  forgotten,
  ...rpcFaults,
  dropped,
  reorganised,
  dear,
  usedElsewhere,
  emptied,
  blocked,
  ...fullDisk,
  away,
  ...clocks,
  ...paused,
  backlog,
  ...nodeFaults,
  stagedLost,
  ...stagingFull,
  stagingSlow,
  takenOver
]
