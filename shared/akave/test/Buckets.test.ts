import { assert, describe, it } from "@effect/vitest"
import { Context, DateTime, Effect, Fiber, Layer, Option, Redacted } from "effect"
import { TestClock } from "effect/testing"
import { id, Transaction } from "ethers"
import { createBucketTopic, deleteBucketTopic, storage } from "../src/Abi.ts"
import { AkaveNode } from "../src/AkaveNode.ts"
import { bucketId, Buckets, isIndexChanged } from "../src/Buckets.ts"
import { Chain } from "../src/Chain.ts"
import { ContractError, type RefusalReason, RpcError, TransactionRefused, UnknownRevert } from "../src/Errors.ts"
import { Wallet } from "../src/Wallet.ts"

it.each([
  [
    "my-bucket",
    "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266",
    "a1d6970fbfcf02a0e7e25a720385007de3f56157f22707f211435459671aeb80"
  ],
  [
    "test1",
    "0xd25d1b870ec0162ebf0acf173f47b738ff0cb421",
    "7d8b15e57405638fe772de6bb73b94345deb1f41fa1850654bc1f587a5a6afa7"
  ]
])("the id of %s of %s is known beforehand", (name, owner, expected) => {
  assert.strictEqual(bucketId(name, owner), `0x${expected}`)
  assert.strictEqual(bucketId(name, owner.toLowerCase()), `0x${expected}`)
  assert.strictEqual(bucketId(name, `0x${owner.slice(2).toUpperCase()}`), `0x${expected}`)
})

it("differs by owner and by name", () => {
  const owner = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"
  assert.notStrictEqual(
    bucketId("my-bucket", owner),
    bucketId("my-bucket", "0xd25d1b870ec0162ebf0acf173f47b738ff0cb421")
  )
  assert.notStrictEqual(bucketId("my-bucket", owner), bucketId("My-bucket", owner))
})

it("calls the functions and reads the logs that the contract has", () => {
  assert.strictEqual(storage.getFunction("createBucket")?.selector, "0xe3f787e8")
  assert.strictEqual(storage.getFunction("getBucketByName")?.selector, "0xf83533d2")
  assert.strictEqual(storage.getFunction("deleteBucket")?.selector, "0xfd1d3c0c")
  assert.strictEqual(storage.getFunction("getBucketIndexByName")?.selector, "0x287e677f")
  assert.strictEqual(createBucketTopic, id("CreateBucket(bytes32,string,address)"))
  assert.match(createBucketTopic, /^0xb8be57bc/)
  assert.strictEqual(deleteBucketTopic, id("DeleteBucket(bytes32,string,address)"))
  assert.match(deleteBucketTopic, /^0xeda2cc8e/)
})

// A public development key: the first of every Anvil chain.
const privateKey = Redacted.make("ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80")
const storageAddress = "0x5FbDB2315678afecb367f032d93F642f64180aa3"
const exists = new ContractError({ name: "BucketAlreadyExists", selector: "0x497ef2c2" })
const missing = new ContractError({ name: "BucketNonexists", selector: "0x938a92b7" })
const mismatch = new ContractError({ name: "IndexMismatch", selector: "0x37c7f255" })
const panic = (code: bigint) => new ContractError({ name: "Panic", selector: "0x4e487b71", args: [code] })
const refused = (reason: RefusalReason) => Effect.fail(new TransactionRefused({ reason, message: reason }))
const lost = Effect.fail(new RpcError({ method: "eth_sendRawTransaction", code: "ECONNRESET", details: "lost" }))

interface Pool {
  /** What is answered to each transaction that is sent, in turn; then all are accepted. */
  readonly answers?: Array<Effect.Effect<"accepted", TransactionRefused | RpcError>>
  /** The first transaction is mined, whatever was answered: at once, or so late that only its receipt reports. */
  readonly firstIsMined?: "at once" | "late"
  /** How many calls are simulated before the contract says that it is done: the bucket exists, or is gone. */
  readonly undoneFor?: number
  /** Why the first transactions revert when they are mined, in turn. */
  readonly reverts?: ReadonlyArray<ContractError | UnknownRevert>
}

const isDeletion = (data: string) => data.startsWith(storage.getFunction("deleteBucket")?.selector ?? "none")

/**
 * Buckets on a chain that answers as reported, mines what it accepts at once, and always says that the next nonce is 5. A
 * bucket has another place in the owner's list each time: 0, 1 and so on.
 */
const reported = Effect.fnUntraced(function*({ answers = [], firstIsMined, reverts = [], undoneFor = Infinity }: Pool) {
  const sent: Array<{ readonly raw: string; readonly hash: string; readonly nonce: number; readonly data: string }> = []
  const dataOf = (hash: string) => sent.find((transaction) => transaction.hash === hash)?.data ?? "0x"
  const revertOf = (hash: string) => reverts[sent.findIndex((transaction) => transaction.hash === hash)]
  let places = 0
  const mined = new Set<string>()
  let simulated = 0
  const isKnown = (hash: string) => mined.has(hash) || (firstIsMined === "at once" && sent[0]?.hash === hash)
  const isMined = (hash: string) => isKnown(hash) || (firstIsMined === "late" && sent[0]?.hash === hash)
  const chain = Layer.mock(Chain, {
    chainId: 31_337n,
    storageAddress,
    accessAddress: storageAddress,
    fees: Effect.succeed({ maxFeePerGas: 3n, maxPriorityFeePerGas: 1n }),
    call: () => Effect.sync(() => storage.encodeFunctionResult("getBucketIndexByName", [places++, true])),
    simulate: ({ data }) => {
      if (simulated++ < undoneFor) return Effect.succeed(180_000n)
      return Effect.fail(isDeletion(data) ? missing : exists)
    },
    transactionCount: () => Effect.succeed(5),
    send: (raw) =>
      Effect.suspend(() => {
        const { data, hash, nonce } = Transaction.from(raw)
        sent.push({ raw, hash: hash ?? "", nonce, data })
        return Effect.tap(answers.shift() ?? Effect.succeed("accepted" as const), () =>
          Effect.sync(() => mined.add(hash ?? "")))
      }),
    transactionKnown: (hash) => Effect.sync(() => isKnown(hash)),
    receipt: (transactionHash) =>
      Effect.sync(() =>
        isMined(transactionHash)
          ? Option.some({
            transactionHash,
            blockNumber: 7,
            blockHash: transactionHash,
            status: revertOf(transactionHash) === undefined ? "success" as const : "reverted" as const,
            gasUsed: 150_000,
            from: storageAddress,
            to: storageAddress,
            logs: [{
              address: storageAddress.toLowerCase(),
              topics: [isDeletion(dataOf(transactionHash)) ? deleteBucketTopic : createBucketTopic, id("bucket")],
              data: "0x",
              transactionHash,
              blockNumber: 7
            }]
          })
          : Option.none()
      ),
    explainRevert: ({ transactionHash }) =>
      Effect.succeed(revertOf(transactionHash) ?? new UnknownRevert({ data: "0x" })),
    blockTime: () => Effect.succeed(DateTime.makeUnsafe(0))
  })
  const services = yield* Layer.build(
    Buckets.layer.pipe(
      Layer.provide([chain, Wallet.layer(privateKey), Layer.mock(AkaveNode, { address: "127.0.0.1:5500" })])
    )
  )
  return { buckets: Context.get(services, Buckets), sent }
})

it.live("sends the same bytes again when an answer is lost", () =>
  Effect.gen(function*() {
    const { buckets, sent } = yield* reported({ answers: [lost, lost] })
    const { transactionHash } = yield* buckets.createBucket("my-bucket")
    assert.strictEqual(new Set(sent.map(({ raw }) => raw)).size, 1)
    assert.lengthOf(sent, 3)
    assert.strictEqual(transactionHash, sent[0]?.hash)
  }))

it.live("does not send anew what is refused because it was mined", () =>
  Effect.gen(function*() {
    const { buckets, sent } = yield* reported({ answers: [lost, refused("nonce_too_low")], firstIsMined: "at once" })
    const { transactionHash } = yield* buckets.createBucket("my-bucket")
    assert.deepStrictEqual(sent.map(({ hash }) => hash), [transactionHash, transactionHash])
  }))

it.live("finds its own transaction where the next try meets the bucket", () =>
  Effect.gen(function*() {
    const answers = [lost, refused("nonce_too_low")]
    const { buckets, sent } = yield* reported({ answers, firstIsMined: "late", undoneFor: 1 })
    const { transactionHash } = yield* buckets.createBucket("my-bucket")
    assert.deepStrictEqual(sent.map(({ hash }) => hash), [transactionHash, transactionHash])
  }))

it.live("does not take another's bucket for its own", () =>
  Effect.gen(function*() {
    const { buckets, sent } = yield* reported({ answers: [refused("nonce_too_low")], undoneFor: 1 })
    assert.strictEqual(yield* Effect.flip(buckets.createBucket("my-bucket")), exists)
    assert.lengthOf(sent, 1)
  }))

it.live.each(["nonce_too_low", "replacement_underpriced"] as const)(
  "takes the next nonce after %s",
  (reason) =>
    Effect.gen(function*() {
      const { buckets, sent } = yield* reported({ answers: [refused(reason), refused(reason)] })
      yield* buckets.createBucket("my-bucket")
      assert.deepStrictEqual(sent.map(({ nonce }) => nonce), [5, 6, 7])
    })
)

it.live("goes back to the chain's own count after a gap", () =>
  Effect.gen(function*() {
    const { buckets, sent } = yield* reported({ answers: [refused("nonce_too_low"), refused("nonce_too_high")] })
    yield* buckets.createBucket("my-bucket")
    assert.deepStrictEqual(sent.map(({ nonce }) => nonce), [5, 6, 5])
  }))

it.live("gives up on a nonce after six tries", () =>
  Effect.gen(function*() {
    const { buckets, sent } = yield* reported({ answers: Array.from({ length: 9 }, () => refused("nonce_too_low")) })
    const error = yield* Effect.flip(buckets.createBucket("my-bucket"))
    assert.include(error, { _tag: "TransactionRefused", reason: "nonce_too_low" })
    assert.lengthOf(sent, 6)
  }))

it.live.each(["insufficient_funds", "underpriced", "gas_limit", "fee_below_base_fee", "other"] as const)(
  "does not try again after %s",
  (reason) =>
    Effect.gen(function*() {
      const { buckets, sent } = yield* reported({ answers: [refused(reason)] })
      assert.include(yield* Effect.flip(buckets.createBucket("my-bucket")), { reason })
      assert.lengthOf(sent, 1)
    })
)

describe("a deletion", () => {
  const placesIn = (sent: ReadonlyArray<{ readonly data: string }>) =>
    sent.map(({ data }) => Number(storage.decodeFunctionData("deleteBucket", data)[2]))

  it.live("names the bucket by id and name, with its place in the owner's list and gas to spare", () =>
    Effect.gen(function*() {
      const { buckets, sent } = yield* reported({})
      const deleted = yield* buckets.deleteBucket("my-bucket")
      const { data, from, gasLimit } = Transaction.from(sent[0]?.raw ?? "")
      const id = bucketId("my-bucket", from ?? "")
      assert.deepStrictEqual([...storage.decodeFunctionData("deleteBucket", data)], [id, "my-bucket", 0n])
      assert.isAbove(Number(gasLimit), 180_000)
      const transactionHash = sent[0]?.hash ?? ""
      assert.deepStrictEqual(deleted, { id, name: "my-bucket", transactionHash, blockNumber: 7, gasUsed: 150_000 })
    }))

  it.effect("is sent again with a fresh place when others have changed the list", () =>
    Effect.gen(function*() {
      const { buckets, sent } = yield* reported({ reverts: [mismatch, panic(0x32n)] })
      const deleting = yield* Effect.forkChild(buckets.deleteBucket("my-bucket"))
      yield* TestClock.adjust("5 seconds")
      const { transactionHash } = yield* Fiber.join(deleting)
      assert.deepStrictEqual(placesIn(sent), [0, 1, 2])
      assert.strictEqual(transactionHash, sent[2]?.hash)
    }))

  it.live.each([panic(0x11n), missing, new UnknownRevert({ data: "0x" })])(
    "is not sent again where the chain says no in another way",
    (revert) =>
      Effect.gen(function*() {
        const { buckets, sent } = yield* reported({ reverts: [revert, revert] })
        assert.deepInclude(yield* Effect.flip(buckets.deleteBucket("my-bucket")), { cause: revert })
        assert.lengthOf(sent, 1)
      })
  )

  it.effect("is given up when the list changes under eleven tries", () =>
    Effect.gen(function*() {
      const { buckets, sent } = yield* reported({ reverts: Array.from({ length: 20 }, () => mismatch) })
      const deleting = yield* Effect.forkChild(Effect.flip(buckets.deleteBucket("my-bucket")))
      yield* TestClock.adjust("30 seconds")
      assert.deepInclude(yield* Fiber.join(deleting), { cause: mismatch })
      assert.lengthOf(sent, 11)
    }))

  it.live("finds its own transaction where the next try meets no bucket", () =>
    Effect.gen(function*() {
      const answers = [lost, refused("nonce_too_low")]
      const { buckets, sent } = yield* reported({ answers, firstIsMined: "late", undoneFor: 1 })
      const { transactionHash } = yield* buckets.deleteBucket("my-bucket")
      assert.deepStrictEqual(sent.map(({ hash }) => hash), [transactionHash, transactionHash])
    }))

  it.live("of a bucket that is gone sends nothing", () =>
    Effect.gen(function*() {
      const { buckets, sent } = yield* reported({ undoneFor: 0 })
      assert.strictEqual(yield* Effect.flip(buckets.deleteBucket("my-bucket")), missing)
      assert.lengthOf(sent, 0)
    }))

  it("is only out of place where the contract says so", () => {
    assert.isTrue(isIndexChanged(mismatch))
    assert.isTrue(isIndexChanged(panic(0x32n)))
    for (const other of [panic(0x11n), missing, exists, new UnknownRevert({ data: "0x4e487b71" })]) {
      assert.isFalse(isIndexChanged(other))
    }
  })
})
