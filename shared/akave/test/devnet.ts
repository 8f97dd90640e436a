/** A devnet of the test's own: a chain with a block a second, its contracts, and a node, as one process. */
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
    storage_address: Schema.String
  })
}))
const isReady = (line: string) => line.includes(`"message":"ready"`)

export class Devnet extends Context.Service<Devnet, {
  readonly nodeAddress: string
  readonly rpcUrl: string
  readonly storageAddress: string
}>()("@akave-async/sdk/test/Devnet") {
  static readonly layer = Layer.effect(
    Devnet,
    Effect.gen(function*() {
      const process_ = yield* Effect.acquireRelease(Effect.sync(start), (child) => Effect.promise(() => stop(child)))
      const line = yield* Effect.promise(() => readyLine(process_))
      const { annotations } = yield* Schema.decodeEffect(Ready)(line)
      const { node_address: nodeAddress, rpc_url: rpcUrl, storage_address: storageAddress } = annotations
      return { nodeAddress, rpcUrl, storageAddress }
    })
  )
}

const root = join(import.meta.dirname, "..", "..", "..")

const start = () =>
  spawn(process.execPath, [join(root, "services", "devnet", "src", "main.ts")], {
    cwd: root,
    env: { ...process.env, DEVNET_RPC_PORT: "0", DEVNET_NODE_PORT: "0", DEVNET_BLOCK_TIME: "1" },
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

const stop = async (child: ReturnType<typeof start>): Promise<void> => {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = once(child, "exit")
  child.kill("SIGTERM")
  await ended
}

/** Accounts with public development keys, which the devnet funds and does not use itself. */
export const privateKeys = {
  first: "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80",
  second: "59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d"
}
