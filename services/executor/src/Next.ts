/** What to do next for a job: a pure decision on what the log, the ledger and the chain show. */
import { TransactionHash } from "@akave-async/domain/Ethereum"
import * as Job from "@akave-async/domain/Job"
import * as Wallet from "@akave-async/domain/Wallet"
import type { Receipt } from "@akave-async/sdk/Chain"
import type { DateTime } from "effect"
import type { InsufficientFunds } from "./Failures.ts"
import type { Done } from "./Operation.ts"

/** What was seen of the job's latest claim, or of a part that needs no claim. */
export type Seen =
  | { readonly _tag: "Nothing" }
  /** The chain has mined a transaction of the claim: the call, or a transfer that only uses up the nonce. */
  | { readonly _tag: "Mined"; readonly did: "call" | "revert" | "transfer"; readonly receipt: Receipt }
  /** Another transaction has used the nonce of the claim that had this hash. */
  | { readonly _tag: "Elsewhere"; readonly claimed: TransactionHash; readonly by: TransactionHash }
  /** The attempt before this one ended with the claim's nonce used without effect, or not. */
  | { readonly _tag: "Spent" }
  | { readonly _tag: "Unspent" }
  /** What this part asks for is so already. */
  | { readonly _tag: "Found"; readonly part: Job.Part; readonly done: Done }
  /** The wallet can't pay for the claim's transaction. */
  | { readonly _tag: "Unpaid"; readonly shortage: InsufficientFunds }
  | { readonly _tag: "Overdue" }
export const nothing: Seen = { _tag: "Nothing" }

/** A job, and all that is known of it. */
export interface Situation {
  readonly jobId: Job.Id
  /** The jobs of its aggregate, as the log has them. */
  readonly jobs: Job.Jobs
  /** The parts of its work, in their order; none where it takes no transaction. */
  readonly parts: ReadonlyArray<Job.Part>
  /** Whether it takes back what it has done, where it does not go on. */
  readonly canUndo: boolean
  /** Its latest claim, as the ledger has it. */
  readonly claim: Wallet.Claim | "given up" | undefined
  readonly seen: Seen
}

export type Action =
  /** The job is over. */
  | { readonly _tag: "Leave" }
  | { readonly _tag: "Wait"; readonly until: DateTime.Utc }
  /** An executor gave the job up and died before it recorded the end. */
  | { readonly _tag: "Conclude" }
  | { readonly _tag: "Start" }
  /** Do the work of a job without parts. */
  | { readonly _tag: "Work" }
  /** See whether the claim of the attempt that failed is spent. */
  | { readonly _tag: "Look"; readonly claim: Wallet.Claim }
  /** Claim a nonce for this part, behind the claim that is spent or whose part is done. */
  | { readonly _tag: "Claim"; readonly part: Job.Part; readonly after: Wallet.Claim | undefined }
  /** Send the claim's transaction and record it. */
  | { readonly _tag: "Send"; readonly claim: Wallet.Claim }
  /** Wait for what the chain does with the claim's nonce. */
  | { readonly _tag: "Await"; readonly claim: Wallet.Claim }
  /** Report that the wallet can't pay, and wait for funds. */
  | { readonly _tag: "AwaitFunds"; readonly claim: Wallet.Claim; readonly shortage: InsufficientFunds }
  /** Find out why the transaction reverted, and what that means for the part. */
  | { readonly _tag: "Explain"; readonly claim: Wallet.Claim; readonly receipt: Receipt }
  | { readonly _tag: "Withdraw"; readonly claim: Wallet.Claim }
  /** Record that this part is done, which another one follows. */
  | { readonly _tag: "Advance"; readonly part: Job.Part; readonly done: Done }
  /** Record that the job takes back what it has done. */
  | { readonly _tag: "Abandon"; readonly error: Job.Failure }
  /** End a job that has taken back what it had done, once it gets no claim any more. */
  | { readonly _tag: "EndAbandoned"; readonly after: Wallet.Claim | undefined }
  | { readonly _tag: "Complete"; readonly done: Done; readonly after: Wallet.Claim | undefined }
  /** Complete the job with what was found done, once it gets no claim any more. */
  | {
    readonly _tag: "CompleteAsFound"
    readonly done: Done
    readonly after: Wallet.Claim | undefined
  }
  | { readonly _tag: "Fail"; readonly error: Job.Failure }
  /** What was seen is of a claim that was changed since: look at all of it again. */
  | { readonly _tag: "Refresh" }

/** What to do next at this time. */
export const next = (situation: Situation, now: DateTime.Utc): Action => {
  const { claim, jobId, jobs, parts, seen } = situation
  const { job, submitted } = jobs
  if (job === undefined || !Job.isLive(jobs, jobId)) return { _tag: "Leave" }
  if (claim === "given up") return { _tag: "Conclude" }
  const isRecorded = claim !== undefined && submitted.includes(claim.transactionHash)
  if (job.status !== "processing" || job.attemptFailed) {
    if ("retryAt" in job && Job.mustWait(job, now)) return { _tag: "Wait", until: job.retryAt }
    return isRecorded && seen._tag === "Nothing" ? { _tag: "Look", claim } : { _tag: "Start" }
  }
  if (parts.length === 0) return { _tag: "Work" }
  const way: Way = job.abandoned === undefined ? onward(situation, job.done) : backward(situation, job.done)
  if (seen._tag === "Found") return way.done(seen.part, seen.done, "CompleteAsFound")
  if (claim === undefined) return way.begin
  const part = Wallet.partOf(claim)
  // Another executor has found that the job does not go on.
  if (!way.parts.includes(part)) return { _tag: "Refresh" }
  if (seen._tag === "Spent") return way.again(part)
  if (!isRecorded || seen._tag === "Unspent") return { _tag: "Send", claim }
  return settled(claim, part, seen, way)
}

/** How a job goes on: towards its end, or back. */
interface Way {
  /** The parts that its claims can be for. */
  readonly parts: ReadonlyArray<Job.Part>
  /** What to do where it has no claim. */
  readonly begin: Action
  /** What to do once a part is done, and how the job is completed if that was the last one. */
  readonly done: (part: Job.Part, done: Done, completion: "Complete" | "CompleteAsFound") => Action
  /** What to do where the nonce of a part's claim was used without effect. */
  readonly again: (part: Job.Part) => Action
  /** What to do where the part's transaction was reverted. */
  readonly reverted: (part: Job.Part, receipt: Receipt) => Action
  /** What to do where a claim was withdrawn. */
  readonly withdrawn: (error: Job.Failure) => Action
}

const onward = ({ canUndo, claim: known, parts }: Situation, last: Job.Part | undefined): Way => {
  const claim = known === "given up" ? undefined : known
  const fail = (error: Job.Failure): Action => canUndo ? { _tag: "Abandon", error } : { _tag: "Fail", error }
  const claimFor = (part: Job.Part): Action =>
    claim?.withdrawn === undefined ? { _tag: "Claim", part, after: claim } : fail(claim.withdrawn)
  const place = (part: Job.Part | undefined) => part === undefined ? -1 : parts.indexOf(part)
  return {
    parts,
    begin: claimFor(parts[place(last) + 1] ?? Job.whole),
    done: (part, done, completion) => {
      if (place(part) === parts.length - 1) return { _tag: completion, done, after: claim }
      if (place(last) < place(part)) return { _tag: "Advance", part, done }
      // A claim that was withdrawn is the job's last one, though its call was mined after all.
      return claimFor(parts[Math.max(place(part), place(last)) + 1] ?? Job.whole)
    },
    again: (part) => claimFor(part),
    reverted: (_, receipt) => claim === undefined ? { _tag: "Refresh" } : { _tag: "Explain", claim, receipt },
    withdrawn: fail
  }
}

/** Of an abandoned job: what it has under way is seen through, and then taken back, unless that was its last part. */
const backward = ({ claim: known, parts }: Situation, last: Job.Part | undefined): Way => {
  const claim = known === "given up" ? undefined : known
  const place = (part: Job.Part | undefined) => part === undefined ? -1 : parts.indexOf(part)
  const undo: Action = { _tag: "Claim", part: Job.undo, after: claim }
  return {
    parts: [...parts, Job.undo],
    // Without a part that is done it has nothing to take back; else its claims were lost with the ledger.
    begin: last === undefined ? { _tag: "EndAbandoned", after: undefined } : undo,
    done: (part, done, completion) => {
      if (part === Job.undo) return { _tag: "EndAbandoned", after: claim }
      if (part === parts.at(-1)) return { _tag: completion, done, after: claim }
      // Not all of it can be taken back: a file that was to be replaced stays deleted, and the log has to say so.
      return place(last) < place(part) ? { _tag: "Advance", part, done } : undo
    },
    again: () => undo,
    reverted: (part, receipt) => part === Job.undo && claim !== undefined ? { _tag: "Explain", claim, receipt } : undo,
    withdrawn: () => undo
  }
}

/** What to do once something was seen of a claim that was recorded. */
const settled = (
  claim: Wallet.Claim,
  part: Job.Part,
  seen: Exclude<Seen, { _tag: "Found" | "Spent" | "Unspent" }>,
  way: Way
): Action => {
  switch (seen._tag) {
    case "Nothing":
      return { _tag: "Await", claim }
    case "Unpaid":
      return { _tag: "AwaitFunds", claim, shortage: seen.shortage }
    case "Overdue":
      return { _tag: "Withdraw", claim }
    case "Elsewhere": {
      // A change to the claim may be what has used the nonce.
      if (Wallet.hashes(claim).includes(seen.by)) return { _tag: "Refresh" }
      if (claim.withdrawn !== undefined) return way.withdrawn(claim.withdrawn)
      return seen.claimed === claim.transactionHash ? way.again(part) : { _tag: "Await", claim }
    }
    case "Mined": {
      const { did, receipt } = seen
      if (did === "transfer") {
        return claim.withdrawn === undefined ? { _tag: "Refresh" } : way.withdrawn(claim.withdrawn)
      }
      return did === "revert" ? way.reverted(part, receipt) : way.done(part, doneBy(receipt), "Complete")
    }
  }
}

/** That a transaction of the job has done a part. */
export const doneBy = ({ blockNumber, effectiveGasPrice, gasUsed, transactionHash }: Receipt): Done => ({
  transactionHash: TransactionHash.make(transactionHash),
  blockNumber,
  gasUsed,
  ...(effectiveGasPrice === undefined ? {} : { effectiveGasPrice }),
  adopted: false
})
