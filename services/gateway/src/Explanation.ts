/** How a job got where it is: a pure function of the job, its stored events, and what executors and this gateway say of it. */
import type * as Explanation from "@akave-async/api/Explanation"
import { namesOf } from "@akave-async/api/Resources"
import * as Job from "@akave-async/domain/Job"
import type { AnyJob } from "@akave-async/domain/Operations"
import type { StoredEvent } from "@akave-async/eventing/EventLog"
import { stepOf } from "@akave-async/eventing/JobEvents"
import { DateTime, Option } from "effect"
import * as Waiting from "./Waiting.ts"
import { gwei, spoken } from "./Words.ts"

export interface Known extends Waiting.Known {
  readonly job: AnyJob
  /** The job's events, in the order of the log. */
  readonly events: ReadonlyArray<StoredEvent>
}

type Entry = Explanation.TimelineEntry

const names = {
  requested: "requested",
  started: "started",
  submitted: "submitted",
  attemptFailed: "attempt_failed",
  advanced: "advanced",
  abandoned: "abandoned",
  completed: "completed",
  failed: "failed",
  cancelled: "cancelled"
} as const satisfies Record<Job.StepName, Explanation.Step>

/** What an event of a type that this release does not know, or can't read, still says. */
const nothing = { attempt: null, tx_hash: null, nonce: null, max_fee_per_gas: null, error: null }

type Submission = Job.StepOf<"submitted">

/** What a job is to do. */
const aboutOf = (job: AnyJob) => {
  const { bucket_name, file_name } = namesOf(job)
  return `${job.operation} of ${file_name === null ? bucket_name : `${bucket_name}/${file_name}`}`
}

/** How a transaction follows on those that the job has reported before. */
const submitted = (step: Submission, before: ReadonlyArray<Submission>): string => {
  const { maxFeePerGas, nonce, transactionHash } = step
  const offer = `for at most ${gwei(maxFeePerGas)} per gas unit`
  const replaced = before.findLast((one) => one.nonce === nonce)
  if (replaced !== undefined) {
    return replaced.transactionHash === transactionHash
      ? `sent again with nonce ${nonce}`
      : `replaced the one before with nonce ${nonce}, ${offer} instead of ${gwei(replaced.maxFeePerGas)}`
  }
  const last = before.at(-1)
  return last === undefined || last.part !== step.part
    ? `sent with nonce ${nonce}, ${offer}`
    : `sent with nonce ${nonce}, ${offer}: nonce ${last.nonce} was used without effect for the job`
}

/** What happened, in words and as fields. */
const described = (
  step: Job.Step,
  about: string,
  before: ReadonlyArray<Submission>
): Partial<Entry> & { readonly message: string } => {
  switch (step.step) {
    case "requested":
      return { message: `${about}${step.tenant === undefined ? "" : `, by account ${step.tenant}`}` }
    case "started":
      return { message: `attempt ${step.attempt} begun`, attempt: step.attempt }
    case "submitted": {
      const { maxFeePerGas, nonce, transactionHash } = step
      return { message: submitted(step, before), tx_hash: transactionHash, nonce, max_fee_per_gas: maxFeePerGas }
    }
    case "attemptFailed": {
      const { attempt, error, retryAt } = step
      const next = error.category === "insufficient_funds"
        ? "waits for funds"
        : `again from ${DateTime.formatIso(retryAt)} on`
      return { message: `attempt ${attempt} failed, ${next}: ${error.message}`, attempt, error }
    }
    case "advanced": {
      const { adopted, blockNumber, gasUsed, part, transactionHash } = step
      const gas = gasUsed === undefined ? "" : `, ${gasUsed} gas units used`
      const message = adopted
        ? `its part ${part} was found done`
        : `its part ${part} was mined${blockNumber === undefined ? "" : ` in block ${blockNumber}`}${gas}`
      return { message, tx_hash: transactionHash ?? null }
    }
    case "abandoned": {
      const { cancelledBy, error } = step
      const why = cancelledBy === undefined ? error.message : `cancelled by ${cancelledBy}: ${error.message}`
      return { message: `takes back what it has stored: ${why}`, error }
    }
    case "completed": {
      const { adopted, blockNumber, gasUsed, transactionHash } = step
      const where = blockNumber === undefined ? "" : ` in block ${blockNumber}`
      const message = adopted
        ? `found done${where}: no transaction of this job did it`
        : `mined${where}${gasUsed === undefined ? "" : `, ${gasUsed} gas units used`}`
      const nonce = before.find((one) => one.transactionHash === transactionHash)?.nonce ?? null
      return { message, tx_hash: transactionHash ?? null, nonce }
    }
    case "failed": {
      const { attempts, error } = step
      return { message: `failed at attempt ${attempts}: ${error.message}`, attempt: attempts, error }
    }
    case "cancelled":
      return { message: `cancelled by ${step.cancelledBy}: ${step.reason}` }
  }
}

/** What went on since an entry. */
const pauseAfter = ({ error, step }: Entry): Explanation.Pause | null => {
  switch (step) {
    case "requested":
      return "executor"
    case "started":
    case "advanced":
    case "abandoned":
      return "preparation"
    case "submitted":
      return "chain"
    case "attempt_failed":
      return error?.category === "insufficient_funds" ? "funds" : "next_attempt"
    default:
      return null
  }
}

const executorOf = ({ headers }: StoredEvent): string | null =>
  /^\/akave\/executor\/([-\w]+)$/.exec(headers["ce-source"] ?? "")?.[1] ?? null

const timelineOf = ({ events, job }: Known): ReadonlyArray<Entry> => {
  const entries: Array<Entry> = []
  const before: Array<Submission> = []
  let attempt: number | null = null
  for (const stored of events) {
    const step = stepOf(stored)
    const last = entries.at(-1)
    const time = step?.occurredAt ?? Option.getOrElse(
      DateTime.make(stored.headers["ce-time"] ?? ""),
      () => last?.time ?? job.createdAt
    )
    attempt = step?.step === "started" ? step.attempt : attempt
    entries.push({
      sequence: stored.sequence,
      time,
      step: step === undefined ? "other" : names[step.step],
      ...nothing,
      attempt,
      ...step === undefined
        ? { message: `${stored.headers["ce-type"] ?? "an event without a type"}, which this release can't read` }
        : described(step, aboutOf(job), before),
      executor: executorOf(stored),
      waited_ms: last === undefined
        ? null
        : Math.max(0, DateTime.toEpochMillis(time) - DateTime.toEpochMillis(last.time)),
      waited_for: last === undefined ? null : pauseAfter(last)
    })
    if (step?.step === "submitted") before.push(step)
  }
  return entries
}

/** The receipts of what the job has done, of its parts and of itself; of a job whose events are not to be had, of itself. */
const receiptsOf = ({ events, job }: Known): ReadonlyArray<Partial<Job.Receipt>> => {
  const found = events.flatMap((event) => {
    const step = stepOf(event)
    return step?.step === "advanced" || step?.step === "completed" ? [step] : []
  })
  const all = found.length > 0 ? found : job.status === "completed" ? [job.result] : []
  return all.filter(({ adopted, gasUsed }) => !adopted && gasUsed !== undefined)
}

const sum = (all: ReadonlyArray<bigint | null>): bigint | null =>
  all.length === 0 ? null : all.reduce((one, other) => one === null || other === null ? null : one + other)

const feesOf = (known: Known, timeline: ReadonlyArray<Entry>): Explanation.JobFees => {
  const fees = receiptsOf(known).map(({ effectiveGasPrice: price = null, gasUsed = 0, transactionHash }) => {
    const offer = timeline.find(({ step, tx_hash }) => step === "submitted" && tx_hash === transactionHash)
    return { gas: BigInt(gasUsed), price, most: offer?.max_fee_per_gas ?? null }
  })
  const gas = sum(fees.map(({ gas }) => gas))
  const paid = sum(fees.map(({ gas, price }) => price === null ? null : price * gas))
  const atMost = fees.map(({ gas, most, price }) => {
    const each = price ?? most
    return each === null ? null : each * gas
  })
  const offers = fees.flatMap(({ most }) => most ?? [])
  return {
    gas_used: gas === null ? null : Number(gas),
    effective_gas_price: paid === null || gas === null || gas === 0n ? null : paid / gas,
    max_fee_per_gas: offers.length === 0 ? null : offers.reduce((one, other) => one > other ? one : other),
    paid_wei: paid,
    at_most_wei: sum(atMost)
  }
}

const summaryOf = (
  { job, now }: Known,
  { fees, last, waiting }: {
    readonly fees: Explanation.JobFees
    readonly last: Entry | undefined
    readonly waiting: Explanation.Waiting | null
  }
): string => {
  const about = aboutOf(job)
  const until = Job.isTerminal(job.status) ? job.updatedAt : now
  const age = spoken(Math.max(0, DateTime.toEpochMillis(until) - DateTime.toEpochMillis(job.createdAt)))
  const by = last?.executor == null ? "" : ` by executor ${last.executor}`
  const attempts = Job.attemptsOf(job) === 1 ? "" : ` at attempt ${Job.attemptsOf(job)}`
  const fee = fees.paid_wei === null
    ? fees.at_most_wei === null ? "" : `, for at most ${fees.at_most_wei} wei`
    : `, for ${fees.paid_wei} wei`
  switch (job.status) {
    case "completed":
      return job.result.adopted
        ? `${about} was found done${by}${attempts}, ${age} after it was requested`
        : `${about} was completed${by}${attempts}, ${age} after it was requested${fee}`
    case "failed":
      return `${about} failed${by}${attempts}, ${age} after it was requested: ${job.error.message}`
    case "cancelled":
      return `${about} was cancelled ${age} after it was requested`
    default:
      return `${about} was requested ${age} ago and is ${job.status}: ${waiting?.detail}`
  }
}

/** The job's life and, where it has not ended, what it waits for. */
export const explain = (known: Known): Explanation.JobExplanation => {
  const { job } = known
  const timeline = timelineOf(known)
  const fees = feesOf(known, timeline)
  const waiting = Waiting.waiting(known)
  return {
    job_id: job.id,
    operation: job.operation,
    ...namesOf(job),
    owner: job.owner,
    status: job.status,
    summary: summaryOf(known, { fees, last: timeline.at(-1), waiting }),
    timeline,
    waiting,
    fees
  }
}
