/** Uploads that are killed and made again: what the chain holds afterwards, and what it took. */
import { assert } from "@effect/vitest"
import { Effect, Option, Schedule, Schema } from "effect"
import { id } from "ethers"
import { execFile } from "node:child_process"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { bucketId } from "../../src/BucketId.ts"
import { Buckets } from "../../src/Buckets.ts"
import { Chain } from "../../src/Chain.ts"
import { encodeChunk, plaintextPerChunk } from "../../src/encoding/ChunkCodec.ts"
import { fileRoot } from "../../src/encoding/Dag.ts"
import { fileId } from "../../src/FileId.ts"
import { FileContract } from "../../src/files/FileContract.ts"
import { Wallet } from "../../src/Wallet.ts"
import { Devnet } from "../devnet.ts"
import { hashOf, randomBytes, read } from "./network.ts"

/** Everywhere that an upload of two chunks can be interrupted: around each transaction, and among its blocks. */
export const failpoints = [
  "sent=create",
  "mined=create",
  "sent=chunk.0",
  "mined=chunk.0",
  "stored=1",
  "stored=31",
  "sent=chunk.1",
  "mined=chunk.1",
  "stored=50",
  "stored=64",
  "filled=64",
  "sent=commit",
  "mined=commit"
]

const coding = { dataBlocks: 16, parityBlocks: 16 }

const temporaryFolder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "akave-async-uploads-"))),
  (folder) => Effect.sync(() => rmSync(folder, { recursive: true }))
)

const uploader = (...args: ReadonlyArray<string>) =>
  Effect.callback<{ readonly signal: string | null; readonly code: number; readonly output: string }>((resume) => {
    const program = join(import.meta.dirname, "uploader.ts")
    const child = execFile(
      process.execPath,
      ["--disable-warning=ExperimentalWarning", program, ...args],
      (error, stdout, stderr) =>
        resume(Effect.succeed({
          signal: error?.signal ?? null,
          code: error === null ? 0 : 1,
          output: error === null ? stdout : stderr
        }))
    )
    return Effect.sync(() => void child.kill("SIGKILL"))
  })

/** The events of a file on chain: how often it was created, how many chunks were added, how often it was committed. */
export const eventsOf = Effect.fnUntraced(function*(fileId: string) {
  const chain = yield* Chain
  const count = (signature: string) =>
    Effect.map(
      chain.logs({ address: chain.storageAddress, topics: [id(signature), fileId] }),
      (logs) => logs.length
    )
  return {
    created: yield* count("CreateFile(bytes32,bytes32,string,address)"),
    chunks: yield* count("AddFileChunk(bytes32,bytes32,string,address)"),
    committed: yield* count("CommitFile(bytes32,bytes32,string,address)")
  }
})

const NodeState = Schema.Struct({
  fill_progress: Schema.Struct({ unknown: Schema.Natural, pending: Schema.Natural, sent: Schema.Natural })
})

/** How many blocks of a file are filled, once the node has filled all that it has taken. */
const filledBlocks = Effect.fnUntraced(function*(of: { readonly bucketId: string; readonly name: string }) {
  const { adminUrl } = yield* Devnet
  const { onChain } = yield* FileContract
  const state = Effect.promise(async () => (await fetch(`${adminUrl}/state`)).json()).pipe(
    Effect.flatMap(Schema.decodeUnknownEffect(NodeState)),
    Effect.orDie
  )
  yield* Effect.repeat(state, {
    until: ({ fill_progress: { pending, sent, unknown } }) => pending + sent + unknown === 0,
    schedule: Schedule.spaced("50 millis")
  })
  const words = Option.match(yield* onChain(of), {
    onNone: () => [],
    onSome: ({ chunks }) => chunks.map(({ filled }) => filled)
  })
  return words.reduce((sum, word) => sum + (word >>> 0).toString(2).replaceAll("0", "").length, 0)
}, Effect.provide(FileContract.layer))

/** Kills an upload at this point, and checks that the same one made again does just what is left. */
export const survives = Effect.fnUntraced(function*(point: string, size: number) {
  const { nodeAddress } = yield* Devnet
  const { address } = yield* Wallet
  const chain = yield* Chain
  const bucketName = "killed uploads"
  yield* Effect.ignore((yield* Buckets).createBucket(bucketName))
  const folder = yield* temporaryFolder
  const bytes = randomBytes(size, point)
  const path = join(folder, "source")
  writeFileSync(path, bytes)
  const full = plaintextPerChunk({ coding, isEncrypted: false })
  const chunks = Array.from(
    { length: Math.ceil(size / full) },
    (_, index) => encodeChunk(bytes.subarray(index * full, (index + 1) * full), { index, coding })
  )

  const before = yield* chain.transactionCount(address, "latest")
  const args = [nodeAddress, join(folder, "journal"), bucketName, point, path]
  const killed = yield* uploader(...args, point)
  assert.strictEqual(killed.signal, "SIGKILL", killed.output)
  const filled = yield* filledBlocks({ bucketId: bucketId(bucketName, address), name: point })
  const { code, output } = yield* uploader(...args)
  assert.strictEqual(code, 0, output)
  assert.include(JSON.parse(output), {
    name: point,
    rootCid: fileRoot(chunks),
    actualSize: size,
    chunks: chunks.length,
    sentBlocks: 32 * chunks.length - filled
  })

  const id = fileId(bucketId(bucketName, address), point)
  assert.deepStrictEqual(yield* eventsOf(id), { created: 1, chunks: chunks.length, committed: 1 })
  const sent = (yield* chain.transactionCount(address, "pending")) - before
  assert.strictEqual(sent, chunks.length + 2, "one transaction for each part")
  assert.strictEqual(hashOf(yield* read({ bucketName, name: point })), hashOf(bytes))
})
