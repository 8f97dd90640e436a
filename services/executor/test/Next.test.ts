import * as Bucket from "@akave-async/domain/Bucket"
import { BucketName } from "@akave-async/domain/BucketName"
import { Address, TransactionHash } from "@akave-async/domain/Ethereum"
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
const minedBy = { transactionHash: hashOf(4), blockNumber: 9, gasUsed: 21_000, adopted: false }
const mined = (did: "call" | "revert" | "transfer"): Seen => ({ _tag: "Mined", did, receipt })
const elsewhere = (claimed: number, by = 999): Seen => ({
  _tag: "Elsewhere",
  claimed: hashOf(claimed),
  by: hashOf(by)
})
const shortage = new InsufficientFunds({ address: owner, balance: 0n, needed: 1n, transactions: 1 })
const done = { adopted: true }
const found = (part: Job.Part): Seen => ({ _tag: "Found", part, done })

const situation = (
  jobs: Job.Jobs,
  claim?: Situation["claim"],
  seen: Seen = nothing,
  parts: ReadonlyArray<Job.Part> = [Job.whole]
): Situation => ({ jobId, jobs, parts, canUndo: false, claim, seen })

const claim = claimOf(4)
const withdrawn = raised(claim, { withdrawn: late })
const three = ["first", "second", "third"]
const advanced = (jobs: Bucket.State, part: Job.Part): Job.Jobs =>
  Job.evolveJobs<Job.Job>(jobs, { step: "advanced", operation: "bucket.create", jobId, occurredAt: now, part, ...done })
const abandoned = (jobs: Job.Jobs): Job.Jobs =>
  Job.evolveJobs<Job.Job>(jobs, { step: "abandoned", operation: "bucket.create", jobId, occurredAt: now, error })
const undoing = (jobs: Job.Jobs, claim?: Situation["claim"], seen: Seen = nothing): Situation => ({
  ...situation(jobs, claim, seen, three),
  canUndo: true
})
const [first, second, third] = [ofPart(4, "first"), ofPart(5, "second"), ofPart(6, "third")]
const undo = ofPart(9, Job.undo)
const withdrawnFirst = raised(first, { withdrawn: late })

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
      done: minedBy,
      after: claim
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
      { _tag: "Complete", done: minedBy, after: withdrawn }
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
        done,
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
      "is recorded, once the first one's transaction is mined",
      situation(recorded(first), first, mined("call"), three),
      {
        _tag: "Advance",
        part: "first",
        done: minedBy
      }
    ],
    [
      "is the second behind the first one's claim, once that is recorded",
      situation(advanced(recorded(first), "first"), first, mined("call"), three),
      { _tag: "Claim", part: "second", after: first }
    ],
    [
      "is the same again, where its nonce was used without effect",
      situation(advanced(recorded(first, second), "first"), second, elsewhere(5), three),
      { _tag: "Claim", part: "second", after: second }
    ],
    [
      "is the end behind the last",
      situation(advanced(recorded(first, second, third), "second"), third, mined("call"), three),
      { _tag: "Complete", done: minedBy, after: third }
    ],
    [
      "is recorded of what was found done, without a claim for that",
      situation(attempting, undefined, found("first"), three),
      {
        _tag: "Advance",
        part: "first",
        done
      }
    ],
    [
      "is the one behind what was found done",
      situation(advanced(attempting, "first"), undefined, found("first"), three),
      { _tag: "Claim", part: "second", after: undefined }
    ],
    [
      "goes on behind what is recorded, where its claims are lost",
      situation(advanced(attempting, "second"), undefined, nothing, three),
      {
        _tag: "Claim",
        part: "third",
        after: undefined
      }
    ],
    [
      "is behind the latest claim, where a part between was found done",
      situation(advanced(recorded(first), "second"), first, found("second"), three),
      { _tag: "Claim", part: "third", after: first }
    ],
    [
      "is behind what was found done later, where the latest claim is of an earlier part",
      situation(advanced(recorded(first), "second"), first, mined("call"), three),
      { _tag: "Claim", part: "third", after: first }
    ],
    ["is the end where the last was found done", situation(recorded(first, second), second, found("third"), three), {
      _tag: "CompleteAsFound",
      done,
      after: second
    }],
    ["is whichever others have claimed meanwhile", situation(recorded(first), second, nothing, three), {
      _tag: "Send",
      claim: second
    }],
    [
      "is looked at anew where others take back what was done",
      situation(recorded(first), ofPart(9, Job.undo), nothing, three),
      { _tag: "Refresh" }
    ],
    [
      "is none behind a claim that was withdrawn, though its call was mined after all",
      situation(
        advanced(recorded(first, raised(first)), "first"),
        raised(first, { withdrawn: late }),
        mined("call"),
        three
      ),
      { _tag: "Fail", error: late }
    ],
    [
      "is none behind a claim that was withdrawn, whose part was found done",
      situation(
        advanced(recorded(first, raised(first)), "first"),
        raised(first, { withdrawn: late }),
        found("first"),
        three
      ),
      { _tag: "Fail", error: late }
    ],
    [
      "is to take back what was done behind a claim that was withdrawn, where the operation can",
      {
        ...situation(recorded(first, raised(first)), raised(first, { withdrawn: late }), mined("transfer"), three),
        canUndo: true
      },
      { _tag: "Abandon", error: late }
    ],
    ["is tried again from the latest claim", situation(failed(recorded(first)), first, nothing, three), {
      _tag: "Look",
      claim: first
    }]
  ])("of three parts %s", ([, given, then]) => {
    assert.deepStrictEqual(next(given, now), then)
  })

  it.for<[string, Situation, ReturnType<typeof next>]>([
    ["ends, where it has no claim", undoing(abandoned(attempting)), { _tag: "EndAbandoned", after: undefined }],
    [
      "takes back what is done, also where its claims were lost",
      undoing(abandoned(advanced(recorded(first), "first"))),
      { _tag: "Claim", part: Job.undo, after: undefined }
    ],
    ["takes back what is done", undoing(abandoned(advanced(recorded(first), "first")), first, mined("call")), {
      _tag: "Claim",
      part: Job.undo,
      after: first
    }],
    ["first records what was done meanwhile", undoing(abandoned(recorded(first)), first, mined("call")), {
      _tag: "Advance",
      part: "first",
      done: minedBy
    }],
    ["first sends what it has claimed", undoing(abandoned(recorded(first)), second), { _tag: "Send", claim: second }],
    ["first waits for what it has sent", undoing(abandoned(recorded(first)), first), { _tag: "Await", claim: first }],
    ["does not ask why its call reverted", undoing(abandoned(recorded(first)), first, mined("revert")), {
      _tag: "Claim",
      part: Job.undo,
      after: first
    }],
    ["does so behind a nonce that was used from elsewhere", undoing(abandoned(recorded(first)), first, elsewhere(4)), {
      _tag: "Claim",
      part: Job.undo,
      after: first
    }],
    [
      "is completed, where its last part is mined meanwhile",
      undoing(abandoned(recorded(third)), third, mined("call")),
      {
        _tag: "Complete",
        done: minedBy,
        after: third
      }
    ],
    [
      "does so behind a claim that was withdrawn",
      undoing(abandoned(recorded(withdrawnFirst)), withdrawnFirst, mined("transfer")),
      {
        _tag: "Claim",
        part: Job.undo,
        after: withdrawnFirst
      }
    ],
    ["waits for what takes it back", undoing(abandoned(recorded(undo)), undo), { _tag: "Await", claim: undo }],
    ["ends once that is mined", undoing(abandoned(recorded(undo)), undo, mined("call")), {
      _tag: "EndAbandoned",
      after: undo
    }],
    ["ends where nothing is left to take back", undoing(abandoned(recorded(first)), first, found(Job.undo)), {
      _tag: "EndAbandoned",
      after: first
    }],
    ["finds out why that reverted", undoing(abandoned(recorded(undo)), undo, mined("revert")), {
      _tag: "Explain",
      claim: undo,
      receipt
    }],
    [
      "tries that again behind a nonce that was used from elsewhere",
      undoing(abandoned(recorded(undo)), undo, elsewhere(9)),
      {
        _tag: "Claim",
        part: Job.undo,
        after: undo
      }
    ]
  ])("a job that was abandoned %s", ([, given, then]) => {
    assert.deepStrictEqual(next(given, now), then)
  })

  it("a job without parts is its work", () => {
    assert.deepStrictEqual(next(situation(attempting, undefined, nothing, []), now), { _tag: "Work" })
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
