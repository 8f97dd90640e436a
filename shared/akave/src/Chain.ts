// oxlint-disable max-lines -- all that is asked of a chain, with its types
/** The chain behind a node, through its JSON-RPC. */
import {
  Clock,
  Config,
  Context,
  DateTime,
  Duration,
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
import { classify, isBeyondReach, isRateLimit } from "./Refusals.ts"
import { transient } from "./Retry.ts"

/**
 * A number: by JSON-RPC 0x and hex digits, without leading zeros. Some nodes write it as decimal digits, or as a number of
 * JSON, which is only taken where it is exact.
 */
const Quantity = Schema.Union([Schema.String.check(Schema.isPattern(/^(0[xX][0-9a-fA-F]+|[0-9]+)$/)), Schema.Natural])
const Amount = Quantity.pipe(
  Schema.decodeTo(
    Schema.BigInt,
    SchemaTransformation.transform({ decode: (n) => BigInt(n), encode: (n) => toQuantity(n) })
  )
)
const Count = Quantity.pipe(
  Schema.decodeTo(
    Schema.Natural,
    SchemaTransformation.transform({ decode: (n) => Number(BigInt(n)), encode: (n) => toQuantity(n) })
  )
)
/** 0x and hex digits, which are compared as lower-case ones. */
const Bytes = Schema.String.check(Schema.isPattern(/^0[xX]([0-9a-fA-F]{2})*$/)).pipe(
  Schema.decodeTo(Schema.String, SchemaTransformation.toLowerCase())
)
/** What some nodes leave out, and others give as null. */
const maybe = <S extends Schema.Constraint>(schema: S) => Schema.optionalKey(Schema.NullOr(schema))

const LogJson = Schema.Struct({
  address: Schema.String,
  topics: Schema.Array(Bytes),
  data: Bytes,
  transactionHash: maybe(Bytes),
  blockNumber: maybe(Count)
})

export interface Log {
  readonly address: string
  /** Each of them 0x and lower-case hex digits. */
  readonly topics: ReadonlyArray<string>
  readonly data: string
  readonly transactionHash: string
  readonly blockNumber: number
}

const ReceiptJson = Schema.Struct({
  transactionHash: Bytes,
  /** Null as long as the transaction waits, where a node has receipts of such. */
  blockNumber: maybe(Count),
  blockHash: maybe(Bytes),
  /** Receipts from before EIP-658 have a state root in its place. */
  status: maybe(Schema.Union([Count, Schema.Boolean])),
  gasUsed: Count,
  effectiveGasPrice: maybe(Amount),
  from: Schema.String,
  to: maybe(Schema.String),
  logs: maybe(Schema.Array(LogJson))
})

/** A mined transaction, read from JSON-RPC's receipt. */
export interface Receipt {
  /** 0x and lower-case hex digits. */
  readonly transactionHash: string
  readonly blockNumber: number
  readonly blockHash: string
  readonly status: "success" | "reverted"
  /** Gas units. */
  readonly gasUsed: number
  /** Wei per gas unit that was paid. */
  readonly effectiveGasPrice?: bigint
  readonly from: string
  /** Null where the transaction created a contract. */
  readonly to: string | null
  readonly logs: ReadonlyArray<Log>
}

/** What a transaction costs that runs no contract. */
const transferGas = 21_000

const receiptOf = (json: typeof ReceiptJson.Type, blockNumber: number): Receipt => {
  const { blockHash, effectiveGasPrice, from, gasUsed, status, to, transactionHash } = json
  const logs = json.logs ?? []
  // Without a status: what reverted has left no log, and a transfer can't revert.
  const isSuccess = status ?? (logs.length > 0 || gasUsed === transferGas)
  return {
    transactionHash,
    blockNumber,
    blockHash: blockHash ?? "0x",
    status: Number(isSuccess) === 1 ? "success" : "reverted",
    gasUsed,
    ...(typeof effectiveGasPrice === "bigint" ? { effectiveGasPrice } : {}),
    from,
    to: to ?? null,
    logs: logs.map((log) => ({
      ...log,
      transactionHash: log.transactionHash ?? transactionHash,
      blockNumber: log.blockNumber ?? blockNumber
    }))
  }
}

const MinedLog = Schema.Struct({ ...LogJson.fields, transactionHash: Bytes, blockNumber: Count })

const Block = Schema.Struct({
  baseFeePerGas: maybe(Amount),
  /** Unix time in seconds. */
  timestamp: Count,
  /** Hashes; some nodes give whole transactions, asked or not. */
  transactions: maybe(Schema.Array(Schema.Union([Bytes, Schema.Struct({ hash: Bytes })])))
})

/** A block with its transactions, as far as they report who used which nonce. */
const FullBlock = Schema.Struct({
  timestamp: Count,
  transactions: maybe(Schema.Array(Schema.Struct({ hash: Bytes, from: maybe(Schema.String), nonce: maybe(Count) })))
})

const FeeHistory = Schema.Struct({ reward: Schema.NonEmptyArray(Schema.NonEmptyArray(Amount)) })

const MinedTransaction = Schema.Struct({
  from: Schema.String,
  to: maybe(Schema.String),
  input: maybe(Bytes),
  /** Some nodes' name of the input. */
  data: maybe(Bytes),
  value: maybe(Amount),
  gas: Amount
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
  /** URL of the chain's JSON-RPC (http, https, ws or wss), instead of the one that the node names. */
  readonly rpcUrl?: string
  /** Deadline of each request; 10 seconds by default. */
  readonly timeout?: Duration.Input
}

/**
 * Every method ends: a request has a deadline, and reads are repeated for about 10 s at most while the trouble may
 * pass; where the node limits requests, they wait for up to a minute. Over HTTP, requests made within 5 ms travel as one
 * JSON-RPC batch of at most 100, or of what the node takes.
 *
 * Methods that not all nodes have are asked for first, and what a node refuses of them is learnt in another way.
 */
export class Chain extends Context.Service<Chain, {
  readonly chainId: bigint
  /** Address of the Storage contract. */
  readonly storageAddress: string
  /** Address of the AccessManager contract. */
  readonly accessAddress: string
  /** Runs a view in the state after a block, the latest one by default, and gives what it returns: 0x and hex digits. */
  call(call: Call, block?: number): Effect.Effect<string, ContractError | UnknownRevert | RpcError>
  /**
   * What the chain asks for now: the tip it suggests, and a cap that outlives five blocks in a row of rising base fee. The
   * offer is a legacy one where blocks have no base fee.
   */
  readonly fees: Effect.Effect<Market, RpcError>
  /**
   * The gas limit that a transaction needs, in gas units with a tenth to spare, or why the contract would refuse it: in the
   * state of the latest block, or of what waits in the pool on top of it. The second takes long while much waits, and
   * nodes that do not look into their pool, or take no block here, answer as to the first.
   */
  simulate(
    call: Call & { readonly from: string },
    at?: "latest" | "pending"
  ): Effect.Effect<bigint, ContractError | UnknownRevert | RpcError>
  /**
   * How many transactions of an account are mined ("latest", or up to a block), or mined and waiting ("pending"): its next nonce.
   * A node that reports nothing of its pool reports the mined ones for both.
   */
  transactionCount(address: string, at: "latest" | "pending" | number): Effect.Effect<number, RpcError>
  /** An account's balance at the latest block, in wei. */
  balance(address: string): Effect.Effect<bigint, RpcError>
  /** Whether there is a contract at an address, as of the latest block. */
  hasCode(address: string): Effect.Effect<boolean, RpcError>
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
   * for ever where heads are not announced: over HTTP, and while the WebSocket is lost.
   */
  readonly newHead: Effect.Effect<void>
  /** The time that the chain gave this block, in whole seconds. */
  blockTime(number: number): Effect.Effect<DateTime.Utc, RpcError>
  /** The receipts of all transactions of a block; a block that the chain's node does not have is an `RpcError`. */
  blockReceipts(number: number): Effect.Effect<ReadonlyArray<Receipt>, RpcError>
  /**
   * The logs of one contract with these first topics, oldest first: from the first block on, or where the node searches only
   * so many blocks at once, the latest ones that a number of such searches find.
   */
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
  /**
   * Why a mined transaction reverted, found by running it again, on the latest state where the node has forgotten the older
   * one. Fails with an {@link RpcError} where the node that answers is behind the one that gave the receipt.
   */
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

// oxlint-disable-next-line max-lines-per-function -- its operations share one connection
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

  /** Until when methods are not asked for, in milliseconds. */
  const left = new Map<string, number>()
  /**
   * What a method reports that the node need not have, or else what `next` reports. Only trouble that may pass is waited for; a
   * method that the node does not have is left for a while. A node that is away is not asked in another way.
   */
  const optional = <A>(
    method: string,
    first: Effect.Effect<A, RpcError>,
    next: Effect.Effect<A, RpcError>
  ): Effect.Effect<A, RpcError> =>
    Effect.gen(function*() {
      if ((left.get(method) ?? 0) > (yield* Clock.currentTimeMillis)) return yield* next
      return yield* first.pipe(
        Effect.retry({ ...transient, while: (error) => !isRefused(error) && error.isRetryable }),
        Effect.catchIf((error) => !isAway(error), (error) =>
          Effect.gen(function*() {
            if (!isRefused(error) || isMethodMissing(error)) {
              if (!left.has(method)) yield* Effect.logInfo(`${error.message}; the chain is asked in another way`)
              left.set(method, (yield* Clock.currentTimeMillis) + Duration.toMillis(leftFor))
            }
            return yield* next
          }))
      )
    })

  const chainId = yield* read("eth_chainId", [], Amount)

  const call = Effect.fn("Chain.call")((call: Call, block?: number) =>
    run("eth_call", [call, block === undefined ? "latest" : toQuantity(block)], Bytes)
  )

  const gasPrice = read("eth_gasPrice", [], Amount)
  /** Undefined where the node suggests none. */
  const suggestedTip = optional<bigint | undefined>(
    "eth_maxPriorityFeePerGas",
    once("eth_maxPriorityFeePerGas", [], Amount),
    optional<bigint | undefined>(
      "eth_feeHistory",
      Effect.map(
        once("eth_feeHistory", [toQuantity(tipBlocks), "latest", [tipPercentile]], FeeHistory),
        ({ reward }) => median(reward.map(([tip]) => tip))
      ),
      Effect.undefined
    )
  )
  const fees = Effect.gen(function*() {
    const [tip, { baseFeePerGas }] = yield* Effect.all([
      suggestedTip,
      read("eth_getBlockByNumber", ["latest", false], Block)
    ], { concurrency: 2 })
    if (typeof baseFeePerGas !== "bigint") {
      // A chain from before EIP-1559.
      const price = yield* gasPrice
      return { maxFeePerGas: price, maxPriorityFeePerGas: price, isLegacy: true }
    }
    const maxPriorityFeePerGas = tip ?? (yield* optional(
      "eth_gasPrice",
      Effect.map(gasPrice, (price) => price > baseFeePerGas ? price - baseFeePerGas : 0n),
      Effect.succeed(standardTip)
    ))
    return { baseFeePerGas, maxPriorityFeePerGas, maxFeePerGas: maxPriorityFeePerGas + 2n * baseFeePerGas }
  }).pipe(Effect.withSpan("Chain.fees"))

  /** Blocks that the node does not simulate on; some take none, and simulate on one of their own choice. */
  const notSimulated = new Set<string>()
  const estimate = (
    call: Call,
    [block, ...others]: ReadonlyArray<string>
  ): Effect.Effect<bigint, ContractError | UnknownRevert | RpcError> => {
    if (block === undefined) return run("eth_estimateGas", [call], Amount)
    if (notSimulated.has(block)) return estimate(call, others)
    return Effect.catchIf(
      run("eth_estimateGas", [call, block], Amount),
      isBlockRefused,
      (error) =>
        Effect.tap(estimate(call, others), () =>
          Effect.sync(() => {
            if (error.code === -32602) notSimulated.add(block)
          }))
    )
  }
  const simulate = Effect.fn("Chain.simulate")((call: Call, at: "latest" | "pending" = "latest") =>
    Effect.map(estimate(call, at === "latest" ? [at] : [at, "latest"]), (gas) => gas + gas / 10n)
  )

  const send = Effect.fn("Chain.send")((raw: string) =>
    once("eth_sendRawTransaction", [raw], Schema.String).pipe(
      Effect.as("accepted" as const),
      Effect.catch((error): Effect.Effect<"already_known", TransactionRefused | RpcError> => {
        const { code } = error
        // Some refuse without a code, or by HTTP's status and words: then the words must be known ones.
        const isAnswer = typeof code === "number" || code === "UNKNOWN" || code === "SERVER_ERROR"
        const reason = isAnswer ? classify(typeof code === "number" ? code : 0, error.details) : "busy"
        if (reason === "already_known") return Effect.succeed(reason)
        if (reason === "busy") return Effect.fail(error)
        return Effect.fail(new TransactionRefused({ reason, message: error.details, cause: error.cause }))
      })
    )
  )

  const transaction = (hash: string) => read("eth_getTransactionByHash", [hash], Schema.NullOr(MinedTransaction))
  const transactionKnown = Effect.fn("Chain.transactionKnown")((hash: string) =>
    Effect.map(read("eth_getTransactionByHash", [hash], Schema.Unknown), Predicate.isNotNull)
  )

  const receipt = Effect.fn("Chain.receipt")((hash: string) =>
    Effect.map(
      read("eth_getTransactionReceipt", [hash], Schema.NullOr(ReceiptJson)),
      (json) =>
        typeof json?.blockNumber === "number" ? Option.some(receiptOf(json, json.blockNumber)) : Option.none<Receipt>()
    )
  )

  const missing = (method: string, what: string) =>
    new RpcError({ method, code: "NOT_FOUND", details: `the chain's node does not have ${what}` })

  const receiptsOneByOne = Effect.fnUntraced(function*(number: number) {
    const block = yield* read("eth_getBlockByNumber", [toQuantity(number), false], Schema.NullOr(Block))
    if (block === null) return yield* missing("eth_getBlockByNumber", `block ${number}`)
    const hashes = (block.transactions ?? []).map((one) => typeof one === "string" ? one : one.hash)
    return yield* Effect.forEach(hashes, (hash) =>
      Effect.flatMap(
        receipt(hash),
        Option.match({
          onNone: () => Effect.fail(missing("eth_getTransactionReceipt", `the receipt of ${hash}`)),
          onSome: Effect.succeed
        })
      ), { concurrency: 100 })
  })

  const blockReceipts = Effect.fn("Chain.blockReceipts")((number: number) =>
    optional(
      "eth_getBlockReceipts",
      Effect.flatMap(
        once("eth_getBlockReceipts", [toQuantity(number)], Schema.NullOr(Schema.Array(ReceiptJson))),
        (receipts): Effect.Effect<ReadonlyArray<Receipt>, RpcError> =>
          receipts === null
            ? Effect.fail(missing("eth_getBlockReceipts", `block ${number}`))
            : Effect.succeed(receipts.map((receipt) => receiptOf(receipt, receipt.blockNumber ?? number)))
      ),
      receiptsOneByOne(number)
    )
  )

  const transactionCount = (address: string, at: "latest" | "pending" | number): Effect.Effect<number, RpcError> =>
    at !== "pending"
      ? read("eth_getTransactionCount", [address, at === "latest" ? at : toQuantity(at)], Count)
      : optional(
        "eth_getTransactionCount pending",
        once("eth_getTransactionCount", [address, at], Count),
        transactionCount(address, "latest")
      )

  const logs = Effect.fn("Chain.logs")(
    function*({ address, topics }: { readonly address: string; readonly topics: ReadonlyArray<string> }) {
      const search = (from: number, to: string) => {
        const filter = { address, topics, fromBlock: toQuantity(from), toBlock: to }
        return once("eth_getLogs", [filter], Schema.Array(MinedLog)).pipe(
          Effect.retry({ ...transient, while: (error) => error.isRetryable && !isOfTooMuch(error) }),
          Effect.map(Option.some),
          Effect.catchIf(isOfTooMuch, () => Effect.succeedNone)
        )
      }
      const all = yield* search(0, "latest")
      if (Option.isSome(all)) return all.value
      let to = yield* read("eth_blockNumber", [], Count)
      let [range, ...smaller] = searchRanges
      for (let searches = 0; searches < mostSearches && to >= 0 && range !== undefined; searches++) {
        const from = Math.max(0, to - range + 1)
        const found = yield* search(from, toQuantity(to))
        if (Option.isNone(found)) [range, ...smaller] = smaller
        else if (found.value.length > 0) return found.value
        else to = from - 1
      }
      return []
    }
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
          const found = block?.transactions?.find((one) => one.nonce === nonce && one.from?.toLowerCase() === sender)
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
    const { from, gas, to, value, ...mined } = yield* transaction(transactionHash).pipe(
      Effect.filterOrFail(Predicate.isNotNull, () => isBehind("eth_getTransactionByHash")),
      Effect.retry(transient)
    )
    const call = {
      from,
      ...(typeof to === "string" ? { to } : {}),
      data: mined.input ?? mined.data ?? "0x",
      value: toQuantity(value ?? 0n),
      gas: toQuantity(gas)
    }
    // The state it met lies between the first two: before its block, and after the other transactions of its block.
    for (const at of [toQuantity(Math.max(blockNumber - 1, 0)), toQuantity(blockNumber), "latest"]) {
      const refusal = yield* run("eth_call", [call, at], Bytes).pipe(
        Effect.as(undefined),
        Effect.catchTag(["ContractError", "UnknownRevert"], (refusal) => Effect.succeed(refusal)),
        Effect.catchIf(isOutOfGas, () => Effect.succeed(new UnknownRevert({ data: "0x" }))),
        Effect.catchIf((error) => at !== "latest" && isRefused(error), (error) =>
          Effect.flatMap(
            read("eth_blockNumber", [], Count),
            // A node that has forgotten that state never says; one that has yet to see it will.
            (head) => head > blockNumber + blocksRemembered ? Effect.undefined : Effect.fail(error)
          ))
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
    transactionCount: Effect.fn("Chain.transactionCount")(transactionCount),
    balance: Effect.fn("Chain.balance")((address) => read("eth_getBalance", [address, "latest"], Amount)),
    hasCode: Effect.fn("Chain.hasCode")((address) =>
      Effect.map(read("eth_getCode", [address, "latest"], Bytes), (code) => code !== "0x")
    ),
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
    logs,
    minedAt,
    explainRevert
  })
})

/** Blocks with all their transactions that are asked for together. */
const blocksAtOnce = 20

/** What a node answers that has yet to see what another one behind the same address has reported. */
const isBehind = (method: string): RpcError =>
  new RpcError({ method, code: "NOT_FOUND", details: "the node has not seen it yet" })

/** The state after so many of the latest blocks is kept by every node: geth keeps 128. */
const blocksRemembered = 100

/** A call that used up its gas is answered with an error of the node, not of a contract: "out of gas" (geth), "OutOfGas" (Anvil). */
const isOutOfGas = ({ code, details }: RpcError): boolean => typeof code === "number" && /out ?of ?gas/i.test(details)

/** What the node or a server before it says of the request, which is not that it may be made again. */
const isRefused = ({ code, details, method, status = 0 }: RpcError): boolean =>
  typeof code === "number"
    ? !isRateLimit(method, code, details)
    : code === "BAD_DATA" || code === "NOT_FOUND" || code === "UNKNOWN" ||
      (status >= 400 && status < 500 && ![401, 408, 429].includes(status)) || status === 501

/** How long a method is left that the node does not have: another node may answer then. */
const leftFor = Duration.minutes(1)

/** -32601 by JSON-RPC, -32004 by EIP-1474, 4200 by EIP-1193, -32604 of Besu; others say it in words, or by HTTP's status. */
const isMethodMissing = ({ code, details, status }: RpcError): boolean =>
  status !== undefined || [-32601, -32600, -32604, -32004, 4200].some((one) => one === code) ||
  /method|support|not (enabled|allowed|available)|disabled|plan|tier/i.test(details)

/** A node searches only so many blocks for logs, and says so in its own words. */
const isOfTooMuch = (error: RpcError): boolean =>
  isRefused(error) && (error.status === 413 || isBeyondReach(error.details))

/** Trouble of the connection, not of a method. */
const isAway = ({ code }: RpcError): boolean =>
  typeof code === "string" && !["BAD_DATA", "NOT_FOUND", "SERVER_ERROR", "TIMEOUT", "UNKNOWN"].includes(code)

/** "Invalid params", "too many arguments, want at most 1", "pending block is not available" and the like. */
const isBlockRefused = (error: ContractError | UnknownRevert | RpcError): error is RpcError =>
  error._tag === "RpcError" && isRefused(error) &&
  (error.code === -32602 || /param|argument|pending|block/i.test(error.details))

const median = (amounts: ReadonlyArray<bigint>): bigint =>
  // oxlint-disable-next-line no-array-sort -- Node 18 has no toSorted
  [...amounts].sort((a, b) => Number(a - b))[Math.floor(amounts.length / 2)] ?? standardTip

/** A tip is what this share of the transactions, in percent, paid less than in the last so many blocks. */
const [tipPercentile, tipBlocks] = [50, 5]
/** Offered on a chain that suggests none: 1 gwei. */
const standardTip = 1_000_000_000n

/** Blocks that are searched for logs at once where the node does not search all, and how many times. */
const searchRanges = [10_000, 2_000, 500, 100, 10, 5]
const mostSearches = 50
