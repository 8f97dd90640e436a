/**
 * The work on a job, from its request to its end, each step recorded in the log before the next one. All of it may run again
 * after a crash, or beside another executor: the log's revision and the ledger decide what counts.
 */
import * as Job from "@akave-async/domain/Job"
import * as Wallet from "@akave-async/domain/Wallet"
import { EventLog, type LogUnavailable, type StoredEvent } from "@akave-async/eventing/EventLog"
import type { JobsOf } from "@akave-async/eventing/Kind"
import { again, done, type Outcome } from "@akave-async/eventing/Outcome"
import { Failpoint } from "@akave-async/platform/Failpoint"
import { Chain } from "@akave-async/sdk/Chain"
import { Context, DateTime, Duration, Effect, Layer, Option, Result, Schedule } from "effect"
import * as Adoption from "./Adoption.ts"
import * as Claims from "./Claims.ts"
import * as Deadline from "./Deadline.ts"
import * as Endings from "./Endings.ts"
import { ExecutorConfig } from "./ExecutorConfig.ts"
import { pointOf } from "./Failpoints.ts"
import { DeadlinePassed, NotSent, toFailure } from "./Failures.ts"
import * as Funds from "./Funds.ts"
import { waitsFor } from "./Lane.ts"
import * as LaneMetrics from "./LaneMetrics.ts"
import { Ledger } from "./Ledger.ts"
import { type Action, next, nothing, type Seen, type Situation } from "./Next.ts"
import type { Operation } from "./Operation.ts"
import * as Records from "./Records.ts"
import { costOf, Shortages } from "./Shortages.ts"
import { jobOf, type Known, type Task } from "./Task.ts"
import * as Watch from "./Watch.ts"

export class Steps extends Context.Service<Steps, {
  /**
   * Works on the job of a request until it is over, or until it must wait for something that another delivery may find
   * better. At the first delivery nobody has touched the job, as a rule; if somebody has, the log refuses what is decided.
   */
  work(
    cause: StoredEvent,
    request: Job.StepOf<"requested">,
    kind: JobsOf,
    operation: Operation,
    isFirstDelivery: boolean
  ): Effect.Effect<Outcome, LogUnavailable>
}>()("@akave-async/executor/Steps") {
  static readonly layer = Layer.effect(Steps, Effect.suspend(() => make))
}

/** After this a claim that did not get out is tried again. */
const shortDelay = Duration.seconds(2)

/** What is known of a job between two actions, and how that changes. */
interface State {
  readonly known: Known
  readonly claim: Situation["claim"]
  readonly seen: Seen
}
/** What an action leads to: more is known, or the delivery is settled. */
type Change = Partial<State> | Outcome
const isOutcome = (change: Change): change is Outcome => "_tag" in change

// oxlint-disable-next-line max-lines-per-function -- its steps share the job's state
const make = Effect.gen(function*() {
  const log = yield* EventLog
  const chain = yield* Chain
  const ledger = yield* Ledger
  const shortages = yield* Shortages
  const failpoint = yield* Failpoint
  const { retryDelay } = yield* ExecutorConfig
  const deadline = yield* Deadline.make
  const funds = yield* Funds.make
  const adoption = yield* Adoption.make
  const records = yield* Records.make(deadline, funds)
  const claims = yield* Claims.make(adoption, funds)
  const watch = yield* Watch.make(deadline)
  const endings = yield* Endings.make(adoption, records)

  /** Cancels the claim of a job whose time is over: its nonce gets a transfer of nothing. */
  const withdraw = (job: Job.Job, claim: Wallet.Claim) =>
    Effect.map(
      Effect.option(ledger.withdraw(claim, toFailure(new DeadlinePassed({ deadline: deadline.of(job) })))),
      Option.match({ onNone: (): Change => again(shortDelay), onSome: (claim) => ({ claim, seen: nothing }) })
    )

  /** The claim stands and its bytes may be on their way, so the job can't fail for this: they are sent again. */
  const notSent = Effect.fnUntraced(function*(task: Task, known: Known, error: NotSent) {
    const { cause, claim } = error
    const job = jobOf(known)
    yield* Effect.logWarning(error.message).pipe(Effect.annotateLogs({ jobId: job.id }))
    const needed = cause._tag === "InsufficientFunds" ? cause.needed : costOf(claim)
    yield* waitsFor(`failed: ${error.message}`, { claim, needed })
    // What takes something back has as long as it takes.
    const isEndless = claim.withdrawn !== undefined || claim.part === Job.undo
    if (!isEndless && (yield* deadline.isOver(job))) return yield* withdraw(job, claim)
    if (cause._tag === "RpcError") return again(shortDelay)
    const reason = cause._tag === "InsufficientFunds" ? cause : yield* claims.missing(claim, cause)
    yield* records.failAttempt(task, known, reason, yield* DateTime.now)
    const untilPaid = cause._tag === "InsufficientFunds"
      ? shortages.untilOver(claim)
      : Effect.retry(chain.send(claim.transaction), {
        while: (error) => error._tag === "TransactionRefused" && error.reason === "insufficient_funds",
        schedule: Schedule.spaced(shortDelay)
      })
    // The transfer that withdraws it has no deadline: it ends the job.
    const limit = isEndless ? Duration.infinity : yield* deadline.patience(job)
    yield* Effect.timeoutOption(Effect.ignore(untilPaid), limit)
    return again(Duration.zero)
  })

  const claim = Effect.fnUntraced(
    function*(task: Task, known: Known, part: Job.Part, after: Wallet.Claim | undefined) {
      const claiming = claims.claim(task, known, part, after)
      const isForward = task.operation.canUndo === true && part !== Job.undo
      const claimed = yield* Effect.result(isForward ? Effect.raceFirst(claiming, watch.abandoned(task)) : claiming)
      if (Result.isSuccess(claimed)) {
        if (claimed.success._tag === "Found") return { seen: claimed.success }
        if (claimed.success._tag === "Abandoned") return again(Duration.zero)
        yield* failpoint.hit(pointOf("claimed", part))
        return { claim: claimed.success.claim, seen: nothing }
      }
      const error = claimed.failure
      if (error._tag === "GivenUp") return { claim: "given up" as const }
      return error._tag === "LogUnavailable" ? yield* error : yield* records.fail(task, known, error, after)
    }
  )

  const send = Effect.fnUntraced(function*(task: Task, known: Known, claim: Wallet.Claim) {
    const sent = yield* Effect.result(claims.broadcast(claim))
    if (Result.isFailure(sent)) return yield* notSent(task, known, new NotSent({ claim, cause: sent.failure }))
    yield* failpoint.hit(pointOf("sent", claim.part))
    const recorded = yield* records.submission(task, known, claim)
    yield* failpoint.hit(pointOf("submitted", claim.part))
    return { known: recorded, seen: nothing }
  })

  const awaitChain = Effect.fnUntraced(function*(known: Known, claim: Wallet.Claim) {
    yield* waitsFor(`waits for the chain to use nonce ${claim.nonce}`, { claim, needed: costOf(claim) })
    const seen: Seen = yield* watch.first(jobOf(known), claim)
    if (seen._tag === "Mined") {
      yield* LaneMetrics.paid(ledger.signer, jobOf(known), seen.receipt)
      if (seen.did === "call") yield* failpoint.hit(pointOf("receipt-seen", claim.part))
      return { seen }
    }
    return seen._tag === "Nothing" || seen._tag === "Elsewhere"
      ? { seen, claim: (yield* ledger.find(claim.jobId ?? jobOf(known).id)).pipe(Option.getOrUndefined) }
      : { seen }
  }, Effect.catchTag("GivenUp", () => Effect.succeed({ claim: "given up" as const })))

  const explain = Effect.fnUntraced(function*(
    task: Task,
    known: Known,
    { claim, receipt }: Extract<Action, { _tag: "Explain" }>
  ) {
    const part = Wallet.partOf(claim)
    const own = [...known.state.submitted, ...Wallet.hashes(claim)]
    const adopted = yield* Effect.result(
      Effect.flatMap(chain.explainRevert(receipt), (refusal) => adoption.adopt(task, jobOf(known), part, refusal, own))
    )
    if (Result.isSuccess(adopted)) return { seen: { _tag: "Found" as const, part, done: adopted.success } }
    const error = adopted.failure
    if (error._tag === "LogUnavailable") return yield* error
    // What was so when the call was mined, and was undone since, takes another call.
    return error._tag === "RpcError" && error !== Adoption.notSo
      ? again(shortDelay)
      : yield* records.fail(task, known, error, claim)
  })

  const take = Effect.fnUntraced(function*(task: Task, { known }: State, action: Action) {
    switch (action._tag) {
      case "Leave":
        return done
      case "Refresh":
        return again(Duration.zero)
      case "Wait":
        return again(DateTime.distance(yield* DateTime.now, action.until))
      case "Start": {
        yield* failpoint.hit(pointOf("delivered"))
        const started = yield* records.start(task, known)
        yield* failpoint.hit(pointOf("started"))
        return { known: started }
      }
      case "Look":
        return { seen: yield* watch.past(action.claim) }
      case "Claim":
        return yield* claim(task, known, action.part, action.after)
      case "Send":
        return yield* send(task, known, action.claim)
      case "Await":
        return yield* awaitChain(known, action.claim)
      case "AwaitFunds":
        return yield* notSent(task, known, new NotSent({ claim: action.claim, cause: action.shortage }))
      case "Explain":
        return yield* explain(task, known, action)
      case "Withdraw":
        yield* Effect.logWarning("the deadline has passed; the nonce is used up").pipe(
          Effect.annotateLogs({ jobId: task.jobId })
        )
        return yield* withdraw(jobOf(known), action.claim)
      case "Advance": {
        const advanced = yield* records.advance(task, known, action.part, action.done)
        yield* failpoint.hit(pointOf("advanced", action.part))
        return { known: advanced }
      }
      case "Abandon":
        return { known: yield* records.abandon(task, known, action.error), seen: nothing }
      case "EndAbandoned":
        return yield* records.endAbandoned(task, known, action.after)
      case "Work":
        return yield* endings.work(task, known)
      case "Complete":
        return yield* endings.complete(task, known, action.done)
      case "CompleteAsFound":
        return yield* endings.complete(task, known, action.done, action)
      case "Fail":
        return yield* records.end(task, known, action.error)
      case "Conclude":
        return yield* endings.conclude(task, known)
    }
  })

  /** What log and ledger hold of a job that others may have worked on. */
  const found = Effect.fnUntraced(function*(kind: JobsOf, { subject }: StoredEvent, jobId: Job.Id) {
    const known = yield* kind.load(log, subject)
    // A job that is over needs no look at the ledger.
    const claim = Job.isLive(known.state, jobId)
      ? yield* ledger.find(jobId).pipe(
        Effect.map(Option.getOrUndefined),
        Effect.catchTag("GivenUp", () => Effect.succeed("given up" as const))
      )
      : undefined
    return { known, claim, seen: nothing }
  })

  const work: Steps["Service"]["work"] = Effect.fn("Steps.work")(
    function*(cause, { jobId }, kind, operation, isFirstDelivery) {
      yield* Effect.annotateCurrentSpan({ "job.id": jobId })
      const task: Task = { jobId, cause, kind, operation }
      yield* waitsFor("waits for the chain to use the nonces of a ledger that was lost")
      // What the chain's node does not answer now is asked again with the next delivery.
      const settled = yield* Effect.result(ledger.settled)
      if (Result.isFailure(settled)) {
        return settled.failure._tag === "RpcError" ? again(shortDelay) : yield* settled.failure
      }
      let state: State = isFirstDelivery
        ? { known: yield* Effect.orDie(Effect.fromResult(kind.since(cause))), claim: undefined, seen: nothing }
        : yield* found(kind, cause, jobId)
      while (true) {
        const jobs = state.known.state
        const parts = jobs.job === undefined ? [] : operation.parts(jobs.job)
        const canUndo = operation.canUndo === true
        const action = next({ ...state, jobId, jobs, parts, canUndo }, yield* DateTime.now)
        const change: Change = yield* take(task, state, action)
        if (isOutcome(change)) {
          if (change._tag === "Done" && jobs.job?.id === jobId) yield* operation.ended?.(jobs.job) ?? Effect.void
          return change
        }
        state = { ...state, ...change }
      }
    },
    // What others have made needless: they ended the job, or made this attempt, and the next has its time.
    Effect.catchTags({
      JobOver: () => Effect.succeed(done),
      OutOfOrder: (error) => Effect.as(Effect.logWarning(error.message), again(retryDelay))
    })
  )

  return Steps.of({ work })
})
