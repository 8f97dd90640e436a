// How fast the node takes and gives blocks: `node services/devnet/test/bench/node.ts [chunks] [blocks at once]`.
//
// A devnet of its own with a data folder, blocks of 1 MB, 32 in a chunk. What the client prepares (blocks, signatures,
// announcements, chunks on the chain) is not part of the times.
import { spawn } from "node:child_process"
import { mkdtemp, readFile, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { createInterface } from "node:readline"
import * as Client from "../node/client.ts"

const chunkCount = Number(process.argv[2] ?? 8)
const atOnce = Number(process.argv[3] ?? 10)
const dataDir = await mkdtemp(join(tmpdir(), "devnet-bench-"))
const devnet = spawn(process.execPath, [join(import.meta.dirname, "../../src/main.ts")], {
  env: { ...process.env, DEVNET_RPC_PORT: "0", DEVNET_NODE_PORT: "0", DEVNET_DATA_DIR: dataDir },
  stdio: ["ignore", "pipe", "inherit"]
})

interface Ready {
  readonly rpc_url: string
  readonly node_address: string
  readonly storage_address: string
}
const ready = await new Promise<Ready>((resolve) => {
  createInterface({ input: devnet.stdout }).on("line", (text) => {
    const line = JSON.parse(text)
    if (line.message === "ready") resolve(line.annotations)
    else process.stdout.write(`${text}\n`)
  })
})
/** CPU seconds that the devnet's own process has used. */
const cpu = async () => {
  const [, fields = ""] = (await readFile(`/proc/${devnet.pid}/stat`, "utf8").catch(() => "")).split(") ")
  const values = fields.split(" ")
  return (Number(values[11]) + Number(values[12])) / 100
}

/** Runs all tasks, some at once. */
const all = async (tasks: ReadonlyArray<() => Promise<unknown>>) => {
  const rest = tasks.values()
  await Promise.all(Array.from({ length: atOnce }, async () => {
    for (const task of rest) await task()
  }))
}
const timed = async (name: string, bytes: number, run: () => Promise<unknown>) => {
  const before = await cpu()
  const start = performance.now()
  await run()
  const seconds = (performance.now() - start) / 1000
  const used = await cpu() - before
  process.stdout.write(
    `${name}: ${seconds.toFixed(2)} s, ${(bytes / 1e6 / seconds).toFixed(0)} MB/s, ` +
      `node ${used.toFixed(2)} CPU s (${(used / bytes * 1e9).toFixed(1)} ms/MB)\n`
  )
}

try {
  const session = await Client.session(ready.node_address, ready.rpc_url, ready.storage_address)
  const place = { bucketName: "bench", fileName: "file" }
  await Client.createBucket(session, "bench")
  await Client.createFile(session, place)
  const chunks = Array.from({ length: chunkCount }, (_, index) => Client.chunkOf(index, Client.random(32, 1_000_000)))
  const bytes = Client.encodedOf(chunks).length
  const uploads: Array<() => Promise<unknown>> = []
  for (const chunk of chunks) {
    const nodeId = await Client.addChunk(session, place, chunk)
    for (const index of chunk.blocks.keys()) {
      const messages = await Client.messagesOf(session, place, chunk, index, nodeId)
      uploads.push(() => Client.stream(session.client, messages))
    }
  }

  await timed("upload", bytes, () => all(uploads))
  await timed("until filled", bytes, () => Client.untilFilled(session, place))
  await Client.commit(session, place, chunks)
  const { address } = session.owner
  await timed(
    "download",
    bytes,
    () =>
      all(chunks.flatMap((chunk) =>
        chunk.blocks.map((block, blockIndex) => async () => {
          const { bytes } = await Client.download(session.client, {
            ...place,
            chunkCid: Client.textOf(chunk),
            chunkIndex: BigInt(chunk.index),
            blockCid: Client.textOf(block),
            blockIndex: BigInt(blockIndex),
            address
          })
          if (bytes.length !== block.bytes.length) throw new Error("a block is short")
        })
      ))
  )
  Client.close(session)
} finally {
  devnet.kill("SIGTERM")
  await new Promise((resolve) => devnet.once("exit", resolve))
  await rm(dataDir, { recursive: true, force: true })
}
