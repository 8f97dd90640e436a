/**
 * The steps of a job, each recorded in the log before the next one. Every step may run again after a crash, or beside the
 * same step of another executor: the log's revision and the ledger decide what counts.
 */
import * as Bucket from "@akave-async/domain/Bucket"
import type { TransactionHash } from "@akave-async/domain/Chain"
import type * as Job from "@akave-async/domain/Job"
import type * as Wallet from "@akave-async/domain/Wallet"
import { execute, load, type Loaded } from "@akave-async/eventing/BucketEvents"
import { EventLog, type LogUnavailable, type StoredEvent } from "@akave-async/eventing/EventLog"
import { Chain, type Receipt } from "@akave-async/sdk/Chain"
import type { ContractError, UnknownRevert } from "@akave-async/sdk/Errors"
import { Context, DateTime, Duration, Effect, Exit, Layer, Option, Result, Schedule } from "effect"
import { ExecutorConfig } from "./ExecutorConfig.ts"
import { Failpoint } from "./Failpoint.ts"
import { type ChainFailure, ForeignOwner, InsufficientFunds, NotSent, toFailure } from "./Failures.ts"
import { Ledger } from "./Ledger.ts"
import type { Operation } from "./Operation.ts"
import * as CreateBucket from "./operations/CreateBucket.ts"
import { Receipts } from "./Receipts.ts"

/** What becomes of the event that a step reacted to: it is done, or it is wanted again after a time. */
export type Outcome = { readonly _tag: "Done" } | { readonly _tag: "Again"; readonly after: Duration.Duration }
const done: Outcome = { _tag: "Done" }
const again = (after: Duration.Duration): Outcome => ({ _tag: "Again", after })

export class Steps extends Context.Service<Steps, {
  /** Makes the next attempt at a job that was requested, up to a transaction that the chain's node has. */
  attempt(
    cause: StoredEvent,
    event: typeof Bucket.BucketRequested.Type,
    isFirstDelivery: boolean
  ): Effect.Effect<Outcome, LogUnavailable>
  /** Waits for the receipt of a transaction that was sent, and records how the job ends. */
  settle(
    cause: StoredEvent,
    event: typeof Bucket.BucketSubmitted.Type,
    isFirstDelivery: boolean
  ): Effect.Effect<Outcome, LogUnavailable>
}>()("@akave-async/executor/Steps") {
  static readonly layer = Layer.effect(Steps, Effect.suspend(() => make))
}

/** Jobs that come within this time look at the wallet's balance together. */
const fundsTtl = Duration.seconds(1)
/** How often a transaction that is not mined is shown to the chain's node again. */
const rebroadcastInterval = Duration.seconds(15)

const make = Effect.gen(function*() {
  const log = yield* EventLog
  const chain = yield* Chain
  const ledger = yield* Ledger
  const receipts = yield* Receipts
  const failpoint = yield* Failpoint
  const { retries, retryDelay } = yield* ExecutorConfig
  const funds = yield* Effect.cachedWithTTL(
    Effect.all([chain.balance(ledger.signer), chain.fees], { concurrency: 2 }),
    (exit) => Exit.isSuccess(exit) ? fundsTtl : 0
  )
  const operations: Record<Job.Operation, Operation> = { "bucket.create": yield* CreateBucket.make }

  /** Records a step as what follows from the event that it reacts to. */
  const record = (cause: StoredEvent, known: Loaded, command: Bucket.Command) =>
    execute(log, cause.subject, known, command, {
      source: "/akave/executor",
      causationId: cause.headers["ce-id"],
      traceparent: cause.headers["traceparent"]
    }).pipe(
      // An executor's commands can only come too late; any other rejection is a defect of its steps.
      Effect.catchTag(["BucketBusy", "BucketExists", "TooLateToCancel"], Effect.die)
    )

  const jobOf = ({ state }: Loaded): Job.Job => {
    if (state.job === undefined) throw new Error("a bucket with events has a job")
    return state.job
  }

  /** Others have ended the job, or this attempt at it: the job is left alone, the next attempt is made when its time has come. */
  const leaveToOthers = {
    JobOver: () => Effect.succeed(done),
    OutOfOrder: (error: Bucket.OutOfOrder) => Effect.as(Effect.logWarning(error.message), again(retryDelay))
  }

  const complete = (cause: StoredEvent, loaded: Loaded, result: Job.Result) => {
    const jobId = jobOf(loaded).id
    return record(cause, loaded, Bucket.Complete.make({ jobId, ...result }))
  }

  /**
   * Records the failure of an attempt: with a time for the next one, or, where that is no use, as the end of the job. A job
   * ends so only when it is sure that no transaction of it can be mined: it is given up, but for a `spent` claim.
   */
  const fail = Effect.fnUntraced(function*(
    cause: StoredEvent,
    loaded: Loaded,
    error: ChainFailure,
    spent: Wallet.Claim | undefined
  ) {
    const { attempts, id: jobId } = jobOf(loaded)
    const failure = toFailure(error)
    yield* Effect.logWarning(failure.message).pipe(
      Effect.annotateLogs({ jobId, attempt: attempts, code: failure.code })
    )
    if (!error.isRetryable || attempts > retries) {
      const claimed = yield* Effect.result(ledger.giveUp(jobId, spent))
      if (Result.isFailure(claimed)) {
        return claimed.failure._tag === "LogUnavailable" ? yield* claimed.failure : again(retryDelay)
      }
      // Another executor has claimed meanwhile: that claim is what the job goes on with.
      if (Option.isSome(claimed.success)) return again(Duration.zero)
      yield* record(cause, loaded, Bucket.Fail.make({ jobId, error: failure }))
      return done
    }
    const retryAt = DateTime.addDuration(yield* DateTime.now, retryDelay)
    yield* record(cause, loaded, Bucket.FailAttempt.make({ jobId, error: failure, retryAt }))
    return again(retryDelay)
  })

  /**
   * A claim for the job: the one that it has, or a new one if it has none or only a spent one. Or the job's result, where
   * the contract says that nothing is left to do.
   */
  const claim = Effect.fnUntraced(function*(job: Job.Job, spent?: Wallet.Claim) {
    const claimed = (claim: Wallet.Claim) => ({ _tag: "Claimed", claim }) as const
    if (job.owner.toLowerCase() !== ledger.signer.toLowerCase()) {
      return yield* new ForeignOwner({ owner: job.owner, signer: ledger.signer })
    }
    const prepared = yield* Effect.result(operations[job.operation].prepare(job))
    if (Result.isSuccess(prepared)) {
      const [balance, fees] = yield* funds
      const needed = prepared.success.gasLimit * fees.maxFeePerGas
      if (balance < needed) return yield* new InsufficientFunds({ address: ledger.signer, balance, needed })
      return claimed(yield* ledger.claim(job.id, prepared.success, spent))
    }
    const refusal = prepared.failure
    if (refusal._tag !== "ContractError" && refusal._tag !== "UnknownRevert") return yield* refusal
    // What makes the contract refuse may be a transaction of this job, sent by another executor a moment ago.
    const rival = yield* ledger.find(job.id)
    if (Option.isSome(rival) && rival.value.transactionHash !== spent?.transactionHash) return claimed(rival.value)
    return { _tag: "Done", result: yield* adopt(job, refusal, spent?.transactionHash) } as const
  })

  /** What the job asks for is so already, which is its result; anything else that the contract refuses is an error. */
  const adopt = Effect.fnUntraced(
    function*(job: Job.Job, refusal: ContractError | UnknownRevert, own: TransactionHash | undefined) {
      const adopted = yield* operations[job.operation].adopt(job, refusal, own)
      return Option.isSome(adopted) ? adopted.value : yield* refusal
    }
  )

  /** Sends the claimed bytes. False: their nonce was used by a transaction from elsewhere, so they can't be mined. */
  const broadcast = Effect.fnUntraced(function*(claim: Wallet.Claim) {
    const sent = yield* Effect.result(chain.send(claim.transaction))
    if (Result.isSuccess(sent)) return true
    if (sent.failure._tag !== "TransactionRefused" || sent.failure.reason !== "nonce_too_low") {
      return yield* sent.failure
    }
    return Option.isSome(yield* chain.receipt(claim.transactionHash))
  })

  /** Sends what the job has claimed, with a new claim where that one is spent. */
  const submit = Effect.fnUntraced(function*(job: Job.Job, existing: Option.Option<Wallet.Claim>) {
    const claimAfter = (spent?: Wallet.Claim) => Effect.mapError(claim(job, spent), (error) => ({ error, spent }))
    let claimed = Option.isSome(existing) ? { _tag: "Claimed", claim: existing.value } as const : yield* claimAfter()
    while (claimed._tag === "Claimed") {
      const current: Wallet.Claim = claimed.claim
      yield* failpoint.hit("claimed")
      const isSent = yield* Effect.mapError(broadcast(current), (cause) => ({
        error: new NotSent({ cause }),
        spent: undefined
      }))
      yield* failpoint.hit("sent")
      if (isSent) return { _tag: "Sent", claim: current } as const
      yield* Effect.logWarning(`nonce ${current.nonce} was used from elsewhere`).pipe(
        Effect.annotateLogs({ jobId: job.id })
      )
      claimed = yield* claimAfter(current)
    }
    return claimed
  })

  /** Sends the job's transaction and records it, or records why there is none to send. */
  const submitAndRecord = Effect.fnUntraced(
    function*(cause: StoredEvent, loaded: Loaded, existing: Option.Option<Wallet.Claim>) {
      const submitted = yield* Effect.result(submit(jobOf(loaded), existing))
      if (Result.isFailure(submitted)) {
        const { error, spent } = submitted.failure
        if (error._tag === "LogUnavailable" || error._tag === "GivenUp") return yield* error
        if (error._tag !== "NotSent") return yield* fail(cause, loaded, error, spent)
        // The claim stands and its bytes may be on their way, so the job can't fail any more: they are sent again.
        yield* Effect.logWarning(error.message).pipe(Effect.annotateLogs({ jobId: jobOf(loaded).id }))
        return again(retryDelay)
      }
      if (submitted.success._tag === "Done") {
        yield* complete(cause, loaded, submitted.success.result)
        return done
      }
      const { _tag, occurredAt: _, transaction: __, ...submission } = submitted.success.claim
      yield* record(cause, loaded, Bucket.RecordSubmission.make(submission))
      yield* failpoint.hit("submitted")
      return done
    }
  )

  /** Ends a job that an executor gave up and then died before it recorded the end. */
  const endGivenUp = Effect.fnUntraced(function*(cause: StoredEvent, jobId: Job.Id) {
    const error: Job.Failure = { category: "internal", code: "GivenUp", message: "Its attempts are used up" }
    yield* record(cause, yield* load(log, cause.subject), Bucket.Fail.make({ jobId, error }))
    return done
  })

  const attempt: Steps["Service"]["attempt"] = Effect.fn("Steps.attempt")(
    function*(cause, event, isFirstDelivery) {
      const { jobId } = event
      yield* Effect.annotateCurrentSpan({ "job.id": jobId })
      // Nobody has touched a job at its first delivery, as a rule; if somebody has, the append is refused.
      const known: Loaded = isFirstDelivery
        ? { state: Bucket.evolve(Bucket.initial, event), revision: cause.sequence }
        : yield* load(log, cause.subject)

      const wait = known.state.job?.id === jobId ? known.state.job.retryAt : undefined
      if (wait !== undefined) {
        const remaining = DateTime.distance(yield* DateTime.now, wait)
        if (Duration.isGreaterThan(remaining, Duration.zero)) return again(remaining)
      }

      yield* failpoint.hit("delivered")
      const started = yield* record(cause, known, Bucket.StartAttempt.make({ jobId }))
      yield* failpoint.hit("started")
      // A job that others may have worked on may have a claim.
      const existing = isFirstDelivery ? Option.none() : yield* ledger.find(jobId)
      return yield* submitAndRecord(cause, started, existing)
    },
    (attempting, cause, { jobId }) =>
      attempting.pipe(
        Effect.catchTag("GivenUp", () => endGivenUp(cause, jobId)),
        Effect.catchTags(leaveToOthers)
      )
  )

  /** Shows the job's transaction to the chain's node again, now and then, while it does not know it; ends if it is spent. */
  const untilSpent = (claim: Wallet.Claim, atOnce: boolean) =>
    Effect.gen(function*() {
      return !(yield* chain.transactionKnown(claim.transactionHash)) && !(yield* broadcast(claim))
    }).pipe(
      Effect.catch((error) => Effect.as(Effect.logWarning(error.message), false)),
      Effect.repeat({ until: (isSpent) => isSpent, schedule: Schedule.spaced(rebroadcastInterval) }),
      atOnce ? (effect) => effect : Effect.delay(rebroadcastInterval),
      Effect.as(Option.none<Receipt>())
    )

  const settle: Steps["Service"]["settle"] = Effect.fn("Steps.settle")(
    function*(cause, { jobId, transactionHash }, isFirstDelivery) {
      yield* Effect.annotateCurrentSpan({ "job.id": jobId, "transaction.hash": transactionHash })
      const known = yield* load(log, cause.subject)
      const isCurrent = known.state.job?.id === jobId && known.state.job.transactionHash === transactionHash
      if (!isCurrent || known.state.job.status !== "processing") return done
      const job = known.state.job

      const claimed = yield* ledger.find(jobId)
      if (Option.isNone(claimed)) return yield* Effect.die(new Error(`job ${jobId} has a transaction and no claim`))

      // The transaction may have been given up by an executor that died: what it claimed instead is not recorded yet.
      const mined = claimed.value.transactionHash === transactionHash
        ? yield* Effect.raceFirst(
          Effect.map(receipts.await(transactionHash), Option.some),
          untilSpent(claimed.value, !isFirstDelivery)
        )
        : Option.none<Receipt>()
      if (Option.isNone(mined)) {
        const started = yield* record(cause, known, Bucket.StartAttempt.make({ jobId }))
        return yield* submitAndRecord(cause, started, claimed)
      }
      const receipt = mined.value
      yield* failpoint.hit("receipt-seen")
      if (receipt.status === "success") {
        yield* complete(cause, known, operations[job.operation].result(job, receipt))
        yield* failpoint.hit("completed")
        return done
      }
      const adopted = yield* Effect.result(
        Effect.flatMap(chain.explainRevert(receipt), (refusal) => adopt(job, refusal, undefined))
      )
      if (Result.isFailure(adopted)) {
        return adopted.failure._tag === "RpcError"
          ? again(retryDelay)
          : yield* fail(cause, known, adopted.failure, claimed.value)
      }
      yield* complete(cause, known, adopted.success)
      return done
    },
    (settling, cause, { jobId }) =>
      settling.pipe(
        Effect.catchTag("GivenUp", () => endGivenUp(cause, jobId)),
        Effect.catchTags(leaveToOthers)
      )
  )

  return Steps.of({ attempt, settle })
})
