/** The chain as an executor sees it: through nodes that are behind, or apart, and over a network. */
import { bucketId, Buckets } from "@akave-async/sdk/Buckets"
import { Chain, type Receipt } from "@akave-async/sdk/Chain"
import { ContractError, RpcError, TransactionRefused, UnknownRevert } from "@akave-async/sdk/Errors"
import { type Prepared, Wallet } from "@akave-async/sdk/Wallet"
import { DateTime, Effect, Exit, Layer, Option } from "effect"
import type { Dice } from "./Dice.ts"
import type { Line } from "./Network.ts"
import {
  blockAt,
  type Call,
  callOf,
  chainId,
  dataOf,
  gasOf,
  minedIn,
  type Node,
  type Refusal,
  refusalOf,
  type SimulatedChain,
  type State,
  storageAddress,
  type Transaction,
  transactionOf,
  walletAddress
} from "./SimulatedChain.ts"
import type { Process, Time } from "./Time.ts"

/** Every transaction that was signed, by its bytes. */
export type Signatures = Map<string, Transaction>

/** Signs without a key, which is all that signing costs. */
export const signer = (signatures: Signatures): Layer.Layer<Wallet> =>
  Layer.succeed(
    Wallet,
    Wallet.of({
      signDigest: () => Effect.die(new Error("the simulated wallet signs no blocks")),
      address: walletAddress,
      sign: (prepared, { fees, nonce }) =>
        Effect.sync(() => {
          const { maxFeePerGas, maxPriorityFeePerGas } = fees
          const call = callOf(prepared.data)
          const gasLimit = Number(prepared.gasLimit)
          const transaction = transactionOf({ call, nonce, gasLimit, maxFeePerGas, maxPriorityFeePerGas })
          signatures.set(transaction.raw, transaction)
          return { raw: transaction.raw, hash: transaction.hash, nonce, from: walletAddress }
        })
    })
  )

export interface ClientOptions {
  readonly chain: SimulatedChain
  readonly line: Line
  readonly dice: Dice
  readonly signatures: Signatures
  readonly time: Time
  readonly from: Process
  /** How often a new head is reported: 0 where the chain's node is not asked to. */
  readonly heads: () => number
  /** Called when a node is handed bytes. */
  readonly onSend: (raw: string) => void
  /** What a node refuses a call for, whatever its fees. */
  readonly policy: (transaction: Transaction) => { readonly reason: Refusal; readonly message: string } | undefined
}

export const layer = (options: ClientOptions): Layer.Layer<Chain | Buckets> => {
  const { chain, dice, from, heads, line, onSend, policy, signatures, time } = options

  /** Asks whichever of the nodes answers. */
  const ask = <A, E = never>(method: string, serve: (node: Node, n: number) => Exit.Exit<A, E | RpcError>) =>
    line.call<A, E | RpcError>(
      method,
      () => {
        const n = dice.whole(0, chain.nodes.length - 1)
        return serve(chain.nodes[n] as Node, n)
      },
      () => new RpcError({ method, code: "TIMEOUT", details: "no answer in time" })
    )
  const missing = (method: string) =>
    Exit.fail(new RpcError({ method, code: "NOT_FOUND", details: "the node does not have it" }))

  const receiptOf = (head: Node["head"], hash: string): Option.Option<Receipt> => {
    const found = minedIn(head, hash)
    if (found === undefined) return Option.none()
    const { block, mined } = found
    return Option.some({
      transactionHash: hash,
      blockNumber: block.number,
      blockHash: block.hash,
      status: mined.isSuccess ? "success" : "reverted",
      gasUsed: mined.gasUsed,
      from: walletAddress,
      to: mined.transaction.call.kind === "idle" ? walletAddress : storageAddress,
      logs: []
    })
  }

  const prepare = (callIn: (state: State) => Call) =>
    ask<Prepared, ContractError>("simulate", ({ head }, n) => {
      const call = callIn(head.after)
      const refusal = refusalOf(call, chain.simulatedAt(n))
      if (refusal !== undefined) return Exit.fail(contractErrors[refusal])
      const gasLimit = BigInt(Math.ceil(gasOf[call.kind] * 1.1))
      return Exit.succeed({ to: storageAddress, data: dataOf(call), gasLimit, chainId })
    })

  const chainLayer = Layer.mock(Chain, {
    chainId,
    storageAddress,
    accessAddress: "",
    newHead: Effect.callback((resume) => {
      const stop = chain.listen(() => {
        if (!dice.chance(heads())) return
        time.after(dice.between(0, 50), () => {
          if (from.isAlive()) resume(Effect.void)
        })
      })
      return Effect.sync(stop)
    }),
    fees: ask("fees", ({ head: { baseFee } }) => {
      const tip = chain.tip()
      return Exit.succeed({
        baseFeePerGas: baseFee,
        maxPriorityFeePerGas: tip,
        maxFeePerGas: tip + 2n * baseFee
      })
    }),
    transactionCount: (_, at) =>
      ask(`count ${at}`, ({ head }, n) => Exit.succeed(at === "latest" ? head.after.nonce : chain.pendingAt(n))),
    balance: () => ask("balance", (_, n) => Exit.succeed(chain.balanceAt(n))),
    send: (raw) =>
      ask("send", (_, n) => {
        const transaction = signatures.get(raw)
        if (transaction === undefined) return Exit.die(new Error("bytes that nobody has signed were sent"))
        onSend(raw)
        const refused = policy(transaction)
        const answer = refused?.reason ?? chain.receive(n, transaction)
        if (answer === "accepted" || answer === "already_known") return Exit.succeed(answer)
        return Exit.fail(new TransactionRefused({ reason: answer, message: refused?.message ?? answer }))
      }),
    transactionKnown: (hash) =>
      ask("known", ({ head }, n) => Exit.succeed(chain.isKnownTo(n, hash) || minedIn(head, hash) !== undefined)),
    receipt: (hash) => ask("receipt", ({ head }) => Exit.succeed(receiptOf(head, hash))),
    blockNumber: ask("block number", ({ head }) => Exit.succeed(head.number)),
    blockTime: (number) =>
      ask("block time", ({ head }) => {
        const block = blockAt(head, number)
        return block === undefined
          ? missing("eth_getBlockByNumber")
          : Exit.succeed(DateTime.makeUnsafe(Math.floor(block.time / 1_000) * 1_000))
      }),
    blockReceipts: (number) =>
      ask("block receipts", ({ head }) => {
        const block = blockAt(head, number)
        if (block === undefined) return number <= head.number ? Exit.succeed([]) : missing("eth_getBlockReceipts")
        return Exit.succeed(
          block.mined.flatMap(({ transaction }) => Option.toArray(receiptOf(block, transaction.hash)))
        )
      }),
    minedAt: ({ nonce }) =>
      ask("mined at", ({ head }) => {
        for (let block: typeof head | undefined = head; block !== undefined; block = block.parent) {
          const found = block.mined.find(({ transaction }) => transaction.nonce === nonce)
          if (found !== undefined) {
            return Exit.succeed(Option.some({ hash: found.transaction.hash, blockNumber: block.number }))
          }
        }
        return Exit.succeed(Option.none())
      }),
    explainRevert: ({ blockNumber, transactionHash }) =>
      ask<ContractError | UnknownRevert>("explain revert", ({ head }, n) => {
        const transaction = minedIn(head, transactionHash)?.mined.transaction ??
          (chain.isKnownTo(n, transactionHash)
            ? Array.from(signatures.values()).find(({ hash }) => hash === transactionHash)
            : undefined)
        if (transaction === undefined) return missing("eth_getTransactionByHash")
        for (const number of [blockNumber - 1, blockNumber]) {
          const block = blockAt(head, number)
          if (block === undefined) return missing("eth_call")
          const refusal = refusalOf(transaction.call, block.after)
          if (refusal !== undefined) return Exit.succeed(contractErrors[refusal])
        }
        return Exit.succeed(new UnknownRevert({ data: "0x" }))
      })
  })

  /** The last change of this kind to a bucket, as the contract's logs report it. */
  const lastChange = (id: string, changesIn: (state: State) => State["deletions"]) =>
    ask("logs", ({ head }) => {
      if (chain.rules.forgetsLogs) return Exit.succeed(Option.none())
      const [, change] = Array.from(changesIn(head.after)).find(([name]) => bucketIdOf(name) === id) ?? []
      return Exit.succeed(Option.fromUndefinedOr(change))
    })

  const buckets = Layer.mock(Buckets, {
    prepareCreate: ({ name }) => prepare(() => ({ kind: "create", name })),
    prepareDelete: ({ name }) => prepare(({ list }) => ({ kind: "delete", name, index: list.indexOf(name) })),
    creationTransaction: (id) => lastChange(id, ({ creations }) => creations),
    deletionTransaction: (id) => lastChange(id, ({ deletions }) => deletions),
    bucketIdOf: () => Option.none(),
    onChain: ({ block: number, name }) =>
      ask("on chain", ({ head }) => {
        if (number !== undefined && number > head.number) return missing("eth_call")
        const block = number === undefined ? head : blockAt(head, number)
        if (block === undefined || !block.after.list.includes(name)) return Exit.succeed(Option.none())
        const createdAt = DateTime.makeUnsafe(block.time)
        return Exit.succeed(Option.some({ id: bucketIdOf(name), name, owner: walletAddress, createdAt }))
      })
  })

  return Layer.merge(chainLayer, buckets)
}

const contractErrors = {
  BucketAlreadyExists: new ContractError({ name: "BucketAlreadyExists", selector: "0x497ef2c2" }),
  BucketNonexists: new ContractError({ name: "BucketNonexists", selector: "0x938a92b7" }),
  IndexMismatch: new ContractError({ name: "IndexMismatch", selector: "0x37c7f255" })
}

const bucketIds = new Map<string, string>()
/** The id is a hash that takes its time, and there are few names. */
const bucketIdOf = (name: string) => {
  const id = bucketIds.get(name) ?? bucketId(name, walletAddress)
  bucketIds.set(name, id)
  return id
}
