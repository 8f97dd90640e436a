/**
 * `npm run test:files [-- --largest BYTES]`: stores and reads files of all sizes up to 1 GB on a devnet of its own, coded and not, encrypted and not, of zeros
 * and of random bytes; kills an upload of two chunks at every point where it can be interrupted, and makes it again; and uploads
 * twenty files at once. Ends with 1 where one of them does not come back as it was.
 */
import { Buckets } from "@akave-async/sdk/Buckets"
import type { Coding } from "@akave-async/sdk/encoding/ChunkCodec"
import { Files } from "@akave-async/sdk/Files"
import * as Kills from "@akave-async/sdk/test/files/Kills"
import { encryptionKey, FastDevnet, sdk } from "@akave-async/sdk/test/files/network"
import { NodeRuntime } from "@effect/platform-node"
import { Cause, Console, Effect, Exit, Layer, Stream } from "effect"
import { createCipheriv, createHash } from "node:crypto"
import { parseArgs } from "node:util"

const { values } = parseArgs({ options: { largest: { type: "string", default: "1000000000" } } })
const largest = Number(values.largest)
if (!Number.isSafeInteger(largest) || largest < 1) {
  process.stderr.write(`--largest takes a number of bytes from 1 on, not "${values.largest}"\n`)
  process.exit(2)
}

const bucketName = "all sizes"
const coded: Coding = { dataBlocks: 16, parityBlocks: 16 }
const uncoded: Coding = { dataBlocks: 32, parityBlocks: 0 }
/** Around the limits of blocks and of chunks, with and without encryption. */
const limits = [1_000_000, 15_999_972, 16_000_000, 31_999_972, 32_000_000]
const sizes = [1, 126, 127, 128, ...limits.flatMap((limit) => [limit - 1, limit, limit + 1]), 70_000_000, 1_000_000_000]
  .filter((size) => size <= largest)

/** Bytes that are not kept: zeros, or what AES makes of them. */
const bytesOf = (size: number, isRandom: boolean) =>
  async function*() {
    const cipher = createCipheriv("aes-256-ctr", Buffer.alloc(32), Buffer.alloc(16, size % 256))
    for (let at = 0; at < size; at += 1_048_576) {
      const zeros = Buffer.alloc(Math.min(1_048_576, size - at))
      yield isRandom ? cipher.update(zeros) : zeros
    }
  }

const digestOf = async (bytes: AsyncIterable<Uint8Array>) => {
  const hash = createHash("sha256")
  for await (const part of bytes) hash.update(part)
  return hash.digest("hex")
}

let failures = 0
const check = Effect.fnUntraced(function*<E, R>(name: string, run: Effect.Effect<boolean, E, R>) {
  const begun = performance.now()
  const exit = yield* Effect.exit(run)
  const isGood = Exit.isSuccess(exit) && exit.value
  if (!isGood) failures += 1
  const seconds = ((performance.now() - begun) / 1_000).toFixed(1)
  yield* Console.log(
    `${isGood ? "✓" : "✗"} ${name} (${seconds} s)${Exit.isFailure(exit) ? Cause.pretty(exit.cause) : ""}`
  )
})

const roundTrip = Effect.fnUntraced(function*(size: number, isRandom: boolean, coding: Coding, isEncrypted: boolean) {
  const files = yield* Files
  const name = `${size} ${isRandom} ${coding.parityBlocks} ${isEncrypted}`
  const bytes = bytesOf(size, isRandom)
  yield* files.upload({ bucketName, name }, bytes, { coding, isEncrypted })
  const file = yield* files.open({ bucketName, name })
  const hash = createHash("sha256")
  yield* Stream.runForEach(file.bytes, (part) => Effect.sync(() => hash.update(part)))
  const isSame = hash.digest("hex") === (yield* Effect.promise(() => digestOf(bytes())))
  yield* files.delete({ bucketName, name })
  return isSame && file.actualSize === size
})

const all = Effect.gen(function*() {
  yield* (yield* Buckets).createBucket(bucketName)
  for (const size of sizes) {
    for (const coding of [coded, uncoded]) {
      for (const isEncrypted of [true, false]) {
        for (const isRandom of size > 100_000_000 ? [true] : [true, false]) {
          if (size > 100_000_000 && !(isEncrypted && coding === coded)) continue
          const how = [
            isRandom ? "random bytes" : "zeros",
            coding === coded ? "coded" : "not coded",
            isEncrypted ? "encrypted" : "in plain"
          ]
          yield* check(`${size} ${how.join(", ")}`, roundTrip(size, isRandom, coding, isEncrypted))
        }
      }
    }
  }
  yield* check(
    "16000001 with encrypted names",
    Effect.provide(
      Effect.andThen(
        Effect.flatMap(Buckets, (buckets) => buckets.createBucket(bucketName)),
        roundTrip(16_000_001, true, coded, true)
      ),
      Layer.fresh(sdk({ encryption: { key: encryptionKey, encryptsNames: true } })),
      { local: true }
    )
  )
  for (const point of Kills.failpoints) {
    yield* check(`killed at ${point}`, Effect.as(Effect.scoped(Kills.survives(point, 16_000_001)), true))
  }
  yield* check(
    "20 uploads at once",
    Effect.map(
      Effect.forEach(
        Array.from({ length: 20 }, (_, n) => 2_000_000 + n),
        (size) => roundTrip(size, true, coded, true),
        { concurrency: "unbounded" }
      ),
      (results) => results.every((isSame) => isSame)
    )
  )
  yield* Console.log(failures === 0 ? "All files came back as they were." : `${failures} failed.`)
  process.exitCode = failures === 0 ? 0 : 1
})

const Sdk = sdk({ encryption: { key: encryptionKey } }).pipe(Layer.provideMerge(FastDevnet))
NodeRuntime.runMain(Effect.provide(all, Sdk))
