import { assert, it, layer } from "@effect/vitest"
import { Context, Effect, Exit, Layer, Option, Redacted, Result } from "effect"
import { AkaveNode } from "../src/AkaveNode.ts"
import { bucketId, Buckets, isIndexChanged } from "../src/Buckets.ts"
import { Chain } from "../src/Chain.ts"
import { connect } from "../src/Client.ts"
import { Wallet } from "../src/Wallet.ts"
import { Devnet, privateKeys } from "./devnet.ts"

const Network = Layer.unwrap(Effect.gen(function*() {
  const { nodeAddress } = yield* Devnet
  return Chain.layer().pipe(Layer.provideMerge(AkaveNode.layer({ address: nodeAddress })))
}))

const bucketsOf = (privateKey: string) =>
  Buckets.layer.pipe(Layer.provideMerge(Wallet.layer(Redacted.make(privateKey))), Layer.provideMerge(Network))

const Sdk = bucketsOf(privateKeys.first).pipe(Layer.provideMerge(Devnet.layer))

const unfunded = `${"0".repeat(63)}7`

layer(Sdk, { timeout: 120_000, excludeTestServices: true })("on a chain", (it) => {
  it.effect("creates a bucket that node and chain then show", () =>
    Effect.gen(function*() {
      const buckets = yield* Buckets
      const { address: owner } = yield* Wallet
      const created = yield* buckets.createBucket("first-bucket")
      const { createdAt, id, name } = created
      assert.strictEqual(id, bucketId("first-bucket", owner))
      assert.deepStrictEqual(yield* buckets.viewBucket("first-bucket"), { id, name, createdAt })
      assert.deepStrictEqual(yield* buckets.onChain({ name, owner }), Option.some({ id, name, createdAt, owner }))
      assert.deepStrictEqual(
        yield* buckets.creationTransaction(id),
        Option.some({ hash: created.transactionHash, blockNumber: created.blockNumber })
      )
      const receipt = yield* buckets.settle(created.transactionHash)
      assert.deepStrictEqual(buckets.bucketIdOf(receipt), Option.some(id))
      const ofBlock = yield* (yield* Chain).blockReceipts(created.blockNumber)
      assert.deepStrictEqual(ofBlock, [receipt])
    }))

  it.effect("refuses a second bucket of one name before anything is sent", () =>
    Effect.gen(function*() {
      const buckets = yield* Buckets
      const chain = yield* Chain
      const { address } = yield* Wallet
      yield* buckets.createBucket("second-bucket")
      const before = yield* chain.transactionCount(address, "pending")
      const error = yield* Effect.flip(buckets.createBucket("second-bucket"))
      assert.include(error, { _tag: "ContractError", name: "BucketAlreadyExists" })
      assert.strictEqual(yield* chain.transactionCount(address, "pending"), before)
    }))

  it.effect("knows nothing of a bucket that is not there", () =>
    Effect.gen(function*() {
      const buckets = yield* Buckets
      const { address: owner } = yield* Wallet
      assert.isTrue(Option.isNone(yield* buckets.onChain({ name: "no-bucket", owner })))
      assert.isTrue(Option.isNone(yield* buckets.creationTransaction(bucketId("no-bucket", owner))))
      assert.include(yield* Effect.flip(buckets.viewBucket("no-bucket")), { _tag: "BucketNotFound", owner })
    }))

  it.effect("deletes a bucket that node and chain then know no more, and creates it again", () =>
    Effect.gen(function*() {
      const buckets = yield* Buckets
      const { address: owner } = yield* Wallet
      const name = "short-lived"
      const created = yield* buckets.createBucket(name)
      const { id } = created
      assert.isTrue(Option.isNone(yield* buckets.deletionTransaction(id)))
      const deleted = yield* buckets.deleteBucket(name)
      assert.include(deleted, { id, name })
      assert.isAbove(deleted.gasUsed, 21_000)
      assert.isTrue(Option.isNone(yield* buckets.onChain({ name, owner })))
      assert.include(yield* Effect.flip(buckets.viewBucket(name)), { _tag: "BucketNotFound" })
      assert.deepStrictEqual(
        yield* buckets.deletionTransaction(id),
        Option.some({ hash: deleted.transactionHash, blockNumber: deleted.blockNumber })
      )
      assert.deepStrictEqual(
        yield* buckets.creationTransaction(id),
        Option.some({ hash: created.transactionHash, blockNumber: created.blockNumber })
      )
      const again = yield* buckets.createBucket(name)
      assert.isAbove(again.blockNumber, deleted.blockNumber)
      assert.deepStrictEqual(
        yield* buckets.creationTransaction(id),
        Option.some({ hash: again.transactionHash, blockNumber: again.blockNumber })
      )
    }))

  it.effect("refuses to delete a bucket that is not there before anything is sent", () =>
    Effect.gen(function*() {
      const buckets = yield* Buckets
      const chain = yield* Chain
      const { address } = yield* Wallet
      const before = yield* chain.transactionCount(address, "pending")
      const error = yield* Effect.flip(buckets.deleteBucket("never-there"))
      assert.include(error, { _tag: "ContractError", name: "BucketNonexists" })
      assert.strictEqual(yield* chain.transactionCount(address, "pending"), before)
    }))

  it.effect("deletes many buckets at once, though each deletion moves another bucket", () =>
    Effect.gen(function*() {
      const buckets = yield* Buckets
      const names = Array.from({ length: 12 }, (_, i) => `crowd-${i}`)
      yield* Effect.forEach(names, (name) => buckets.createBucket(name), { concurrency: "unbounded" })
      const deleted = yield* Effect.forEach(names, (name) => buckets.deleteBucket(name), { concurrency: "unbounded" })
      assert.deepStrictEqual(deleted.map(({ name }) => name), names)
      assert.strictEqual(new Set(deleted.map(({ transactionHash }) => transactionHash)).size, 12)
      const listed = yield* buckets.listBuckets({ limit: 1_000 })
      assert.notIncludeMembers(listed.map(({ name }) => name), names)
    }))

  it.effect("reports why one of two deletions that name one end of the list was reverted", () =>
    Effect.gen(function*() {
      const buckets = yield* Buckets
      const chain = yield* Chain
      const wallet = yield* Wallet
      const from = wallet.address
      for (const name of ["next-to-last", "the-last"]) yield* buckets.createBucket(name)
      const before = yield* buckets.prepareDelete({ name: "next-to-last", from })
      const last = yield* buckets.prepareDelete({ name: "the-last", from })
      const fees = yield* chain.fees
      const nonce = yield* chain.transactionCount(from, "pending")
      const first = yield* wallet.sign(before, { nonce, fees })
      const second = yield* wallet.sign(last, { nonce: nonce + 1, fees })
      yield* chain.send(first.raw)
      yield* chain.send(second.raw)
      yield* buckets.settle(first.hash)
      const error = yield* Effect.flip(buckets.settle(second.hash))
      // The last bucket took the place of the first that was deleted, and its own place is gone.
      assert.isTrue(error._tag === "TransactionReverted" && error.cause !== undefined && isIndexChanged(error.cause))
      const late = { from, to: last.to, data: last.data }
      assert.isTrue(
        yield* Effect.flip(chain.simulate(late)).pipe(
          Effect.map((refusal) => refusal._tag === "ContractError" && isIndexChanged(refusal))
        )
      )
      // A bucket that has come to stand in that place is not deleted in its stead.
      yield* buckets.createBucket("a-newcomer")
      assert.include(yield* Effect.flip(chain.simulate(late)), { _tag: "ContractError", name: "IndexMismatch" })
      yield* buckets.deleteBucket("the-last")
    }))

  it.effect("leaves gas for what other transactions make dearer", () =>
    Effect.gen(function*() {
      const buckets = Context.get(yield* Layer.build(Layer.fresh(bucketsOf(privateKeys.second))), Buckets)
      const chain = yield* Chain
      const wallet = Context.get(
        yield* Layer.build(Wallet.layer(Redacted.make(privateKeys.second))),
        Wallet
      )
      const from = wallet.address
      yield* buckets.createBucket("the-only-one")
      // A deletion is dearer where a bucket follows, and a bucket where it is the owner's first.
      const calls = [
        yield* buckets.prepareCreate({ name: "a-follower", from }),
        yield* buckets.prepareDelete({ name: "the-only-one", from })
      ]
      const fees = yield* chain.fees
      const nonce = yield* chain.transactionCount(from, "pending")
      const follow = yield* Effect.forEach(calls, (call, n) => wallet.sign(call, { nonce: nonce + n, fees }))
      for (const { raw } of follow) yield* chain.send(raw)
      yield* Effect.forEach(follow, ({ hash }) => buckets.settle(hash), { concurrency: 2 })

      const swap = [
        yield* buckets.prepareDelete({ name: "a-follower", from }),
        yield* buckets.prepareCreate({ name: "the-first-again", from })
      ]
      const signed = yield* Effect.forEach(swap, (call, n) => wallet.sign(call, { nonce: nonce + 2 + n, fees }))
      for (const { raw } of signed) yield* chain.send(raw)
      yield* Effect.forEach(signed, ({ hash }) => buckets.settle(hash), { concurrency: 2 })
      yield* buckets.deleteBucket("the-first-again")
    }))

  it.effect("gives calls that overlap successive nonces", () =>
    Effect.gen(function*() {
      const buckets = yield* Buckets
      const chain = yield* Chain
      const { address } = yield* Wallet
      const before = yield* chain.transactionCount(address, "latest")
      const names = Array.from({ length: 20 }, (_, i) => `many-${i}`)
      const created = yield* Effect.forEach(names, (name) => buckets.createBucket(name), { concurrency: "unbounded" })
      assert.deepStrictEqual(created.map(({ name }) => name), names)
      assert.strictEqual(new Set(created.map(({ transactionHash }) => transactionHash)).size, 20)
      assert.strictEqual(yield* chain.transactionCount(address, "latest"), before + 20)
      const listed = yield* buckets.listBuckets({ limit: 1_000 })
      assert.includeMembers(listed.map(({ name }) => name), names)
      assert.lengthOf(yield* buckets.listBuckets({ offset: 1, limit: 2 }), 2)
      assert.deepStrictEqual(yield* buckets.listBuckets({ offset: 100_000 }), [])
    }))

  it.effect("sends one transaction where two calls that overlap ask for one bucket", () =>
    Effect.gen(function*() {
      const buckets = yield* Buckets
      const chain = yield* Chain
      const { address } = yield* Wallet
      const before = yield* chain.transactionCount(address, "latest")
      const name = "asked-for-twice"
      const outcomes = yield* Effect.all(
        [buckets.createBucket(name), buckets.createBucket(name)].map((one) => Effect.result(one)),
        { concurrency: 2 }
      )
      assert.lengthOf(outcomes.filter(Result.isSuccess), 1)
      for (const outcome of outcomes.filter(Result.isFailure)) {
        assert.include(outcome.failure, { _tag: "ContractError", name: "BucketAlreadyExists" })
      }
      yield* Effect.all([buckets.deleteBucket(name), Effect.flip(buckets.deleteBucket(name))], { concurrency: 2 })
      assert.strictEqual(yield* chain.transactionCount(address, "latest"), before + 2)
    }))

  it.effect("shares one key between two programs", () =>
    Effect.gen(function*() {
      const mine = yield* Buckets
      const other = Context.get(yield* Layer.build(Layer.fresh(bucketsOf(privateKeys.first))), Buckets)
      const created = yield* Effect.forEach(
        [mine, other, mine, other],
        (buckets, i) => buckets.createBucket(`shared-${i}`),
        { concurrency: "unbounded" }
      )
      assert.strictEqual(new Set(created.map(({ transactionHash }) => transactionHash)).size, 4)
    }))

  it.effect("lets one of two calls for one name win, and reports to the other why it was reverted", () =>
    Effect.gen(function*() {
      const buckets = yield* Buckets
      const chain = yield* Chain
      const wallet = yield* Wallet
      const prepared = yield* buckets.prepareCreate({ name: "wanted-twice", from: wallet.address })
      const fees = yield* chain.fees
      const nonce = yield* chain.transactionCount(wallet.address, "pending")
      const first = yield* wallet.sign(prepared, { nonce, fees })
      const second = yield* wallet.sign(prepared, { nonce: nonce + 1, fees })
      assert.strictEqual(yield* chain.send(first.raw), "accepted")
      assert.strictEqual(yield* chain.send(second.raw), "accepted")
      assert.strictEqual(yield* chain.send(second.raw), "already_known")
      assert.isTrue(yield* chain.transactionKnown(second.hash))
      const receipt = yield* buckets.settle(first.hash, { confirmations: 2 })
      assert.isAtLeast(yield* chain.blockNumber, receipt.blockNumber + 1)
      const error = yield* Effect.flip(buckets.settle(second.hash))
      assert.strictEqual(error._tag, "TransactionReverted")
      if (error._tag === "TransactionReverted") {
        assert.include(error.cause, { _tag: "ContractError", name: "BucketAlreadyExists" })
        assert.strictEqual(error.transactionHash, second.hash)
      }
      assert.include(yield* Effect.flip(chain.send(first.raw)), { _tag: "TransactionRefused", reason: "nonce_too_low" })
    }))

  it.effect("reports why the chain refuses a transaction", () =>
    Effect.gen(function*() {
      const buckets = yield* Buckets
      const chain = yield* Chain
      const wallet = yield* Wallet
      const prepared = yield* buckets.prepareCreate({ name: "never-created", from: wallet.address })
      const fees = yield* chain.fees
      const nonce = yield* chain.transactionCount(wallet.address, "pending")
      const sent = (change: Partial<typeof prepared>, offer = fees) =>
        wallet.sign({ ...prepared, ...change }, { nonce, fees: offer }).pipe(
          Effect.flatMap(({ raw }) => Effect.flip(chain.send(raw)))
        )
      assert.include(yield* sent({ gasLimit: 1_000_000_000n }), { reason: "gas_limit" })
      assert.include(yield* sent({ chainId: 1n }), { reason: "other" })
      assert.include(yield* sent({}, { maxFeePerGas: 1n, maxPriorityFeePerGas: 1n }), { reason: "fee_below_base_fee" })

      const waiting = yield* wallet.sign(
        { to: wallet.address, data: "0x", gasLimit: 21_000n, chainId: chain.chainId },
        {
          nonce: nonce + 1,
          fees
        }
      )
      assert.strictEqual(yield* chain.send(waiting.raw), "accepted")
      const rival = yield* wallet.sign(prepared, { nonce: nonce + 1, fees })
      assert.include(yield* Effect.flip(chain.send(rival.raw)), { reason: "replacement_underpriced" })
      // Fills the gap, so that the account is free again.
      const filler = yield* wallet.sign({ to: wallet.address, data: "0x", gasLimit: 21_000n, chainId: chain.chainId }, {
        nonce,
        fees
      })
      yield* chain.send(filler.raw)
      yield* buckets.settle(waiting.hash)
    }))

  it.effect("reports a wallet without money", () =>
    Effect.gen(function*() {
      const buckets = Context.get(yield* Layer.build(Layer.fresh(bucketsOf(unfunded))), Buckets)
      const error = yield* Effect.flip(buckets.createBucket("too-poor"))
      assert.include(error, { _tag: "TransactionRefused", reason: "insufficient_funds" })
    }))

  it.effect("gives up on a transaction that nobody sent", () =>
    Effect.gen(function*() {
      const transactionHash = `0x${"12".repeat(32)}`
      const error = yield* Effect.flip((yield* Buckets).settle(transactionHash, { timeout: "300 millis" }))
      assert.include(error, { _tag: "SettleTimeout", transactionHash })
      assert.isTrue(Option.isNone(yield* (yield* Chain).receipt(transactionHash)))
      assert.isFalse(yield* (yield* Chain).transactionKnown(transactionHash))
    }))

  it.effect("takes names that the contract takes", () =>
    Effect.gen(function*() {
      const buckets = yield* Buckets
      const created = yield* buckets.createBucket("Größe 📦")
      assert.strictEqual((yield* buckets.viewBucket("Größe 📦")).id, created.id)
    }))

  it.effect.each(["", "ab", "📦📦", "\ud800abc", "x".repeat(1_025), "é".repeat(513)])(
    "refuses a bad name",
    (name) =>
      Effect.gen(function*() {
        const buckets = yield* Buckets
        const { address } = yield* Wallet
        const refusals = yield* Effect.all([
          Effect.flip(buckets.createBucket(name)),
          Effect.flip(buckets.viewBucket(name)),
          Effect.flip(buckets.prepareCreate({ name, from: address })),
          Effect.flip(buckets.deleteBucket(name)),
          Effect.flip(buckets.prepareDelete({ name, from: address })),
          Effect.flip(buckets.onChain({ name, owner: address }))
        ])
        for (const error of refusals) assert.include(error, { _tag: "InvalidArgument", field: "name" })
      })
  )

  it.effect.each([{ offset: -1 }, { offset: 0.5 }, { limit: 0 }, { limit: 1_001 }, { limit: NaN }])(
    "refuses a bad page",
    (page) =>
      Effect.gen(function*() {
        assert.include(yield* Effect.flip((yield* Buckets).listBuckets(page)), { _tag: "InvalidArgument" })
      })
  )

  it.effect("serves programs that use promises", () =>
    Effect.gen(function*() {
      const { nodeAddress, rpcUrl } = yield* Devnet
      yield* Effect.promise(async () => {
        await using akave = await connect({ nodeAddress, privateKey: privateKeys.second, rpcUrl })
        const { blockNumber, createdAt, gasUsed, id, name, transactionHash } = await akave.createBucket("by-promise")
        assert.match(transactionHash, /^0x[0-9a-f]{64}$/)
        assert.isAbove(blockNumber, 0)
        assert.isAbove(gasUsed, 21_000)
        assert.strictEqual(id, bucketId("by-promise", akave.address))
        assert.deepStrictEqual(await akave.viewBucket("by-promise"), { id, name, createdAt })
        assert.deepStrictEqual(await akave.listBuckets(), [{ name, createdAt }])
        const error: unknown = await akave.createBucket("by-promise").catch((error: unknown) => error)
        assert.include(error, { _tag: "ContractError", name: "BucketAlreadyExists" })
        assert.include(await akave.deleteBucket("by-promise"), { id, name })
        assert.deepStrictEqual(await akave.listBuckets(), [])
      })
    }))
})

it.live("rejects a connection that can't be made with a typed error", () =>
  Effect.gen(function*() {
    const nodeAddress = "http://127.0.0.1:5500"
    const exit = yield* Effect.exit(Effect.tryPromise({
      try: () => connect({ nodeAddress, privateKey: privateKeys.first }),
      catch: (error) => error
    }))
    assert.isTrue(Exit.isFailure(exit))
    const error = yield* Effect.flip(exit)
    assert.include(error, { _tag: "InvalidArgument", field: "node address" })
  }))
