/** Says what is wrong with what a run has left behind. It reads the two logs and the chain, and knows of no executor. */
import * as Bucket from "@akave-async/domain/Bucket"
import type * as Job from "@akave-async/domain/Job"
import * as Wallet from "@akave-async/domain/Wallet"
import { codec } from "@akave-async/eventing/BucketEvents"
import * as CloudEvent from "@akave-async/eventing/CloudEvent"
import type { EventLogShape, StoredEvent } from "@akave-async/eventing/EventLog"
import { Effect, Option, Result } from "effect"
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
  readonly accepted: ReadonlyArray<{ readonly jobId: Job.Id; readonly subject: string }>
  /** Whether the run came to its end. */
  readonly isOver: boolean
}

/** The most attempts that a job can need in a run: what waits does not fill the log meanwhile. */
const mostAttempts = 40

export const ledgerCodec = CloudEvent.make(Wallet.Event)

export const check = ({ accepted, chain, isOver, ledgerLog, log, sent }: Remains) => {
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
    let state = Bucket.initial
    for (const stored of Effect.runSync(log.read(subject)).events) {
      const event = Result.getOrThrow(codec.decode(stored))
      const wrong = illegality(state, event)
      demand(wrong === undefined, () => `${stored.sequence}: ${wrong}`)
      state = Bucket.evolve(state, event)
      if (state.job !== undefined) jobs.set(state.job.id, state.job)
    }
  }
  const ends: Array<string> = []
  for (const { jobId } of accepted) {
    const job = jobs.get(jobId)
    if (job === undefined) {
      violations.push(`job ${jobId} is not in the log`)
      continue
    }
    ends.push(`${job.operation} ${job.status}`)
    const who = `job ${jobId.slice(-2)} (${job.bucketName})`
    const effects = mined.filter(({ isSuccess, transaction }) =>
      isSuccess && transaction.call.kind !== "idle" && claimOfHash.get(transaction.hash)?.jobId === jobId
    )
    demand(job.attempts <= mostAttempts, () => `${who} was attempted ${job.attempts} times`)
    demand(effects.length <= 1, () => `${who} had ${effects.length} effects`)
    if (job.status === "completed") {
      const [effect] = effects
      const { adopted, blockNumber, transactionHash } = job.result ?? {}
      if (adopted === true) {
        demand(effect === undefined, () => `${who} is told to be adopted, and had an effect of its own`)
        demand(
          mined.some(({ isSuccess, transaction: { call, hash } }) =>
            isSuccess && call.name === job.bucketName && `bucket.${call.kind}` === job.operation &&
            (transactionHash ?? hash) === hash
          ),
          () => `${who} adopts what no mined transaction did`
        )
      } else {
        demand(effect !== undefined, () => `${who} is completed without an effect`)
        demand(
          effect === undefined || effect.transaction.hash === transactionHash,
          () => `${who} tells of another transaction than the one that had the effect`
        )
        demand(effect === undefined || effect.blockNumber === blockNumber, () => `${who} tells of another block`)
      }
    } else {
      demand(effects.length === 0, () => `${who} is ${job.status} and had an effect`)
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

/** Why an event can't follow from what was before it. */
const illegality = (state: Bucket.State, event: Bucket.Event): string | undefined => {
  const command = commandOf(event)
  const decided = Bucket.decide(state, command, event.occurredAt)
  if (Result.isFailure(decided)) return `${event._tag} is refused: ${decided.failure.message}`
  return decided.success.length === 1 && decided.success[0]?._tag === event._tag
    ? undefined
    : `${event._tag} does not follow`
}

const commandOf = (event: Bucket.Event): Bucket.Command => {
  const told = Bucket.stepOf(event)
  switch (told.step) {
    case "requested": {
      const { _tag, occurredAt: _, ...request } = told.event
      return _tag === "BucketRequested"
        ? Bucket.RequestBucket.make(request)
        : Bucket.RequestBucketDeletion.make(request)
    }
    case "started":
      return Bucket.StartAttempt.make({ jobId: event.jobId })
    case "submitted": {
      const { _tag, occurredAt: _, ...submission } = told.event
      return Bucket.RecordSubmission.make(submission)
    }
    case "attemptFailed":
      return Bucket.FailAttempt.make({ jobId: event.jobId, error: told.event.error, retryAt: told.event.retryAt })
    case "completed": {
      const { _tag, occurredAt: _, ...result } = told.event
      return Bucket.Complete.make(result)
    }
    case "failed":
      return Bucket.Fail.make({ jobId: event.jobId, error: told.event.error })
    case "cancelled":
      return Bucket.Cancel.make({
        jobId: event.jobId,
        cancelledBy: told.event.cancelledBy,
        reason: told.event.reason
      })
  }
}
