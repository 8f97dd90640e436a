/** Says what is wrong with what a run has left behind. It reads the two logs and the chain, and knows of no executor. */
import * as Bucket from "@akave-async/domain/Bucket"
import { BucketName } from "@akave-async/domain/BucketName"
import * as Job from "@akave-async/domain/Job"
import * as Wallet from "@akave-async/domain/Wallet"
import type { Decision } from "@akave-async/eventing/Aggregate"
import * as BucketEvents from "@akave-async/eventing/BucketEvents"
import * as CloudEvent from "@akave-async/eventing/CloudEvent"
import type { EventLogShape, StoredEvent } from "@akave-async/eventing/EventLog"
import * as Kind from "@akave-async/eventing/Kind"
import { Effect, Option, Result } from "effect"
import * as Pairs from "../Pairs.ts"
import * as Asked from "./Asked.ts"
import type { Block, Mined, SimulatedChain } from "./SimulatedChain.ts"

/** Bytes that a node was handed, and how long the ledger was then. */
export interface Sent {
  readonly raw: string
  readonly ledgerLength: number
}

export interface Remains {
  readonly log: EventLogShape
  readonly ledgerLog: EventLogShape
  readonly chain: SimulatedChain
  readonly sent: ReadonlyArray<Sent>
  /** How many jobs may be under way at once. */
  readonly maxInFlight: number
  readonly accepted: ReadonlyArray<{ readonly jobId: Job.Id; readonly subject: string }>
  /** Whether the run came to its end. */
  readonly isOver: boolean
}

/** The most attempts that a job can need in a run: what waits does not fill the log meanwhile. */
const mostAttempts = 40

export const ledgerCodec = CloudEvent.make(Wallet.Event)

export const check = ({ accepted, chain, isOver, ledgerLog, log, maxInFlight, sent }: Remains) => {
  const violations: Array<string> = []
  const demand = (holds: boolean, sentence: () => string) => {
    if (!holds) violations.push(sentence())
  }

  const ledger = all(ledgerLog).map((stored) => Result.getOrThrow(ledgerCodec.decode(stored)))
  const mined = transactionsOf(chain.head())

  // The ledger

  const jobOfNonce = new Map<number, string>()
  /** The latest one of each job. */
  const nonceOfJob = new Map<string, number>()
  const claimOfHash = new Map<string, Wallet.Claim>()
  const storedAt = new Map<string, number>()
  let nextNonce = 0
  for (const [n, event] of ledger.entries()) {
    demand((event._tag === "WalletOpened") === (n === 0), () => `ledger event ${n + 1} is ${event._tag}`)
    const claim = Wallet.claimOf(event)
    if (claim !== undefined) {
      const { jobId = "nobody", nonce, transaction, transactionHash } = claim
      if (event._tag === "NonceClaimed") {
        demand(!jobOfNonce.has(nonce), () => `nonce ${nonce} was claimed twice`)
        demand(nonce >= nextNonce, () => `nonce ${nonce} was claimed after ${nextNonce - 1}`)
      } else {
        const holder = jobOfNonce.get(nonce)
        // A nonce that its job has left behind is nobody's.
        const isLeft = jobId === "nobody" && nonce < (nonceOfJob.get(holder ?? "") ?? 0)
        demand(
          holder === jobId || holder === undefined || isLeft,
          () => `nonce ${nonce} of ${holder} was replaced for ${jobId}`
        )
      }
      jobOfNonce.set(nonce, jobId)
      nonceOfJob.set(jobId, nonce)
      claimOfHash.set(transactionHash, claim)
      if (!storedAt.has(transaction)) storedAt.set(transaction, n + 1)
    }
    nextNonce = Wallet.evolve(nextNonce, event) ?? 0
  }
  for (const { ledgerLength, raw } of sent) {
    const at = storedAt.get(raw)
    demand(at !== undefined && at <= ledgerLength, () => "a transaction was sent before it was stored")
  }
  if (isOver) {
    const used = chain.head().after.nonce
    demand(used >= nextNonce, () => `nonces from ${used} to ${nextNonce - 1} were given out and not used`)
  }

  // The jobs

  const subjects = new Set(accepted.map(({ subject }) => subject))
  const jobs = new Map<string, Job.Job>()
  for (const subject of subjects) {
    let state: Bucket.State = Bucket.initial
    for (const stored of Effect.runSync(log.read(subject)).events) {
      const read = Pairs.registry.read(stored)
      if (read._tag !== "Known" || read.step === undefined) throw new Error(`event ${stored.sequence} is of no job`)
      const wrong = illegality(state, read.step)
      demand(wrong === undefined, () => `${stored.sequence}: ${wrong}`)
      state = Kind.isOf(BucketEvents.kind, read)
        ? Bucket.evolve(state, read.event)
        : { ...state, ...Job.evolveJobs(state, read.step) }
      if (state.job !== undefined) jobs.set(state.job.id, state.job)
    }
  }
  // What has begun is finished before more is begun.
  const underWay = new Set<Job.Id>()
  for (const stored of all(log)) {
    const read = Pairs.registry.read(stored)
    if (read._tag !== "Known" || read.step === undefined) continue
    const { jobId, step } = read.step
    if (step === "started") underWay.add(jobId)
    if (step === "completed" || step === "failed" || step === "cancelled") underWay.delete(jobId)
    demand(underWay.size <= maxInFlight, () => `${stored.sequence}: ${underWay.size} jobs are under way`)
  }
  const ends: Array<string> = []
  for (const { jobId } of accepted) {
    const job = jobs.get(jobId)
    if (job === undefined) {
      violations.push(`job ${jobId} is not in the log`)
      continue
    }
    ends.push(`${job.operation} ${job.status}`)
    const who = `job ${jobId.slice(-2)} (${String(job.request["name"])})`
    const effects = mined.filter(({ isSuccess, transaction }) =>
      isSuccess && transaction.call.kind !== "idle" && claimOfHash.get(transaction.hash)?.jobId === jobId
    )
    demand(Job.attemptsOf(job) <= mostAttempts, () => `${who} was attempted ${Job.attemptsOf(job)} times`)
    const name = String(job.request["name"])
    const { calls: callsOf, undo } = Asked.asks[job.operation as Asked.Name]
    const calls = [...callsOf(name)]
    const ownOf = (part: Job.Part) =>
      effects.filter(({ transaction }) => {
        const claim = claimOfHash.get(transaction.hash)
        return claim !== undefined && Wallet.partOf(claim) === part
      })
    if (undo !== undefined) {
      const takenBack = ownOf(Job.undo)
      demand(takenBack.length <= 1, () => `${who} was taken back ${takenBack.length} times`)
      const { kind, name: undone } = undo(name)
      const isUndo = ({ transaction: { call } }: typeof mined[number]) => call.kind === kind && call.name === undone
      demand(takenBack.every(isUndo), () => `${who} did something else to take back what it did`)
      const left = chain.head().after.list.filter((one) => calls.some(([, call]) => call.name === one))
      if (job.status === "completed") {
        demand(takenBack.length === 0, () => `${who} is completed and was taken back`)
        demand(left.length === calls.length, () => `${who} is completed, and only ${left.join(", ")} is there`)
      } else if (isOver) demand(left.length === 0, () => `${who} is ${job.status}, and has left ${left.join(", ")}`)
    }
    const done = calls.map(([part, call]) => {
      const own = ownOf(part)
      demand(own.length <= 1, () => `${who} had ${own.length} effects as part ${part}`)
      const isCall = (one: typeof mined[number]) =>
        one.isSuccess && one.transaction.call.kind === call.kind && one.transaction.call.name === call.name
      demand(own.every(isCall), () => `${who} did something else as part ${part}`)
      return { own: own[0], byAnybody: mined.filter(isCall) }
    })
    const last = done.at(-1)
    for (const [n, { own }] of done.entries()) {
      const before = done[n - 1]
      demand(
        own === undefined || before === undefined ||
          before.byAnybody.some(({ transaction }) => own.transaction.nonce > transaction.nonce),
        () => `${who} did a part before the one before it was done`
      )
    }
    if (job.status === "completed") {
      demand(done.every(({ byAnybody }) => byAnybody.length > 0), () => `${who} is completed without an effect`)
      const { adopted, blockNumber, transactionHash } = job.result
      const effect = last?.own
      if (adopted) {
        demand(effect === undefined, () => `${who} is reported adopted, and had an effect of its own`)
        demand(
          last?.byAnybody.some(({ transaction: { hash } }) => (transactionHash ?? hash) === hash) === true,
          () => `${who} adopts what no mined transaction did`
        )
      } else {
        demand(effect !== undefined, () => `${who} is completed without an effect of its own`)
        demand(
          effect === undefined || effect.transaction.hash === transactionHash,
          () => `${who} reports another transaction than the one that had the effect`
        )
        demand(effect === undefined || effect.blockNumber === blockNumber, () => `${who} reports another block`)
      }
    } else {
      // What a job has done before the part at which it failed stays done.
      demand(last?.own === undefined, () => `${who} is ${job.status} and had an effect`)
      if (isOver) {
        demand(job.status === "failed" || job.status === "cancelled", () => `${who} is ${job.status} at the end`)
      }
    }
  }

  return { violations, ends }
}

const all = (log: EventLogShape): ReadonlyArray<StoredEvent> =>
  Array.from(
    { length: Effect.runSync(log.lastSequence) },
    (_, n) => Option.getOrThrow(Effect.runSync(log.get(n + 1)))
  )

const transactionsOf = (head: Block): ReadonlyArray<Mined & { readonly blockNumber: number }> => {
  const found: Array<Mined & { readonly blockNumber: number }> = []
  for (let block: Block | undefined = head; block !== undefined; block = block.parent) {
    const { number } = block
    found.push(...block.mined.map((one) => ({ ...one, blockNumber: number })))
  }
  return found
}

/** Why a step can't follow from what was before it. */
const illegality = (state: Bucket.State, step: Job.Step): string | undefined => {
  const isAbandoned = state.job !== undefined && Job.abandonedOf(state.job) !== undefined
  const decided = decisionOf(step, isAbandoned)(state, step.occurredAt)
  if (Result.isFailure(decided)) return `${step.operation} ${step.step} is refused: ${decided.failure.message}`
  return decided.success.length === 1 ? undefined : `${step.operation} ${step.step} does not follow`
}

/** The decision that a step comes from. */
const decisionOf = (
  whole: Job.Step,
  isAbandoned: boolean
): Decision<Bucket.State, unknown, { readonly message: string }> => {
  const { occurredAt: _, ...step } = whole
  switch (step.step) {
    case "requested": {
      const { jobId, operation, owner, request } = step
      if (operation === "pair.create" || operation === "crate.fill") {
        return ({ job }) => Result.succeed(job === undefined ? [step] : [])
      }
      const asked = { jobId, owner, name: BucketName.make(String(request["name"])) }
      return operation === "bucket.create" ? Bucket.requestCreation(asked) : Bucket.requestDeletion(asked)
    }
    case "started":
      return Job.startAttempt(step.jobId)
    case "submitted":
      return Job.recordSubmission(step)
    case "attemptFailed":
      return Job.failAttempt(step)
    case "advanced":
      return Job.advance(step)
    case "abandoned":
      return Job.abandon(step)
    case "completed":
      return Job.complete(step)
    case "failed":
      return isAbandoned ? Job.endAbandoned(step.jobId) : Job.fail(step)
    case "cancelled":
      return isAbandoned ? Job.endAbandoned(step.jobId) : Job.cancel(step)
  }
}
