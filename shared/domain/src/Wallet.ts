/**
 * The wallet aggregate: which nonce of a wallet belongs to which job. A claim holds the signed transaction, so that it is
 * on disk before the first byte goes out, and a crash can only ever lead to the same bytes being sent again.
 */
import { Schema } from "effect"
import { Address, TransactionHash, Wei } from "./Chain.ts"
import * as Job from "./Job.ts"

// Tags and fields are the stored format: add an event or an optional field, never rename, retype or remove one.
export const Event = Schema.TaggedUnion({
  /** The first event of every ledger: the wallet's transaction count on chain when it came under the ledger's care. */
  WalletOpened: { signer: Address, nextNonce: Schema.Natural, occurredAt: Schema.DateTimeUtc },
  NonceClaimed: {
    jobId: Job.Id,
    signer: Address,
    nonce: Schema.Natural,
    /** The raw signed transaction: 0x and hex digits. */
    transaction: Schema.String.check(Schema.isPattern(/^0x([0-9a-f]{2})+$/)),
    transactionHash: TransactionHash,
    maxFeePerGas: Wei,
    maxPriorityFeePerGas: Wei,
    occurredAt: Schema.DateTimeUtc
  },
  /** The job gets no claim any more: written before a job without one fails, so that no other executor can still send. */
  ClaimForgone: { jobId: Job.Id, signer: Address, nextNonce: Schema.Natural, occurredAt: Schema.DateTimeUtc }
})
export type Event = typeof Event.Type
export const { ClaimForgone, NonceClaimed, WalletOpened } = Event.cases
export type Claim = typeof NonceClaimed.Type

/** The subjects, below the wallet's own prefix: one for the opening, one for each job's claims. */
export const openingSubject = "opened"
export const claimSubject = (jobId: Job.Id): string => jobId

/** The next nonce to claim, once the wallet is open. */
export type State = number | undefined
export const initial: State = undefined

export const evolve = (_: State, event: Event): State =>
  event._tag === "NonceClaimed" ? event.nonce + 1 : event.nextNonce
