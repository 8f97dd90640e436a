import * as Bucket from "@akave-async/domain/Bucket"
import { BucketName } from "@akave-async/domain/BucketName"
import { Address, BucketId, TransactionHash } from "@akave-async/domain/Ethereum"
import * as Job from "@akave-async/domain/Job"
import { bucketId, Buckets, type MinedTransaction } from "@akave-async/sdk/Buckets"
import { ContractError, RpcError, UnknownRevert } from "@akave-async/sdk/Errors"
import type { Prepared } from "@akave-async/sdk/Wallet"
import { assert, describe, it } from "@effect/vitest"
import { DateTime, Effect, Layer, Option, Struct } from "effect"
import type { Operation, Refusal } from "../../src/Operation.ts"
import * as BucketOperations from "../../src/operations/Bucket.ts"

const owner = Address.make("0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266")
const name = BucketName.make("my-bucket")
const id = BucketId.make(bucketId(name, owner))
const now = DateTime.makeUnsafe("2026-01-01T00:00:00.000Z")
const hashOf = (n: number) => TransactionHash.make(`0x${n.toString(16).padStart(64, "0")}`)
const refusal = (name: ContractError["name"], ...args: ReadonlyArray<bigint>) =>
  new ContractError({ name, selector: "0x00000000", args })
const bare = new UnknownRevert({ data: "0x" })
const away = new RpcError({ method: "eth_getLogs", code: "ECONNREFUSED", details: "the chain is away" })

type Name = keyof typeof Bucket.operations
const jobOf = (operation: Name): Bucket.BucketJob => ({
  id: Job.Id.make("019845e1-682f-7b02-a706-3b2422d13aec"),
  operation,
  request: { name },
  owner,
  status: "processing",
  attempts: 1,
  startedAt: now,
  attemptFailed: false,
  createdAt: now,
  updatedAt: now
})

type Last = Effect.Effect<Option.Option<MinedTransaction>, RpcError>
const none: Last = Effect.succeedNone
const last = (n: number, blockNumber: number): Last => Effect.succeedSome({ hash: hashOf(n), blockNumber })

const sdk = (of: Partial<Buckets["Service"]>) => Layer.mock(Buckets, { bucketIdOf: () => Option.none(), ...of })

/** What each operation asks of the SDK, and the refusal that means that there is nothing left to do. */
const operations = {
  "bucket.create": {
    done: "BucketAlreadyExists",
    world: (prepare: Effect.Effect<Prepared>, transaction: Last) =>
      sdk({ prepareCreate: () => prepare, creationTransaction: () => transaction })
  },
  "bucket.delete": {
    done: "BucketNonexists",
    world: (prepare: Effect.Effect<Prepared>, transaction: Last) =>
      sdk({ prepareDelete: () => prepare, deletionTransaction: () => transaction })
  }
} as const

describe.each(Struct.keys(Bucket.operations))("%s", (kind) => {
  const { done, world } = operations[kind]
  const job = jobOf(kind)
  const prepared: Prepared = { to: owner, data: "0x00", gasLimit: 1n, chainId: 31_337n }
  const operation = (transaction: Last = none): Effect.Effect<Operation> =>
    Effect.map(BucketOperations.make, (all) => all[kind]).pipe(
      Effect.provide(world(Effect.succeed(prepared), transaction))
    )
  const adopt = (transaction: Last, because: Refusal, own: ReadonlyArray<TransactionHash>, since: number) =>
    Effect.flatMap(operation(transaction), (operation) => operation.adopt(job, Job.whole, because, own, since))

  it.effect("is prepared by the SDK", () =>
    Effect.gen(function*() {
      assert.strictEqual(yield* (yield* operation()).prepare(job, Job.whole), prepared)
    }))

  it.effect("has the bucket's id in its result, beside how it was done", () =>
    Effect.gen(function*() {
      const mined = { transactionHash: hashOf(1), blockNumber: 9, gasUsed: 96_866, adopted: false }
      assert.deepStrictEqual(yield* (yield* operation()).result(job, mined), { bucketId: id, ...mined })
    }))

  it.effect("adopts what a transaction from elsewhere has done", () =>
    Effect.gen(function*() {
      const adopted = yield* adopt(last(1, 9), refusal(done), [hashOf(2)], 8)
      const result = { transactionHash: hashOf(1), blockNumber: 9, adopted: true }
      assert.deepStrictEqual(adopted, Option.some(result))
    }))

  it.effect("knows what any of its own transactions has done", () =>
    Effect.gen(function*() {
      const adopted = yield* adopt(last(1, 9), refusal(done), [hashOf(2), hashOf(1)], 8)
      assert.deepInclude(Option.getOrThrow(adopted), { transactionHash: hashOf(1), adopted: false })
    }))

  it.effect.each([[last(1, 8), 8], [last(1, 3), 8], [none, 8]] as const)(
    "takes a node for stale that shows nothing after what the log knows of",
    ([transaction, since]) =>
      Effect.gen(function*() {
        const error = yield* Effect.flip(adopt(transaction, refusal(done), [], since))
        assert.deepInclude(error, { _tag: "RpcError", code: "STALE", isRetryable: true })
      })
  )

  it.effect.each([refusal("BucketInvalidOwner"), refusal("BucketNonempty"), refusal("IndexMismatch"), bare])(
    "adopts nothing for another refusal",
    (other) =>
      Effect.gen(function*() {
        assert.isTrue(Option.isNone(yield* adopt(last(1, 9), other, [], 0)))
      })
  )

  it.effect("reports a chain that does not answer", () =>
    Effect.gen(function*() {
      assert.strictEqual(yield* Effect.flip(adopt(Effect.fail(away), refusal(done), [], 0)), away)
    }))
})

it.effect("adopts a bucket of which neither the log nor the chain's logs have", () =>
  Effect.gen(function*() {
    const all = yield* Effect.provide(BucketOperations.make, sdk({ creationTransaction: () => none }))
    const job = jobOf("bucket.create")
    const adopted = yield* all[job.operation].adopt(job, Job.whole, refusal("BucketAlreadyExists"), [], 0)
    assert.deepStrictEqual(adopted, Option.some({ adopted: true }))
  }))

it.effect("takes no node's word for it that a bucket is gone, without the log of its deletion", () =>
  Effect.gen(function*() {
    const all = yield* Effect.provide(BucketOperations.make, sdk({ deletionTransaction: () => none }))
    const job = jobOf("bucket.delete")
    const error = yield* Effect.flip(all[job.operation].adopt(job, Job.whole, refusal("BucketNonexists"), [], 0))
    assert.deepInclude(error, { _tag: "RpcError", code: "STALE" })
  }))

it.effect("waits out what other deletions of the same block do, and nothing else", () =>
  Effect.gen(function*() {
    const all = yield* Effect.provide(BucketOperations.make, sdk({}))
    const [creation, deletion] = [all["bucket.create"], all["bucket.delete"]]
    const passing = [refusal("IndexMismatch"), refusal("Panic", 0x32n)]
    const lasting = [refusal("Panic", 0x11n), refusal("BucketNonempty"), refusal("BucketNonexists"), bare]
    const judged = (operation: Operation, refusals: ReadonlyArray<Refusal>) =>
      Effect.forEach(refusals, (refusal) => operation.isTemporary(refusal, jobOf("bucket.delete")))
    assert.deepStrictEqual(yield* judged(deletion, passing), [true, true])
    assert.deepStrictEqual(yield* judged(deletion, lasting), [false, false, false, false])
    assert.notInclude(yield* judged(creation, [...passing, ...lasting]), true)
  }))
