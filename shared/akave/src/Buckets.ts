/** Buckets of the storage network: created by a transaction, read from the node or from the chain itself. */
import { Context, DateTime, Duration, Effect, Layer, Option, Schedule, Semaphore } from "effect"
import { concat, getBytes, isAddress, keccak256, toUtf8Bytes, ZeroHash } from "ethers"
import { createBucketTopic, storage } from "./Abi.ts"
import { AkaveNode, type BucketEntry, type BucketView } from "./AkaveNode.ts"
import { Chain, type Receipt } from "./Chain.ts"
import {
  type BucketNotFound,
  type ContractError,
  InvalidArgument,
  type NodeError,
  RpcError,
  SettleTimeout,
  type TransactionRefused,
  TransactionReverted,
  type UnknownRevert
} from "./Errors.ts"
import { transient } from "./Retry.ts"
import { type Prepared, type Signed, Wallet } from "./Wallet.ts"

/**
 * The id that the Storage contract gives a bucket: keccak256 of the name's UTF-8 bytes followed by the owner's 20 bytes,
 * as 0x and 64 lower-case hex digits. So it is known before the bucket exists.
 */
export const bucketId = (name: string, owner: string): string =>
  keccak256(concat([toUtf8Bytes(name), getBytes(owner.toLowerCase())]))

/** A bucket as the Storage contract has it. */
export interface OnChainBucket extends BucketView {
  /** With EIP-55's checksum. */
  readonly owner: string
}

export interface CreatedBucket extends BucketView {
  readonly transactionHash: string
  readonly blockNumber: number
  /** Gas units. */
  readonly gasUsed: number
}

export interface SettleOptions {
  /** Blocks that must hold the transaction or follow it; 1, the default, means that it is mined. */
  readonly confirmations?: number
  /** 2 minutes by default. */
  readonly timeout?: Duration.Input
}

type Refusal = ContractError | UnknownRevert

export class Buckets extends Context.Service<Buckets, {
  /** The transaction that creates a bucket for `from`, or why the contract would refuse it. Nothing is sent. */
  prepareCreate(of: {
    readonly name: string
    readonly from: string
  }): Effect.Effect<Prepared, InvalidArgument | Refusal | RpcError>
  /** Waits until a transaction is mined, and as deep as asked for. Trouble on the way is waited out until time is up. */
  settle(
    hash: string,
    options?: SettleOptions
  ): Effect.Effect<Receipt, TransactionReverted | SettleTimeout | RpcError>
  /** The bucket in the state of the latest block. */
  onChain(of: {
    readonly name: string
    readonly owner: string
  }): Effect.Effect<Option.Option<OnChainBucket>, InvalidArgument | Refusal | RpcError>
  /** The transaction that last created this bucket; none where there is none, or the chain's node does not look back far enough. */
  creationTransaction(
    bucketId: string
  ): Effect.Effect<Option.Option<{ readonly hash: string; readonly blockNumber: number }>, RpcError>
  /** The id of the bucket that this transaction created; none where it created none, or reverted. */
  bucketIdOf(receipt: Pick<Receipt, "logs">): Option.Option<string>
  /**
   * Creates a bucket of the wallet and waits until it is mined. The contract's `BucketAlreadyExists` says that it was
   * there before. After any other error, {@link onChain} tells whether it came into being all the same.
   *
   * Calls of one process may overlap: their transactions get successive nonces and wait together.
   */
  createBucket(
    name: string,
    options?: SettleOptions
  ): Effect.Effect<
    CreatedBucket,
    InvalidArgument | Refusal | RpcError | TransactionRefused | TransactionReverted | SettleTimeout
  >
  /** A bucket of the wallet, as the node tells it. */
  viewBucket(name: string): Effect.Effect<BucketView, InvalidArgument | BucketNotFound | NodeError>
  /** One page of the wallet's buckets in the chain's order, the first 100 by default, empty beyond the end. */
  listBuckets(
    page?: { readonly offset?: number; readonly limit?: number }
  ): Effect.Effect<ReadonlyArray<BucketEntry>, InvalidArgument | NodeError>
}>()("@akave-async/sdk/Buckets") {
  static readonly layer: Layer.Layer<Buckets, never, AkaveNode | Chain | Wallet> = Layer.effect(
    Buckets,
    Effect.suspend(() => make)
  )
}

/** How often a transaction that is waited for is looked for. */
const pollInterval = Duration.millis(250)

/** Another nonce is tried this often at most, when others use the same key. */
const nonceTries = { times: 5, schedule: Schedule.jittered(Schedule.spaced("200 millis")) }

const make = Effect.gen(function*() {
  const node = yield* AkaveNode
  const chain = yield* Chain
  const wallet = yield* Wallet

  const prepareCreate = Effect.fn("Buckets.prepareCreate")(
    function*({ from, name }: { readonly name: string; readonly from: string }) {
      yield* checkName(name)
      yield* checkAddress("from", from)
      const to = chain.storageAddress
      const data = storage.encodeFunctionData("createBucket", [name])
      const gasLimit = yield* chain.simulate({ from, to, data })
      return { to, data, gasLimit, chainId: chain.chainId }
    }
  )

  const settle = Effect.fn("Buckets.settle")(function*(hash: string, options: SettleOptions = {}) {
    const { confirmations = 1, timeout = "2 minutes" } = options
    const settled = Effect.gen(function*() {
      const receipt = yield* chain.receipt(hash)
      if (confirmations <= 1 || Option.isNone(receipt)) return receipt
      const depth = (yield* chain.blockNumber) - receipt.value.blockNumber + 1
      return depth >= confirmations ? receipt : Option.none()
    })
    const found = yield* settled.pipe(
      Effect.catchIf((error) => error.isRetryable, () => Effect.succeedNone),
      Effect.repeat({ until: Option.isSome, schedule: Schedule.spaced(pollInterval) }),
      Effect.timeoutOrElse({
        duration: timeout,
        orElse: () => Effect.fail(new SettleTimeout({ transactionHash: hash }))
      })
    )
    const receipt = yield* Effect.fromOption(found).pipe(Effect.orDie)
    if (receipt.status === "success") return receipt
    const cause = yield* Effect.option(chain.explainRevert(receipt))
    return yield* new TransactionReverted({
      transactionHash: hash,
      blockNumber: receipt.blockNumber,
      ...(Option.isSome(cause) ? { cause: cause.value } : {})
    })
  })

  const onChain = Effect.fn("Buckets.onChain")(
    function*({ name, owner }: { readonly name: string; readonly owner: string }) {
      yield* checkName(name)
      yield* checkAddress("owner", owner)
      const data = storage.encodeFunctionData("getBucketByName", [name, owner.toLowerCase(), 0, 0])
      const answer = yield* chain.call({ to: chain.storageAddress, data })
      const [bucket] = yield* Effect.try({
        try: () => storage.decodeFunctionResult("getBucketByName", answer),
        catch: () => noStorage("eth_call", chain.storageAddress)
      })
      if (bucket.id === ZeroHash) return Option.none()
      const createdAt = DateTime.makeUnsafe(Number(bucket.createdAt) * 1_000)
      return Option.some<OnChainBucket>({ id: bucket.id, name: bucket.name, owner: bucket.owner, createdAt })
    }
  )

  const bucketIdOf = ({ logs }: Pick<Receipt, "logs">) =>
    Option.fromUndefinedOr(
      logs.find(({ address, topics }) => isSame(address, chain.storageAddress) && topics[0] === createBucketTopic)
        ?.topics[1]
    )

  const creationTransaction = Effect.fn("Buckets.creationTransaction")(function*(bucketId: string) {
    const logs = yield* chain.logs({ address: chain.storageAddress, topics: [createBucketTopic, bucketId] }).pipe(
      Effect.catchIf(isBeyondReach, () => Effect.succeed([]))
    )
    return Option.map(
      Option.fromUndefinedOr(logs.at(-1)),
      ({ blockNumber, transactionHash }) => ({ hash: transactionHash, blockNumber })
    )
  })

  // One transaction at a time is given a nonce and sent; any number may then wait to be mined. The node's pool may know
  // of a transaction later than we do, so while some wait, the next nonce is at least the one after the last of them.
  const turn = yield* Semaphore.make(1)
  let inFlight = 0
  let leastNonce = 0

  /** Succeeds once the chain's node has the transaction. One that is refused, but is there, went out before. */
  const broadcast = ({ hash, nonce, raw }: Signed) =>
    chain.send(raw).pipe(
      Effect.retry({ ...transient, while: (error) => error._tag === "RpcError" && error.isRetryable }),
      Effect.catchTag("TransactionRefused", (refusal) =>
        Effect.flatMap(chain.transactionKnown(hash), (isKnown) =>
          isKnown ? Effect.void : Effect.fail(refusal))),
      Effect.tapError((error) =>
        Effect.sync(() => {
          if (isTaken(error)) {
            leastNonce = nonce + 1
          } else if (isGap(error)) {
            leastNonce = 0
          }
        })
      ),
      Effect.tap(() =>
        Effect.sync(() => {
          leastNonce = nonce + 1
          inFlight += 1
        })
      ),
      Effect.uninterruptible
    )

  /** Gives the hash of the transaction. Each try looks at the chain first, and no try begins while an earlier one may be mined. */
  const submit = (name: string) =>
    Effect.suspend(() => {
      if (inFlight === 0) leastNonce = 0
      const earlier: Array<string> = []
      const attempt = Effect.gen(function*() {
        const [prepared, fees, pending] = yield* Effect.all([
          prepareCreate({ name, from: wallet.address }),
          chain.fees,
          chain.transactionCount(wallet.address, "pending")
        ], { concurrency: 3 })
        const signed = yield* wallet.sign(prepared, { nonce: Math.max(pending, leastNonce), fees })
        earlier.push(signed.hash)
        yield* broadcast(signed)
        return signed.hash
      })
      const minedEarlier = Effect.suspend(() =>
        Effect.filter(earlier, (hash) => Effect.map(chain.receipt(hash), Option.isSome))
      )
      return attempt.pipe(
        Effect.retry({ ...nonceTries, while: isNonceTrouble }),
        Effect.catchIf(isAlreadyExists, (error) =>
          Effect.flatMap(minedEarlier, ([hash]) => {
            if (hash === undefined) return Effect.fail(error)
            inFlight += 1
            return Effect.succeed(hash)
          }))
      )
    })

  const createBucket = Effect.fn("Buckets.createBucket")(function*(name: string, options?: SettleOptions) {
    const receipt = yield* Effect.uninterruptibleMask((restore) =>
      Effect.flatMap(restore(turn.withPermit(submit(name))), (hash) =>
        Effect.ensuring(
          restore(settle(hash, options)),
          Effect.sync(() => {
            inFlight -= 1
          })
        ))
    )
    if (Option.isNone(bucketIdOf(receipt))) return yield* noStorage("eth_sendRawTransaction", chain.storageAddress)
    const { blockNumber, gasUsed, transactionHash } = receipt
    // The contract takes the bucket's time from its block.
    const createdAt = yield* chain.blockTime(blockNumber)
    return { id: bucketId(name, wallet.address), name, createdAt, transactionHash, blockNumber, gasUsed }
  })

  const viewBucket = Effect.fn("Buckets.viewBucket")(function*(name: string) {
    yield* checkName(name)
    return yield* node.bucketView({ name, owner: wallet.address })
  })

  const listBuckets = Effect.fn("Buckets.listBuckets")(
    function*({ limit = 100, offset = 0 }: { readonly offset?: number; readonly limit?: number } = {}) {
      if (!Number.isSafeInteger(offset) || offset < 0) {
        return yield* new InvalidArgument({ field: "offset", reason: "it must be a whole number, 0 or more" })
      }
      if (!Number.isInteger(limit) || limit < 1 || limit > maxPage) {
        return yield* new InvalidArgument({ field: "limit", reason: `it must be a whole number from 1 to ${maxPage}` })
      }
      return yield* node.bucketList({ owner: wallet.address, offset, limit })
    }
  )

  return Buckets.of({
    prepareCreate,
    settle,
    onChain,
    creationTransaction,
    bucketIdOf,
    createBucket,
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
  if (!name.isWellFormed()) return yield* refuse("a bucket name must be valid Unicode")
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
  readonly reason?: unknown
  readonly name?: string
}

/** Another transaction has this nonce, mined or waiting. */
const isTaken = ({ _tag, reason }: Failure): boolean =>
  _tag === "TransactionRefused" && (reason === "nonce_too_low" || reason === "replacement_underpriced")

/** A nonce below this one is missing: a transaction that we sent was lost. */
const isGap = ({ _tag, reason }: Failure): boolean => _tag === "TransactionRefused" && reason === "nonce_too_high"

const isNonceTrouble = (error: Failure): boolean => isTaken(error) || isGap(error)

const isAlreadyExists = ({ _tag, name }: Failure): boolean => _tag === "ContractError" && name === "BucketAlreadyExists"

/** Public nodes search only so many blocks for logs, and say so in their own words. */
const isBeyondReach = ({ code, details }: RpcError): boolean =>
  typeof code === "number" && /range|limit|too many|too large|exceed|prune|history/i.test(details)
