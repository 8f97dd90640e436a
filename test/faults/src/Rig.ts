/** The stack under test: every connection between its parts goes through a proxy that can be made to misbehave. */
import * as Ports from "@akave-async/local/Ports"
import type * as Processes from "@akave-async/local/Processes"
import * as Stack from "@akave-async/local/Stack"
import * as Receiver from "@akave-async/notifier/test/Receiver"
import { Duration, Effect, Random, Redacted, Schedule, type Scope } from "effect"
import { JsonRpcProvider, parseEther, toQuantity, Wallet } from "ethers"
import { generateKeyPairSync } from "node:crypto"
import { existsSync, mkdirSync, renameSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import * as Accounts from "../../support/Accounts.ts"
import { type Answer, eventually } from "../../support/Gateway.ts"
import * as Webhooks from "../../support/Webhooks.ts"
import type { Account } from "./LoadClient.ts"
import * as NatsProxy from "./NatsProxy.ts"
import type { Target } from "./Observer.ts"
import * as Proxy from "./Proxy.ts"
import * as RpcProxy from "./RpcProxy.ts"
import type { Received } from "./World.ts"

/** What a stack is started with for faults that need other settings than the usual ones. */
export interface Profile {
  readonly name: string
  readonly env?: Stack.Options["env"]
  /** Bytes that the NATS server may store. */
  readonly natsMaxFileStore?: string
  /** Runs before the stack starts. */
  readonly prepare?: (dataDir: string) => Effect.Effect<void, never, Scope.Scope>
}

/** The pairs of programs whose connections can be cut, delayed or lossy. */
export const pairs = [
  "executor-nats",
  "gateway-nats",
  "projector-nats",
  "notifier-nats",
  "gateway-postgres",
  "projector-postgres",
  "executor-rpc",
  "executor-node",
  "gateway-node"
] as const
export type Pair = typeof pairs[number]

export interface Rig extends Target {
  readonly links: Readonly<Record<Pair, Proxy.Proxy>>
  readonly executorNats: NatsProxy.NatsProxy
  readonly gatewayNats: NatsProxy.NatsProxy
  readonly rpc: RpcProxy.RpcProxy
  /** The chain itself, beside all proxies. */
  readonly chain: JsonRpcProvider
  readonly wallet: Wallet
  readonly secrets: ReadonlyArray<{ readonly name: string; readonly value: string }>
  /** Of the wallet, so that they share its names. */
  readonly accounts: ReadonlyArray<Account>
  /** What the endpoint of the accounts' webhooks has received. */
  readonly received: () => ReadonlyArray<Received>
  /** What the executors may have in flight at most. */
  readonly maxInFlight: number
  /** The folder of failpoints. */
  readonly failpoints: string
  /**
   * Moves a process's clock, stops its event loop for a time, or delays what it reads from files and writes to them, all in
   * milliseconds; returns when it has begun.
   */
  readonly order: (
    process: Processes.Process,
    what: { readonly shiftMillis?: number; readonly blockMillis?: number; readonly delayMillis?: number }
  ) => Effect.Effect<void>
  readonly random: () => number
  /** 1 is a fault's own time; a smaller number makes all of them shorter. */
  readonly pace: number
}

/** After this what was staged and is not needed is swept: longer than a request for an upload can take to be stored. */
export const stagingGrace = Duration.seconds(20)

export const counts = { gateway: 2, executor: 3, projector: 2, notifier: 2 } as const

/** What EXECUTOR_MAX_IN_FLIGHT is where it is not set. */
export const standardMaxInFlight = 1000

export interface Options {
  readonly dataDir: string
  readonly profile: Profile
  readonly seed: string
  readonly pace?: number
}

export const start = Effect.fnUntraced(function*({ dataDir, pace = 1, profile, seed }: Options) {
  const random = yield* seededRandom(seed)
  const ports = {
    nats: yield* Ports.free,
    postgres: yield* Ports.free,
    rpc: yield* Ports.free,
    node: yield* Ports.free
  }
  const executorNats = yield* NatsProxy.make({ to: ports.nats, random })
  const gatewayNats = yield* NatsProxy.make({ to: ports.nats, random })
  const rpc = yield* RpcProxy.make({ to: ports.rpc, random })
  const links = {
    "executor-nats": executorNats,
    "gateway-nats": gatewayNats,
    "projector-nats": yield* Proxy.make({ to: ports.nats, random }),
    "notifier-nats": yield* Proxy.make({ to: ports.nats, random }),
    "gateway-postgres": yield* Proxy.make({ to: ports.postgres, random }),
    "projector-postgres": yield* Proxy.make({ to: ports.postgres, random }),
    "executor-rpc": yield* Proxy.make({ to: rpc.port, random }),
    "executor-node": yield* Proxy.make({ to: ports.node, random }),
    "gateway-node": yield* Proxy.make({ to: ports.node, random })
  } satisfies Record<Pair, Proxy.Proxy>

  const [failpoints, orders] = [join(dataDir, "failpoints"), join(dataDir, "orders")]
  yield* Effect.sync(() => {
    for (const folder of [failpoints, orders]) mkdirSync(folder, { recursive: true })
  })
  if (profile.prepare) yield* profile.prepare(dataDir)

  // Known to nobody else, so wherever they turn up they were leaked.
  const key = Wallet.createRandom()
  const [masterSecret, encryptionSecret] = [Accounts.newMasterSecret(), Accounts.newMasterSecret()]
  const checkpointKey = generateKeyPairSync("ed25519").privateKey.export({ type: "pkcs8", format: "pem" }).toString()
  const password = Wallet.createRandom().address.slice(2)
  const nats = (pair: Pair) => ({ NATS_URL: `nats://${Ports.host}:${links[pair].port}` })
  const postgres = (pair: Pair) => ({
    DATABASE_URL: `postgres://akave:${password}@${Ports.host}:${links[pair].port}/akave`
  })
  const node = (pair: Pair) => ({ AKAVE_NODE_ADDRESS: `${Ports.host}:${links[pair].port}` })
  const preload = {
    NODE_OPTIONS: `--import ${new URL("preload.ts", import.meta.url).href}`,
    FAULTS_PRELOAD_DIR: orders
  }
  const stack = yield* Stack.started({
    dataDir,
    counts,
    ports,
    privateKey: Redacted.make(key.privateKey),
    natsMaxFileStore: profile.natsMaxFileStore,
    env: {
      devnet: { ...profile.env?.devnet },
      projector: {
        ...nats("projector-nats"),
        ...postgres("projector-postgres"),
        CHECKPOINT_KEY: checkpointKey,
        CHECKPOINT_INTERVAL: "2 seconds",
        ...profile.env?.projector
      },
      executor: {
        ...preload,
        ...nats("executor-nats"),
        ...node("executor-node"),
        AKAVE_RPC_URL: `http://${Ports.host}:${links["executor-rpc"].port}`,
        FAILPOINT_DIR: failpoints,
        ...profile.env?.executor
      },
      gateway: {
        ...preload,
        MASTER_SECRET: masterSecret,
        FILE_ENCRYPTION_SECRET: encryptionSecret,
        STAGING_GRACE: `${Duration.toMillis(stagingGrace)} millis`,
        ...nats("gateway-nats"),
        ...postgres("gateway-postgres"),
        ...node("gateway-node"),
        ...profile.env?.gateway
      },
      notifier: {
        ...nats("notifier-nats"),
        NOTIFIER_ACK_WAIT: "5 seconds",
        WEBHOOK_RETRY_FIRST: "1 second",
        ...profile.env?.notifier
      }
    }
  })
  const accounts = yield* openAccounts(stack, masterSecret)
  const endpoint = yield* Receiver.start
  const webhooks = yield* Effect.forEach(accounts, ({ id, secret }) =>
    Effect.map(
      Webhooks.register(Accounts.withKey(stack.gatewayUrl, secret), `${endpoint.url}/${id}`),
      ({ id: webhookId, secret }) => ({ webhookId, secret, path: `/hook/${id}` })
    ))
  const { details } = yield* stack.devnet.start
  const chain = yield* Effect.acquireRelease(
    Effect.sync(() =>
      new JsonRpcProvider(stack.rpcUrl, undefined, { staticNetwork: true, cacheTimeout: -1, batchMaxCount: 1 })
    ),
    (chain) => Effect.sync(() => chain.destroy())
  )
  yield* Effect.promise(() => chain.send("anvil_setBalance", [key.address, toQuantity(funds)]))

  const rig: Rig = {
    stack,
    storageAddress: String(details["storage_address"]),
    accessAddress: String(details["access_address"]),
    links,
    executorNats,
    gatewayNats,
    rpc,
    chain,
    wallet: new Wallet(key.privateKey, chain),
    secrets: [
      { name: "the private key", value: key.privateKey.slice(2) },
      { name: "the database's password", value: password },
      { name: "the master secret", value: masterSecret },
      { name: "the secret that files are encrypted with", value: encryptionSecret },
      { name: "the key of checkpoints", value: checkpointKey.split("\n")[1] ?? "" },
      ...accounts.map(({ id, secret }) => ({ name: `the key of account ${id}`, value: secret })),
      ...webhooks.map(({ secret, webhookId }) => ({ name: `the secret of webhook ${webhookId}`, value: secret }))
    ],
    accounts,
    received: () =>
      endpoint.received.map(({ body, headers, path }) => ({
        webhookId: webhooks.find((webhook) => webhook.path === path)?.webhookId ?? path,
        messageId: String(headers["webhook-id"]),
        sequence: Number(JSON.parse(body).sequence)
      })),
    maxInFlight: Number(profile.env?.executor?.["EXECUTOR_MAX_IN_FLIGHT"] ?? standardMaxInFlight),
    failpoints,
    order: Effect.fnUntraced(function*(process, what) {
      const pid = yield* process.pid
      const file = join(orders, `${pid}.json`)
      // Written aside first, so that it is never read half written.
      yield* Effect.sync(() => {
        writeFileSync(`${file}.new`, JSON.stringify(what))
        renameSync(`${file}.new`, file)
      })
      // The process takes the file away when it obeys.
      yield* Effect.orDie(Effect.timeout(until(Effect.sync(() => !existsSync(file))), "10 seconds"))
    }),
    random,
    pace
  }
  return rig
})

/** Two accounts of the wallet, once every gateway knows their keys. */
const openAccounts = Effect.fnUntraced(function*(stack: Stack.Stack, masterSecret: string) {
  const admin = Accounts.withKey(
    stack.gatewayUrl,
    yield* Accounts.init("operator", Accounts.settingsOf(stack, masterSecret))
  )
  const isKnown = ({ status }: Answer) => status === 200
  yield* eventually(admin("/account"), isKnown)
  return yield* Effect.forEach(["one", "two"], (id) =>
    Effect.gen(function*() {
      const secret = yield* Accounts.open(admin, id, { owner: stack.ownerAddress })
      for (const url of stack.gatewayUrls) yield* eventually(Accounts.withKey(url, secret)("/account"), isKnown)
      return { id, secret }
    }))
})

/** What the wallet holds at first, in wei. */
export const funds = parseEther("10000")

/** The same numbers for the same seed. */
export const seededRandom = (seed: string): Effect.Effect<() => number> =>
  Random.Random.pipe(
    Effect.map((random) => () => random.nextDoubleUnsafe()),
    Random.withSeed(seed)
  )

/** Starts a process as a supervisor does: one that ends before it is ready is started again, at most 60 times. */
export const revived = (process: Processes.Process) =>
  process.start.pipe(Effect.retry({ times: 60, schedule: Schedule.spaced("500 millis") }))

/** Asks until it is so, every 100 ms. */
export const until = <E, R>(question: Effect.Effect<boolean, E, R>): Effect.Effect<void, E, R> =>
  question.pipe(
    Effect.repeat({ until: (isSo) => isSo, schedule: Schedule.spaced("100 millis") }),
    Effect.asVoid
  )
