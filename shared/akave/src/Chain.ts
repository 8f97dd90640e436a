/** The chain behind a node, through its JSON-RPC. */
import {
  Config,
  Context,
  DateTime,
  type Duration,
  Effect,
  Layer,
  Option,
  Predicate,
  Schema,
  SchemaTransformation
} from "effect"
import { toQuantity } from "ethers"
import { AkaveNode } from "./AkaveNode.ts"
import { revertOf } from "./ContractErrors.ts"
import {
  type ContractError,
  type InvalidArgument,
  type NodeError,
  RpcError,
  TransactionRefused,
  UnknownRevert
} from "./Errors.ts"
import * as JsonRpc from "./JsonRpc.ts"
import { classify } from "./Refusals.ts"
import { transient } from "./Retry.ts"

/** JSON-RPC's form of a number: 0x and hex digits. */
const Hex = Schema.String.check(Schema.isPattern(/^0x[0-9a-fA-F]+$/))
const Amount = Hex.pipe(
  Schema.decodeTo(Schema.BigInt, SchemaTransformation.transform({ decode: BigInt, encode: (n) => toQuantity(n) }))
)
const Count = Hex.pipe(
  Schema.decodeTo(Schema.Natural, SchemaTransformation.transform({ decode: Number, encode: (n) => toQuantity(n) }))
)
const Status = Hex.pipe(
  Schema.decodeTo(
    Schema.Literals(["success", "reverted"]),
    SchemaTransformation.transform({
      decode: (hex) => BigInt(hex) === 1n ? "success" as const : "reverted" as const,
      encode: (status) => status === "success" ? "0x1" : "0x0"
    })
  )
)
const Bytes = Schema.String.check(Schema.isPattern(/^0x([0-9a-fA-F]{2})*$/))

export const Log = Schema.Struct({
  address: Schema.String,
  topics: Schema.Array(Schema.String),
  data: Bytes,
  transactionHash: Schema.String,
  blockNumber: Count
})
export type Log = typeof Log.Type

/** A mined transaction, read from JSON-RPC's receipt. */
export const Receipt = Schema.Struct({
  transactionHash: Schema.String,
  blockNumber: Count,
  blockHash: Schema.String,
  status: Status,
  /** Gas units. */
  gasUsed: Count,
  /** Wei per gas unit that was paid. */
  effectiveGasPrice: Schema.optionalKey(Amount),
  from: Schema.String,
  to: Schema.NullOr(Schema.String),
  logs: Schema.Array(Log)
})
export type Receipt = typeof Receipt.Type

const Block = Schema.Struct({
  baseFeePerGas: Schema.optionalKey(Amount),
  /** Unix time in seconds. */
  timestamp: Count,
  transactions: Schema.Array(Schema.String)
})

/** A block with its transactions, as far as they tell who used which nonce. */
const FullBlock = Schema.Struct({
  timestamp: Count,
  transactions: Schema.Array(Schema.Struct({ hash: Schema.String, from: Schema.String, nonce: Count }))
})

const MinedTransaction = Schema.Struct({
  from: Schema.String,
  to: Schema.NullOr(Schema.String),
  input: Bytes,
  value: Hex,
  gas: Hex
})

/** What a transaction offers, in wei per gas unit. */
export interface Fees {
  readonly maxFeePerGas: bigint
  readonly maxPriorityFeePerGas: bigint
  /** True on a chain from before EIP-1559: transactions are of type 0, with `maxFeePerGas` as their gas price. */
  readonly isLegacy?: boolean
}

/** What the chain asks for. */
export interface Market extends Fees {
  /** The base fee of the latest block, on a chain that has one. */
  readonly baseFeePerGas?: bigint
}

export interface Call {
  /** The zero address where it is left out. */
  readonly from?: string
  readonly to: string
  /** 0x and hex digits. */
  readonly data: string
}

export interface ChainOptions {
  /** URL of the chain's JSON-RPC (http, https, ws or wss), instead of the one that the node tells. */
  readonly rpcUrl?: string
  /** Deadline of each request; 10 seconds by default. */
  readonly timeout?: Duration.Input
}

/**
 * Every method ends: a request has a deadline, and reads are repeated for about 10 s at most while the trouble may
 * pass. Over HTTP, requests made within 5 ms travel as one JSON-RPC batch of at most 100.
 */
export class Chain extends Context.Service<Chain, {
  readonly chainId: bigint
  /** Address of the Storage contract. */
  readonly storageAddress: string
  /** Address of the AccessManager contract. */
  readonly accessAddress: string
  /** Runs a view in the state after a block, the latest one by default, and gives what it returns: 0x and hex digits. */
  call(call: Call, block?: number): Effect.Effect<string, ContractError | UnknownRevert | RpcError>
  /** What the chain asks for now: the tip it suggests, and a cap that outlives five blocks in a row of rising base fee. */
  readonly fees: Effect.Effect<Market, RpcError>
  /** The gas limit that a transaction needs, in gas units with a tenth to spare, or why the contract would refuse it. */
  simulate(
    call: Call & { readonly from: string }
  ): Effect.Effect<bigint, ContractError | UnknownRevert | RpcError>
  /** How many transactions of an account are mined ("latest"), or mined and waiting ("pending"): its next nonce. */
  transactionCount(address: string, at: "latest" | "pending"): Effect.Effect<number, RpcError>
  /** An account's balance at the latest block, in wei. */
  balance(address: string): Effect.Effect<bigint, RpcError>
  /**
   * Hands a signed transaction to the chain's node, once. After an `RpcError` it may or may not have it; the same bytes
   * can always be sent again.
   */
  send(raw: string): Effect.Effect<"accepted" | "already_known", TransactionRefused | RpcError>
  /** Whether the transaction is mined, or waits in the pool of the chain's node. */
  transactionKnown(hash: string): Effect.Effect<boolean, RpcError>
  /** None while the transaction is not mined. */
  receipt(hash: string): Effect.Effect<Option.Option<Receipt>, RpcError>
  readonly blockNumber: Effect.Effect<number, RpcError>
  /**
   * Completes at the next new head, and when heads may have been missed, where the chain's JSON-RPC is a WebSocket. Waits
   * for ever where heads are not told: over HTTP, and while the WebSocket is lost.
   */
  readonly newHead: Effect.Effect<void>
  /** The time that the chain gave this block, in whole seconds. */
  blockTime(number: number): Effect.Effect<DateTime.Utc, RpcError>
  /** The receipts of all transactions of a block; a block that the chain's node does not have is an `RpcError`. */
  blockReceipts(number: number): Effect.Effect<ReadonlyArray<Receipt>, RpcError>
  /** The logs of one contract with these first topics, from the first block on, oldest first. */
  logs(filter: {
    readonly address: string
    readonly topics: ReadonlyArray<string>
  }): Effect.Effect<ReadonlyArray<Log>, RpcError>
  /**
   * The mined transaction of an account with this nonce, looked for from the latest block back to the blocks of `since`.
   * None is no proof of anything: the node that answers may be behind.
   */
  minedAt(of: {
    readonly address: string
    readonly nonce: number
    readonly since: DateTime.Utc
  }): Effect.Effect<Option.Option<{ readonly hash: string; readonly blockNumber: number }>, RpcError>
  /** Why a mined transaction reverted, found by running it again. */
  explainRevert(
    receipt: Pick<Receipt, "transactionHash" | "blockNumber">
  ): Effect.Effect<ContractError | UnknownRevert, RpcError>
}>()("@akave-async/sdk/Chain") {
  /** Asks the node for the chain's URL and the contracts, and the chain for its id. */
  static readonly layer = (
    options: ChainOptions = {}
  ): Layer.Layer<Chain, InvalidArgument | NodeError | RpcError, AkaveNode> => Layer.effect(Chain, make(options))

  /** Reads `AKAVE_RPC_URL`, which may be missing or empty. */
  static readonly layerConfig: Layer.Layer<
    Chain,
    InvalidArgument | NodeError | RpcError | Config.ConfigError,
    AkaveNode
  > = Layer.unwrap(
    Effect.map(
      Config.withDefault(Config.String("AKAVE_RPC_URL"), ""),
      (rpcUrl) => Chain.layer(rpcUrl === "" ? {} : { rpcUrl })
    )
  )
}

const make = Effect.fnUntraced(function*(options: ChainOptions) {
  const node = yield* AkaveNode
  const params = yield* node.connectionParams
  const { newHead, request } = yield* JsonRpc.make(options.rpcUrl ?? params.rpcUrl, options.timeout ?? "10 seconds")

  const once = <S extends Schema.ConstraintCodec<unknown, unknown>>(
    method: string,
    params: ReadonlyArray<unknown>,
    answer: S
  ): Effect.Effect<S["Type"], RpcError> =>
    request(method, params).pipe(
      Effect.flatMap((json) =>
        Effect.mapError(
          Schema.decodeUnknownEffect(answer)(json),
          (error) => new RpcError({ method, code: "BAD_DATA", details: error.message })
        )
      )
    )

  const read: typeof once = (method, params, answer) => Effect.retry(once(method, params, answer), transient)

  /** Requests that run a contract: what it refuses becomes its own error. */
  const run: <S extends Schema.ConstraintCodec<unknown, unknown>>(
    ...request: Parameters<typeof once<S>>
  ) => Effect.Effect<S["Type"], ContractError | UnknownRevert | RpcError> = (method, params, answer) =>
    once(method, params, answer).pipe(
      Effect.mapError((error) => Option.getOrElse(revertOf(error), () => error)),
      Effect.retry(transient)
    )

  const chainId = yield* read("eth_chainId", [], Amount)

  const call = Effect.fn("Chain.call")((call: Call, block?: number) =>
    run("eth_call", [call, block === undefined ? "latest" : toQuantity(block)], Bytes)
  )

  const legacyFees = Effect.map(
    read("eth_gasPrice", [], Amount),
    (price): Market => ({ maxFeePerGas: price, maxPriorityFeePerGas: price, isLegacy: true })
  )
  const fees = Effect.all([
    read("eth_maxPriorityFeePerGas", [], Amount),
    read("eth_getBlockByNumber", ["latest", false], Block)
  ], { concurrency: 2 }).pipe(
    Effect.map(([tip, { baseFeePerGas }]): Market | undefined =>
      baseFeePerGas === undefined
        ? undefined
        : { baseFeePerGas, maxPriorityFeePerGas: tip, maxFeePerGas: tip + 2n * baseFeePerGas }
    ),
    // Chains from before EIP-1559 have no tip to suggest.
    Effect.catchIf(isMethodMissing, () => Effect.undefined),
    Effect.flatMap((market) => market === undefined ? legacyFees : Effect.succeed(market)),
    Effect.withSpan("Chain.fees")
  )

  const simulate = Effect.fn("Chain.simulate")((call: Call) =>
    Effect.map(run("eth_estimateGas", [call], Amount), (gas) => gas + gas / 10n)
  )

  const send = Effect.fn("Chain.send")((raw: string) =>
    once("eth_sendRawTransaction", [raw], Schema.String).pipe(
      Effect.as("accepted" as const),
      Effect.catch((error): Effect.Effect<"already_known", TransactionRefused | RpcError> => {
        if (typeof error.code !== "number") return Effect.fail(error)
        const reason = classify(error.code, error.details)
        if (reason === "already_known") return Effect.succeed(reason)
        if (reason === "busy") return Effect.fail(error)
        return Effect.fail(new TransactionRefused({ reason, message: error.details, cause: error.cause }))
      })
    )
  )

  const transaction = (hash: string) => read("eth_getTransactionByHash", [hash], Schema.NullOr(MinedTransaction))
  const transactionKnown = Effect.fn("Chain.transactionKnown")((hash: string) =>
    Effect.map(transaction(hash), Predicate.isNotNull)
  )

  const receipt = Effect.fn("Chain.receipt")((hash: string) =>
    Effect.map(read("eth_getTransactionReceipt", [hash], Schema.NullOr(Receipt)), Option.fromNullOr)
  )

  const missing = (method: string, what: string) =>
    new RpcError({ method, code: "NOT_FOUND", details: `the chain's node does not have ${what}` })

  const receiptsOneByOne = Effect.fnUntraced(function*(number: number) {
    const block = yield* read("eth_getBlockByNumber", [toQuantity(number), false], Schema.NullOr(Block))
    if (block === null) return yield* missing("eth_getBlockByNumber", `block ${number}`)
    return yield* Effect.forEach(block.transactions, (hash) =>
      Effect.flatMap(
        receipt(hash),
        Option.match({
          onNone: () => Effect.fail(missing("eth_getTransactionReceipt", `the receipt of ${hash}`)),
          onSome: Effect.succeed
        })
      ), { concurrency: 100 })
  })

  const blockReceipts = Effect.fn("Chain.blockReceipts")((number: number) =>
    read("eth_getBlockReceipts", [toQuantity(number)], Schema.NullOr(Schema.Array(Receipt))).pipe(
      Effect.flatMap((receipts) =>
        receipts === null ? Effect.fail(missing("eth_getBlockReceipts", `block ${number}`)) : Effect.succeed(receipts)
      ),
      Effect.catchIf(isMethodMissing, () => receiptsOneByOne(number))
    )
  )

  const minedAt = Effect.fn("Chain.minedAt")(
    function*({ address, nonce, since }: {
      readonly address: string
      readonly nonce: number
      readonly since: DateTime.Utc
    }) {
      const sender = address.toLowerCase()
      const earliest = DateTime.toEpochMillis(since) / 1_000
      let last = yield* read("eth_blockNumber", [], Count)
      while (last >= 0) {
        const numbers = Array.from({ length: Math.min(last + 1, blocksAtOnce) }, (_, n) => last - n)
        const blocks = yield* Effect.forEach(
          numbers,
          (number) => read("eth_getBlockByNumber", [toQuantity(number), true], Schema.NullOr(FullBlock)),
          { concurrency: "unbounded" }
        )
        for (const [n, block] of blocks.entries()) {
          const found = block?.transactions.find((one) => one.nonce === nonce && one.from.toLowerCase() === sender)
          if (found !== undefined) return Option.some({ hash: found.hash, blockNumber: last - n })
          if (block !== null && block.timestamp < earliest) return Option.none()
        }
        last -= blocksAtOnce
      }
      return Option.none()
    }
  )

  const explainRevert = Effect.fn("Chain.explainRevert")(function*(
    { blockNumber, transactionHash }: Pick<Receipt, "transactionHash" | "blockNumber">
  ) {
    const mined = yield* transaction(transactionHash)
    if (mined === null) return new UnknownRevert({ data: "0x" })
    const { input: data, ...rest } = mined
    // The state it met lies between the two: before its block, and after the other transactions of its block.
    for (const at of [Math.max(blockNumber - 1, 0), blockNumber]) {
      const refusal = yield* run("eth_call", [{ ...rest, data }, toQuantity(at)], Bytes).pipe(
        Effect.as(undefined),
        Effect.catchTag(["ContractError", "UnknownRevert"], (refusal) => Effect.succeed(refusal)),
        Effect.catchIf(isOutOfGas, () => Effect.succeed(new UnknownRevert({ data: "0x" })))
      )
      if (refusal !== undefined) return refusal
    }
    return new UnknownRevert({ data: "0x" })
  })

  return Chain.of({
    chainId,
    storageAddress: params.storageAddress,
    accessAddress: params.accessAddress,
    call,
    fees,
    simulate,
    transactionCount: Effect.fn("Chain.transactionCount")((address, at) =>
      read("eth_getTransactionCount", [address, at], Count)
    ),
    balance: Effect.fn("Chain.balance")((address) => read("eth_getBalance", [address, "latest"], Amount)),
    send,
    transactionKnown,
    receipt,
    blockNumber: Effect.withSpan(read("eth_blockNumber", [], Count), "Chain.blockNumber"),
    newHead,
    blockTime: Effect.fn("Chain.blockTime")((number) =>
      Effect.map(
        read("eth_getBlockByNumber", [toQuantity(number), false], Block),
        ({ timestamp }) => DateTime.makeUnsafe(timestamp * 1_000)
      )
    ),
    blockReceipts,
    logs: Effect.fn("Chain.logs")(({ address, topics }) =>
      read("eth_getLogs", [{ address, topics, fromBlock: "0x0", toBlock: "latest" }], Schema.Array(Log))
    ),
    minedAt,
    explainRevert
  })
})

/** Blocks with all their transactions that are asked for together. */
const blocksAtOnce = 20

/** A call that used up its gas is answered with an error of the node, not of a contract: "out of gas" (geth), "OutOfGas" (Anvil). */
const isOutOfGas = ({ code, details }: RpcError): boolean => typeof code === "number" && /out ?of ?gas/i.test(details)

/** -32601 by JSON-RPC; hosted nodes also say it in words. */
const isMethodMissing = ({ code, details }: RpcError): boolean =>
  code === -32601 ||
  (typeof code === "number" && /method.*(not found|not exist|not support|not available)/i.test(details))
