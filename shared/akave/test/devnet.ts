/** A devnet of the test's own: a chain with its contracts, and a node, as one process. */
import { Context, Effect, Layer, Schema } from "effect"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { join } from "node:path"
import { createInterface } from "node:readline"

const Ready = Schema.fromJsonString(Schema.Struct({
  message: Schema.Literal("ready"),
  annotations: Schema.Struct({
    node_address: Schema.String,
    rpc_url: Schema.String,
    storage_address: Schema.String,
    admin_url: Schema.optionalKey(Schema.String)
  })
}))
const isReady = (line: string) => line.includes(`"message":"ready"`)

interface Addresses {
  readonly nodeAddress: string
  readonly rpcUrl: string
  readonly storageAddress: string
  /** Where the node is told to misbehave. */
  readonly adminUrl: string
}

/** A running devnet that can be killed, and started again on its data. */
export interface Running extends Addresses {
  readonly kill: Effect.Effect<void>
}

/** Starts a devnet, on free ports unless `settings` says otherwise, which ends with the scope. */
export const started = (settings: Readonly<Record<string, string>> = {}) =>
  Effect.gen(function*() {
    const process_ = yield* Effect.acquireRelease(
      Effect.sync(() => start(settings)),
      (child) => Effect.promise(() => stop(child, "SIGTERM"))
    )
    const line = yield* Effect.promise(() => readyLine(process_))
    const { annotations } = yield* Effect.orDie(Schema.decodeEffect(Ready)(line))
    const { admin_url: adminUrl = "", node_address: nodeAddress, rpc_url: rpcUrl, storage_address: storageAddress } =
      annotations
    const kill = Effect.promise(() => stop(process_, "SIGKILL"))
    return { nodeAddress, rpcUrl, storageAddress, adminUrl, kill } satisfies Running
  })

export class Devnet extends Context.Service<Devnet, Addresses>()("@akave-async/sdk/test/Devnet") {
  static readonly layerOf = (settings: Readonly<Record<string, string>>) => Layer.effect(Devnet, started(settings))
  /** With four blocks a second. */
  static readonly layer = Devnet.layerOf({})
}

const root = join(import.meta.dirname, "..", "..", "..")

const start = (settings: Readonly<Record<string, string>>) =>
  spawn(process.execPath, [join(root, "services", "devnet", "src", "main.ts")], {
    cwd: root,
    env: { ...process.env, DEVNET_RPC_PORT: "0", DEVNET_NODE_PORT: "0", DEVNET_BLOCK_TIME: "0.25", ...settings },
    stdio: ["ignore", "pipe", "inherit"]
  })

const readyLine = async (child: ReturnType<typeof start>): Promise<string> => {
  const seen: Array<string> = []
  for await (const line of createInterface(child.stdout)) {
    if (isReady(line)) {
      child.stdout.resume()
      return line
    }
    seen.push(line)
  }
  throw new Error(`the devnet ended before it was ready: ${seen.join("\n")}`)
}

const stop = async (child: ReturnType<typeof start>, signal: NodeJS.Signals): Promise<void> => {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = once(child, "exit")
  child.kill(signal)
  await ended
}

/** Accounts with public development keys, which the devnet funds and does not use itself. */
export const privateKeys = {
  first: "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80",
  second: "59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d"
}
