/** What becomes of a claim: the chain uses its nonce, others change it, its wallet runs short, or its job's time is over. */
import * as Job from "@akave-async/domain/Job"
import * as Wallet from "@akave-async/domain/Wallet"
import { EventLog } from "@akave-async/eventing/EventLog"
import { Duration, Effect, Option, Schedule } from "effect"
import type { Deadline } from "./Deadline.ts"
import { Ledger } from "./Ledger.ts"
import type { Seen } from "./Next.ts"
import { Receipts, type Settlement } from "./Receipts.ts"
import { Shortages } from "./Shortages.ts"
import type { Task } from "./Task.ts"

/** How often a job that waits looks whether its claim was changed, or it was abandoned. */
const lookInterval = Duration.seconds(5)
/** A nonce that was used a while ago is found used within this time. */
const lookTime = Duration.seconds(2)

export const make = Effect.fnUntraced(function*(deadline: Deadline) {
  const ledger = yield* Ledger
  const log = yield* EventLog
  const receipts = yield* Receipts
  const shortages = yield* Shortages

  const seenOf = (claim: Wallet.Claim, settlement: Settlement): Seen => {
    if (settlement._tag === "Elsewhere") {
      return { _tag: "Elsewhere", claimed: claim.transactionHash, by: settlement.transactionHash }
    }
    const { receipt } = settlement
    // A transfer to oneself did nothing but use up the nonce.
    const isTransfer = receipt.to?.toLowerCase() === ledger.signer.toLowerCase()
    return { _tag: "Mined", did: isTransfer ? "transfer" : receipt.status === "reverted" ? "revert" : "call", receipt }
  }

  /** Ends when the ledger has another claim for the job. */
  const changed = (jobId: Job.Id, { transactionHash }: Wallet.Claim) =>
    ledger.find(jobId).pipe(
      Effect.map((now) => Option.isNone(now) || now.value.transactionHash !== transactionHash),
      Effect.catchTag("LogUnavailable", () => Effect.succeed(false)),
      Effect.repeat({ until: (isChanged) => isChanged, schedule: Schedule.spaced(lookInterval) }),
      Effect.map((): Seen => ({ _tag: "Nothing" }))
    )

  /** What the chain does with the claim, or that the wallet can't pay for it. */
  const settled = (claim: Wallet.Claim) =>
    Effect.raceFirst(
      Effect.map(receipts.await(claim), (settlement) => seenOf(claim, settlement)),
      Effect.map(shortages.await(claim), (shortage): Seen => ({ _tag: "Unpaid", shortage }))
    )

  /** What comes first; `Nothing` where the claim was changed. As a rule the chain is there before there is anything else to see. */
  const first = Effect.fnUntraced(function*(job: Job.Job, claim: Wallet.Claim) {
    const soon = (yield* deadline.isNear(job, lookInterval)) ? Option.none() : yield* Effect.timeoutOption(
      settled(claim),
      lookInterval
    )
    if (Option.isSome(soon)) return soon.value
    return yield* Effect.raceAllFirst([
      settled(claim),
      changed(job.id, claim),
      // What takes something back has as long as it takes.
      claim.withdrawn === undefined && claim.part !== Job.undo
        ? Effect.map(deadline.passed(job), (): Seen => ({ _tag: "Overdue" }))
        : Effect.never
    ])
  })

  /** Ends when a job is abandoned while a part of it is prepared, which may take long. */
  const abandoned = ({ cause: { subject }, jobId }: Task) =>
    log.last(subject).pipe(
      Effect.map(Option.exists(({ headers }) => headers["ce-id"] === `${jobId}.abandoned`)),
      Effect.orElseSucceed(() => false),
      Effect.delay(lookInterval),
      Effect.repeat({ until: (is) => is }),
      Effect.as({ _tag: "Abandoned" as const })
    )

  /** What became of the claim of an attempt that failed: whether it is spent, unless something else was seen of it. */
  const past = (claim: Wallet.Claim) =>
    Effect.map(Effect.timeoutOption(receipts.await(claim), lookTime), (settled): Seen => {
      if (Option.isNone(settled)) return { _tag: "Unspent" }
      const seen = seenOf(claim, settled.value)
      const isOther = seen._tag === "Elsewhere" && !Wallet.hashes(claim).includes(seen.by)
      const isSpent = isOther || (seen._tag === "Mined" && seen.did === "revert")
      return isSpent && claim.withdrawn === undefined ? { _tag: "Spent" } : seen
    })

  return { first, past, abandoned }
})
export type Watch = Effect.Success<ReturnType<typeof make>>
