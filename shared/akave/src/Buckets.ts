// oxlint-disable max-lines -- all that can be done with buckets, with its types
/** Buckets of the storage network: created and deleted by transactions, read from the node or from the chain itself. */
import { Context, DateTime, Effect, Layer, Option, Schedule } from "effect"
import { isAddress, toUtf8Bytes, ZeroHash } from "ethers"
import { createBucketTopic, deleteBucketTopic, type ErrorName, storage } from "./Abi.ts"
import { AkaveNode, type BucketEntry, type BucketView } from "./AkaveNode.ts"
import { bucketId } from "./BucketId.ts"
import { Chain, type Receipt } from "./Chain.ts"
import { Encryption, namesOf } from "./Encryption.ts"
import type { SettleTimeout, TransactionReverted } from "./Errors.ts"
import {
  type BucketNotFound,
  type ContractError,
  InvalidArgument,
  type NodeError,
  RpcError,
  type TransactionRefused,
  type UnknownRevert
} from "./Errors.ts"
import { Sender, type SettleOptions } from "./Sender.ts"
import * as Turns from "./Turns.ts"
import { isWellFormed } from "./Unicode.ts"
import { type Prepared, Wallet } from "./Wallet.ts"

export type { SettleOptions } from "./Sender.ts"

export { bucketId } from "./BucketId.ts"

/** A bucket as the Storage contract has it. */
export interface OnChainBucket extends BucketView {
  /** With EIP-55's checksum. */
  readonly owner: string
}

/** The transaction that made a change, as it was mined. */
interface Change {
  readonly transactionHash: string
  readonly blockNumber: number
  /** Gas units. */
  readonly gasUsed: number
}

export interface CreatedBucket extends BucketView, Change {}

export interface DeletedBucket extends Change {
  /** 0x and 64 lower-case hex digits. */
  readonly id: string
  readonly name: string
}

export interface MinedTransaction {
  readonly hash: string
  readonly blockNumber: number
}

type Refusal = ContractError | UnknownRevert

/** Why a change of the wallet's buckets did not come about, or is not known to have come about. */
type ChangeError = InvalidArgument | Refusal | RpcError | TransactionRefused | TransactionReverted | SettleTimeout

/**
 * Whether a deletion was refused only because the owner's list of buckets has changed since it was prepared: the deletion
 * of a bucket moves the last one of the list to its place. Prepared anew, it may be taken.
 */
export const isIndexChanged = (refusal: Refusal): boolean =>
  refusal._tag === "ContractError" &&
  (refusal.name === "IndexMismatch" || (refusal.name === "Panic" && refusal.args?.[0] === outOfRange))

/** Solidity's number for an index beyond the end of an array. */
const outOfRange = 0x32n

export class Buckets extends Context.Service<Buckets, {
  /**
   * The transaction that creates a bucket for `from`, or why the contract would refuse it in the state of the latest block.
   * Nothing is sent. What waits to be mined is not looked at, so a second transaction for one bucket is not refused.
   */
  prepareCreate(of: {
    readonly name: string
    readonly from: string
  }): Effect.Effect<Prepared, InvalidArgument | Refusal | RpcError>
  /**
   * The transaction that deletes a bucket of `from`, or why the contract would refuse it after what waits to be mined, where
   * the node looks at that: a deletion that waits may move the bucket. Nothing is sent. It holds the bucket's place in the owner's list, so it is of use until the list changes: see {@link isIndexChanged}.
   */
  prepareDelete(of: {
    readonly name: string
    readonly from: string
  }): Effect.Effect<Prepared, InvalidArgument | Refusal | RpcError>
  /** Waits until a transaction is mined, and as deep as asked for. Trouble on the way is waited out until time is up. */
  settle(
    hash: string,
    options?: SettleOptions
  ): Effect.Effect<Receipt, TransactionReverted | SettleTimeout | RpcError>
  /** The bucket in the state after a block, the latest one by default. */
  onChain(of: {
    readonly name: string
    readonly owner: string
    readonly block?: number
  }): Effect.Effect<Option.Option<OnChainBucket>, InvalidArgument | Refusal | RpcError>
  /** The transaction that last created this bucket; none where there is none, or the chain's node does not look back far enough. */
  creationTransaction(bucketId: string): Effect.Effect<Option.Option<MinedTransaction>, RpcError>
  /** The transaction that last deleted this bucket; none as for {@link creationTransaction}. */
  deletionTransaction(bucketId: string): Effect.Effect<Option.Option<MinedTransaction>, RpcError>
  /** The id of the bucket that this transaction created; none where it created none, or reverted. */
  bucketIdOf(receipt: Pick<Receipt, "logs">): Option.Option<string>
  /**
   * Creates a bucket of the wallet and waits until it is mined. The contract's `BucketAlreadyExists` says that it was
   * there before. After any other error, {@link onChain} shows whether it came into being all the same.
   *
   * Calls of one process may overlap: their transactions get successive nonces and wait together. Those for one bucket go
   * one after the other, and each is first simulated on what waits to be mined, where the node can: so none is sent, and
   * paid for, that an earlier one of the wallet makes needless.
   */
  createBucket(
    name: string,
    options?: SettleOptions
  ): Effect.Effect<CreatedBucket, ChangeError>
  /**
   * Deletes a bucket of the wallet and waits until that is mined. The contract's `BucketNonexists` says that there was
   * none. After any other error, {@link onChain} shows whether it is gone all the same.
   *
   * Calls may overlap as those of {@link createBucket} do. Where others have changed the list of buckets meanwhile, the
   * deletion is sent again, and each transaction has the whole timeout.
   */
  deleteBucket(name: string, options?: SettleOptions): Effect.Effect<DeletedBucket, ChangeError>
  /** A bucket of the wallet, as the node returns it. Names are encrypted on the way to it where the reference `Encryption` says so. */
  viewBucket(name: string): Effect.Effect<BucketView, InvalidArgument | BucketNotFound | NodeError>
  /** One page of the wallet's buckets in the chain's order, the first 100 by default, empty beyond the end. */
  listBuckets(
    page?: { readonly offset?: number; readonly limit?: number }
  ): Effect.Effect<ReadonlyArray<BucketEntry>, InvalidArgument | NodeError>
}>()("@akave-async/sdk/Buckets") {
  static readonly layer: Layer.Layer<Buckets, never, AkaveNode | Chain | Wallet> = Layer.effect(
    Buckets,
    Effect.suspend(() => make)
  ).pipe(Layer.provide(Sender.layer))
}

/**
 * A deletion is prepared anew this often at most. A deletion that is mined moves one bucket, so of those that were prepared
 * on one list at least half succeed: of a thousand that meet, the last one is done at the tenth try. A node may report the
 * bucket's place in the latest block and simulate on what waits for the next one, so a further try is of use a block later.
 */
const indexTries = { times: 10, schedule: Schedule.jittered(Schedule.spaced("1 second")) }

/**
 * Gas units beyond what a call needs now, because what is mined before it can make it dearer. The first bucket of an owner
 * costs about 17,500 more than a further one, and a deletion up to 12,000 more where another bucket must be moved.
 */
const spareGas = 30_000n

// oxlint-disable-next-line max-lines-per-function -- its operations share one contract
const make = Effect.gen(function*() {
  const node = yield* AkaveNode
  const chain = yield* Chain
  const wallet = yield* Wallet
  const sender = yield* Sender
  const names = namesOf(yield* Encryption)

  const { chainId, storageAddress: to } = chain

  const prepare = (from: string, data: string, at: "latest" | "pending") =>
    Effect.map(
      chain.simulate({ from, to, data }, at),
      (gas): Prepared => ({ to, data, gasLimit: gas + spareGas, chainId })
    )

  const prepareCreateAt = Effect.fn("Buckets.prepareCreate")(
    function*({ from, name }: { readonly name: string; readonly from: string }, at: "latest" | "pending") {
      yield* checkName(name)
      yield* checkAddress("from", from)
      return yield* prepare(from, storage.encodeFunctionData("createBucket", [name]), at)
    }
  )
  const prepareCreate: Buckets["Service"]["prepareCreate"] = (of) => prepareCreateAt(of, "latest")

  /** What a view of the Storage contract returns. */
  const view = Effect.fnUntraced(
    function*(name: "getBucketByName" | "getBucketIndexByName", args: ReadonlyArray<unknown>, block?: number) {
      const answer = yield* chain.call({ to, data: storage.encodeFunctionData(name, args) }, block)
      return yield* Effect.try({
        try: () => storage.decodeFunctionResult(name, answer),
        catch: () => noStorage("eth_call", to)
      })
    }
  )

  const prepareDelete = Effect.fn("Buckets.prepareDelete")(
    function*({ from, name }: { readonly name: string; readonly from: string }) {
      yield* checkName(name)
      yield* checkAddress("from", from)
      // A bucket that is not there has index 0, and the contract itself then says that it is not there.
      const [index] = yield* view("getBucketIndexByName", [name, from.toLowerCase()])
      return yield* prepare(
        from,
        storage.encodeFunctionData("deleteBucket", [bucketId(name, from), name, index]),
        "pending"
      )
    },
    // A block may come between the two calls.
    Effect.retry({ times: 3, while: isListChanged })
  )

  const onChain = Effect.fn("Buckets.onChain")(
    function*({ block, name, owner }: { readonly name: string; readonly owner: string; readonly block?: number }) {
      yield* checkName(name)
      yield* checkAddress("owner", owner)
      const [bucket] = yield* view("getBucketByName", [name, owner.toLowerCase(), 0, 0], block)
      if (bucket.id === ZeroHash) return Option.none()
      const createdAt = DateTime.makeUnsafe(Number(bucket.createdAt) * 1_000)
      return Option.some<OnChainBucket>({ id: bucket.id, name: bucket.name, owner: bucket.owner, createdAt })
    }
  )

  const logOf = ({ logs }: Pick<Receipt, "logs">, topic: string) =>
    logs.find(({ address, topics }) => isSame(address, to) && topics[0] === topic)

  const lastTransaction = Effect.fnUntraced(function*(topic: string, bucketId: string) {
    const logs = yield* chain.logs({ address: to, topics: [topic, bucketId] })
    return Option.map(
      Option.fromUndefinedOr(logs.at(-1)),
      ({ blockNumber, transactionHash }): MinedTransaction => ({ hash: transactionHash, blockNumber })
    )
  })

  /** Carries a change out, of whose transaction the contract must have left a log of this topic. */
  const carryOut = Effect.fnUntraced(function*<E extends Failure>(
    prepare: Effect.Effect<Prepared, E>,
    done: ErrorName,
    topic: string,
    options: SettleOptions | undefined
  ) {
    const isDone = (error: E) => error._tag === "ContractError" && error.name === done
    const receipt = yield* sender.carryOut(prepare, isDone, options)
    return logOf(receipt, topic) === undefined ? yield* noStorage("eth_sendRawTransaction", to) : receipt
  })

  /** One after the other for each name: not all nodes simulate on what waits. */
  const inTurn = Turns.make()

  const createBucket = Effect.fn("Buckets.createBucket")(function*(name: string, options?: SettleOptions) {
    yield* checkName(name)
    const onWire = names.bucket(name)
    const prepared = prepareCreateAt({ name: onWire, from: wallet.address }, "pending")
    const { blockNumber, gasUsed, transactionHash } = yield* inTurn(
      onWire,
      carryOut(prepared, "BucketAlreadyExists", createBucketTopic, options)
    )
    // The contract takes the bucket's time from its block.
    const createdAt = yield* chain.blockTime(blockNumber)
    return { id: bucketId(onWire, wallet.address), name, createdAt, transactionHash, blockNumber, gasUsed }
  })

  const deleteBucket = Effect.fn("Buckets.deleteBucket")(function*(name: string, options?: SettleOptions) {
    yield* checkName(name)
    const onWire = names.bucket(name)
    const prepared = prepareDelete({ name: onWire, from: wallet.address })
    const { blockNumber, gasUsed, transactionHash } = yield* inTurn(
      onWire,
      Effect.retry(carryOut(prepared, "BucketNonexists", deleteBucketTopic, options), {
        ...indexTries,
        while: isListChanged
      })
    )
    return { id: bucketId(onWire, wallet.address), name, transactionHash, blockNumber, gasUsed }
  })

  const viewBucket = Effect.fn("Buckets.viewBucket")(function*(name: string) {
    yield* checkName(name)
    return { ...(yield* node.bucketView({ name: names.bucket(name), owner: wallet.address })), name }
  })

  const listBuckets = Effect.fn("Buckets.listBuckets")(
    function*({ limit = 100, offset = 0 }: { readonly offset?: number; readonly limit?: number } = {}) {
      if (!Number.isSafeInteger(offset) || offset < 0) {
        return yield* new InvalidArgument({ field: "offset", reason: "it must be a whole number, 0 or more" })
      }
      if (!Number.isInteger(limit) || limit < 1 || limit > maxPage) {
        return yield* new InvalidArgument({ field: "limit", reason: `it must be a whole number from 1 to ${maxPage}` })
      }
      const buckets = yield* node.bucketList({ owner: wallet.address, offset, limit })
      return buckets.map((bucket) => ({ ...bucket, name: names.plainBucket(bucket.name) }))
    }
  )

  return Buckets.of({
    prepareCreate,
    prepareDelete,
    settle: sender.settle,
    onChain,
    creationTransaction: Effect.fn("Buckets.creationTransaction")((bucketId) =>
      lastTransaction(createBucketTopic, bucketId)
    ),
    deletionTransaction: Effect.fn("Buckets.deletionTransaction")((bucketId) =>
      lastTransaction(deleteBucketTopic, bucketId)
    ),
    bucketIdOf: (receipt) => Option.fromUndefinedOr(logOf(receipt, createBucketTopic)?.topics[1]),
    createBucket,
    deleteBucket,
    viewBucket,
    listBuckets
  })
})

/** Buckets in a page at most. */
const maxPage = 1_000

/** Bytes of a name at most; the contract itself has no limit but the gas of a block. */
const maxNameBytes = 1_024

/** Akave's own clients take no name below 3 characters either. */
const checkName = Effect.fnUntraced(function*(name: string) {
  const refuse = (reason: string) => new InvalidArgument({ field: "name", reason })
  if (!isWellFormed(name)) return yield* refuse("a bucket name must be valid Unicode")
  if ([...name].length < 3) return yield* refuse("a bucket name has at least 3 characters")
  if (toUtf8Bytes(name).length > maxNameBytes) {
    return yield* refuse(`a bucket name has at most ${maxNameBytes} bytes in UTF-8`)
  }
})

const checkAddress = (field: string, address: string): Effect.Effect<void, InvalidArgument> =>
  isAddress(address)
    ? Effect.void
    : Effect.fail(new InvalidArgument({ field, reason: "it must be an address: 0x and 40 hex digits" }))

/** A call to an address without code succeeds and does nothing. */
const noStorage = (method: string, address: string): RpcError =>
  new RpcError({ method, code: "BAD_DATA", details: `there is no Storage contract at ${address} on this chain` })

const isSame = (address: string, other: string): boolean => address.toLowerCase() === other.toLowerCase()

interface Failure {
  readonly _tag: string
  readonly name?: unknown
}

/** The contract refused a deletion for the place that it names, before it was sent or when it was mined. */
export const isListChanged = (error: ChangeError): boolean => {
  const refusal = error._tag === "TransactionReverted" ? error.cause : error
  return (refusal?._tag === "ContractError" || refusal?._tag === "UnknownRevert") && isIndexChanged(refusal)
}
