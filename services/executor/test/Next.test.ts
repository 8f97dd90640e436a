import * as Bucket from "@akave-async/domain/Bucket"
import { BucketName } from "@akave-async/domain/BucketName"
import { Address, BucketId, TransactionHash } from "@akave-async/domain/Ethereum"
import * as Job from "@akave-async/domain/Job"
import type * as Wallet from "@akave-async/domain/Wallet"
import { assert, describe, it } from "@effect/vitest"
import { DateTime, type Duration, Result } from "effect"
import { InsufficientFunds } from "../src/Failures.ts"
import { next, nothing, type Seen, type Situation } from "../src/Next.ts"

const owner = Address.make("0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266")
const jobId = Job.Id.make("019845e1-682f-7b02-a706-3b2422d13aec")
const other = Job.Id.make("019845e1-682f-7b02-a706-3b2422d13aed")
const now = DateTime.makeUnsafe("2026-01-01T00:00:00.000Z")
const error: Job.Failure = { category: "network", code: "ChainUnreachable", message: "away" }
const late: Job.Failure = { category: "chain_timeout", code: "DeadlinePassed", message: "late" }
const hashOf = (n: number) => TransactionHash.make(`0x${n.toString(16).padStart(64, "0")}`)

/** The claim of this nonce; its transaction has the nonce as its hash, and a later one 100 more. */
const claimOf = (nonce: number, fields: Partial<Wallet.Claim> = {}): Wallet.Claim => ({
  jobId,
  signer: owner,
  nonce,
  transaction: "0x00",
  transactionHash: hashOf(nonce),
  maxFeePerGas: 2n,
  maxPriorityFeePerGas: 1n,
  occurredAt: now,
  earlier: [],
  ...fields
})
const raised = (claim: Wallet.Claim, fields: Partial<Wallet.Claim> = {}) =>
  claimOf(claim.nonce, {
    ...claim,
    transactionHash: hashOf(claim.nonce + 100),
    earlier: [...claim.earlier, claim.transactionHash],
    ...fields
  })
const ofPart = (nonce: number, part: Job.Part) => claimOf(nonce, { part })

const request = { name: BucketName.make("my-bucket"), owner }
const decided = <Rejection>(
  jobs: Bucket.State,
  decide: (state: Bucket.State, at: DateTime.Utc) => Result.Result<ReadonlyArray<Bucket.Event>, Rejection>
) => Result.getOrThrow(decide(jobs, now)).reduce(Bucket.evolve, jobs)
const queued = decided(Bucket.initial, Bucket.requestCreation({ ...request, jobId }))
const attempting = decided(queued, Bucket.onJob(Job.startAttempt(jobId)))
/** A job whose log has these transactions. */
const recorded = (...claims: ReadonlyArray<Wallet.Claim>) =>
  claims.reduce(
    (jobs, { maxFeePerGas, maxPriorityFeePerGas, nonce, signer, transactionHash }) =>
      decided(
        jobs,
        Bucket.onJob(
          Job.recordSubmission({ jobId, nonce, signer, transactionHash, maxFeePerGas, maxPriorityFeePerGas })
        )
      ),
    attempting
  )
const failed = (jobs: Bucket.State, retryAt = now) =>
  decided(jobs, Bucket.onJob(Job.failAttempt({ jobId, error, retryAt })))
const ended = decided(attempting, Bucket.onJob(Job.fail({ jobId, error })))

const receipt = {
  transactionHash: hashOf(4),
  blockNumber: 9,
  blockHash: hashOf(9),
  status: "success" as const,
  gasUsed: 21_000,
  from: owner,
  to: owner,
  logs: []
}
const mined = (did: "call" | "revert" | "transfer"): Seen => ({ _tag: "Mined", did, receipt })
const elsewhere = (claimed: number, by = 999): Seen => ({
  _tag: "Elsewhere",
  claimed: hashOf(claimed),
  by: hashOf(by)
})
const shortage = new InsufficientFunds({ address: owner, balance: 0n, needed: 1n, transactions: 1 })
const result = { adopted: true, bucketId: BucketId.make(hashOf(1)) }
const found = (part: Job.Part): Seen => ({ _tag: "Found", part, result })

const situation = (
  jobs: Job.Jobs,
  claim?: Situation["claim"],
  seen: Seen = nothing,
  parts: ReadonlyArray<Job.Part> = [Job.whole]
): Situation => ({ jobId, jobs, parts, claim, seen })

const claim = claimOf(4)
const withdrawn = raised(claim, { withdrawn: late })
const three = ["first", "second", "third"]
const [first, second, third] = [ofPart(4, "first"), ofPart(5, "second"), ofPart(6, "third")]

describe("what is next", () => {
  it.for<[string, Situation, ReturnType<typeof next>]>([
    ["for a job that nobody asked for is nothing", situation(Bucket.initial), { _tag: "Leave" }],
    ["for a job that has ended is nothing, whatever is seen", situation(ended, claim, mined("call")), {
      _tag: "Leave"
    }],
    [
      "for a job that another has followed is nothing",
      situation(decided(ended, Bucket.requestCreation({ ...request, jobId: other })), claim),
      { _tag: "Leave" }
    ],
    ["for a job that was given up is its end", situation(attempting, "given up"), { _tag: "Conclude" }],

    ["for a queued job is its first attempt", situation(queued), { _tag: "Start" }],
    ["for an attempt that has no claim is to claim", situation(attempting), {
      _tag: "Claim",
      part: Job.whole,
      after: undefined
    }],
    ["for an attempt with a claim is to send it", situation(attempting, claim), { _tag: "Send", claim }],
    ["for what was sent and recorded is the chain's", situation(recorded(claim), claim), { _tag: "Await", claim }],
    [
      "for a claim that was changed since is to send what it is now",
      situation(recorded(claim), raised(claim)),
      { _tag: "Send", claim: raised(claim) }
    ],
    [
      "for a claim that another has recorded, and a late executor its earlier version after it, is the chain's",
      situation(recorded(raised(claim), claim), raised(claim)),
      { _tag: "Await", claim: raised(claim) }
    ],

    ["after an attempt without a claim is another attempt", situation(failed(attempting)), { _tag: "Start" }],
    [
      "after an attempt whose claim was not recorded is another attempt",
      situation(failed(attempting), claim),
      { _tag: "Start" }
    ],
    [
      "after an attempt with a claim is to see what became of that",
      situation(failed(recorded(claim)), claim),
      { _tag: "Look", claim }
    ],
    ["once that is seen is another attempt", situation(failed(recorded(claim)), claim, { _tag: "Spent" }), {
      _tag: "Start"
    }],
    ["of which a spent claim is followed by another", situation(recorded(claim), claim, { _tag: "Spent" }), {
      _tag: "Claim",
      part: Job.whole,
      after: claim
    }],
    ["and one that is not spent is sent again", situation(recorded(claim), claim, { _tag: "Unspent" }), {
      _tag: "Send",
      claim
    }],

    ["for a call that is mined is the job's end", situation(recorded(claim), claim, mined("call")), {
      _tag: "Complete",
      receipt
    }],
    ["for a call that reverted is to find out why", situation(recorded(claim), claim, mined("revert")), {
      _tag: "Explain",
      claim,
      receipt
    }],
    [
      "for a transfer of nothing, of a claim that others have withdrawn, is to look again",
      situation(recorded(claim), claim, mined("transfer")),
      { _tag: "Refresh" }
    ],
    [
      "for a transfer of nothing is what the claim was withdrawn for",
      situation(recorded(claim, withdrawn), withdrawn, mined("transfer")),
      { _tag: "Fail", error: late }
    ],
    [
      "for a withdrawn claim whose call was mined after all is the job's end",
      situation(recorded(claim, withdrawn), withdrawn, mined("call")),
      { _tag: "Complete", receipt }
    ],
    ["for a nonce that was used from elsewhere is another claim", situation(recorded(claim), claim, elsewhere(4)), {
      _tag: "Claim",
      part: Job.whole,
      after: claim
    }],
    [
      "for a nonce that another version of the claim has used is to look again",
      situation(recorded(claim, raised(claim)), raised(claim), elsewhere(4, 4)),
      { _tag: "Refresh" }
    ],
    [
      "for a nonce that was used from elsewhere, where others have claimed since, is their claim",
      situation(recorded(claim, claimOf(5)), claimOf(5), elsewhere(4)),
      { _tag: "Await", claim: claimOf(5) }
    ],
    [
      "for a withdrawn claim whose nonce was used from elsewhere is what it was withdrawn for",
      situation(recorded(claim, withdrawn), withdrawn, elsewhere(104)),
      { _tag: "Fail", error: late }
    ],
    [
      "for a claim that the wallet can't pay for is to say so",
      situation(recorded(claim), claim, { _tag: "Unpaid", shortage }),
      { _tag: "AwaitFunds", claim, shortage }
    ],
    ["for a job whose time is over is to withdraw its claim", situation(recorded(claim), claim, { _tag: "Overdue" }), {
      _tag: "Withdraw",
      claim
    }],
    [
      "for what was found done is the job's end, once it gets no claim",
      situation(attempting, claim, found(Job.whole)),
      {
        _tag: "CompleteAsFound",
        result,
        after: claim
      }
    ]
  ])("%s", ([, given, then]) => {
    assert.deepStrictEqual(next(given, now), then)
  })

  it.for<[string, Situation, ReturnType<typeof next>]>([
    ["is the first", situation(attempting, undefined, nothing, three), {
      _tag: "Claim",
      part: "first",
      after: undefined
    }],
    [
      "is the second behind the first one's claim, once that is mined",
      situation(recorded(first), first, mined("call"), three),
      {
        _tag: "Claim",
        part: "second",
        after: first
      }
    ],
    [
      "is the same again, where its nonce was used without effect",
      situation(recorded(first, second), second, elsewhere(5), three),
      {
        _tag: "Claim",
        part: "second",
        after: second
      }
    ],
    ["is the end behind the last", situation(recorded(first, second, third), third, mined("call"), three), {
      _tag: "Complete",
      receipt
    }],
    [
      "is the one behind what was found done, without a claim for that",
      situation(attempting, undefined, found("first"), three),
      {
        _tag: "Claim",
        part: "second",
        after: undefined
      }
    ],
    [
      "is behind the latest claim, where a part between was found done",
      situation(recorded(first), first, found("second"), three),
      {
        _tag: "Claim",
        part: "third",
        after: first
      }
    ],
    ["is the end where the last was found done", situation(recorded(first, second), second, found("third"), three), {
      _tag: "CompleteAsFound",
      result,
      after: second
    }],
    ["is whichever others have claimed meanwhile", situation(recorded(first), second, nothing, three), {
      _tag: "Send",
      claim: second
    }],
    [
      "is none behind a claim that was withdrawn, though its call was mined after all",
      situation(recorded(first, raised(first)), raised(first, { withdrawn: late }), mined("call"), three),
      { _tag: "Fail", error: late }
    ],
    [
      "is none behind a claim that was withdrawn, whose part was found done",
      situation(recorded(first, raised(first)), raised(first, { withdrawn: late }), found("first"), three),
      { _tag: "Fail", error: late }
    ],
    ["is tried again from the latest claim", situation(failed(recorded(first)), first, nothing, three), {
      _tag: "Look",
      claim: first
    }],
    ["is not the one that is done, in another attempt", situation(recorded(first), first, mined("call"), three), {
      _tag: "Claim",
      part: "second",
      after: first
    }]
  ])("of three parts %s", ([, given, then]) => {
    assert.deepStrictEqual(next(given, now), then)
  })

  it.for<[string, Duration.Input, "Wait" | "Start"]>([
    ["before the time of the next attempt waits", "9999 millis", "Wait"],
    ["at the time of the next attempt starts it", "10 seconds", "Start"],
    ["before the job's last event is wrong, and holds nothing back", "-1 millis", "Start"]
  ])("a clock that reads %s", ([, later, then]) => {
    const jobs = failed(attempting, DateTime.add(now, { seconds: 10 }))
    assert.strictEqual(next(situation(jobs), DateTime.addDuration(now, later))._tag, then)
  })
})
