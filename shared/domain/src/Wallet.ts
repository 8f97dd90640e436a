/**
 * The wallet aggregate: which nonce of a wallet belongs to which job. A claim holds the signed transaction, so that it is
 * on disk before the first byte goes out, and a crash can only ever lead to the same bytes being sent again.
 */
import { Schema } from "effect"
import { Address, TransactionHash, Wei } from "./Ethereum.ts"
import * as Job from "./Job.ts"

// Tags and fields are the stored format: add an event or an optional field, never rename, retype or remove one.
const signed = {
  signer: Address,
  nonce: Schema.Natural,
  /** The raw signed transaction: 0x and hex digits. */
  transaction: Schema.String.check(Schema.isPattern(/^0x([0-9a-f]{2})+$/)),
  transactionHash: TransactionHash,
  maxFeePerGas: Wei,
  maxPriorityFeePerGas: Wei,
  occurredAt: Schema.DateTimeUtc
}
export const Event = Schema.TaggedUnion({
  /** The first event of every ledger: the wallet's transaction count on chain when it came under the ledger's care. */
  WalletOpened: {
    signer: Address,
    nextNonce: Schema.Natural,
    /**
     * True where an earlier ledger of the wallet was lost, or the end of this one: earlier nonces may belong to claims of jobs that
     * are not known here. Nothing is done before the chain has used them.
     */
    isRenewed: Schema.optionalKey(Schema.Boolean),
    occurredAt: Schema.DateTimeUtc
  },
  NonceClaimed: {
    jobId: Job.Id,
    /** Absent for a job that has only one. */
    part: Schema.optionalKey(Job.Part),
    ...signed
  },
  /**
   * Another transaction takes the place of the one that had this nonce: the same call with higher fees, or one that only
   * uses the nonce up. The chain mines one of them.
   */
  TransactionReplaced: {
    /** Absent where no job has this nonce: a transaction from elsewhere had it, and was lost. */
    jobId: Schema.optionalKey(Job.Id),
    part: Schema.optionalKey(Job.Part),
    ...signed,
    /** The transactions that had this nonce before, oldest first. */
    earlier: Schema.Array(TransactionHash),
    /**
     * Present once the claim is withdrawn: it is to have no effect on chain any more, and so the job fails, if the nonce is
     * used up without one.
     */
    cancelled: Schema.optionalKey(Job.Failure),
    nextNonce: Schema.Natural
  },
  /** The job gets no claim any more: written before a job without one fails, so that no other executor can still send. */
  ClaimForgone: { jobId: Job.Id, signer: Address, nextNonce: Schema.Natural, occurredAt: Schema.DateTimeUtc }
})
export type Event = typeof Event.Type
export const { ClaimForgone, NonceClaimed, TransactionReplaced, WalletOpened } = Event.cases

/**
 * The subjects, below the wallet's own prefix: one for the opening, and one for the claims of a job, whichever part they are
 * for, so that giving a job up and claiming for any part of it exclude each other. A nonce that no job has, or that its job
 * has left behind, has a subject of its own.
 */
export const openingSubject = "opened"
export const claimSubject = (jobId: Job.Id): string => jobId
export const nonceSubject = (nonce: number): string => `nonce.${nonce}`

/** A nonce, the part of a job that it belongs to, and the transaction that it has now. */
export interface Claim extends Omit<typeof TransactionReplaced.Type, "_tag" | "nextNonce" | "cancelled"> {
  /** Present once the claim is withdrawn: how the job fails if the nonce is used up without effect. */
  readonly withdrawn?: Job.Failure
}

/** The part that a claim is for. */
export const partOf = ({ part }: Pick<Claim, "part">): Job.Part => part ?? Job.whole

/** The claim that an event makes or changes. */
export function claimOf(event: typeof NonceClaimed.Type | typeof TransactionReplaced.Type): Claim
export function claimOf(event: Event): Claim | undefined
export function claimOf(event: Event): Claim | undefined {
  switch (event._tag) {
    case "NonceClaimed": {
      const { _tag, ...claim } = event
      return { ...claim, earlier: [] }
    }
    case "TransactionReplaced": {
      const { _tag, cancelled, nextNonce: _, ...claim } = event
      return cancelled === undefined ? claim : { ...claim, withdrawn: cancelled }
    }
    default:
      return undefined
  }
}

/** All transactions of a claim: the chain mines one of them, or one from elsewhere. */
export const hashes = (claim: Claim): ReadonlyArray<TransactionHash> => [...claim.earlier, claim.transactionHash]

/** The next nonce to claim, once the wallet is open. */
export type State = number | undefined
export const initial: State = undefined

export const evolve = (_: State, event: Event): State =>
  event._tag === "NonceClaimed" ? event.nonce + 1 : event.nextNonce

/** In wei per gas unit. */
export interface Fees {
  readonly maxFeePerGas: bigint
  readonly maxPriorityFeePerGas: bigint
}

/** Nodes take a transaction in the place of another one for a tenth more at least, some for an eighth. */
const step = (fee: bigint): bigint => fee + (fee + 7n) / 8n + (fee === 0n ? 1n : 0n)

/**
 * What a transaction must offer to take the place of one with the fees `had`, where the chain asks for `market`.
 * Undefined: that would be more than `cap`.
 */
export const raise = (had: Fees, market: Fees, cap: bigint): Fees | undefined => {
  const least = step(had.maxFeePerGas)
  if (least > cap) return undefined
  const maxFeePerGas = min(max(least, market.maxFeePerGas), cap)
  const tip = max(step(had.maxPriorityFeePerGas), market.maxPriorityFeePerGas)
  return { maxFeePerGas, maxPriorityFeePerGas: min(tip, maxFeePerGas) }
}

/** What the chain asks for, as far as the cap allows. */
export const capped = (market: Fees, cap: bigint): Fees => ({
  maxFeePerGas: min(market.maxFeePerGas, cap),
  maxPriorityFeePerGas: min(market.maxPriorityFeePerGas, cap)
})

const min = (a: bigint, b: bigint): bigint => (a < b ? a : b)
const max = (a: bigint, b: bigint): bigint => (a > b ? a : b)
