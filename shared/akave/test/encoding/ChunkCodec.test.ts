import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Result } from "effect"
import * as fc from "fast-check"
import { execFile } from "node:child_process"
import { join } from "node:path"
import { promisify } from "node:util"
import {
  type Coding,
  decodeChunk,
  type DecodeOptions,
  encodeChunk,
  type EncodedChunk,
  encodedLength,
  type EncodeOptions
} from "../../src/encoding/ChunkCodec.ts"
import { ChunkCoder } from "../../src/encoding/ChunkCoder.ts"
import * as Dag from "../../src/encoding/Dag.ts"
import { DecryptionFailed } from "../../src/encoding/Encryption.ts"
import { NotErasureCoded, TooFewShards } from "../../src/encoding/ErasureCoding.ts"
import * as Layout from "../../src/files/Layout.ts"

const fileKey: Uint8Array = new Uint8Array(32).fill(3)
const coded: Coding = { dataBlocks: 16, parityBlocks: 16 }
const plain: Coding = { dataBlocks: 32, parityBlocks: 0 }
const codings: ReadonlyArray<Coding> = [
  plain,
  coded,
  ...[1, 2, 8, 15].map((parityBlocks) => ({ dataBlocks: 32 - parityBlocks, parityBlocks }))
]

const optionsOf = (coding: Coding, isEncrypted: boolean): EncodeOptions => ({
  index: 2,
  coding,
  ...(isEncrypted ? { encryption: { fileKey, uploadId: "upload" } } : {})
})
const decodingOf = (chunk: EncodedChunk, coding: Coding, isEncrypted: boolean, key = fileKey): DecodeOptions => ({
  index: 2,
  layouts: [{ coding, isEncrypted }],
  cids: chunk.blocks.map(({ cid }) => cid),
  fileKey: key
})
const payloadsOf = (chunk: EncodedChunk, lost: ReadonlyArray<number> = []) =>
  chunk.blocks.map(({ data }, n) => lost.includes(n) ? undefined : Result.getOrThrow(Dag.payloadOf(data)))

const cases = fc.record({
  bytes: fc.uint8Array({ minLength: 1, maxLength: 3_000 }),
  coding: fc.constantFrom(...codings),
  isEncrypted: fc.boolean(),
  order: fc.shuffledSubarray(Array.from({ length: 32 }, (_, n) => n), { minLength: 32 })
})

describe("a chunk", () => {
  it("comes back from any blocks that suffice", () => {
    fc.assert(
      fc.property(cases, ({ bytes, coding, isEncrypted, order }) => {
        const options = optionsOf(coding, isEncrypted)
        const chunk = encodeChunk(bytes, options)
        assert.strictEqual(chunk.encodedSize, encodedLength(bytes.length, options))
        assert.include(chunk, { index: 2, actualSize: bytes.length })
        const payloads = payloadsOf(chunk, order.slice(0, coding.parityBlocks))
        const decoded = decodeChunk(payloads, decodingOf(chunk, coding, isEncrypted))
        assert.deepStrictEqual(Buffer.from(Result.getOrThrow(decoded)), Buffer.from(bytes))
      }),
      { numRuns: 200 }
    )
  })

  it("is the same in memory that was used before", () => {
    for (const coding of codings) {
      const options = optionsOf(coding, true)
      const fresh = encodeChunk(new Uint8Array(1_000).fill(1), options)
      const used = new Uint8Array(encodedLength(1_000, options)).fill(255)
      assert.strictEqual(encodeChunk(new Uint8Array(1_000).fill(1), options, used).cid, fresh.cid)
    }
  })

  it("is never other bytes, however it is thought to be stored", () => {
    const misread = fc.record({
      one: cases,
      as: fc.record({ coding: fc.constantFrom(...codings), isEncrypted: fc.boolean() }),
      count: fc.integer({ min: 0, max: 16 })
    })
    fc.assert(
      fc.property(misread, ({ as, count, one: { bytes, coding, isEncrypted, order } }) => {
        fc.pre(as.coding.parityBlocks > 0 && coding.parityBlocks > 0)
        const chunk = encodeChunk(bytes, optionsOf(coding, isEncrypted))
        const payloads = payloadsOf(chunk, order.slice(0, count))
        const decoded = decodeChunk(payloads, {
          ...decodingOf(chunk, as.coding, isEncrypted),
          length: bytes.length
        })
        if (Result.isSuccess(decoded)) assert.deepStrictEqual(Buffer.from(decoded.success), Buffer.from(bytes))
      }),
      { numRuns: 300 }
    )
  })

  it("is an error with another key, changed, or with too few blocks", () => {
    const chunk = encodeChunk(new Uint8Array(100), optionsOf(coded, true))
    const failure = (payloads: ReturnType<typeof payloadsOf>, key?: Uint8Array) =>
      Result.getOrUndefined(Result.flip(decodeChunk(payloads, decodingOf(chunk, coded, true, key))))
    assert.instanceOf(failure(payloadsOf(chunk), new Uint8Array(32)), DecryptionFailed)
    const changed = payloadsOf(chunk).map((payload) => Uint8Array.from(payload ?? []))
    changed[1]?.fill(0)
    assert.instanceOf(failure(changed), DecryptionFailed)
    assert.instanceOf(failure(payloadsOf(chunk, Array.from({ length: 17 }, (_, n) => n))), TooFewShards)
    const notCoded = encodeChunk(new Uint8Array(100), optionsOf(plain, false))
    const refused = decodeChunk(payloadsOf(notCoded), decodingOf(notCoded, coded, false))
    assert.instanceOf(Result.getOrUndefined(Result.flip(refused)), TooFewShards)
  })

  it("is encrypted to the same bytes again, and to others in another upload, place or content", () => {
    const options = optionsOf(plain, true)
    const cid = (bytes: number, index: number, uploadId: string) =>
      encodeChunk(new Uint8Array(10).fill(bytes), { ...options, index, encryption: { fileKey, uploadId } }).cid
    assert.strictEqual(cid(1, 0, "a"), cid(1, 0, "a"))
    assert.lengthOf(new Set([cid(1, 0, "a"), cid(1, 0, "b"), cid(1, 1, "a"), cid(2, 0, "a")]), 4)
  })

  it("of every size at the edges has the size that was foretold", () => {
    for (const size of [1, 126, 127, 128, 999_999, 1_000_000, 1_000_001]) {
      for (const coding of [plain, coded]) {
        const chunk = encodeChunk(new Uint8Array(size), optionsOf(coding, false))
        const decoded = decodeChunk(payloadsOf(chunk), decodingOf(chunk, coding, false))
        assert.strictEqual(Result.getOrThrow(decoded).length, size)
      }
    }
  })
})

describe("a chunk about as large as it can be", () => {
  /** Enough for all, and made once. */
  const bytes = new Uint8Array(32_000_000)
  for (let n = 0; n < bytes.length; n += 997) bytes[n] = n % 251
  const cases = [
    [coded, false, [15_999_971, 15_999_972, 15_999_973, 15_999_999, 16_000_000]],
    [coded, true, [15_999_971, 15_999_972]],
    [plain, false, [15_999_999, 16_000_000, 16_000_001, 32_000_000]],
    [plain, true, [15_999_972, 31_999_972]]
  ] as const
  for (const [coding, isEncrypted, sizes] of cases) {
    it(`has ${coding === coded ? "32 equal" : "full"} blocks${isEncrypted ? ", encrypted" : ""}`, () => {
      for (const size of sizes) {
        const plaintext = bytes.subarray(0, size)
        const chunk = encodeChunk(plaintext, optionsOf(coding, isEncrypted))
        const raw = size + (isEncrypted ? 28 : 0)
        const payload = coding === coded ? Math.ceil((raw + 12) / 16) : 1_000_000
        const lengths = payloadsOf(chunk).map((payload) => payload?.length)
        assert.deepStrictEqual(new Set(lengths.slice(0, -1)), new Set([payload]))
        assert.isAtMost(lengths.length, 32)
        assert.strictEqual(lengths.at(-1), coding === coded ? payload : raw - payload * (lengths.length - 1))
        const lost = coding === coded ? Array.from({ length: 16 }, (_, n) => n) : []
        const decoded = decodeChunk(payloadsOf(chunk, lost), decodingOf(chunk, coding, isEncrypted))
        assert.isTrue(
          Buffer.from(Result.getOrThrow(decoded).buffer, Result.getOrThrow(decoded).byteOffset, size).equals(plaintext)
        )
        assert.strictEqual(Result.getOrThrow(decoded).length, size)
      }
    })
  }
})

describe("the layout of a file", () => {
  const full = (coding: Coding, isEncrypted: boolean) => 1_000_000 * coding.dataBlocks - (isEncrypted ? 28 : 0)
  /** The sizes of a file's chunks on chain, by their lengths alone. */
  const fileOf = (actualSize: number, coding: Coding, isEncrypted: boolean) => {
    const size = full(coding, isEncrypted)
    const chunks = Array.from({ length: Math.ceil(actualSize / size) }, (_, n) => ({
      encodedSize: encodedLength(Math.min(size, actualSize - n * size), optionsOf(coding, isEncrypted))
    }))
    return { actualSize, chunks: chunks.map((chunk) => ({ ...chunk, cid: "" as never, filled: 0 })) }
  }

  it("is found by its sizes", () => {
    for (const coding of codings) {
      for (const isEncrypted of [false, true]) {
        const size = full(coding, isEncrypted)
        for (
          const actualSize of [1_001, 5_000, 999_999, 1_000_001, size - 1, size, size + 1, 2 * size, 2 * size + 12_345]
        ) {
          const file = fileOf(actualSize, coding, isEncrypted)
          const found = Layout.recognise(file)
          assert.deepInclude(found, { coding, isEncrypted }, `${actualSize} ${coding.parityBlocks} ${isEncrypted}`)
          for (const other of found) {
            const same = fileOf(actualSize, other.coding, other.isEncrypted)
            assert.deepStrictEqual(same.chunks, file.chunks, "only those with the same sizes")
          }
          const wrong = Layout.recognise({ ...file, actualSize: actualSize + 100 })
          assert.notDeepInclude(wrong, { coding, isEncrypted })
        }
      }
    }
  })

  it("of small files is among those that are found", () => {
    for (let actualSize = 1; actualSize < 200; actualSize++) {
      for (const coding of codings) {
        for (const isEncrypted of [false, true]) {
          assert.deepInclude(Layout.recognise(fileOf(actualSize, coding, isEncrypted)), { coding, isEncrypted })
        }
      }
    }
  })

  it("is confirmed by the root", () => {
    for (const coding of [plain, coded]) {
      const size = 40
      const chunks = [0, 1, 2].map((index) => {
        // As long as if it were full: the sizes are all that counts.
        const blocks = Array.from({ length: 32 }, (_, n) => ({
          cid: encodeChunk(Uint8Array.of(index, n), optionsOf(plain, false)).cid,
          size: Dag.leafLength(size + (coding === coded ? 1 : 0))
        }))
        const encodedSize = blocks.reduce((sum, { size }) => sum + size, 0)
        return { cid: Dag.chunkRoot(blocks), encodedSize, rawSize: 32 * (size + (coding === coded ? 1 : 0)), filled: 0 }
      })
      assert.isTrue(Layout.isRootOf(Dag.fileRoot(chunks), { chunks }))
      assert.isFalse(Layout.isRootOf(Dag.fileRoot(chunks.slice(1)), { chunks }))
      assert.isTrue(Layout.isRootOf(chunks[0]?.cid ?? ("" as never), { chunks: chunks.slice(0, 1) }))
      assert.isFalse(Layout.isRootOf(Dag.fileRoot(chunks), { chunks: [] }))
    }
  })
})

for (const [name, layer] of [["beside the caller", ChunkCoder.layer()], ["inline", ChunkCoder.layerInline]] as const) {
  describe(`chunks coded ${name}`, () => {
    it.live("are those of the codec, many at once", () =>
      Effect.gen(function*() {
        const coder = yield* ChunkCoder
        yield* Effect.forEach([1, 100, 5_000, 1_000_001], (size) =>
          Effect.gen(function*() {
            const options = optionsOf(coded, true)
            const expected = encodeChunk(new Uint8Array(size).fill(7), options)
            const chunk = yield* coder.encode(new Uint8Array(size).fill(7), options)
            assert.strictEqual(chunk.cid, expected.cid)
            const plaintext = yield* coder.decode(
              payloadsOf(chunk, [0, 5, 31]).map((payload) => payload && Uint8Array.from(payload)),
              decodingOf(chunk, coded, true)
            )
            assert.deepStrictEqual(Buffer.from(plaintext), Buffer.alloc(size, 7))
          }), { concurrency: "unbounded" })
      }).pipe(Effect.provide(layer)))

    it.live("may come from the memory that Node lends to small buffers", () =>
      Effect.gen(function*() {
        const coder = yield* ChunkCoder
        const pooled = Buffer.from("some bytes")
        assert.isAbove(pooled.buffer.byteLength, pooled.length)
        const chunk = yield* coder.encode(pooled, optionsOf(coded, true))
        assert.strictEqual(chunk.cid, encodeChunk(Buffer.from("some bytes"), optionsOf(coded, true)).cid)
        const payloads = payloadsOf(chunk, [0]).map((payload) => payload && Buffer.from(payload))
        const plaintext = yield* coder.decode(payloads, decodingOf(chunk, coded, true))
        assert.strictEqual(Buffer.from(plaintext).toString(), "some bytes")
        assert.strictEqual(pooled.toString(), "some bytes", "what others keep in that memory is left alone")
      }).pipe(Effect.provide(layer)))

    it.live("may be interrupted: the next ones are coded all the same", () =>
      Effect.gen(function*() {
        const coder = yield* ChunkCoder
        const given = yield* Effect.forEach([1, 2, 3], (n) =>
          coder.encode(new Uint8Array(1_000_001).fill(n), optionsOf(coded, true)).pipe(
            Effect.forkChild({ startImmediately: true })
          ))
        yield* Effect.forEach(given.slice(0, 2), Fiber.interrupt)
        const expected = (n: number) =>
          encodeChunk(new Uint8Array(1_000_001).fill(n), optionsOf(coded, true)).cid
        for (const fiber of given.slice(2)) {
          assert.strictEqual((yield* Fiber.join(fiber)).cid, expected(3))
        }
        const next = yield* coder.encode(new Uint8Array(1_000_001).fill(4), optionsOf(coded, true))
        assert.strictEqual(next.cid, expected(4))
      }).pipe(Effect.provide(layer)))

    it.live("keep their errors", () =>
      Effect.gen(function*() {
        const coder = yield* ChunkCoder
        const chunk = encodeChunk(new Uint8Array(10), optionsOf(coded, true))
        const copies = (lost: ReadonlyArray<number> = []) =>
          payloadsOf(chunk, lost).map((payload) => payload && Uint8Array.from(payload))
        const wrongKey = yield* Effect.flip(
          coder.decode(copies(), decodingOf(chunk, coded, true, new Uint8Array(32)))
        )
        assert.instanceOf(wrongKey, DecryptionFailed)
        assert.include(wrongKey.message, "Chunk 2")
        const few = yield* Effect.flip(
          coder.decode(copies(Array.from({ length: 20 }, (_, n) => n)), decodingOf(chunk, coded, true))
        )
        assert.deepInclude(few, { _tag: "TooFewShards", present: 12, needed: 16 })
        const notCoded = yield* Effect.flip(
          coder.decode(copies().map(() => new Uint8Array(5)), decodingOf(chunk, coded, true))
        )
        assert.instanceOf(notCoded, NotErasureCoded)
      }).pipe(Effect.provide(layer)))
  })
}

describe("a thread that codes chunks", () => {
  it.live("that fails fails the calls that wait for it, and another one does the next", () =>
    Effect.gen(function*() {
      const coder = yield* ChunkCoder
      const options = optionsOf(coded, false)
      const exits = yield* Effect.forEach(
        [{ ...options, index: 0, encryption: { fileKey: null as never, uploadId: "upload" } }, options, options],
        (options) => Effect.exit(coder.encode(new Uint8Array(10), options)),
        { concurrency: "unbounded" }
      )
      for (const exit of exits) assert.isTrue(Exit.hasDies(exit))
      assert.strictEqual((yield* coder.encode(new Uint8Array(10), options)).actualSize, 10)
    }).pipe(Effect.provide(ChunkCoder.layer())))

  /** What a program prints that has this body, and the codec's options. */
  const outputOf = async (body: string) => {
    const program = `
      import { Effect, ManagedRuntime } from "effect"
      import { ChunkCoder } from ${JSON.stringify(join(import.meta.dirname, "../../src/encoding/ChunkCoder.ts"))}
      const options = { index: 0, coding: { dataBlocks: 16, parityBlocks: 16 } }
      const encode = (options) => Effect.gen(function*() {
        return yield* (yield* ChunkCoder).encode(new Uint8Array([1]), options)
      })
      ${body}
    `
    const flags = ["--disable-warning=ExperimentalWarning", "--input-type=module", "--eval", program]
    const { stdout } = await promisify(execFile)(process.execPath, flags, {
      cwd: join(import.meta.dirname, "../.."),
      timeout: 20_000
    })
    return stdout.trim()
  }
  const { cid } = encodeChunk(Uint8Array.of(1), { index: 0, coding: coded })

  it("ends with the program", async () => {
    const output = await outputOf(`
      const { cid } = await Effect.runPromise(Effect.provide(encode(options), ChunkCoder.layer()))
      console.log(cid)
    `)
    assert.strictEqual(output, cid)
  })

  it("holds no program that leaves it open, not even after a question that could not be sent", async () => {
    const output = await outputOf(`
      const runtime = ManagedRuntime.make(ChunkCoder.layer())
      const refused = await runtime.runPromiseExit(encode({ ...options, unsendable: () => 0 }))
      const { cid } = await runtime.runPromise(encode(options))
      console.log(refused._tag, cid)
    `)
    assert.strictEqual(output, `Failure ${cid}`)
  })
})
