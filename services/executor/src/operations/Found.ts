/** What the chain's logs say of how something was done that the contract refuses to do again. */
import { TransactionHash } from "@akave-async/domain/Ethereum"
import type { MinedTransaction } from "@akave-async/sdk/Buckets"
import { RpcError } from "@akave-async/sdk/Errors"
import { Effect, Option } from "effect"
import type { Done } from "../Operation.ts"

/**
 * How it was done by the last such transaction. No transaction, or one no later than the last that the log knows, proves nothing: the
 * chain's node shows an older state.
 */
export const doneSince = (
  last: Option.Option<MinedTransaction>,
  own: ReadonlyArray<TransactionHash>,
  since: number
): Effect.Effect<Done, RpcError> => {
  if (Option.isNone(last) || last.value.blockNumber <= since) {
    return Effect.fail(
      new RpcError({
        method: "eth_getLogs",
        code: "STALE",
        details: `the chain's node shows how it was before what is known of it since block ${since}`
      })
    )
  }
  const { blockNumber, hash } = last.value
  const transactionHash = TransactionHash.make(hash)
  return Effect.succeed({ transactionHash, blockNumber, adopted: !own.includes(transactionHash) })
}
