import { assert, layer } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, Layer } from "effect"
import { Buckets } from "../../src/Buckets.ts"
import { Chain } from "../../src/Chain.ts"
import { Files, type UploadProgress } from "../../src/Files.ts"
import { Wallet } from "../../src/Wallet.ts"
import { Devnet, privateKeys } from "../devnet.ts"
import { eventsOf } from "./Kills.ts"
import { FastDevnet, hashOf, misbehave, randomBytes, read, sdk } from "./network.ts"

const bucketName = "faults"
const uncoded = { dataBlocks: 32, parityBlocks: 0 }

const Bucket = Layer.effectDiscard(Effect.gen(function*() {
  yield* (yield* Buckets).createBucket(bucketName)
}))
const Sdk = Bucket.pipe(Layer.provideMerge(sdk()), Layer.provideMerge(FastDevnet))

/** With a node that misbehaves meanwhile. */
const withFaults = <A, E, R>(faults: object, effect: Effect.Effect<A, E, R>) =>
  Effect.ensuring(Effect.andThen(misbehave(faults), effect), misbehave())

/** So many of the 32 indexes, chosen at random but the same for the same seed. */
const chosen = (count: number, seed: string): Array<number> => {
  const order = randomBytes(32, seed)
  const indexes = Array.from({ length: 32 }, (_, n) => n)
  return indexes.toSorted((a, b) => (order[a] ?? 0) - (order[b] ?? 0)).slice(0, count)
}

/** Asks the chain's node for something that only development chains do. */
const rpc = Effect.fnUntraced(function*(method: string, params: ReadonlyArray<unknown>) {
  const { rpcUrl } = yield* Devnet
  const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method, params })
  const headers = { "content-type": "application/json" }
  const answer: unknown = yield* Effect.promise(async () =>
    (await fetch(rpcUrl, { method: "POST", headers, body })).json()
  )
  assert.notProperty(answer, "error")
})

/** Waits until an upload that another fiber makes is so far. */
const uploading = Effect.fnUntraced(function*(
  name: string,
  bytes: Uint8Array,
  isReached: (progress: UploadProgress) => boolean
) {
  const reached = yield* Deferred.make<void>()
  const fiber = yield* Effect.forkChild(
    (yield* Files).upload({ bucketName, name }, bytes, {
      onProgress: (progress) => {
        if (isReached(progress)) Deferred.doneUnsafe(reached, Effect.void)
      }
    })
  )
  yield* Effect.raceFirst(Deferred.await(reached), Effect.asVoid(Fiber.join(fiber)))
  return fiber
})

layer(Sdk, { timeout: 240_000, excludeTestServices: true })("with nodes that fail", (it) => {
  it.effect("a coded file comes back while 16 blocks of a chunk are good, whichever they are", () =>
    Effect.gen(function*() {
      const at = { bucketName, name: "coded" }
      const bytes = randomBytes(1_000)
      yield* (yield* Files).upload(at, bytes)
      for (let n = 0; n < 16; n++) {
        const bad = n === 0 ? Array.from({ length: 16 }, (_, index) => index) : chosen(16, `pattern ${n}`)
        const faults = n % 4 === 0
          ? { lose: { indexes: bad } }
          : n % 4 === 1
          ? { corrupt: { indexes: bad } }
          : n % 4 === 2
          ? { truncate: { indexes: bad } }
          : { lose: { indexes: bad.slice(0, 8) }, corrupt: { indexes: bad.slice(8) } }
        assert.deepStrictEqual(yield* withFaults(faults, read(at)), Buffer.from(bytes), JSON.stringify(faults))
      }
    }))

  it.effect("a coded file of which 17 blocks are bad is an error that names them", () =>
    Effect.gen(function*() {
      const at = { bucketName, name: "lost" }
      yield* (yield* Files).upload(at, randomBytes(1_000))
      const bad = chosen(17, "too many").toSorted((a, b) => a - b)
      const error = yield* Effect.flip(
        withFaults({ lose: { indexes: bad.slice(0, 9) }, corrupt: { indexes: bad.slice(9) } }, read(at))
      )
      if (error._tag !== "BlocksUnavailable") return assert.fail(error._tag)
      assert.include(error, { chunkIndex: 0, needed: 16 })
      const named = error.failed.map(({ blockIndex }) => blockIndex).toSorted((a, b) => a - b)
      assert.deepStrictEqual(named, bad)
    }))

  it.effect("a file without parity is an error where a block is bad, and never other bytes", () =>
    Effect.gen(function*() {
      const at = { bucketName, name: "without parity" }
      const bytes = randomBytes(1_500_000)
      yield* (yield* Files).upload(at, bytes, { coding: uncoded })
      for (const faults of [{ lose: { indexes: [1] } }, { corrupt: { indexes: [0] } }]) {
        const error = yield* Effect.flip(withFaults(faults, read(at)))
        assert.strictEqual(error._tag, "BlocksUnavailable")
      }
      // Trouble that passes is none.
      const passing = { refuse: [{ rpc: "FileDownloadBlock", code: "UNAVAILABLE", times: 2 }] }
      assert.strictEqual(hashOf(yield* withFaults(passing, read(at))), hashOf(bytes))
    }))

  it.effect("blocks that never come are replaced by others", () =>
    Effect.gen(function*() {
      const at = { bucketName, name: "stalled" }
      yield* (yield* Files).upload(at, randomBytes(500))
      const stall = { stall: [{ rpc: "FileDownloadBlock", block_indexes: [0, 3, 7, 15] }] }
      assert.deepStrictEqual(yield* withFaults(stall, read(at)), Buffer.from(randomBytes(500)))
    }))

  it.effect("an upload goes on through refusals, slowness, and announcements that are forgotten", () =>
    Effect.gen(function*() {
      const bytes = randomBytes(2_000_000, "refused")
      const faults = {
        refuse: [
          { rpc: "FileUploadBlock", code: "UNAVAILABLE", every: 3 },
          { rpc: "FileUploadChunkCreate", code: "UNAVAILABLE", times: 2 },
          { rpc: "FileUploadBlock", code: "FAILED_PRECONDITION", times: 1, block_indexes: [5] }
        ],
        delay: [{ rpc: "FileUploadBlock", ms: 300, block_indexes: [1] }],
        forget_announcements: true
      }
      const at = { bucketName, name: "refused" }
      const stored = yield* withFaults(faults, (yield* Files).upload(at, bytes))
      assert.deepStrictEqual(stored.transactions.map(({ part }) => part), ["create", "chunk.0", "commit"])
      assert.strictEqual(hashOf(yield* read(at)), hashOf(bytes))
    }))

  it.effect("blocks whose fill the node forgot are sent again", () =>
    Effect.gen(function*() {
      const at = { bucketName, name: "dropped fills" }
      const upload = (yield* Files).upload(at, randomBytes(300), { fillTimeout: "1 second" })
      yield* withFaults({ fills: { drop: 3 } }, upload)
      assert.deepStrictEqual(yield* read(at), Buffer.from(randomBytes(300)))
    }))

  it.effect("an upload whose blocks are not filled in time says which, and does the rest when it is made again", () =>
    Effect.gen(function*() {
      const files = yield* Files
      const at = { bucketName, name: "held" }
      const once = async function*() {
        yield randomBytes(300)
      }
      const error = yield* Effect.flip(
        withFaults({ fills: { hold: true } }, files.upload(at, once(), { fillTimeout: "1 second" }))
      )
      if (error._tag !== "BlocksNotFilled") return assert.fail(error._tag)
      assert.deepStrictEqual(error.missing.map(({ blocks }) => blocks.length), [32])
      assert.strictEqual((yield* Effect.flip(read(at)))._tag, "FileNotCommitted")
      const stored = yield* files.upload(at, once())
      assert.deepStrictEqual(stored.transactions.map(({ part }) => part), ["commit"])
      assert.deepStrictEqual(yield* read(at), Buffer.from(randomBytes(300)))
    }))

  it.effect("an upload with other bytes does not go on with one that was begun", () =>
    Effect.gen(function*() {
      const files = yield* Files
      const at = { bucketName, name: "changed" }
      yield* Effect.flip(
        withFaults(
          { fills: { hold: true } },
          files.upload(
            at,
            (async function*() {
              yield randomBytes(300, "one")
            })(),
            { fillTimeout: "500 millis" }
          )
        )
      )
      const error = yield* Effect.flip(files.upload(at, randomBytes(300, "two")))
      assert.include(error, { _tag: "SourceChanged", chunkIndex: 0 })
      const otherwise = yield* Effect.flip(files.upload(at, randomBytes(300, "one"), { coding: uncoded }))
      assert.include(otherwise, { _tag: "InvalidArgument", field: "options" })
      yield* files.delete(at)
      yield* files.upload(at, randomBytes(300, "two"))
      assert.deepStrictEqual(yield* read(at), Buffer.from(randomBytes(300, "two")))
    }))

  it.effect("a chain that takes blocks back costs nothing but time", () =>
    Effect.gen(function*() {
      const chain = yield* Chain
      for (
        const [n, isReached] of [
          ({ chunks }: UploadProgress) => chunks.added === 1,
          ({ blocks }: UploadProgress) => blocks.stored === 32,
          ({ blocks }: UploadProgress) => blocks.filled === 32
        ].entries()
      ) {
        const name = `reorganised ${n}`
        const bytes = randomBytes(4_000, name)
        const fiber = yield* uploading(name, bytes, isReached)
        yield* rpc("anvil_reorg", [3, []])
        const { id } = yield* Fiber.join(fiber)
        assert.deepStrictEqual(yield* eventsOf(id), { created: 1, chunks: 1, committed: 1 })
        assert.deepStrictEqual(yield* read({ bucketName, name }), Buffer.from(bytes))
      }
      assert.isAbove(yield* chain.blockNumber, 0)
    }))

  it.effect("a wallet that can't pay for all parts sends none", () =>
    Effect.gen(function*() {
      const { address } = yield* Wallet
      yield* (yield* Buckets).createBucket("poor")
      const count = (yield* Chain).transactionCount(address, "pending")
      const before = yield* count
      // Enough for one part, but not for all.
      yield* rpc("anvil_setBalance", [address, "0x2386f26fc1000"])
      const error = yield* Effect.flip((yield* Files).upload({ bucketName: "poor", name: "file" }, randomBytes(100)))
      assert.include(error, { _tag: "InsufficientFunds", address })
      assert.strictEqual(yield* count, before)
    }).pipe(Effect.provide(Layer.fresh(sdk({ privateKey: privateKeys.second })), { local: true })))

  it.effect("an upload that is given up can be deleted, and leaves its name", () =>
    Effect.gen(function*() {
      const files = yield* Files
      const name = "given up"
      const fiber = yield* uploading(name, randomBytes(2_000), ({ blocks }) => blocks.stored > 3)
      yield* Fiber.interrupt(fiber)
      const exit = yield* Fiber.await(fiber)
      if (Exit.isSuccess(exit)) return assert.fail("it was too late")
      yield* files.delete({ bucketName, name })
      yield* files.upload({ bucketName, name }, randomBytes(3_000))
      assert.deepStrictEqual(yield* read({ bucketName, name }), Buffer.from(randomBytes(3_000)))
    }))
})
