import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { id as keccakOf, ZeroHash } from "ethers"
import {
  batchOf,
  call,
  Chain,
  type Chunk,
  chunkOf,
  cid,
  filesOf,
  indexPanic,
  nobody,
  revertOf,
  selector,
  send,
  storeChunk,
  user,
  view
} from "./devnet.ts"

/** What addFileChunk takes. */
const singleOf = (bucketId: string, fileName: string, chunk: Chunk, index: number) => [
  chunk.cid,
  bucketId,
  fileName,
  chunk.size,
  chunk.blocks,
  chunk.blocks.map(() => 1_000_014),
  index
]

const chunksOf = (count: number) => Array.from({ length: count }, (_, index) => chunkOf(`chunk ${index}`))

layer(Chain)("chunks", (it) => {
  it.effect("are kept with CID and size, and reported in an event each", () =>
    Effect.gen(function*() {
      const { bucketId, delegate, idOf, owner, storage } = yield* filesOf("file")
      const id = idOf("file")
      const [first, second, third] = [chunkOf("first"), chunkOf("second"), chunkOf("third", 1)]
      const event = (from: string) => [
        `0x${from.slice(2).toLowerCase().padStart(64, "0")}`,
        keccakOf("AddFileChunk(bytes32,bytes32,string,address)"),
        id,
        bucketId,
        keccakOf("file")
      ]
      const single = singleOf(bucketId, "file", first, 0)
      assert.strictEqual((yield* call(owner.address, storage, "addFileChunk", single))[0], id)
      const added = yield* send(owner, storage, "addFileChunk", single)
      assert.deepStrictEqual(added.logs.map(({ data, topics }) => [data, ...topics]), [event(owner.address)])
      const batch = yield* send(delegate, storage, "addFileChunks", batchOf(bucketId, "file", [second, third], 1))
      assert.deepStrictEqual(batch.logs.map(({ data, topics }) => [data, ...topics]), [
        event(delegate.address),
        event(delegate.address)
      ])

      const [file] = yield* call(nobody, storage, "getFileById", [id])
      assert.deepStrictEqual(file.chunks.toArray(true), [
        [first.cid, second.cid, third.cid],
        [BigInt(first.size), BigInt(second.size), BigInt(third.size)],
        [0n, 0n, 0n]
      ])
      assert.deepStrictEqual(yield* view(storage, "getChunkByIndex", id, 2), [third.cid, BigInt(third.size)])
      for (const name of ["isFileFilled", "isFileFilledV2"]) assert.strictEqual(yield* view(storage, name, id), false)
      assert.strictEqual(yield* view(storage, "isChunkFilled", id, 2), false)
      assert.strictEqual(yield* view(storage, "isBlockFilled", id, 31, 2), false)
      assert.strictEqual(yield* revertOf(nobody, storage, "getChunkByIndex", [id, 3]), indexPanic)
      assert.strictEqual(yield* revertOf(nobody, storage, "isChunkFilled", [id, 3]), indexPanic)
      assert.strictEqual(yield* revertOf(nobody, storage, "isBlockFilled", [id, 32, 3]), indexPanic)
      assert.strictEqual(yield* revertOf(nobody, storage, "isBlockFilled", [id, 32, 2]), selector("InvalidBlockIndex"))
    }))

  it.effect("are added after checks of bucket, caller, file, commit, index, blocks, last chunk and size in this order", () =>
    Effect.gen(function*() {
      const { bucketId, delegate, owner, storage } = yield* filesOf("committed", "closed", "open")
      const stranger = yield* user
      const chunk = chunkOf("last", 1)
      yield* storeChunk(owner, storage, bucketId, "committed", chunk)
      yield* send(owner, storage, "commitFile", [bucketId, "committed", chunk.size, 5, cid("file")])
      yield* send(owner, storage, "addFileChunks", batchOf(bucketId, "closed", [chunk]))
      const bad = { ...chunkOf("bad", 33), size: 0 }

      // Each call also breaks every rule that comes after the one it is refused by.
      const cases = [
        [stranger, ZeroHash, "none", bad, 9, "BucketNonexists"],
        [stranger, bucketId, "none", bad, 9, "BucketInvalidOwner"],
        [owner, bucketId, "none", bad, 9, "FileNotExists"],
        [owner, bucketId, "committed", bad, 9, "FileFullyUploaded"],
        [owner, bucketId, "closed", bad, 9, "FileChunkDuplicate"],
        [owner, bucketId, "closed", bad, 0, "FileChunkDuplicate"],
        [owner, bucketId, "closed", bad, 1, "InvalidBlocksAmount"],
        [owner, bucketId, "closed", { ...chunk, size: 0 }, 1, "LastChunkDuplicate"],
        [owner, bucketId, "open", { ...chunk, size: 0 }, 0, "InvalidEncodedSize"],
        // A gap.
        [owner, bucketId, "open", chunk, 1, "FileChunkDuplicate"]
      ] as const
      for (const [from, bucket, name, what, index, error] of cases) {
        for (
          const [call, parameters] of [
            ["addFileChunk", singleOf(bucket, name, what, index)],
            ["addFileChunks", batchOf(bucket, name, [what], index)]
          ] as const
        ) {
          assert.strictEqual(
            yield* revertOf(from.address, storage, call, parameters),
            selector(error),
            `${call} ${error}`
          )
        }
      }
      const oneSizeLess = [cid("bad"), bucketId, "closed", 0, [ZeroHash, ZeroHash], [1], 1]
      assert.strictEqual(
        yield* revertOf(owner.address, storage, "addFileChunk", oneSizeLess),
        selector("InvalidBlocksAmount")
      )
      for (const from of [owner, delegate]) {
        const added = yield* revertOf(from.address, storage, "addFileChunk", singleOf(bucketId, "open", chunk, 0))
        assert.strictEqual(added, "no revert")
      }
    }))

  it.effect("are added all or none, and lists that differ in length are refused", () =>
    Effect.gen(function*() {
      const { bucketId, owner, storage } = yield* filesOf("file")
      const stranger = yield* user
      const refusal = (parameters: ReadonlyArray<unknown>) =>
        revertOf(owner.address, storage, "addFileChunks", parameters)
      const [first, last] = [chunkOf("first"), chunkOf("last", 1)]
      const batch = batchOf(bucketId, "file", [first, last])
      assert.strictEqual(yield* refusal(batch), "no revert")
      assert.strictEqual(
        yield* refusal(batchOf(bucketId, "file", [first, { ...last, size: 0 }])),
        selector("InvalidEncodedSize")
      )
      assert.strictEqual(yield* refusal(batchOf(bucketId, "file", [last, first])), selector("LastChunkDuplicate"))
      for (const position of [0, 3, 4, 5]) {
        const shorter = batch.map((list, index) => index === position && Array.isArray(list) ? list.slice(0, -1) : list)
        assert.strictEqual(yield* refusal(shorter), indexPanic)
        const none = batch.map((list, index) => index !== position && Array.isArray(list) ? [] : list)
        assert.strictEqual(yield* refusal(none), indexPanic)
      }
      assert.strictEqual(
        yield* revertOf(stranger.address, storage, "addFileChunks", batchOf(ZeroHash, "none", [], 7)),
        "no revert"
      )
    }))

  it.effect("may be more, with larger blocks, than the published limits say, and have any CID and size", () =>
    Effect.gen(function*() {
      const { bucketId, idOf, owner, storage } = yield* filesOf("file")
      const chunk = chunkOf("same")
      const odd = { cid: "0x", size: 1, blocks: chunk.blocks.map(() => ZeroHash) }
      yield* send(owner, storage, "addFileChunks", batchOf(bucketId, "file", Array.from({ length: 32 }, () => chunk)))
      yield* send(owner, storage, "addFileChunks", batchOf(bucketId, "file", [odd, odd], 32))
      assert.deepStrictEqual(yield* view(storage, "getChunkByIndex", idOf("file"), 31), [chunk.cid, BigInt(chunk.size)])
      assert.deepStrictEqual(yield* view(storage, "getChunkByIndex", idOf("file"), 33), ["0x", 1n])
    }))

  it.effect("without blocks are filled and close the file", () =>
    Effect.gen(function*() {
      const { bucketId, idOf, owner, storage } = yield* filesOf("file")
      const none = { ...chunkOf("none", 0), size: 4 }
      yield* send(owner, storage, "addFileChunks", batchOf(bucketId, "file", [none]))
      for (const name of ["isFileFilled", "isFileFilledV2"]) {
        assert.strictEqual(yield* view(storage, name, idOf("file")), true)
      }
      assert.strictEqual(yield* view(storage, "isChunkFilled", idOf("file"), 0), true)
      assert.strictEqual(
        yield* revertOf(owner.address, storage, "addFileChunks", batchOf(bucketId, "file", [none], 1)),
        selector("LastChunkDuplicate")
      )
    }))

  // Clients send this call with a fixed gas limit of 270,000 for each chunk. On the Akave network 1 chunk takes 227,000, 10
  // take 1,310,000.
  it.effect("cost less than what clients allow for them", () =>
    Effect.gen(function*() {
      const long = "x".repeat(566)
      const { bucketId, delegate, owner, storage } = yield* filesOf("my-file.txt", "partial", "delegate", "ten", long)
      const gas = (from: typeof owner, name: string, chunks: ReadonlyArray<Chunk>) =>
        Effect.map(
          send(from, storage, "addFileChunks", batchOf(bucketId, name, chunks)),
          ({ gasUsed }) => Number(gasUsed)
        )
      const [first] = chunksOf(1)
      assert.isDefined(first)
      assert.isBelow(yield* gas(owner, "my-file.txt", [first]), 235_000)
      assert.isBelow(yield* gas(owner, "partial", [chunkOf("partial", 31)]), 235_000)
      assert.isBelow(yield* gas(owner, long, [first]), 270_000)
      assert.isBelow(yield* gas(delegate, "delegate", [first]), 270_000)
      assert.isBelow(yield* gas(owner, "ten", chunksOf(10)), 1_400_000)
    }))
})
