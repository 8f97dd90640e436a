// oxlint-disable max-lines -- the whole stack: what each service gets, and in which order they start
/**
 * The whole product on one machine: nats-server, Postgres, devnet, projector, executor, gateway and notifier, each a process of
 * its own. `npm start` runs it on `.data/`; system tests run it on a temporary folder and free ports.
 */
import { Context, Effect, Layer, Redacted, Schema, type Scope } from "effect"
import { readFileSync } from "node:fs"
import { isIPv6 } from "node:net"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import * as CheckpointKeyFile from "./CheckpointKeyFile.ts"
import * as DataFolder from "./DataFolder.ts"
import * as EncryptionSecretFile from "./EncryptionSecretFile.ts"
import * as Environment from "./Environment.mjs"
import * as MasterSecretFile from "./MasterSecretFile.ts"
import * as NatsServer from "./NatsServer.ts"
import * as Ports from "./Ports.ts"
import * as Postgres from "./Postgres.ts"
import * as Processes from "./Processes.ts"
import { Reaper } from "./Reaper.ts"

export class PrivateKeyMissing extends Schema.TaggedError<PrivateKeyMissing>()("PrivateKeyMissing", {}) {
  override readonly message =
    "AKAVE_NODE_ADDRESS names a network other than the devnet: set AKAVE_PRIVATE_KEY to the key of a funded wallet there."
}

export class PrivateKeyInvalid extends Schema.TaggedError<PrivateKeyInvalid>()("PrivateKeyInvalid", {}) {
  override readonly message = "AKAVE_PRIVATE_KEY is not a private key: it must be 32 bytes as 64 hexadecimal digits."
}

export const serviceKinds = ["devnet", "projector", "executor", "gateway", "notifier"] as const
export type ServiceKind = typeof serviceKinds[number]

export interface Options {
  /**
   * Everything lives here: databases, event log, chain, and the processes' logs under `logs/`. If it is not named, it
   * is a new folder that goes with the stack.
   */
  readonly dataDir?: string
  /** A port that is not named is a free one. */
  readonly ports?: Partial<Record<"nats" | "postgres" | "rpc" | "node" | "gateway", number>>
  /** How many of each; if not named one, and of notifiers none. Each further gateway gets a free port. */
  readonly counts?: Partial<Record<"projector" | "executor" | "gateway" | "notifier", number>>
  /**
   * The variables of a person's shell: the services get the settings that .env.example documents, and what the system
   * needs. If it is not named, they get only the latter, of this process's own.
   */
  readonly shell?: Readonly<Record<string, string | undefined>>
  /** Further variables for every process of a kind, and for one of them by its name, such as `executor-1`. */
  readonly env?: Partial<Record<ServiceKind | `${ServiceKind}-${number}`, Readonly<Record<string, string>>>>
  /** Other programs in place of the services' own `main.ts`. */
  readonly mains?: Partial<Record<ServiceKind, string>>
  /** What replaces the embedded nats-server, Postgres and devnet. */
  readonly natsUrl?: string | undefined
  readonly databaseUrl?: string | undefined
  readonly nodeAddress?: string | undefined
  /** The executors' wallet: required beside `nodeAddress`, else a public development key. */
  readonly privateKey?: Redacted.Redacted | undefined
  /** A folder of further keys for the executors, one file each. */
  readonly privateKeysDir?: string | undefined
  /** How often the event log reaches the disk: `always`, or a duration such as `10s`. From nats-server 2.10 on. */
  readonly natsSyncInterval?: string | undefined
  /** The most that the event log's server stores, such as `64MB`; if it is not named, what the disk allows. */
  readonly natsMaxFileStore?: string | undefined
  /** False (the standard) for tests: Postgres then never waits for the disk. */
  readonly isDurable?: boolean
}

export interface Service {
  readonly process: Processes.Process
  readonly address: string
  /** Where its metrics are, if it has some. */
  readonly metricsUrl?: string
  /** Names of the services that must be ready before it starts. */
  readonly needs: ReadonlyArray<string>
}

export interface Stack {
  /** What runs here, in the order of starting. */
  readonly services: ReadonlyArray<Service>
  /** Starts all that does not run yet, side by side where dependencies allow. */
  readonly start: (
    onReady?: (service: Service, running: Processes.Running) => Effect.Effect<void>
  ) => Effect.Effect<void, Processes.ProcessFailed>
  /** Stops everything, in reverse order. Closing the scope does the same. */
  readonly stop: Effect.Effect<void>
  /** A process by its name; asking for one that isn't part of this stack is a mistake in the program, and throws. */
  readonly process: (name: string) => Processes.Process
  readonly nats: Processes.Process
  readonly postgres: Processes.Process
  readonly devnet: Processes.Process
  readonly projector: (index: number) => Processes.Process
  readonly executor: (index: number) => Processes.Process
  readonly gateway: (index: number) => Processes.Process
  readonly notifier: (index: number) => Processes.Process
  readonly gatewayUrls: ReadonlyArray<string>
  /** The first gateway's. */
  readonly gatewayUrl: string
  readonly databaseUrl: string
  readonly natsUrl: string
  readonly nodeAddress: string
  /** Empty where an external node names its chain itself. */
  readonly rpcUrl: string
  readonly ownerAddress: string
  readonly dataDir: string
}

/** The first account of every Anvil chain. Its key is public: it is worth nothing anywhere but on a devnet. */
export const publicDevelopmentKey = "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"
export const publicDevelopmentAddress = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"

export const repository = fileURLToPath(new URL("../../..", import.meta.url))

/** Describes the stack and holds its folder; nothing runs until `start`. All of it is stopped when the scope closes. */
export const make = Effect.fnUntraced(function*(options: Options) {
  const context = yield* Layer.build(Reaper.layer)
  const dataDir = yield* DataFolder.acquire(options.dataDir ?? Context.get(context, Reaper).temporaryFolder())
  return yield* Effect.provideContext(describe({ ...options, dataDir }), context)
})

/** A new folder that goes when the scope closes, or with this process. */
export const temporaryFolder = Effect.map(
  Layer.build(Reaper.layer),
  (context) => Context.get(context, Reaper).temporaryFolder()
)

/** A stack that is up. */
export const started = (options: Options) => Effect.tap(make(options), (stack) => stack.start())

// oxlint-disable-next-line max-lines-per-function -- its services are made from one another's addresses
const describe = Effect.fnUntraced(function*(options: Options & { readonly dataDir: string }) {
  const { dataDir, env = {}, mains = {}, ports = {} } = options
  const services: Array<Service> = []
  const files = (name: string) => ({
    logFile: join(dataDir, "logs", `${name}.log`),
    pidFile: join(dataDir, "run", `${name}.pid`)
  })
  const shell = Environment.forServices(options.shell ?? Processes.inherited(), {
    settings: options.shell === undefined ? new Set() : handedOn(options),
    hasOwnPostgres: options.databaseUrl === undefined
  })
  const gatewaySecrets = Environment.forServices(options.shell ?? {}, { settings: ofGateways, hasOwnPostgres: true })
  // What gateways are given, notifiers get too: they derive the same secrets.
  const masterSecrets = MasterSecretFile.settings(dataDir, { ...gatewaySecrets, ...env.gateway })
  const encryptionSecret = EncryptionSecretFile.settings(dataDir, { ...gatewaySecrets, ...env.gateway })
  const staging = { STAGING_DIR: join(dataDir, "staging") }
  // A stack of tests signs what it is told to.
  const checkpointKey = options.shell === undefined ? {} : CheckpointKeyFile.settings(dataDir, options.shell)
  // What is here is for this machine, and so is where it may send.
  const webhooks = { WEBHOOK_ALLOW_PRIVATE: shell["WEBHOOK_ALLOW_PRIVATE"] ?? "true" }
  const portOf = (name: keyof typeof ports) => {
    const port = ports[name]
    return port === undefined ? Ports.free : Effect.succeed(port)
  }

  if (options.nodeAddress !== undefined && options.privateKey === undefined) return yield* new PrivateKeyMissing()
  const privateKey = options.privateKey ?? Redacted.make(publicDevelopmentKey)
  const ownerAddress = yield* addressOf(privateKey)

  let { databaseUrl, natsUrl, nodeAddress } = options
  let rpcUrl = ""

  if (natsUrl === undefined) {
    const port = yield* portOf("nats")
    natsUrl = `nats://${Ports.host}:${port}`
    const process = yield* NatsServer.make({
      binary: yield* NatsServer.findConfigured,
      port,
      folder: join(dataDir, "nats"),
      syncInterval: options.natsSyncInterval,
      maxFileStore: options.natsMaxFileStore,
      ...files("nats")
    })
    services.push({ process, address: natsUrl, needs: [] })
  }

  if (databaseUrl === undefined) {
    const port = yield* portOf("postgres")
    databaseUrl = Postgres.url(port)
    const process = yield* Postgres.make({
      port,
      folder: join(dataDir, "postgres"),
      isDurable: options.isDurable ?? false,
      ...files("postgres")
    })
    services.push({ process, address: databaseUrl, needs: [] })
  }

  const service = Effect.fnUntraced(function*(
    kind: ServiceKind,
    index: number,
    address: string,
    needs: ReadonlyArray<string>,
    own: Readonly<Record<string, string>>
  ) {
    const name = nameOf(kind, index)
    const health = kind === "devnet" ? undefined : yield* Ports.free
    const process = yield* Processes.make({
      name,
      command: nodeProgram,
      args: ["--disable-warning=ExperimentalWarning", mains[kind] ?? join(repository, "services", kind, "src/main.ts")],
      cwd: repository,
      env: {
        ...shell,
        // What is read here is read by this program.
        LOG_FORMAT: "json",
        ...(health === undefined ? {} : { HEALTH_PORT: `${health}` }),
        ...own,
        ...env[kind],
        ...env[name]
      },
      isReady: Processes.readyLine,
      ...files(name)
    })
    // What is external is not waited for.
    services.push({
      process,
      address,
      ...(health === undefined ? {} : { metricsUrl: `http://${Ports.host}:${health}/metrics` }),
      needs: needs.filter((need) => services.some((one) => one.process.name === need))
    })
  })

  if (nodeAddress === undefined) {
    const [rpcPort, nodePort] = [yield* portOf("rpc"), yield* portOf("node")]
    const host = reachable(shell["DEVNET_HOST"] || Ports.host)
    rpcUrl = `http://${host}:${rpcPort}`
    nodeAddress = `${host}:${nodePort}`
    yield* service("devnet", 0, `${rpcUrl} ${nodeAddress}`, [], {
      DEVNET_RPC_PORT: `${rpcPort}`,
      DEVNET_NODE_PORT: `${nodePort}`,
      DEVNET_DATA_DIR: join(dataDir, "devnet")
    })
  }

  const shared = { NATS_URL: natsUrl, DATABASE_URL: databaseUrl }
  const count = (kind: keyof NonNullable<Options["counts"]>) =>
    Array.from({ length: options.counts?.[kind] ?? (kind === "notifier" ? 0 : 1) }).keys()

  for (const index of count("projector")) {
    yield* service("projector", index, "", ["nats", "postgres"], { ...shared, ...checkpointKey })
  }
  // Over a WebSocket the embedded chain reports its blocks at once.
  const webSocket = rpcUrl === "" ? {} : { AKAVE_RPC_URL: rpcUrl.replace("http:", "ws:") }
  for (const index of count("executor")) {
    yield* service("executor", index, "", ["nats", "devnet"], {
      ...shared,
      AKAVE_NODE_ADDRESS: nodeAddress,
      ...webSocket,
      ...staging,
      AKAVE_PRIVATE_KEY: Redacted.value(privateKey),
      ...(options.privateKeysDir === undefined ? {} : { AKAVE_PRIVATE_KEYS_DIR: options.privateKeysDir })
    })
  }
  const gatewayUrls: Array<string> = []
  for (const index of count("gateway")) {
    const port = index === 0 ? yield* portOf("gateway") : yield* Ports.free
    const url = `http://${Ports.host}:${port}`
    gatewayUrls.push(url)
    yield* service("gateway", index, url, ["nats", "postgres"], {
      ...shared,
      AKAVE_NODE_ADDRESS: nodeAddress,
      AKAVE_OWNER_ADDRESS: ownerAddress,
      ...(options.natsSyncInterval === undefined ? {} : { NATS_SYNC_INTERVAL: options.natsSyncInterval }),
      ...webhooks,
      ...gatewaySecrets,
      ...masterSecrets,
      ...encryptionSecret,
      ...staging,
      HOST: Ports.host,
      PORT: `${port}`
    })
  }
  for (const index of count("notifier")) {
    yield* service("notifier", index, "", ["nats"], {
      NATS_URL: natsUrl,
      ...webhooks,
      ...masterSecrets
    })
  }

  const process = (name: string) => {
    const found = services.find((service) => service.process.name === name)
    if (!found) throw new Error(`This stack has no process named ${name}`)
    return found.process
  }

  const start: Stack["start"] = Effect.fnUntraced(function*(onReady = () => Effect.void) {
    const starting = new Map<string, Effect.Effect<void, Processes.ProcessFailed>>()
    for (const service of services) {
      const needs = service.needs.map((name) => starting.get(name) ?? Effect.void)
      const startOne = Effect.all(needs, { concurrency: "unbounded" }).pipe(
        Effect.andThen(service.process.start),
        Effect.flatMap((running) => onReady(service, running))
      )
      starting.set(service.process.name, yield* Effect.cached(startOne))
    }
    yield* Effect.all(starting.values(), { concurrency: "unbounded", discard: true })
  })

  const stack: Stack = {
    services,
    start,
    stop: Effect.forEach(services.toReversed(), (service) => service.process.stop, { discard: true }),
    process,
    get nats() {
      return process("nats")
    },
    get postgres() {
      return process("postgres")
    },
    get devnet() {
      return process("devnet")
    },
    projector: (index) => process(nameOf("projector", index)),
    executor: (index) => process(nameOf("executor", index)),
    gateway: (index) => process(nameOf("gateway", index)),
    notifier: (index) => process(nameOf("notifier", index)),
    gatewayUrls,
    gatewayUrl: gatewayUrls[0] ?? "",
    databaseUrl,
    natsUrl,
    nodeAddress,
    rpcUrl,
    ownerAddress,
    dataDir
  }
  return stack
}) satisfies (options: Options & { readonly dataDir: string }) => Effect.Effect<Stack, unknown, Reaper | Scope.Scope>

/** How to sign in to a NATS server, and what to expect of it. */
const natsLogin = ["USER", "PASSWORD", "PASSWORD_FILE", "TOKEN", "TOKEN_FILE", "NKEY", "CREDS", "CA", "CERT", "KEY"]
  .map((name) => `NATS_${name}`)

const nodeProgram = process.execPath

/**
 * The settings that services get from a shell. The key is for executors only, ports belong to the one that they are given to,
 * addresses are those of this stack, and a login is for the server that it was given for.
 */
const handedOn = ({ natsUrl }: Options): ReadonlySet<string> => {
  const documented = Environment.settingsIn(readFileSync(join(repository, ".env.example"), "utf8"))
  const own = new Set([...ownSettings, ...ofGateways, ...(natsUrl === undefined ? natsLogin : [])])
  return new Set([...documented].filter((name) => !own.has(name)))
}

const ownSettings = new Set<string>([
  ...CheckpointKeyFile.names,
  "AKAVE_NODE_ADDRESS",
  "AKAVE_OWNER_ADDRESS",
  "AKAVE_PRIVATE_KEY",
  "AKAVE_PRIVATE_KEYS_DIR",
  "AKAVE_PRIVATE_KEY_FILE",
  "API_KEY",
  "DATABASE_URL",
  "DATABASE_URL_FILE",
  "HEALTH_PORT",
  "HOST",
  "NATS_URL",
  "PORT"
])

/** Secrets that only gateways get, and of them notifiers those that secrets of webhooks are derived from. */
const ofGateways: ReadonlySet<string> = new Set(
  ["MASTER_SECRET", "MASTER_SECRET_BEFORE", "FILE_ENCRYPTION_SECRET", "FILE_ENCRYPTION_SECRET_BEFORE", "JWT_SECRET"]
    .flatMap((name) => [name, `${name}_FILE`])
)

/** Where this machine finds what listens on an address, as part of a URL. */
const reachable = (host: string): string => {
  if (host === "0.0.0.0") return Ports.host
  return host === "::" ? "[::1]" : isIPv6(host) ? `[${host}]` : host
}

/** `executor`, `executor-1`, `executor-2`: one of a kind needs no number. */
const nameOf = (kind: ServiceKind, index: number) => index === 0 ? kind : `${kind}-${index}` as const

/** The address of a private key. The library for it takes a while to load and the usual key's address is known. */
const addressOf = (privateKey: Redacted.Redacted) =>
  Redacted.value(privateKey) === publicDevelopmentKey
    ? Effect.succeed(publicDevelopmentAddress)
    : Effect.tryPromise({
      try: async () => {
        const { computeAddress } = await import("ethers")
        const key = Redacted.value(privateKey)
        return computeAddress(key.startsWith("0x") ? key : `0x${key}`)
      },
      // The cause is left out: it could hold the key.
      catch: () => new PrivateKeyInvalid()
    })
