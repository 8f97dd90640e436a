/**
 * What an operation is to the executor: the parts of its work, how the transaction of each is built, and what a receipt says. The
 * executor knows nothing else of it.
 */
import type { TransactionHash } from "@akave-async/domain/Ethereum"
import type * as Job from "@akave-async/domain/Job"
import type { ContractError, InvalidArgument, RpcError, UnknownRevert } from "@akave-async/sdk/Errors"
import type { Prepared } from "@akave-async/sdk/Wallet"
import type { Duration, Effect, Option } from "effect"
import type { PartFailed } from "./Failures.ts"

/** Why a contract refused a call. */
export type Refusal = ContractError | UnknownRevert

/** What a job has done on chain: that of every operation, and what the operation has of its own. */
export type ResultOf<AJob extends Job.Job> = Extract<AJob, { readonly status: "completed" }>["result"]

/** That a part is done, by which transaction, and whether that is one of the job's. */
export type Done = Job.Receipt

export interface Operation<AJob extends Job.Job = Job.Job> {
  /** The parts of the job's work, in their order, each one transaction at most; none where it takes no transaction. */
  parts(job: AJob): ReadonlyArray<Job.Part>
  /**
   * The transaction for a part of the job, or why the contract would refuse it; or that nothing is to be done, because the part is done
   * already. Nothing is signed. What the part needs beside its transaction is done before.
   */
  prepare(
    job: AJob,
    part: Job.Part
  ): Effect.Effect<Prepared | { readonly done: Done }, InvalidArgument | PartFailed | Refusal | RpcError>
  /** What the job has done, once its last part is done. */
  result(job: AJob, done: Done): Effect.Effect<ResultOf<AJob>, PartFailed | Refusal | RpcError>
  /**
   * How a part was done, if this refusal means that what it asks for is so already; none if it is an error. It is adopted unless the
   * transaction that did it is among the job's own. What the job works on was last changed in block `since`, as the log has it: what
   * the chain's node shows of the time before is stale, which is an `RpcError`.
   */
  adopt(
    job: AJob,
    part: Job.Part,
    refusal: Refusal,
    own: ReadonlyArray<TransactionHash>,
    since: number
  ): Effect.Effect<Option.Option<Done>, PartFailed | Refusal | RpcError>
  /**
   * Whether what the part asks for is so in the state after this block. A refusal alone may speak of transactions that only
   * wait to be mined.
   */
  holds(
    job: AJob,
    part: Job.Part,
    block: number
  ): Effect.Effect<boolean, InvalidArgument | PartFailed | Refusal | RpcError>
  /** Whether the contract may take a new transaction for the same part a moment later. */
  isTemporary(refusal: Refusal, job: AJob): Effect.Effect<boolean>
  /** Whether a job that fails or is cancelled takes back, by the part `undo`, what its transactions have done. */
  readonly canUndo?: boolean
  /** What the job has beside `JOB_DEADLINE`. */
  extraTime?(job: AJob): Duration.Duration
  /** Does the work of a job that has no parts; may run again after a crash, or beside another executor. */
  work?(job: AJob): Effect.Effect<ResultOf<AJob>, PartFailed | RpcError>
  /** Lets go of what was kept for a job that has ended. */
  ended?(job: AJob): Effect.Effect<void>
}

/** An operation of jobs of one kind, as all operations are held: it is only ever given jobs of its own. */
export const forJobs = <AJob extends Job.Job>(operation: Operation<AJob>): Operation =>
  operation as unknown as Operation
