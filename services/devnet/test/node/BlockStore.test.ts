import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Effect, FileSystem, Layer, Result } from "effect"
import { createHash, randomBytes } from "node:crypto"
import { readdir, truncate, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { BlockStore } from "../../src/node/BlockStore.ts"
import { NodeFolder } from "../../src/node/NodeFolder.ts"

const block = (size: number) => {
  const bytes = randomBytes(size)
  return { bytes, digest: createHash("sha256").update(bytes).digest("hex") }
}
const bytesOf = (digest: string) =>
  Effect.scoped(Effect.gen(function*() {
    return Buffer.from(yield* (yield* BlockStore).get(digest))
  }))
const tagOf = (digest: string) => Effect.map(Effect.flip(bytesOf(digest)), ({ _tag }) => _tag)

/** What holds for every block store. */
const contract = <E>(name: string, store: Layer.Layer<BlockStore, E>) =>
  describe(name, () => {
    it.effect("gives back blocks of any size, in whatever parts they came", () =>
      Effect.gen(function*() {
        const { get, list, put } = yield* BlockStore
        const small = block(1)
        const large = block(2_097_152)
        yield* put(small.digest, [small.bytes])
        yield* put(large.digest, [
          large.bytes.subarray(0, 7),
          large.bytes.subarray(7, 70_000),
          large.bytes.subarray(70_000)
        ])
        assert.isTrue((yield* bytesOf(small.digest)).equals(small.bytes))
        assert.isTrue((yield* bytesOf(large.digest)).equals(large.bytes))
        assert.sameMembers([...yield* list], [small.digest, large.digest])
        // Two at a time don't share memory.
        yield* Effect.scoped(Effect.gen(function*() {
          const one = yield* get(small.digest)
          const two = yield* get(large.digest)
          assert.isTrue(one.equals(small.bytes))
          assert.isTrue(two.equals(large.bytes))
        }))
      }).pipe(Effect.provide(store)))

    it.effect("takes a block twice, and lets go of it once", () =>
      Effect.gen(function*() {
        const { list, put, remove } = yield* BlockStore
        const { bytes, digest } = block(100)
        yield* Effect.all([put(digest, [bytes]), put(digest, [bytes])], { concurrency: "unbounded" })
        assert.deepStrictEqual(yield* list, [digest])
        yield* remove(digest)
        yield* remove(digest)
        assert.deepStrictEqual(yield* list, [])
        assert.strictEqual(yield* tagOf(digest), "BlockMissing")
      }).pipe(Effect.provide(store)))

    it.effect("has no other blocks", () =>
      Effect.gen(function*() {
        assert.strictEqual(yield* tagOf(block(1).digest), "BlockMissing")
      }).pipe(Effect.provide(store)))
  })

const temporary = NodeFolder.layer.pipe(
  Layer.provide(ConfigProvider.layer(ConfigProvider.fromUnknown({}))),
  Layer.provide(NodeServices.layer)
)
const onDisk = BlockStore.layer.pipe(Layer.provideMerge(temporary))
contract("blocks in a folder", Layer.fresh(onDisk))

describe("blocks in a folder", () => {
  it.effect("are found again, without what was not finished", () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const dataDir = yield* fs.makeTempDirectoryScoped({ prefix: "blocks-" })
      const kept = BlockStore.layer.pipe(
        Layer.provideMerge(NodeFolder.layer),
        Layer.provide(ConfigProvider.layer(ConfigProvider.fromUnknown({ DEVNET_DATA_DIR: dataDir }))),
        Layer.fresh
      )
      const { bytes, digest } = block(1_000)
      const unfinished = yield* Effect.provide(
        Effect.gen(function*() {
          const { path } = yield* NodeFolder
          assert.strictEqual(path, join(dataDir, "node"))
          const { put } = yield* BlockStore
          yield* put(digest, [bytes])
          yield* Effect.promise(() => writeFile(join(path, "blocks", "unfinished", "0"), "half"))
          return join(path, "blocks", "unfinished")
        }),
        kept
      )
      yield* Effect.provide(
        Effect.gen(function*() {
          const { list } = yield* BlockStore
          assert.deepStrictEqual(yield* list, [digest])
          assert.isTrue((yield* bytesOf(digest)).equals(bytes))
          assert.deepStrictEqual(yield* Effect.promise(() => readdir(unfinished)), [])
        }),
        kept
      )
    }).pipe(Effect.provide(NodeServices.layer)))

  it.effect("are refused when they are damaged: changed, cut short or too long", () =>
    Effect.gen(function*() {
      const { put } = yield* BlockStore
      const { path } = yield* NodeFolder
      const { bytes, digest } = block(1_000)
      const file = join(path, "blocks", digest.slice(0, 2), digest)
      const damages = [
        () => writeFile(file, bytes.toReversed()),
        () => truncate(file, 999),
        () => truncate(file, 0),
        () => truncate(file, 3_000_000)
      ]
      for (const damage of damages) {
        yield* put(digest, [bytes])
        assert.isTrue(Result.isSuccess(yield* Effect.result(bytesOf(digest))))
        yield* Effect.promise(damage)
        assert.strictEqual(yield* tagOf(digest), "BlockCorrupt")
      }
    }).pipe(Effect.provide(Layer.fresh(onDisk))))
})
