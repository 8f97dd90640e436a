/**
 * The steps of a job, each recorded in the log before the next one. Every step may run again after a crash, or beside the
 * same step of another executor: the log's revision and the ledger decide what counts.
 */
import * as Bucket from "@akave-async/domain/Bucket"
import type { TransactionHash } from "@akave-async/domain/Chain"
import type * as Job from "@akave-async/domain/Job"
import * as Wallet from "@akave-async/domain/Wallet"
import { execute, load, type Loaded } from "@akave-async/eventing/BucketEvents"
import { EventLog, type LogUnavailable, type StoredEvent } from "@akave-async/eventing/EventLog"
import { Chain, type Receipt } from "@akave-async/sdk/Chain"
import { RpcError, type TransactionRefused } from "@akave-async/sdk/Errors"
import { Context, DateTime, Duration, Effect, Exit, Layer, Option, Result, Schedule } from "effect"
import { ExecutorConfig } from "./ExecutorConfig.ts"
import { Failpoint } from "./Failpoint.ts"
import { type ChainFailure, DeadlinePassed, ForeignOwner, InsufficientFunds, NotSent, toFailure } from "./Failures.ts"
import { waitsFor } from "./Lane.ts"
import { type GivenUp, Ledger } from "./Ledger.ts"
import type { Operation, Refusal } from "./Operation.ts"
import * as CreateBucket from "./operations/CreateBucket.ts"
import * as DeleteBucket from "./operations/DeleteBucket.ts"
import { again, done, type Outcome } from "./Outcome.ts"
import { Receipts, receiptsFrom } from "./Receipts.ts"
import { costOf, Shortages } from "./Shortages.ts"

export class Steps extends Context.Service<Steps, {
  /** Makes the next attempt at a job that was requested, up to a transaction that the chain's node has. */
  attempt(
    cause: StoredEvent,
    told: StepOf<"requested">,
    isFirstDelivery: boolean
  ): Effect.Effect<Outcome, LogUnavailable>
  /** Waits until the chain has used the nonce of a transaction that was sent, and records what follows for the job. */
  settle(
    cause: StoredEvent,
    told: StepOf<"submitted">,
    isFirstDelivery: boolean
  ): Effect.Effect<Outcome, LogUnavailable>
}>()("@akave-async/executor/Steps") {
  static readonly layer = Layer.effect(Steps, Effect.suspend(() => make))
}
type StepOf<Name extends Bucket.Step["step"]> = Extract<Bucket.Step, { readonly step: Name }>

/** Jobs that come within this time look at the wallet's balance together, and those that wait for funds look so often. */
const fundsTtl = Duration.seconds(1)
/** After this a claim that did not get out is tried again, and what the contract refuses only for a moment. */
const shortDelay = Duration.seconds(2)
/** What the contract has refused the job for is not so in the latest block. */
const notSo = new RpcError({
  method: "eth_call",
  code: "STALE",
  details: "what the contract refused the call for is not mined, or was undone since"
})
/** How often a job that waits for the chain looks whether its claim was changed. */
const lookInterval = Duration.seconds(5)

const make = Effect.gen(function*() {
  const log = yield* EventLog
  const chain = yield* Chain
  const ledger = yield* Ledger
  const receipts = yield* Receipts
  const shortages = yield* Shortages
  const failpoint = yield* Failpoint
  const { confirmations, deadline, retries, retryDelay } = yield* ExecutorConfig
  const funds = yield* Effect.cachedWithTTL(
    chain.balance(ledger.signer),
    (exit) => Exit.isSuccess(exit) ? fundsTtl : 0
  )
  const operations: Record<Job.Operation, Operation> = {
    "bucket.create": yield* CreateBucket.make,
    "bucket.delete": yield* DeleteBucket.make
  }

  /** Records a step as what follows from the event that it reacts to. */
  const record = (cause: StoredEvent, known: Loaded, command: Bucket.Command) =>
    execute(log, cause.subject, known, command, {
      source: "/akave/executor",
      causationId: cause.headers["ce-id"],
      traceparent: cause.headers["traceparent"]
    }).pipe(
      // An executor's commands can only come too late; any other rejection is a defect of its steps.
      Effect.catchTag(["BucketBusy", "BucketExists", "BucketMissing", "TooLateToCancel"], Effect.die)
    )

  const jobOf = ({ state }: Loaded): Job.Job => {
    if (state.job === undefined) throw new Error("a bucket with events has a job")
    return state.job
  }

  const complete = (cause: StoredEvent, loaded: Loaded, result: Job.Result) =>
    Effect.as(record(cause, loaded, Bucket.Complete.make({ jobId: jobOf(loaded).id, ...result })), done)
  const end = (cause: StoredEvent, loaded: Loaded, error: Job.Failure) =>
    Effect.as(record(cause, loaded, Bucket.Fail.make({ jobId: jobOf(loaded).id, error })), done)

  /** How long the job still has by this clock, counted from its first attempt. */
  const remaining = (job: Job.Job) => {
    const begin = job.startedAt === undefined ? job.createdAt : DateTime.max(job.createdAt, job.startedAt)
    return Effect.map(DateTime.now, (now) => DateTime.distance(now, DateTime.addDuration(begin, deadline)))
  }
  /** Whether the job's time is over by this clock and by the chain's: one of them may have jumped. */
  const isOverdue = Effect.fnUntraced(function*(job: Job.Job) {
    const left = yield* remaining(job)
    if (Duration.isGreaterThan(left, Duration.zero)) return false
    return yield* Effect.flatMap(chain.blockNumber, chain.blockTime).pipe(
      Effect.map((head) => {
        const begin = job.startedAt ?? job.createdAt
        return Duration.isGreaterThanOrEqualTo(DateTime.distance(begin, head), deadline)
      }),
      // A chain that does not answer has no say.
      Effect.orElseSucceed(() => true)
    )
  })

  /** How long the job waits in place. By its own clock its time may be over while the chain's stands still. */
  const patience = (job: Job.Job) => Effect.map(remaining(job), (left) => Duration.max(left, shortDelay))

  /** Ends as soon as the wallet can pay this much, in wei. */
  const untilFunded = (needed: bigint) =>
    funds.pipe(
      Effect.map((balance) => balance >= needed),
      Effect.orElseSucceed(() => false),
      Effect.repeat({ until: (isEnough) => isEnough, schedule: Schedule.spaced(fundsTtl) })
    )

  const isPassing = (job: Job.Job, error: ChainFailure) =>
    (error._tag === "ContractError" || error._tag === "UnknownRevert") && operations[job.operation].isPassing(error)

  /** Sees to it that the job gets no claim any more, from any executor, or says how the job goes on. */
  const giveUp = Effect.fnUntraced(function*(jobId: Job.Id, spent: Wallet.Claim | undefined) {
    const claimed = yield* Effect.result(ledger.giveUp(jobId, spent))
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
    cause: StoredEvent,
    loaded: Loaded,
    result: Job.Result,
    spent: Wallet.Claim | undefined
  ) {
    const goesOn = yield* giveUp(jobOf(loaded).id, spent)
    return goesOn ?? (yield* complete(cause, loaded, result))
  })

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
    const job = jobOf(loaded)
    const { attempts, id: jobId } = job
    const failure = toFailure(error)
    yield* Effect.logWarning(failure.message).pipe(
      Effect.annotateLogs({ jobId, attempt: attempts, code: failure.code })
    )
    yield* waitsFor(`failed: ${failure.message}`)
    const isShort = isPassing(job, error)
    // Funds are waited for, and what passes by itself, as long as the job has time.
    const isPatient = error._tag === "InsufficientFunds" || isShort
    const isRetried = isPatient ? !(yield* isOverdue(job)) : error.isRetryable && attempts <= retries
    if (!isRetried) {
      const goesOn = yield* giveUp(jobId, spent)
      return goesOn ?? (yield* end(cause, loaded, failure))
    }
    const delay = error._tag === "InsufficientFunds" ? Duration.zero : isShort ? shortDelay : retryDelay
    const retryAt = DateTime.addDuration(yield* DateTime.now, delay)
    yield* record(cause, loaded, Bucket.FailAttempt.make({ jobId, error: failure, retryAt }))
    if (error._tag !== "InsufficientFunds") return again(delay)
    yield* Effect.timeoutOption(untilFunded(error.needed), yield* patience(job))
    return again(Duration.zero)
  })

  /**
   * A claim for the job: the one that it has, or a new one if it has none or only a spent one. Or the job's result, where
   * the contract says that nothing is left to do.
   */
  const claim = Effect.fnUntraced(function*(cause: StoredEvent, job: Job.Job, spent?: Wallet.Claim) {
    const claimed = (claim: Wallet.Claim) => ({ _tag: "Claimed", claim }) as const
    if (job.owner.toLowerCase() !== ledger.signer.toLowerCase()) {
      return yield* new ForeignOwner({ owner: job.owner, signer: ledger.signer })
    }
    const prepared = yield* Effect.result(operations[job.operation].prepare(job))
    if (Result.isSuccess(prepared)) {
      const [balance, { maxFeePerGas }] = yield* Effect.all([funds, ledger.offer], { concurrency: 2 })
      const needed = prepared.success.gasLimit * maxFeePerGas
      if (balance < needed) {
        return yield* new InsufficientFunds({ address: ledger.signer, balance, needed, transactions: 1 })
      }
      yield* waitsFor("waits for a nonce from the wallet's ledger")
      return claimed(yield* ledger.claim(job.id, prepared.success, spent))
    }
    const refusal = prepared.failure
    if (refusal._tag !== "ContractError" && refusal._tag !== "UnknownRevert") return yield* refusal
    // What makes the contract refuse may be a transaction of this job, sent by another executor a moment ago.
    const rival = yield* ledger.find(job.id)
    if (Option.isSome(rival) && rival.value.transactionHash !== spent?.transactionHash) return claimed(rival.value)
    const own = spent === undefined ? [] : Wallet.hashes(spent)
    return { _tag: "Done", result: yield* adopt(cause, job, refusal, own) } as const
  })

  /** What the job asks for is so already, which is its result; anything else that the contract refuses is an error. */
  const adopt = Effect.fnUntraced(function*(
    cause: StoredEvent,
    job: Job.Job,
    refusal: Refusal,
    own: ReadonlyArray<TransactionHash>
  ) {
    const { state } = yield* load(log, cause.subject)
    const { adopt, holds } = operations[job.operation]
    const look = adopt(job, refusal, own, state.blockNumber)
    const first = yield* look
    if (Option.isNone(first)) return yield* refusal
    yield* waitsFor(`waits until ${confirmations} blocks confirm what it has found done`)
    yield* Effect.repeat(isDone(job, holds), { until: (isSo) => isSo, schedule: Schedule.spaced(shortDelay) })
    const last = confirmations === 1 ? first : yield* look
    if (Option.isSome(last) && last.value.transactionHash === first.value.transactionHash) return last.value
    return yield* notSo
  })

  /**
   * Whether what a job asks for is so for good: what others did is no more final than what the job does itself, and what only
   * waits to be mined may never be. Fails where it is not so in the latest block.
   */
  const isDone = Effect.fnUntraced(function*(job: Job.Job, holds: Operation["holds"]) {
    const head = yield* chain.blockNumber
    if (!(yield* holds(job, head))) return yield* notSo
    return confirmations === 1 || (yield* holds(job, Math.max(0, head - confirmations + 1)))
  })

  const receiptsOf = receiptsFrom(chain)

  /**
   * Sends the claimed bytes. What the node refuses is as good as sent, because the keeper sees to it, and what else has used
   * the nonce is told by the receipts, which wait until that is final. But the want of funds is the job's to tell.
   */
  const broadcast = Effect.fnUntraced(function*(claim: Wallet.Claim) {
    const sent = yield* Effect.result(chain.send(claim.transaction))
    if (Result.isSuccess(sent)) return
    const { failure } = sent
    if (failure._tag === "RpcError") return yield* failure
    if (failure.reason === "insufficient_funds" && (yield* receiptsOf(claim)).length === 0) return yield* failure
  })

  /** Sends what the job has claimed, with a new claim where that one is spent. */
  const submit = Effect.fnUntraced(function*(
    cause: StoredEvent,
    job: Job.Job,
    existing: Option.Option<Wallet.Claim>,
    spent: Wallet.Claim | undefined
  ) {
    const claimed = Option.isNone(existing) || existing.value.transactionHash === spent?.transactionHash
      ? yield* Effect.mapError(claim(cause, job, spent), (error) => ({ error, spent }))
      : { _tag: "Claimed", claim: existing.value } as const
    if (claimed._tag === "Done") return claimed
    const current: Wallet.Claim = claimed.claim
    yield* failpoint.hit("claimed")
    // Nothing is sent for a cancelled claim: its end is the job's, whatever is mined.
    if (current.cancelled !== undefined) return { _tag: "Sent", claim: current } as const
    yield* Effect.mapError(broadcast(current), (cause) => ({
      error: new NotSent({ cause, claim: current }),
      spent: undefined
    }))
    yield* failpoint.hit("sent")
    return { _tag: "Sent", claim: current } as const
  })

  /** Records the transaction that the job's nonce has now. */
  const recordSubmission = Effect.fnUntraced(function*(cause: StoredEvent, loaded: Loaded, claim: Wallet.Claim) {
    const { maxFeePerGas, maxPriorityFeePerGas, nonce, signer, transactionHash } = claim
    const submission = { transactionHash, nonce, signer, maxFeePerGas, maxPriorityFeePerGas }
    yield* record(cause, loaded, Bucket.RecordSubmission.make({ jobId: jobOf(loaded).id, ...submission }))
    yield* failpoint.hit("submitted")
    // What was recorded before has no further event that would settle it.
    return jobOf(loaded).transactionHash === transactionHash ? again(shortDelay) : done
  })

  /** Cancels the claim of a job whose time is over. None: not now. */
  const withdraw = (claim: Wallet.Claim) =>
    Effect.option(ledger.cancel(claim, toFailure(new DeadlinePassed({ deadline }))))

  /** What a claim lacks that the node has refused for want of funds; the node's own words where that is unknown. */
  const missingFor = (claim: Wallet.Claim, refused: TransactionRefused) =>
    chain.balance(ledger.signer).pipe(
      Effect.map((balance) => {
        const needed = costOf(claim)
        const address = ledger.signer
        return balance < needed ? new InsufficientFunds({ address, balance, needed, transactions: 1 }) : refused
      }),
      Effect.orElseSucceed(() => refused)
    )

  /** The claim stands and its bytes may be on their way, so the job can't fail for this: they are sent again. */
  const notSent = Effect.fnUntraced(function*(cause: StoredEvent, loaded: Loaded, error: NotSent) {
    const job = jobOf(loaded)
    yield* Effect.logWarning(error.message).pipe(Effect.annotateLogs({ jobId: job.id }))
    yield* waitsFor(`failed: ${error.message}`)
    const isWithdrawn = error.claim.cancelled !== undefined
    if (!isWithdrawn && (yield* isOverdue(job))) {
      const cancelled = yield* withdraw(error.claim)
      return Option.isSome(cancelled) ? yield* recordSubmission(cause, loaded, cancelled.value) : again(shortDelay)
    }
    if (error.cause._tag === "RpcError") return again(shortDelay)
    const retryAt = yield* DateTime.now
    const told = error.cause._tag === "InsufficientFunds" ? error.cause : yield* missingFor(error.claim, error.cause)
    yield* record(cause, loaded, Bucket.FailAttempt.make({ jobId: job.id, error: toFailure(told), retryAt }))
    const untilPaid = error.cause._tag === "InsufficientFunds"
      ? shortages.untilOver(error.claim)
      : Effect.retry(chain.send(error.claim.transaction), {
        while: (error) => error._tag === "TransactionRefused" && error.reason === "insufficient_funds",
        schedule: Schedule.spaced(shortDelay)
      })
    // The transfer that withdraws it has no deadline: it ends the job.
    const limit = isWithdrawn ? Duration.infinity : yield* patience(job)
    yield* Effect.timeoutOption(Effect.ignore(untilPaid), limit)
    return again(Duration.zero)
  })

  /** Sends the job's transaction and records it, or records why there is none to send. */
  const submitAndRecord = Effect.fnUntraced(function*(
    cause: StoredEvent,
    loaded: Loaded,
    existing: Option.Option<Wallet.Claim>,
    spent?: Wallet.Claim
  ) {
    const submitted = yield* Effect.result(submit(cause, jobOf(loaded), existing, spent))
    if (Result.isFailure(submitted)) {
      const { error, spent } = submitted.failure
      if (error._tag === "LogUnavailable" || error._tag === "GivenUp") return yield* error
      return error._tag === "NotSent"
        ? yield* notSent(cause, loaded, error)
        : yield* fail(cause, loaded, error, spent)
    }
    return submitted.success._tag === "Done"
      ? yield* completeAsFound(cause, loaded, submitted.success.result, spent)
      : yield* recordSubmission(cause, loaded, submitted.success.claim)
  })

  /** What the job asks for, where the contract refuses to do it because it is so already. */
  const foundDone = (cause: StoredEvent, job: Job.Job) =>
    operations[job.operation].prepare(job).pipe(
      Effect.as(Option.none<Job.Result>()),
      Effect.catchTag(
        ["ContractError", "UnknownRevert"],
        (refusal) => Effect.map(adopt(cause, job, refusal, []), Option.some)
      ),
      Effect.catchTag(["ContractError", "InvalidArgument", "UnknownRevert"], () => Effect.succeedNone)
    )

  /** Ends a job that an executor gave up and then died before it recorded the end. */
  const endGivenUp = Effect.fnUntraced(function*(cause: StoredEvent, jobId: Job.Id) {
    const loaded = yield* load(log, cause.subject)
    // The name may have another job by now.
    if (loaded.state.job?.id === jobId) {
      const found = yield* Effect.result(foundDone(cause, loaded.state.job))
      if (Result.isFailure(found)) {
        return found.failure._tag === "LogUnavailable" ? yield* found.failure : again(retryDelay)
      }
      if (Option.isSome(found.success)) return yield* complete(cause, loaded, found.success.value)
    }
    const error: Job.Failure = { category: "internal", code: "GivenUp", message: "Its attempts are used up" }
    return yield* Effect.as(record(cause, loaded, Bucket.Fail.make({ jobId, error })), done)
  })

  /** A step that others have made needless: they ended or gave up the job, or made this attempt, and the next has its time. */
  const leaveToOthers = (
    step: Effect.Effect<Outcome, GivenUp | Bucket.JobOver | Bucket.OutOfOrder | LogUnavailable>,
    cause: StoredEvent,
    { event: { jobId } }: StepOf<"requested" | "submitted">
  ) =>
    step.pipe(
      Effect.catchTag("GivenUp", () => endGivenUp(cause, jobId)),
      Effect.catchTags({
        JobOver: () => Effect.succeed(done),
        OutOfOrder: (error) => Effect.as(Effect.logWarning(error.message), again(retryDelay))
      })
    )

  const attempt: Steps["Service"]["attempt"] = Effect.fn("Steps.attempt")(
    function*(cause, { event }, isFirstDelivery) {
      const { jobId } = event
      yield* Effect.annotateCurrentSpan({ "job.id": jobId })
      // Nobody has touched a job at its first delivery, as a rule; if somebody has, the append is refused.
      const known: Loaded = isFirstDelivery
        ? { state: Bucket.evolve(Bucket.initial, event), revision: cause.sequence }
        : yield* load(log, cause.subject)
      // What was submitted is settled as such.
      if (known.state.job?.id === jobId && known.state.job.transactionHash !== undefined) return done
      const wait = yield* waitOf(known, jobId)
      if (wait !== undefined) return again(wait)

      yield* failpoint.hit("delivered")
      const started = yield* record(cause, known, Bucket.StartAttempt.make({ jobId }))
      yield* failpoint.hit("started")
      if (jobOf(started).transactionHash !== undefined) return done
      // A job that others may have worked on may have a claim.
      const existing = isFirstDelivery ? Option.none() : yield* ledger.find(jobId)
      return yield* submitAndRecord(cause, started, existing)
    },
    (step, cause, told) => leaveToOthers(step, cause, told)
  )

  /** How long the job may not be tried again. */
  const waitOf = ({ state: { job } }: Loaded, jobId: Job.Id) =>
    Effect.map(DateTime.now, (now) =>
      job?.id === jobId && job.retryAt !== undefined && Bucket.mustWait(job, now)
        ? DateTime.distance(now, job.retryAt)
        : undefined)

  /** Whether the chain has used the claim's nonce without doing what the job asks for. */
  const isSpent = (claim: Wallet.Claim) =>
    Effect.map(Effect.timeoutOption(receipts.await(claim), shortDelay), (settled) => {
      if (Option.isNone(settled) || claim.cancelled !== undefined) return false
      return settled.value._tag === "Mined"
        ? settled.value.receipt.status === "reverted"
        : !Wallet.hashes(claim).includes(settled.value.transactionHash)
    })

  /**
   * What comes first: the chain uses the nonce, another executor changes the claim, the wallet turns out to be short of funds
   * for it, or the job's time is over.
   */
  const nextOf = (job: Job.Job, claim: Wallet.Claim) => {
    const changed = ledger.find(job.id).pipe(
      Effect.map((now) => Option.isNone(now) || now.value.transactionHash !== claim.transactionHash),
      Effect.catchTag("LogUnavailable", () => Effect.succeed(false)),
      Effect.delay(lookInterval),
      Effect.repeat({ until: (isChanged) => isChanged }),
      Effect.as({ _tag: "Changed" } as const)
    )
    const overdue = Effect.flatMap(remaining(job), Effect.sleep).pipe(
      Effect.andThen(Effect.repeat(isOverdue(job), { until: (is) => is, schedule: Schedule.spaced(lookInterval) })),
      Effect.as({ _tag: "Overdue" } as const)
    )
    const unpaid = Effect.map(shortages.await(claim), (shortage) => ({ _tag: "Unpaid", shortage }) as const)
    return Effect.raceAllFirst([
      receipts.await(claim),
      changed,
      unpaid,
      claim.cancelled === undefined ? overdue : Effect.never
    ])
  }

  /** Whether it was a transfer to oneself, which did nothing but use up the nonce. */
  const isTransfer = ({ to }: Receipt) => to?.toLowerCase() === ledger.signer.toLowerCase()

  /** Records that a transaction has done what the job asks for. */
  const succeed = Effect.fnUntraced(function*(cause: StoredEvent, known: Loaded, receipt: Receipt) {
    const job = jobOf(known)
    yield* failpoint.hit("receipt-seen")
    yield* complete(cause, known, operations[job.operation].result(job, receipt))
    yield* failpoint.hit("completed")
    return done
  })

  /**
   * A transaction that was just sent is mined in the next blocks, as a rule, and then all that has to be known stands in
   * the event that tells of it. None: it takes a closer look.
   */
  const settleAtOnce = Effect.fnUntraced(function*(cause: StoredEvent, told: StepOf<"submitted">) {
    const claim = { ...told.event, transaction: "0x", earlier: [] }
    yield* waitsFor(`waits for the chain to use nonce ${claim.nonce}`)
    const settled = yield* receipts.await(claim).pipe(
      Effect.timeoutOption(lookInterval),
      Effect.raceFirst(Effect.as(shortages.await(claim), Option.none()))
    )
    if (Option.isNone(settled) || settled.value._tag !== "Mined") return Option.none()
    const { receipt } = settled.value
    if (receipt.status === "reverted" || isTransfer(receipt)) return Option.none()
    const state = { ...Bucket.initial, job: Bucket.jobAfter(cause.subject, told) }
    return Option.some(yield* succeed(cause, { state, revision: cause.sequence }, receipt))
  })

  /** Records what a mined transaction of the job means for it. */
  const settleMined = Effect.fnUntraced(function*(
    cause: StoredEvent,
    known: Loaded,
    claim: Wallet.Claim,
    receipt: Receipt
  ) {
    const job = jobOf(known)
    if (isTransfer(receipt)) {
      if (claim.cancelled !== undefined) return yield* end(cause, known, claim.cancelled)
      return again(Duration.zero)
    }
    if (receipt.status === "success") return yield* succeed(cause, known, receipt)
    const adopted = yield* Effect.result(
      Effect.flatMap(chain.explainRevert(receipt), (refusal) => adopt(cause, job, refusal, Wallet.hashes(claim)))
    )
    if (Result.isSuccess(adopted)) return yield* completeAsFound(cause, known, adopted.success, claim)
    if (adopted.failure._tag === "LogUnavailable") return yield* adopted.failure
    // What was so when the call was mined, and was undone since, takes another call.
    return adopted.failure._tag === "RpcError" && adopted.failure !== notSo
      ? again(shortDelay)
      : yield* fail(cause, known, adopted.failure, claim)
  })

  const settle: Steps["Service"]["settle"] = Effect.fn("Steps.settle")(
    function*(cause, told, isFirstDelivery) {
      const { jobId, transactionHash } = told.event
      yield* Effect.annotateCurrentSpan({ "job.id": jobId, "transaction.hash": transactionHash })
      const atOnce = isFirstDelivery ? yield* settleAtOnce(cause, told) : Option.none()
      if (Option.isSome(atOnce)) return atOnce.value
      const known = yield* load(log, cause.subject)
      const { job } = known.state
      // What was sent after this has an event of its own.
      if (job?.id !== jobId || job.transactionHash !== transactionHash || job.status !== "processing") return done

      const claimed = yield* ledger.find(jobId)
      if (Option.isNone(claimed)) return yield* Effect.die(new Error(`job ${jobId} has a transaction and no claim`))
      const claim = claimed.value

      // The attempt ended without effect, or an executor died before it recorded what it has claimed since.
      if (job.attemptFailed || claim.transactionHash !== transactionHash) {
        const wait = yield* waitOf(known, jobId)
        if (wait !== undefined) return again(wait)
        const started = yield* record(cause, known, Bucket.StartAttempt.make({ jobId }))
        const spent = claim.transactionHash === transactionHash && (yield* isSpent(claim)) ? claim : undefined
        return yield* submitAndRecord(cause, started, claimed, spent)
      }

      yield* waitsFor(`waits for the chain to use nonce ${claim.nonce}`)
      const next = yield* nextOf(job, claim)
      switch (next._tag) {
        case "Mined":
          return yield* settleMined(cause, known, claim, next.receipt)
        case "Changed":
          return again(Duration.zero)
        case "Unpaid":
          return yield* notSent(cause, known, new NotSent({ claim, cause: next.shortage }))
        case "Overdue": {
          yield* Effect.logWarning("the deadline has passed; the nonce is used up").pipe(Effect.annotateLogs({ jobId }))
          const cancelled = yield* withdraw(claim)
          if (Option.isNone(cancelled)) return again(shortDelay)
          yield* Effect.ignore(chain.send(cancelled.value.transaction))
          return yield* recordSubmission(cause, known, cancelled.value)
        }
        case "Elsewhere": {
          const now = yield* ledger.find(jobId)
          const isOwn = Option.isSome(now) && Wallet.hashes(now.value).includes(next.transactionHash)
          if (isOwn || Option.isNone(now)) return again(Duration.zero)
          if (now.value.cancelled !== undefined) return yield* end(cause, known, now.value.cancelled)
          return yield* submitAndRecord(cause, known, now, claim)
        }
      }
    },
    (step, cause, told) => leaveToOthers(step, cause, told)
  )

  return Steps.of({ attempt, settle })
})
