/** What is recorded of a job's steps, and how an attempt ends that has come to nothing. */
import * as Job from "@akave-async/domain/Job"
import type * as Wallet from "@akave-async/domain/Wallet"
import { EventLog } from "@akave-async/eventing/EventLog"
import { idOfSubmission } from "@akave-async/eventing/Kind"
import { again, done } from "@akave-async/eventing/Outcome"
import { DateTime, Duration, Effect, Option, Result } from "effect"
import type { Deadline } from "./Deadline.ts"
import { ExecutorConfig } from "./ExecutorConfig.ts"
import { type ChainFailure, toFailure } from "./Failures.ts"
import type { Funds } from "./Funds.ts"
import { progressed, waitsFor } from "./Lane.ts"
import * as LaneMetrics from "./LaneMetrics.ts"
import { Ledger } from "./Ledger.ts"
import { nothing } from "./Next.ts"
import type { Done, ResultOf } from "./Operation.ts"
import { source } from "./Source.ts"
import { jobOf, type Known, type Task } from "./Task.ts"

/** What the contract refuses only for a moment is tried again after this. */
const shortDelay = Duration.seconds(2)

// oxlint-disable-next-line max-lines-per-function -- its records share the job's log
export const make = Effect.fnUntraced(function*(deadline: Deadline, funds: Funds) {
  const log = yield* EventLog
  const ledger = yield* Ledger
  const { retries, retryDelay } = yield* ExecutorConfig
  const origin = yield* source

  /** Records a step as what follows from the latest transaction of the job, or from its request. */
  const record = <Name extends Job.StepName, Rejection>(
    { cause, jobId, kind }: Task,
    known: Known,
    decide: Job.Decision<Name, Rejection>
  ) => {
    const transaction = known.state.job?.id === jobId ? Job.transactionOf(known.state.job) : undefined
    return kind.execute(log, cause.subject, known, decide, {
      source: origin,
      causationId: transaction === undefined ? cause.headers["ce-id"] : idOfSubmission(jobId, transaction),
      traceparent: cause.headers["traceparent"]
    })
  }

  const start = (task: Task, known: Known) =>
    record(task, known, Job.startAttempt(task.jobId)).pipe(Effect.tap(LaneMetrics.attempted(jobOf(known))))

  const submission = (task: Task, known: Known, claim: Wallet.Claim) => {
    const { maxFeePerGas, maxPriorityFeePerGas, nonce, part, signer, transactionHash } = claim
    const { jobId } = task
    const fees = { maxFeePerGas, maxPriorityFeePerGas }
    const ofPart = part === undefined ? {} : { part }
    return record(task, known, Job.recordSubmission({ jobId, transactionHash, nonce, signer, ...fees, ...ofPart }))
      .pipe(
        Effect.tap(progressed)
      )
  }

  const advance = (task: Task, known: Known, part: Job.Part, done: Done) =>
    Effect.tap(record(task, known, Job.advance({ jobId: task.jobId, part, ...done })), progressed)

  const abandon = (task: Task, known: Known, error: Job.Failure) =>
    record(task, known, Job.abandon({ jobId: task.jobId, error }))

  const complete = (task: Task, known: Known, result: ResultOf<Job.Job>) => {
    const { adopted, blockNumber, effectiveGasPrice, gasUsed, transactionHash, ...own } = result
    const receipt = {
      adopted,
      ...(transactionHash === undefined ? {} : { transactionHash }),
      ...(blockNumber === undefined ? {} : { blockNumber }),
      ...(gasUsed === undefined ? {} : { gasUsed }),
      ...(effectiveGasPrice === undefined ? {} : { effectiveGasPrice })
    }
    return Effect.as(record(task, known, Job.complete({ jobId: task.jobId, ...receipt, own })), done)
  }

  const end = (task: Task, known: Known, error: Job.Failure) =>
    record(task, known, Job.fail({ jobId: task.jobId, error })).pipe(
      Effect.tap(LaneMetrics.attemptFailed(jobOf(known), error)),
      Effect.as(done)
    )

  /** Reports why the job can't go on now. It may from `retryAt` on. */
  const failAttempt = (task: Task, known: Known, error: ChainFailure, retryAt: DateTime.Utc) => {
    const failure = toFailure(error)
    return record(task, known, Job.failAttempt({ jobId: task.jobId, error: failure, retryAt })).pipe(
      Effect.tap(LaneMetrics.attemptFailed(jobOf(known), failure))
    )
  }

  /** Sees to it that the job gets no claim any more, from any executor, or says how the job goes on. */
  const giveUp = Effect.fnUntraced(function*({ jobId }: Task, after: Wallet.Claim | undefined) {
    const claimed = yield* Effect.result(ledger.giveUp(jobId, after))
    if (Result.isFailure(claimed)) {
      return claimed.failure._tag === "LogUnavailable" ? yield* claimed.failure : again(retryDelay)
    }
    // Another executor has claimed meanwhile: that claim is what the job goes on with.
    return Option.isSome(claimed.success) ? again(Duration.zero) : undefined
  })

  /**
   * Records that what the job asks for is so already. An executor that is late with the same job would do it again as soon
   * as it is so no more, so that the job is given up first.
   */
  const completeAsFound = Effect.fnUntraced(function*(
    task: Task,
    known: Known,
    result: ResultOf<Job.Job>,
    after: Wallet.Claim | undefined
  ) {
    const goesOn = yield* giveUp(task, after)
    return goesOn ?? (yield* complete(task, known, result))
  })

  /** Ends an abandoned job, which has taken back what it had done. */
  const endAbandoned = Effect.fnUntraced(function*(task: Task, known: Known, after: Wallet.Claim | undefined) {
    const goesOn = yield* giveUp(task, after)
    if (goesOn !== undefined) return goesOn
    const error = Job.abandonedOf(jobOf(known))?.error
    yield* record(task, known, Job.endAbandoned(task.jobId))
    if (error !== undefined) yield* LaneMetrics.attemptFailed(jobOf(known), error)
    return done
  })

  /**
   * Records the failure of an attempt: with a time for the next one, or, where that is no use, as the end of the job. A job
   * ends so only when it is sure that no transaction of it can be mined any more: it is given up, but for the claim `after`
   * which it would have gone on. One that can take back what it has done is abandoned, and what it takes back is tried for ever.
   */
  const fail = Effect.fnUntraced(function*(
    task: Task,
    known: Known,
    error: ChainFailure,
    after: Wallet.Claim | undefined
  ) {
    const job = jobOf(known)
    const attempt = Job.attemptsOf(job)
    const failure = toFailure(error)
    yield* Effect.logWarning(failure.message).pipe(
      Effect.annotateLogs({ jobId: task.jobId, attempt, code: failure.code })
    )
    yield* waitsFor(
      `failed: ${failure.message}`,
      error._tag === "InsufficientFunds" ? { needed: error.needed } : {}
    )
    const isRefusal = error._tag === "ContractError" || error._tag === "UnknownRevert"
    const isShort = isRefusal && (yield* task.operation.isTemporary(error, job))
    // Funds are waited for, and what passes by itself, as long as the job has time.
    const isPatient = error._tag === "InsufficientFunds" || isShort ||
      (error._tag === "PartFailed" && error.isRetryable)
    // A job whose claim may be lost is done perhaps: as long as the chain does not say, it can't be called failed.
    const isUnknown = error._tag === "RpcError" && after === undefined && (yield* ledger.mayHaveLost(job.createdAt))
    const isUndone = Job.abandonedOf(job) !== undefined
    const isRetried = isUndone || isPatient
      ? isUndone || !(yield* deadline.isOver(job))
      : isUnknown || (error.isRetryable && attempt <= retries)
    if (!isRetried) {
      if (task.operation.canUndo === true && after !== undefined) {
        return { known: yield* abandon(task, known, failure), seen: nothing }
      }
      const goesOn = yield* giveUp(task, after)
      return goesOn ?? (yield* end(task, known, failure))
    }
    const delay = error._tag === "InsufficientFunds" ? Duration.zero : isShort ? shortDelay : retryDelay
    yield* failAttempt(task, known, error, DateTime.addDuration(yield* DateTime.now, delay))
    if (error._tag !== "InsufficientFunds") return again(delay)
    yield* Effect.timeoutOption(funds.until(error.needed), yield* deadline.patience(job))
    return again(Duration.zero)
  })

  return { start, submission, advance, abandon, complete, completeAsFound, end, endAbandoned, failAttempt, fail }
})
export type Records = Effect.Success<ReturnType<typeof make>>
