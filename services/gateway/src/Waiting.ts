/** Why a job has not ended, decided on what is known of it. The first reason that holds is given. */
import type { Waiting } from "@akave-async/api/Explanation"
import type { Readiness } from "@akave-async/api/Resources"
import * as Job from "@akave-async/domain/Job"
import * as LaneReports from "@akave-async/eventing/LaneReports"
import { DateTime, Duration } from "effect"
import { gwei, spoken } from "./Words.ts"

export interface Known {
  readonly job: Job.Job
  /** Whether the event log does not answer. */
  readonly isLogAway: boolean
  /** What executors say when they are asked about the job; undefined where they can't be asked. */
  readonly lanes: ReadonlyArray<LaneReports.LaneReport> | undefined
  /** Of this gateway; undefined where it is not known. */
  readonly readiness: Readiness | undefined
  /** The sequence of the job's request, if it was set aside as a dead letter. */
  readonly deadLetter: number | undefined
  readonly now: DateTime.Utc
}

type Found = Pick<Waiting, "reason" | "detail" | "advice">
const found = (reason: Waiting["reason"], detail: string, advice: string | null = null): Found => ({
  reason,
  detail,
  advice
})

type Report = LaneReports.LaneReport & { readonly job: LaneReports.JobReport }

/** The report of the executor that has the job; where several say so, of the one that has taken it last. */
const holderOf = (own: ReadonlyArray<LaneReports.LaneReport>): Report | undefined =>
  own.filter((report): report is Report => report.job !== undefined)
    .toSorted((a, b) => a.job.heldMillis - b.job.heldMillis)[0]

const deadlineOf = (job: Job.Job, report: Report | undefined): DateTime.Utc | null =>
  report === undefined || !("startedAt" in job) ? null : DateTime.addDuration(
    DateTime.max(job.createdAt, job.startedAt),
    Duration.millis(report.job.deadlineMillis)
  )

const funds = (owner: string, balance: bigint | undefined, needed: bigint): Found =>
  found(
    "funds",
    `the wallet ${owner} ${balance === undefined ? "can't pay" : `holds ${balance} wei`}, and ${needed} wei are needed`,
    `transfer funds to ${owner}: the job goes on by itself`
  )

const chainAway = (detail: string): Found =>
  found("chain_away", detail, "bring back the chain, or what leads to it: the job goes on by itself")

const stalled = ({ quietMillis = 0, waitsFor = "does not say why" }: LaneReports.LaneReport): Found =>
  found(
    "lane_stalled",
    `the wallet's lane has finished no step for ${spoken(quietMillis)}; its oldest ${waitsFor}`,
    "look at docs/runbook.md, and at the executor's log"
  )

/** What a failed attempt is followed by, where that has its time. */
const nextAttempt = ({ job, now }: Known): Found | undefined =>
  "retryAt" in job && Job.mustWait(job, now)
    ? found(
      "next_attempt",
      `attempt ${job.attempts} failed: ${job.error.message}; the next one is not before ${
        DateTime.formatIso(job.retryAt)
      }`
    )
    : undefined

/** What a claim waits for on a chain that answers. */
const claimed = (
  owner: string,
  { cap, chain, claim, needed = 0n }: LaneReports.JobReport & {
    readonly chain: LaneReports.ChainSight
    readonly claim: NonNullable<LaneReports.JobReport["claim"]>
  }
): Found => {
  const { nonce } = claim
  const { balance, used } = chain
  if (used > nonce) return found("confirmations", `the chain has used nonce ${nonce}; its block is to be confirmed`)
  if (balance < needed) return funds(owner, balance, needed)
  const asked = chain.baseFeePerGas ?? chain.maxFeePerGas
  if (asked > cap && claim.maxFeePerGas < asked) {
    return found(
      "fee_cap",
      `the chain asks for ${gwei(asked)} per gas unit, and the executor may offer ${gwei(cap)}`,
      "wait until the chain asks for less, or set MAX_FEE_PER_GAS higher"
    )
  }
  if (claim.isWithdrawn) {
    return found(
      "withdrawal",
      `its transaction was withdrawn; the job fails once the chain has mined one that only uses up nonce ${nonce}`
    )
  }
  const before = nonce - used
  if (before > 0) {
    return found(
      "earlier_nonce",
      `it has nonce ${nonce}, and the next that the chain takes of the wallet is ${used}: ${
        before === 1 ? "1 transaction is" : `${before} transactions are`
      } to be mined before it`,
      "look at what the wallet's earlier jobs wait for"
    )
  }
  const replaced = claim.transactions - 1
  const times = replaced === 0 ? "" : `, after ${replaced} replacement${replaced === 1 ? "" : "s"}`
  return found(
    "mining",
    `the chain has not mined nonce ${nonce}, the wallet's next, for ${gwei(claim.maxFeePerGas)} per gas unit${times}`,
    "look whether the chain makes blocks: the executor sends again what is lost, and raises fees that are too low"
  )
}

/** What a job waits for that an executor has. */
const held = (known: Known, report: Report): Found => {
  const { job } = known
  const { chain, claim, needed, waitsFor } = report.job
  const retry = nextAttempt(known)
  if (chain === undefined) {
    return chainAway(`the chain does not answer the executor that has the job${retry ? `; ${retry.detail}` : ""}`)
  }
  if (needed !== undefined && chain.balance < needed) return funds(job.owner, chain.balance, needed)
  if (retry !== undefined) return retry
  if (claim !== undefined) return claimed(job.owner, { ...report.job, chain, claim })
  if (report.isStalled) return stalled(report)
  return found("in_progress", `the executor that has it ${waitsFor}`)
}

/** What a job waits for that none of these executors has, which have the wallet's key. */
const left = (known: Known, own: ReadonlyArray<LaneReports.LaneReport>): Found => {
  const { job, readiness } = known
  const retry = nextAttempt(known)
  if (retry !== undefined) return retry
  const [worst] = own.toSorted((a, b) => (b.quietMillis ?? 0) - (a.quietMillis ?? 0))
  if (worst !== undefined && own.every(({ isStalled }) => isStalled)) return stalled(worst)
  const away = (["node", "chain"] as const).find((name) => readiness?.[name].ready === false)
  if (away !== undefined) return chainAway(`the ${away} does not answer: ${readiness?.[away].detail}`)
  if (own.every(({ executor }) => executor === undefined)) {
    return found("unknown", "the executors that have the wallet's key are of a release that does not say")
  }
  const steps = own.reduce((sum, report) => sum + report.steps, 0)
  return job.status === "queued"
    ? found("turn", `no executor has begun it; other jobs of the wallet that are under way: ${steps}`)
    : found(
      "handover",
      "no executor has it now; the event log gives what a dead one had to another one after EXECUTOR_ACK_WAIT"
    )
}

const reasonOf = (known: Known, own: ReadonlyArray<LaneReports.LaneReport>, holder: Report | undefined): Found => {
  const { deadLetter, isLogAway, job: { owner }, lanes } = known
  if (isLogAway) {
    return found(
      "event_log_away",
      "the event log does not answer: what has happened since is not known, and nothing can be recorded",
      "bring back NATS: jobs go on by themselves"
    )
  }
  if (deadLetter !== undefined) {
    return found(
      "dead_letter",
      `its request, event ${deadLetter}, could not be processed and was set aside`,
      `look at GET /dead-letters/${deadLetter} for why, and redrive it once that is repaired`
    )
  }
  if (lanes === undefined) {
    return found("unknown", "executors can't be asked", "let the gateway's login publish to akave.lanes.>")
  }
  if (lanes.length === 0) {
    return found("executors_away", "no executor answers", "start an executor: accepted jobs wait, and none is lost")
  }
  if (own.length === 0) {
    return found(
      "executor_without_key",
      `no executor that answers has the key of ${owner}`,
      "give an executor the key: AKAVE_PRIVATE_KEY, or a file in AKAVE_PRIVATE_KEYS_DIR"
    )
  }
  return holder === undefined ? left(known, own) : held(known, holder)
}

/** Why the job waits; null where it has ended. */
export const waiting = (known: Known): Waiting | null => {
  const { job, lanes = [], now } = known
  if (Job.isTerminal(job.status)) return null
  const own = LaneReports.ofOwner(job.owner)(lanes)
  const holder = holderOf(own)
  const { advice, detail, reason } = reasonOf(known, own, holder)
  const deadline = deadlineOf(job, holder)
  const time = deadline === null ? "" : `; ${untilDeadline(deadline, now)}`
  return { reason, detail: `${detail}${time}`, advice, executor: holder?.executor ?? null, deadline }
}

const untilDeadline = (deadline: DateTime.Utc, now: DateTime.Utc): string => {
  const left = Math.round((DateTime.toEpochMillis(deadline) - DateTime.toEpochMillis(now)) / 1_000) * 1_000
  return left > 0
    ? `its deadline is in ${spoken(left)}`
    : `its deadline was ${spoken(-left)} ago: it fails, if the chain lets it`
}
