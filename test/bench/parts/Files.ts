/** What the SDK moves to and from a devnet: an upload and a download of one large file, coded and encrypted, and many small ones at once. */
import { Buckets } from "@akave-async/sdk/Buckets"
import type { Coding } from "@akave-async/sdk/encoding/ChunkCodec"
import { Files } from "@akave-async/sdk/Files"
import { Devnet } from "@akave-async/sdk/test/devnet"
import { encryptionKey, sdk } from "@akave-async/sdk/test/files/network"
import { Effect, Layer, Stream } from "effect"
import { createCipheriv } from "node:crypto"
import type { Options } from "../Options.ts"
import type { Row, Table } from "../Table.ts"

/** Bytes of the large file, and of each of those that are uploaded at once. */
const [large, small] = [1_000_000_000, 2_000_000]
const atOnce = 20
const bucketName = "bench"

const coded: Coding = { dataBlocks: 16, parityBlocks: 16 }
const uncoded: Coding = { dataBlocks: 32, parityBlocks: 0 }

/** Bytes that look random, made as they are read. */
const bytesOf = (size: number) =>
  async function*() {
    const cipher = createCipheriv("aes-256-ctr", Buffer.alloc(32), Buffer.alloc(16))
    const zeros = Buffer.alloc(1_048_576)
    for (let at = 0; at < size; at += zeros.length) yield cipher.update(zeros.subarray(0, size - at))
  }

/** Seconds, and the most memory of this process meanwhile, in MB. */
const measured = Effect.fnUntraced(function*<E, R>(effect: Effect.Effect<unknown, E, R>) {
  let peak = 0
  const timer = setInterval(() => {
    peak = Math.max(peak, process.memoryUsage.rss() / 1e6)
  }, 100)
  const begun = performance.now()
  yield* Effect.ensuring(effect, Effect.sync(() => clearInterval(timer)))
  return { seconds: (performance.now() - begun) / 1_000, peak }
})

interface Candidate {
  readonly name: string
  readonly coding: Coding
  readonly isEncrypted: boolean
  readonly chunksInFlight: number
}

const candidates: ReadonlyArray<Candidate> = [
  { name: "coded and encrypted", coding: coded, isEncrypted: true, chunksInFlight: 2 },
  { name: "coded and encrypted, 4 chunks in memory", coding: coded, isEncrypted: true, chunksInFlight: 4 },
  { name: "as it is", coding: uncoded, isEncrypted: false, chunksInFlight: 2 }
]

const one = Effect.fnUntraced(function*({ name, ...options }: Candidate, round: number) {
  const files = yield* Files
  const at = { bucketName, name: `${name} ${round}` }
  const up = yield* measured(files.upload(at, bytesOf(large), options))
  const { bytes } = yield* files.open(at, { chunksInFlight: options.chunksInFlight })
  const down = yield* measured(Stream.runDrain(bytes))
  yield* files.delete(at)
  return { up: large / 1e6 / up.seconds, down: large / 1e6 / down.seconds, memory: Math.max(up.peak, down.peak) }
})

const manyAtOnce = Effect.fnUntraced(function*(round: number) {
  const files = yield* Files
  const names = Array.from({ length: atOnce }, (_, n) => `small ${round} ${n}`)
  const { peak, seconds } = yield* measured(
    Effect.forEach(names, (name) => files.upload({ bucketName, name }, bytesOf(small)), { concurrency: "unbounded" })
  )
  return { up: atOnce * small / 1e6 / seconds, memory: peak }
})

const rows = Effect.fnUntraced(function*(rounds: number) {
  yield* (yield* Buckets).createBucket(bucketName)
  const values = new Map<string, Record<string, Array<number>>>()
  const add = (name: string, measures: Readonly<Record<string, number>>) => {
    const row = values.get(name) ?? {}
    for (const [key, value] of Object.entries(measures)) row[key] = [...(row[key] ?? []), value]
    values.set(name, row)
  }
  for (let round = 0; round < rounds; round++) {
    for (const candidate of candidates) add(candidate.name, yield* one(candidate, round))
    add(`${atOnce} files at once`, yield* manyAtOnce(round))
  }
  return Array.from(values, ([name, values]): Row => ({ name, values }))
})

export const run = ({ rounds }: Options): Effect.Effect<Table, unknown> =>
  Effect.map(rows(rounds), (rows): Table => ({
    title: "Files",
    about:
      `A file of ${large / 1e6} MB is uploaded and read by the SDK, and ${atOnce} of ${
        small / 1e6
      } MB are uploaded at once, to a devnet that keeps ` +
      "its data, with a block every quarter of a second, on the same machine. Megabytes are those of the file; coded, twice as many go over the wire. " +
      "Memory is the most that the program takes, with all of Node.",
    columns: [
      { name: "up", unit: "MB/s", digits: 1, isDrawn: true },
      { name: "down", unit: "MB/s", digits: 1 },
      { name: "memory", unit: "MB", digits: 0 }
    ],
    rows
  })).pipe(Effect.provide(Sdk))

const Sdk = sdk({ encryption: { key: encryptionKey } }).pipe(
  Layer.provideMerge(Devnet.layerOf({ DEVNET_BLOCK_TIME: "0.25" }))
)
