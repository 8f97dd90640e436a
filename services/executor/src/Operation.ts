/**
 * What an operation on chain is to the executor: the parts of its work, how the transaction of each is built, and what a
 * receipt says. The executor knows nothing else of it.
 */
import type { TransactionHash } from "@akave-async/domain/Ethereum"
import type * as Job from "@akave-async/domain/Job"
import type { Receipt } from "@akave-async/sdk/Chain"
import type { ContractError, InvalidArgument, RpcError, UnknownRevert } from "@akave-async/sdk/Errors"
import type { Prepared } from "@akave-async/sdk/Wallet"
import type { Effect, Option } from "effect"

/** Why a contract refused a call. */
export type Refusal = ContractError | UnknownRevert

/** What a job has done on chain: that of every operation, and what the operation has of its own. */
export type ResultOf<AJob extends Job.Job> = Extract<AJob, { readonly status: "completed" }>["result"]

export interface Operation<AJob extends Job.Job = Job.Job> {
  /** The parts of the job's work, in their order; at least one. Each is one transaction at most. */
  parts(job: AJob): ReadonlyArray<Job.Part>
  /** The transaction for a part of the job, or why the contract would refuse it. Nothing is signed. */
  prepare(job: AJob, part: Job.Part): Effect.Effect<Prepared, InvalidArgument | Refusal | RpcError>
  /** What the job has done, once the transaction of its last part was mined and did not revert. */
  result(job: AJob, receipt: Receipt): ResultOf<AJob>
  /**
   * What the job has done, if this refusal means that what the part asks for is so already; none if it is an error. It is
   * adopted unless the transaction that did it is among the job's own. What the job works on was last changed in block
   * `since`, as the log has it: what the chain's node shows of the time before is stale, which is an `RpcError`.
   */
  adopt(
    job: AJob,
    part: Job.Part,
    refusal: Refusal,
    own: ReadonlyArray<TransactionHash>,
    since: number
  ): Effect.Effect<Option.Option<ResultOf<AJob>>, RpcError>
  /**
   * Whether what the part asks for is so in the state after this block. A refusal alone may speak of transactions that only
   * wait to be mined.
   */
  holds(job: AJob, part: Job.Part, block: number): Effect.Effect<boolean, InvalidArgument | Refusal | RpcError>
  /** Whether the contract may take a new transaction for the same part a moment later. */
  isTemporary(refusal: Refusal): boolean
}

/** An operation of jobs of one kind, as all operations are held: it is only ever given jobs of its own. */
export const forJobs = <AJob extends Job.Job>(operation: Operation<AJob>): Operation =>
  operation as unknown as Operation
