/** What to do next for a job: a pure decision on what the log, the ledger and the chain show. */
import type { TransactionHash } from "@akave-async/domain/Ethereum"
import * as Job from "@akave-async/domain/Job"
import * as Wallet from "@akave-async/domain/Wallet"
import type { Receipt } from "@akave-async/sdk/Chain"
import type { DateTime } from "effect"
import type { InsufficientFunds } from "./Failures.ts"
import type { ResultOf } from "./Operation.ts"

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
  | { readonly _tag: "Found"; readonly part: Job.Part; readonly result: ResultOf<Job.Job> }
  /** The wallet can't pay for the claim's transaction. */
  | { readonly _tag: "Unpaid"; readonly shortage: InsufficientFunds }
  | { readonly _tag: "Overdue" }
export const nothing: Seen = { _tag: "Nothing" }

/** A job, and all that is known of it. */
export interface Situation {
  readonly jobId: Job.Id
  /** The jobs of its aggregate, as the log has them. */
  readonly jobs: Job.Jobs
  /** The parts of its work, in their order. */
  readonly parts: ReadonlyArray<Job.Part>
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
  | { readonly _tag: "Complete"; readonly receipt: Receipt }
  /** Complete the job with what was found done, once it gets no claim any more. */
  | {
    readonly _tag: "CompleteAsFound"
    readonly result: ResultOf<Job.Job>
    readonly after: Wallet.Claim | undefined
  }
  | { readonly _tag: "Fail"; readonly error: Job.Failure }
  /** What was seen is of a claim that was changed since: look at all of it again. */
  | { readonly _tag: "Refresh" }

/** What to do next at this time. */
export const next = ({ claim, jobId, jobs, parts, seen }: Situation, now: DateTime.Utc): Action => {
  const { job, submitted } = jobs
  if (job === undefined || !Job.isLive(jobs, jobId)) return { _tag: "Leave" }
  if (claim === "given up") return { _tag: "Conclude" }
  const isRecorded = claim !== undefined && submitted.includes(claim.transactionHash)
  if (job.status !== "processing" || job.attemptFailed) {
    if ("retryAt" in job && Job.mustWait(job, now)) return { _tag: "Wait", until: job.retryAt }
    return isRecorded && seen._tag === "Nothing" ? { _tag: "Look", claim } : { _tag: "Start" }
  }
  /** What follows on a part that is done. */
  const behind = (part: Job.Part): Job.Part | undefined => parts[parts.indexOf(part) + 1]
  if (seen._tag === "Found") {
    const part = behind(seen.part)
    if (part === undefined) return { _tag: "CompleteAsFound", result: seen.result, after: claim }
    return claim?.withdrawn === undefined
      ? { _tag: "Claim", part, after: claim }
      : { _tag: "Fail", error: claim.withdrawn }
  }
  if (claim === undefined) return { _tag: "Claim", part: parts[0] ?? Job.whole, after: undefined }
  const part = Wallet.partOf(claim)
  if (seen._tag === "Spent") return { _tag: "Claim", part, after: claim }
  if (!isRecorded || seen._tag === "Unspent") return { _tag: "Send", claim }
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
      if (claim.withdrawn !== undefined) return { _tag: "Fail", error: claim.withdrawn }
      return seen.claimed === claim.transactionHash ? { _tag: "Claim", part, after: claim } : { _tag: "Await", claim }
    }
    case "Mined": {
      const { did, receipt } = seen
      if (did === "transfer") {
        return claim.withdrawn === undefined ? { _tag: "Refresh" } : { _tag: "Fail", error: claim.withdrawn }
      }
      if (did === "revert") return { _tag: "Explain", claim, receipt }
      const following = behind(part)
      if (following === undefined) return { _tag: "Complete", receipt }
      // A claim that was withdrawn is the job's last one, though its call was mined after all.
      return claim.withdrawn === undefined
        ? { _tag: "Claim", part: following, after: claim }
        : { _tag: "Fail", error: claim.withdrawn }
    }
  }
}
