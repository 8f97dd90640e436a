/** The devnet as a process of its own, to be killed. */
import { Schema } from "effect"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { readFile } from "node:fs/promises"
import { join } from "node:path"
import { createInterface } from "node:readline"
import * as Client from "./client.ts"

const Line = Schema.fromJsonString(Schema.Struct({
  message: Schema.String,
  annotations: Schema.Record(Schema.String, Schema.Unknown)
}))
const Ready = Schema.Struct({
  rpc_url: Schema.String,
  node_address: Schema.String,
  storage_address: Schema.String,
  admin_url: Schema.String
})
const decodeLine = Schema.decodeUnknownSync(Line)
const decodeReady = Schema.decodeUnknownSync(Ready)

export interface Devnet {
  readonly ready: typeof Ready.Type
  /** What it logged, but `ready`. */
  readonly messages: ReadonlyArray<string>
  /** What it wrote to standard error. */
  readonly errorOutput: () => string
  kill(signal: "SIGKILL" | "SIGTERM"): Promise<void>
}

/** Starts a devnet on a folder, with blocks each 0.1 seconds and an admin port. */
export const start = async (dataDir: string, env: Record<string, string> = {}): Promise<Devnet> => {
  const devnet = spawn(process.execPath, [join(import.meta.dirname, "../../src/main.ts")], {
    env: {
      ...process.env,
      DEVNET_RPC_PORT: "0",
      DEVNET_NODE_PORT: "0",
      DEVNET_ADMIN_PORT: "0",
      DEVNET_BLOCK_TIME: "0.1",
      DEVNET_DATA_DIR: dataDir,
      ...env
    },
    stdio: ["ignore", "pipe", "pipe"]
  })
  const exited = once(devnet, "exit")
  const messages: Array<string> = []
  let errorOutput = ""
  devnet.stderr.setEncoding("utf8").on("data", (text: string) => errorOutput += text)
  const ready = await new Promise<typeof Ready.Type>((resolve, reject) => {
    void exited.then(() => reject(new Error(`the devnet ended: ${messages.join("\n")}${errorOutput}`)))
    createInterface({ input: devnet.stdout }).on("line", (text) => {
      const { annotations, message } = decodeLine(text)
      if (message === "ready") resolve(decodeReady(annotations))
      else messages.push(message)
    })
  })
  return {
    ready,
    messages,
    errorOutput: () => errorOutput,
    kill: async (signal) => {
      devnet.kill(signal)
      await exited
    }
  }
}

/** The session of an owner with a devnet; the owner of an earlier one, if it is given. */
export const session = async ({ ready }: Devnet, before?: Client.Session): Promise<Client.Session> => {
  const next = await Client.session(ready.node_address, ready.rpc_url, ready.storage_address)
  return before === undefined ? next : { ...next, owner: before.owner.connect(next.provider) }
}

/** Waits until the chain's folder has all blocks there are now, so that a kill takes none of them. */
export const untilKept = async ({ provider }: Client.Session, dataDir: string) => {
  const block = await provider.getBlock("latest")
  const hash = block?.hash ?? ""
  await Client.until(async () => {
    const files = await Promise.all(
      ["chain.journal", "chain.json"].map((name) => readFile(join(dataDir, name), "utf8").catch(() => ""))
    )
    return files.some((text) => text.includes(hash))
  })
}

export const setFaults = async ({ ready }: Devnet, document: object) => {
  const response = await fetch(`${ready.admin_url}/faults`, { method: "PUT", body: JSON.stringify(document) })
  if (!response.ok) throw new Error(await response.text())
}
