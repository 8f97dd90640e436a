/** What the nodes of EVM chains say when they refuse. There is no standard: each client and provider has its own words. */
import type { RefusalReason } from "./Errors.ts"

/** The first pattern that fits decides, so a text that contains another one stands before it. */
const words: ReadonlyArray<readonly [RegExp, RefusalReason | "already_known" | "busy"]> = [
  // geth, coreth, subnet-evm, reth "already known"; Besu "Known transaction"; Anvil "transaction already imported";
  // Erigon "existing txn with same hash"; Nethermind "AlreadyKnown".
  [/already ?known|known transaction|already imported|same hash/i, "already_known"],
  // Nothing is wrong with the transaction: a full pool, a node that still synchronises, a limit on requests or answers.
  [/pool is full|pool is disabled|pool not enabled|account limit exceeded|sync|rate limit|too many requests/i, "busy"],
  [/timed? ?out|request limit|batch|response (is )?too (large|big)/i, "busy"],
  // "replacement transaction underpriced" (all); Anvil's pool "insufficient gas price to replace existing transaction";
  // Erigon "could not replace existing tx"; Nethermind "ReplacementNotAllowed".
  [/replacement|replace existing|replace pending/i, "replacement_underpriced"],
  // "nonce too low" (all); Nethermind "OldNonce".
  [/nonce too low|oldnonce/i, "nonce_too_low"],
  // "nonce too high" (all); Besu "nonce is too distant from current sender nonce" and "An invalid transaction with a
  // lower nonce exists"; Nethermind "NonceGap" and "NonceTooFarInFuture".
  [/nonce too high|nonce is too distant|lower nonce exists|noncegap|nonce ?too ?far/i, "nonce_too_high"],
  // "insufficient funds for gas * price + value", "... for transfer" (geth and kin); Erigon "insufficient funds";
  // Besu "Upfront cost exceeds account balance"; Nethermind "InsufficientFunds".
  [/insufficient ?funds|exceeds account balance|insufficient balance/i, "insufficient_funds"],
  // "max fee per gas less than block base fee" (geth, Anvil, reth); Besu "Gas price below current base fee".
  [/less than block base fee|below current base fee/i, "fee_below_base_fee"],
  // "exceeds block gas limit", "intrinsic gas too low", "gas limit reached", "transaction gas limit too high" (geth and
  // kin); Anvil "intrinsic gas too high", "gas limit is greater than"; Erigon "IntrinsicGas", "gas limit is too high";
  // Besu "Intrinsic gas exceeds gas limit"; Nethermind "GasLimitExceeded"; geth "insufficient gas for floor data gas cost".
  [/gas ?limit|intrinsic ?gas|floor data gas/i, "gas_limit"],
  // "transaction underpriced" (geth and kin; coreth and subnet-evm also below the pool's minimum fee); Erigon
  // "underpriced" and "fee too low"; Besu "Gas price below configured minimum gas price"; Nethermind "FeeTooLow...".
  [/underpriced|fee ?too ?low|below configured minimum/i, "underpriced"]
]

/** Codes by which a node says that it looked at the transaction, even if in words that are not known. */
const refusalCodes: ReadonlySet<number> = new Set([-32000, -32003, -32603, -32602])

/**
 * What a JSON-RPC error in answer to `eth_sendRawTransaction` means; "busy" stands for every error that says nothing
 * about the transaction. The words decide before the code, because Besu has a code of its own for each reason.
 */
export const classify = (code: number, message: string): RefusalReason | "already_known" | "busy" =>
  words.find(([pattern]) => pattern.test(message))?.[1] ?? (refusalCodes.has(code) ? "other" : "busy")

/** EIP-1474's and what providers have beside it. Besu means a transaction's gas limit by the first one. */
const limitCodes: ReadonlySet<number | string> = new Set([-32005, -32029, 429])
const limitWords =
  /rate.?limit|too many requests|request (rate|limit)|request count exceeded|compute units|throughput|throttl|quota|requests? per (second|minute|day)/i
/** The first code also stands for limits of what one request asks for. */
const sizeWords = /batch|block range|range limit|max(imum)? range|results?\b/i

/** Whether the chain's node asks for fewer requests in a time: the same request may be made again after a while. */
export const isRateLimit = (method: string, code: number | string, message: string): boolean => {
  if (limitWords.test(message)) return true
  const isKnown = words.some(([pattern, reason]) => reason !== "busy" && pattern.test(message))
  // Of logs, "limit exceeded" without more is what some say of too many blocks.
  return limitCodes.has(code) && method !== "eth_getLogs" && !isKnown && !sizeWords.test(message)
}

/** Whether it is the number of requests that travel together, or the size of all their answers, that the node refuses. */
export const isBatchLimit = (message: string): boolean => /batch|response (is )?too (large|big)/i.test(message)

/** Whether so many blocks, or so old ones, are more than the node searches for logs. */
export const isBeyondReach = (message: string): boolean =>
  /range|limit|too many|too large|exceed|prune|history|more than|up to|blocks at most/i.test(message)
