// How fast chunks are encoded and decoded: `node shared/akave/test/bench/encoding.ts [rounds]`.
//
// In MB (10^6 bytes) of plaintext per second of the thread's CPU time, so that other programs on the machine count
// little. Needs Node 24. Where nothing else is said, 16 data and 16 parity shards. Blocks are written into memory that
// is used again, as in uploads.
import { ReedSolomonErasure } from "@digitaldefiance/reed-solomon-erasure.wasm"
import { Result } from "effect"
import { createCipheriv, createHash, randomBytes } from "node:crypto"
import { readFileSync } from "node:fs"
import { createRequire } from "node:module"
import { dirname, join } from "node:path"
import {
  type Coding,
  decodeChunk,
  encodeChunk,
  type EncodedChunk,
  encodedLength,
  type EncodeOptions,
  plaintextPerChunk
} from "../../src/encoding/ChunkCodec.ts"
import * as Dag from "../../src/encoding/Dag.ts"
import * as ErasureCoding from "../../src/encoding/ErasureCoding.ts"

const rounds = Number(process.argv[2] ?? 9)
if (!Number.isSafeInteger(rounds) || rounds < 1) {
  throw new Error("the number of rounds must be a whole number of at least 1")
}

const coded: Coding = { dataBlocks: 16, parityBlocks: 16 }
const uncoded: Coding = { dataBlocks: 32, parityBlocks: 0 }
const fileKey = randomBytes(32)

/** CPU time of this thread, in seconds. */
const cpu = (): number => {
  const { system, user } = process.threadCpuUsage()
  return (system + user) / 1e6
}

/** The clock of CPU time moves in steps of some milliseconds, so a round is as long as many of them. */
const roundSeconds = 0.2

/** Runs once to warm up, then in rounds; the median and the best of them are printed. */
const measure = (name: string, bytes: number, run: () => void): void => {
  run()
  const speeds = Array.from({ length: rounds }, () => {
    const start = cpu()
    let [runs, seconds] = [0, 0]
    for (; seconds < roundSeconds; runs++) {
      run()
      seconds = cpu() - start
    }
    return runs * bytes / 1e6 / seconds
  })
  speeds.sort((a, b) => a - b)
  const [median = 0, best = 0] = [speeds[Math.floor(rounds / 2)], speeds.at(-1)]
  process.stdout.write(`${name.padEnd(56)}${median.toFixed(0).padStart(8)}${best.toFixed(0).padStart(8)}\n`)
}

const confirm = (isRight: boolean, what: string): void => {
  if (!isRight) throw new Error(`wrong result: ${what}`)
}

const erasureCoding = (): void => {
  const length = 1_000_000
  const { dataBlocks, parityBlocks } = coded
  const bytes = dataBlocks * length
  const all = randomBytes(bytes + parityBlocks * length)
  const shards = Array.from({ length: dataBlocks + parityBlocks }, (_, n) => all.subarray(n * length, (n + 1) * length))
  const [data, parity] = [shards.slice(0, dataBlocks), shards.slice(dataBlocks)]
  const rows = ErasureCoding.matrixOf(dataBlocks, parityBlocks).slice(dataBlocks)
  measure("erasure coding, encode", bytes, () => ErasureCoding.encode(data, parity))
  measure("erasure coding, 16 data shards lost", bytes, () => {
    Result.getOrThrow(ErasureCoding.reconstruct([...data.map(() => undefined), ...parity], dataBlocks))
  })
  measure("  encode without SIMD", bytes, () => ErasureCoding.multiplyByTables(rows, data, parity))

  // Its own loader does not work in modules.
  const folder = dirname(createRequire(import.meta.url).resolve("@digitaldefiance/reed-solomon-erasure.wasm"))
  const other = ReedSolomonErasure.fromBytes(readFileSync(join(folder, "reed_solomon_erasure_bg.wasm")))
  const expected = Buffer.from(all)
  const lost = Array.from(shards, (_, n) => n >= dataBlocks)
  measure("  encode by reed-solomon-erasure.wasm", bytes, () => {
    confirm(other.encode(all, dataBlocks, parityBlocks) === ReedSolomonErasure.RESULT_OK, "its encoding")
  })
  confirm(all.equals(expected), "its parity is another")
  measure("  16 data shards lost, by reed-solomon-erasure.wasm", bytes, () => {
    all.fill(0, 0, bytes)
    confirm(other.reconstruct(all, dataBlocks, parityBlocks, lost) === ReedSolomonErasure.RESULT_OK, "its decoding")
  })
  confirm(all.equals(expected), "its data is another")
}

const primitives = (): void => {
  const plaintext = randomBytes(16_000_000)
  measure("SHA-256", plaintext.length, () => void createHash("sha256").update(plaintext).digest())
  measure("AES-256-GCM", plaintext.length, () => {
    const cipher = createCipheriv("aes-256-gcm", fileKey, fileKey.subarray(0, 12))
    for (let at = 0; at < plaintext.length; at += 1_048_576) cipher.update(plaintext.subarray(at, at + 1_048_576))
    cipher.final()
  })
}

const payloadsOf = ({ blocks }: EncodedChunk) => blocks.map(({ data }) => Result.getOrThrow(Dag.payloadOf(data)))

const chunks = (): void => {
  for (const coding of [uncoded, coded]) {
    for (const isEncrypted of [false, true]) {
      const layout = { coding, isEncrypted }
      const plaintext = randomBytes(plaintextPerChunk(layout))
      const options: EncodeOptions = {
        index: 0,
        coding,
        ...(isEncrypted ? { encryption: { fileKey, uploadId: "benchmark" } } : {})
      }
      const buffer = new Uint8Array(encodedLength(plaintext.length, options))
      const how = `${coding.dataBlocks}+${coding.parityBlocks}${isEncrypted ? ", encrypted" : ""}`
      measure(`encodeChunk, ${how}`, plaintext.length, () => void encodeChunk(plaintext, options, buffer))

      const chunk = encodeChunk(plaintext, options, buffer)
      const payloads = payloadsOf(chunk)
      const decoding = { index: 0, layouts: [layout], cids: chunk.blocks.map(({ cid }) => cid), fileKey }
      for (const lost of new Set([0, coding.parityBlocks])) {
        const present = payloads.map((payload, n) => n < lost ? undefined : payload)
        measure(`decodeChunk, ${how}${lost > 0 ? `, ${lost} data blocks lost` : ""}`, plaintext.length, () => {
          const decoded = Result.getOrThrow(decodeChunk(present, decoding))
          confirm(decoded.length === plaintext.length, "the chunk's length")
        })
        confirm(plaintext.equals(Result.getOrThrow(decodeChunk(present, decoding))), "the chunk's bytes")
      }
    }
  }
}

process.stdout.write(`${"MB/s of plaintext".padEnd(56)}${"median".padStart(8)}${"best".padStart(8)}\n`)
erasureCoding()
primitives()
chunks()
