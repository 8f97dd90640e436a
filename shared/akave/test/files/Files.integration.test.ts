import { assert, layer } from "@effect/vitest"
import { Effect, Exit, Layer, Option, Redacted, Stream } from "effect"
import { Buckets } from "../../src/Buckets.ts"
import { Chain } from "../../src/Chain.ts"
import { Files, type UploadProgress } from "../../src/Files.ts"
import { Wallet } from "../../src/Wallet.ts"
import { privateKeys } from "../devnet.ts"
import { encryptionKey, FastDevnet, hashOf, randomBytes, read, sdk } from "./network.ts"

const uncoded = { dataBlocks: 32, parityBlocks: 0 }
const bucketName = "files"

const Bucket = Layer.effectDiscard(Effect.gen(function*() {
  yield* (yield* Buckets).createBucket(bucketName)
}))
const Sdk = Bucket.pipe(Layer.provideMerge(sdk()), Layer.provideMerge(FastDevnet))

/** Another client of the same devnet. */
const asOther = <A, E, R>(options: Parameters<typeof sdk>[0], effect: Effect.Effect<A, E, R>) =>
  Effect.provide(effect, Layer.fresh(sdk(options)), { local: true })

layer(Sdk, { timeout: 240_000, excludeTestServices: true })("files", (it) => {
  it.effect("come back as they were stored, of every size, coded or not", () =>
    Effect.gen(function*() {
      const files = yield* Files
      const sizes = [1, 126, 127, 128, 999_999, 1_000_000, 1_000_001]
      const codings = [uncoded, { dataBlocks: 16, parityBlocks: 16 }, { dataBlocks: 24, parityBlocks: 8 }]
      const all = sizes.flatMap((size) => codings.map((coding) => ({ size, coding })))
      yield* Effect.forEach(all, ({ coding, size }) =>
        Effect.gen(function*() {
          const name = `${size} ${coding.parityBlocks}`
          const bytes = randomBytes(size, name)
          const stored = yield* files.upload({ bucketName, name }, bytes, { coding })
          const opened = yield* files.open({ bucketName, name })
          assert.include(opened, { id: stored.id, rootCid: stored.rootCid, actualSize: size, isEncrypted: false })
          if (size > 1_000) assert.deepStrictEqual(opened.coding, coding)
          assert.strictEqual(hashOf(yield* read({ bucketName, name })), hashOf(bytes), name)
        }), { concurrency: 6 })
    }))

  it.effect("of several chunks are stored from a stream, and read by ranges", () =>
    Effect.gen(function*() {
      const files = yield* Files
      const bytes = randomBytes(16_000_001)
      const seen: Array<UploadProgress> = []
      const parts = async function*() {
        for (let at = 0; at < bytes.length; at += 777_777) yield bytes.subarray(at, at + 777_777)
      }
      const stored = yield* files.upload({ bucketName, name: "two chunks" }, parts(), {
        onProgress: (progress) => seen.push(progress)
      })
      assert.include(stored, { actualSize: bytes.length, chunks: 2 })
      assert.deepStrictEqual(stored.transactions.map(({ part }) => part), ["create", "chunk.0", "chunk.1", "commit"])
      assert.deepInclude(seen.at(-1), {
        bytes: bytes.length,
        blocks: { total: 64, stored: 64, filled: 64 },
        chunks: { encoded: 2, added: 2 },
        transactions: { sent: 4, mined: 4, last: "commit" }
      })
      const at = { bucketName, name: "two chunks" }
      assert.strictEqual(hashOf(yield* read(at)), hashOf(bytes))
      for (
        const [start, end] of [[0, 1], [15_999_999, 16_000_001], [16_000_000, undefined], [5, 5], [
          999_990,
          1_000_010
        ]] as const
      ) {
        const range = { start, ...(end === undefined ? {} : { end }) }
        assert.deepStrictEqual(yield* read(at, { range }), Buffer.from(bytes.subarray(start, end)))
      }
      for (const range of [{ start: -1 }, { start: 2, end: 1 }, { start: 0, end: bytes.length + 1 }, { start: 0.5 }]) {
        assert.include(yield* Effect.flip(read(at, { range })), { _tag: "InvalidArgument", field: "range" })
      }
    }))

  it.effect("have any name", () =>
    Effect.gen(function*() {
      const files = yield* Files
      const names = ["with spaces", "日本語 ☂.txt", "a".repeat(255), "b".repeat(1_000), "../x", ""]
      yield* Effect.forEach(names, (name) =>
        Effect.gen(function*() {
          yield* files.upload({ bucketName, name }, randomBytes(10, name), { coding: uncoded })
          assert.deepStrictEqual(yield* read({ bucketName, name }), Buffer.from(randomBytes(10, name)))
          assert.include(yield* files.info({ bucketName, name }), { name, bucketName, actualSize: 10 })
        }), { concurrency: 6 })
      const listed = yield* files.list({ bucketName })
      assert.includeMembers(listed.map(({ name }) => name), names)
      const bad = yield* Effect.flip(files.upload({ bucketName, name: "\ud800" }, randomBytes(1)))
      assert.include(bad, { _tag: "InvalidArgument", field: "file name" })
      const long = yield* Effect.flip(files.upload({ bucketName, name: "c".repeat(4_097) }, randomBytes(1)))
      assert.include(long, { _tag: "InvalidArgument", field: "file name" })
    }))

  it.effect("are encrypted, with their names where that is asked for", () =>
    Effect.gen(function*() {
      const bytes = randomBytes(100)
      const name = "secret.txt"
      const at = { bucketName: "encrypted", name }
      const { address: owner } = yield* Wallet
      yield* asOther(
        { encryption: { key: encryptionKey, encryptsNames: true } },
        Effect.gen(function*() {
          const buckets = yield* Buckets
          const files = yield* Files
          assert.strictEqual((yield* buckets.createBucket("encrypted")).name, "encrypted")
          assert.include(yield* files.upload(at, bytes), at)
          assert.include(yield* files.open(at), { isEncrypted: true, actualSize: 100 })
          assert.deepStrictEqual(yield* read(at), Buffer.from(bytes))
          assert.include(yield* files.info(at), at)
          assert.deepStrictEqual((yield* files.list(at)).map(({ name }) => name), [name])
          assert.include((yield* buckets.listBuckets()).map(({ name }) => name), "encrypted")
        })
      )
      // By the vectors: the same names, as others see them.
      const { bucket, file } = yield* Effect.gen(function*() {
        const buckets = yield* (yield* Buckets).listBuckets()
        const bucket = buckets.map(({ name }) => name).find((name) => /^[0-9a-f]{74}$/.test(name)) ?? ""
        const [file] = yield* (yield* Files).list({ bucketName: bucket, owner })
        return { bucket, file: file?.name ?? "" }
      })
      assert.match(file, /^[0-9a-f]{76}$/)
      const error = yield* Effect.flip(read({ bucketName: bucket, name: file }))
      assert.strictEqual(error._tag, "KeyRequired")
    }))

  it.effect("that are encrypted are not read with another key, nor as if they were plain", () =>
    Effect.gen(function*() {
      const at = { bucketName, name: "encrypted content" }
      yield* asOther(
        { encryption: { key: encryptionKey } },
        Effect.gen(function*() {
          yield* (yield* Files).upload(at, randomBytes(50))
          // What is stored in plain is read all the same.
          yield* (yield* Files).upload({ bucketName, name: "plain" }, randomBytes(50), { isEncrypted: false })
          assert.deepStrictEqual(yield* read({ bucketName, name: "plain" }), Buffer.from(randomBytes(50)))
          assert.deepStrictEqual(yield* read(at), Buffer.from(randomBytes(50)))
        })
      )
      assert.strictEqual((yield* Effect.flip(read(at)))._tag, "KeyRequired")
      const other = Redacted.make(new Uint8Array(32).fill(9))
      const error = yield* Effect.flip(asOther({ encryption: { key: other } }, read(at)))
      assert.strictEqual(error._tag, "DecryptionFailed")
      assert.deepStrictEqual(yield* read({ bucketName, name: "plain" }), Buffer.from(randomBytes(50)))
    }))

  it.effect("are refused before anything is sent where they can't be stored", () =>
    Effect.gen(function*() {
      const files = yield* Files
      const chain = yield* Chain
      const { address } = yield* Wallet
      const before = yield* chain.transactionCount(address, "pending")
      const at = { bucketName, name: "refused" }
      const refused = [
        [files.upload(at, new Uint8Array()), "InvalidArgument"],
        [files.upload(at, (async function*() {})()), "InvalidArgument"],
        [files.upload(at, "/no/such/file"), "SourceFailed"],
        [
          files.upload(at, async function*() {
            yield* []
            throw new Error("the stream broke")
          }),
          "SourceFailed"
        ],
        [files.upload({ bucketName: "no such bucket", name: "x" }, randomBytes(1)), "BucketNotFound"],
        [files.upload(at, randomBytes(1), { coding: { dataBlocks: 15, parityBlocks: 17 } }), "InvalidArgument"],
        [files.upload(at, randomBytes(1), { isEncrypted: true }), "InvalidArgument"],
        [files.upload(at, randomBytes(1), { concurrency: 0 }), "InvalidArgument"],
        [read(at), "FileNotFound"],
        [files.info(at), "FileNotFound"],
        [files.delete(at), "FileNotFound"],
        [files.setPublicAccess(at, true), "FileNotFound"],
        [files.list({ bucketName, limit: 0 }), "InvalidArgument"],
        [files.list({ bucketName, offset: -1 }), "InvalidArgument"]
      ] as const
      for (const [effect, tag] of refused) {
        const exit: Exit.Exit<unknown, { readonly _tag: string }> = yield* Effect.exit(
          effect as Effect.Effect<unknown, { readonly _tag: string }, Files>
        )
        assert.strictEqual(Option.getOrUndefined(Exit.findErrorOption(exit))?._tag, tag)
      }
      assert.strictEqual(yield* chain.transactionCount(address, "pending"), before)
      const poor = yield* Effect.flip(
        asOther(
          { privateKey: `${"0".repeat(63)}7` },
          Effect.gen(function*() {
            return yield* (yield* Files).upload({ bucketName, name: "poor" }, randomBytes(1))
          })
        )
      )
      // It has no bucket either.
      assert.strictEqual(poor._tag, "BucketNotFound")
    }))

  it.effect("exist once", () =>
    Effect.gen(function*() {
      const files = yield* Files
      const at = { bucketName, name: "once" }
      yield* files.upload(at, randomBytes(10))
      assert.include(yield* Effect.flip(files.upload(at, randomBytes(10))), { _tag: "FileExists", isCommitted: true })
    }))

  it.effect("are deleted, made public, listed in pages", () =>
    Effect.gen(function*() {
      const files = yield* Files
      yield* (yield* Buckets).createBucket("some files")
      const of = { bucketName: "some files" }
      // At once: the transactions of one wallet share its nonces.
      yield* Effect.forEach(["a", "b", "c", "d"], (name) => files.upload({ ...of, name }, randomBytes(5, name)), {
        concurrency: 4
      })
      const all = (yield* files.list(of)).map(({ name }) => name)
      assert.sameMembers(all, ["a", "b", "c", "d"])
      assert.deepStrictEqual(
        (yield* files.list({ ...of, offset: 1, limit: 2 })).map(({ name }) => name),
        all.slice(1, 3)
      )
      assert.deepStrictEqual(yield* files.list({ ...of, offset: 4 }), [])
      assert.deepStrictEqual(yield* files.list({ bucketName: "no such bucket" }), [])

      assert.isFalse((yield* files.info({ ...of, name: "a" })).isPublic)
      yield* files.setPublicAccess({ ...of, name: "a" }, true)
      assert.isTrue((yield* files.info({ ...of, name: "a" })).isPublic)
      yield* Effect.forEach(["a", "c"], (name) => files.delete({ ...of, name }), { concurrency: 2 })
      assert.sameMembers((yield* files.list(of)).map(({ name }) => name), ["b", "d"])
      assert.strictEqual((yield* Effect.flip(read({ ...of, name: "a" })))._tag, "FileNotFound")
      yield* files.upload({ ...of, name: "a" }, randomBytes(7))
      assert.deepStrictEqual(yield* read({ ...of, name: "a" }), Buffer.from(randomBytes(7)))
    }))

  it.effect("of others can be read by all", () =>
    Effect.gen(function*() {
      const { address: owner } = yield* Wallet
      yield* (yield* Files).upload({ bucketName, name: "shared" }, randomBytes(9))
      const seen = yield* asOther({ privateKey: privateKeys.second }, read({ bucketName, name: "shared", owner }))
      assert.deepStrictEqual(seen, Buffer.from(randomBytes(9)))
    }))

  it.effect("that a reader leaves in the middle cost nothing further", () =>
    Effect.gen(function*() {
      const files = yield* Files
      yield* files.upload({ bucketName, name: "left" }, randomBytes(3_000_000), { coding: uncoded })
      const { bytes } = yield* files.open({ bucketName, name: "left" })
      const [first] = yield* Stream.runCollect(Stream.take(bytes, 1))
      assert.deepStrictEqual(Buffer.from(first ?? []), Buffer.from(randomBytes(3_000_000).subarray(0, first?.length)))
    }))
})
