/** How fills go to the chain: the node's own account, its nonces and its transactions. */
import { Context, Effect, Layer, Schema } from "effect"
import { Interface, isCallException, Wallet } from "ethers"
import { Anvil, chainId } from "../Anvil.ts"
import { Contracts } from "../Contracts.ts"
import { nodeKey } from "../DevnetAccounts.ts"
import { AnvilConfig } from "../DevnetConfig.ts"
import { ChainUnavailable } from "../Storage.ts"
import { storage } from "./FileContract.ts"
import { NodeIdentity } from "./NodeIdentity.ts"
import type { Fill } from "./NodeState.ts"

/** Blocks filled by one transaction at most. */
const blocksPerTransaction = 32
/**
 * Gas that a transaction claims: of itself, of each chunk, of each block, and of each byte of a block's file name. A block alone
 * takes 167 000, and 32 blocks of one chunk take 2.1 million.
 */
const gasOfTransaction = 30_000
const gasOfChunk = 100_000
const gasOfBlock = 75_000
const gasOfNameByte = 60
/** In wei; the devnet holds its base fee far below. */
const feeCap = 150_000_000_000n
const tip = 1_000_000_000n

/** The transaction's outcome in the chain, or that it is not in the chain: it waits, or the chain has lost it. */
export type Outcome =
  | { readonly _tag: "Mined"; readonly isSuccess: boolean; readonly number: number; readonly hash: string }
  | { readonly _tag: "Waiting" }
  | { readonly _tag: "Lost" }

const Receipt = Schema.NullOr(
  Schema.Struct({ status: Schema.String, blockNumber: Schema.String, blockHash: Schema.String })
)
const panics = new Interface(["error Panic(uint256)", "error Error(string)"])

export class FillChain extends Context.Service<FillChain, {
  /** How many of these fills go into one transaction, from the first one on; 1 at least. */
  fitting(fills: ReadonlyArray<Fill>): number
  /** Signs and sends a transaction with the next nonce, and gives its hash. */
  send(fills: ReadonlyArray<Fill>): Effect.Effect<string, ChainUnavailable>
  outcome(transaction: string): Effect.Effect<Outcome, ChainUnavailable>
  /** Why a fill would be refused now; undefined where it would not. */
  refusal(fill: Fill): Effect.Effect<"NoChunk" | { readonly reason: string } | undefined, ChainUnavailable>
  /** Takes back what is not mined, and counts nonces anew. */
  readonly reset: Effect.Effect<void, ChainUnavailable>
}>()("@akave-async/devnet/FillChain") {
  static readonly layer = Layer.effect(
    FillChain,
    // oxlint-disable-next-line max-lines-per-function -- its operations share one account
    Effect.gen(function*() {
      const { provider, rpc } = yield* Anvil
      const { storageAddress } = yield* Contracts
      const { gasLimit } = yield* AnvilConfig
      const identity = yield* NodeIdentity
      const wallet = new Wallet(nodeKey)
      /** The next one, once it is known. */
      let nonce: number | undefined

      const ask = (method: string, parameters: ReadonlyArray<unknown>) =>
        Effect.mapError(rpc(method, parameters), (cause) => new ChainUnavailable({ cause }))
      const dataOf = (fills: ReadonlyArray<Fill>) =>
        storage.encodeFunctionData("fillChunkBlocks", [
          fills.map((fill) => [
            `0x${fill.digest}`,
            identity.onChain,
            fill.bucketId,
            fill.chunkIndex,
            fill.nonce,
            fill.blockIndex,
            fill.fileName,
            fill.signature,
            fill.deadline
          ])
        ])

      const nextNonce = Effect.suspend(() =>
        nonce === undefined
          ? Effect.map(ask("eth_getTransactionCount", [wallet.address, "latest"]), Number)
          : Effect.succeed(nonce)
      )

      return FillChain.of({
        fitting: (fills) => {
          let count = 1
          while (count < fills.length && count < blocksPerTransaction && gasOf(fills.slice(0, count + 1)) <= gasLimit) {
            count++
          }
          return count
        },
        send: Effect.fn("FillChain.send")(function*(fills) {
          const next = yield* nextNonce
          const raw = yield* Effect.promise(() =>
            wallet.signTransaction({
              type: 2,
              chainId,
              nonce: next,
              to: storageAddress,
              data: dataOf(fills),
              gasLimit: Math.min(gasOf(fills), gasLimit),
              maxFeePerGas: feeCap,
              maxPriorityFeePerGas: tip
            })
          )
          const hash = yield* Effect.flatMap(ask("eth_sendRawTransaction", [raw]), decodeHash)
          nonce = next + 1
          return hash
        }),
        outcome: Effect.fn("FillChain.outcome")(function*(transaction) {
          const receipt = yield* Effect.flatMap(ask("eth_getTransactionReceipt", [transaction]), decodeReceipt)
          if (receipt !== null) {
            return {
              _tag: "Mined",
              isSuccess: receipt.status === "0x1",
              number: Number(receipt.blockNumber),
              hash: receipt.blockHash
            }
          }
          return { _tag: (yield* ask("eth_getTransactionByHash", [transaction])) === null ? "Lost" : "Waiting" }
        }),
        refusal: (fill) =>
          Effect.tryPromise({
            try: () => provider.call({ from: wallet.address, to: storageAddress, data: dataOf([fill]) }),
            catch: (cause) => new ChainUnavailable({ cause })
          }).pipe(
            Effect.as(undefined),
            Effect.catchIf(
              ({ cause }) => isCallException(cause) && cause.data !== null,
              ({ cause }) => Effect.succeed(reasonOf(isCallException(cause) ? cause.data ?? "0x" : "0x"))
            )
          ),
        reset: Effect.andThen(
          ask("anvil_removePoolTransactions", [wallet.address]),
          Effect.sync(() => {
            nonce = undefined
          })
        )
      })
    })
  )
}

const decodeHash = (answer: unknown) => Effect.orDie(Schema.decodeUnknownEffect(Schema.String)(answer))
const decodeReceipt = (answer: unknown) => Effect.orDie(Schema.decodeUnknownEffect(Receipt)(answer))

const gasOf = (fills: ReadonlyArray<Fill>): number => {
  const chunks = new Set(fills.map(({ chunkIndex, fileId }) => `${fileId}/${chunkIndex}`))
  return fills.reduce(
    (sum, { fileName }) => sum + gasOfBlock + gasOfNameByte * Buffer.byteLength(fileName),
    gasOfTransaction + gasOfChunk * chunks.size
  )
}

const outOfBounds = 0x32n
const reasonOf = (data: string): "NoChunk" | { readonly reason: string } => {
  const found = panics.parseError(data) ?? storage.parseError(data)
  if (found?.name === "Panic" && found.args[0] === outOfBounds) return "NoChunk"
  if (found?.name === "Error") return { reason: String(found.args[0]) }
  return { reason: found?.name ?? data }
}
