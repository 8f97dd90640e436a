/**
 * What an operation on chain is to the executor: how its transaction is built, and what its receipt says. The executor's
 * loop knows nothing else of it.
 */
import type { TransactionHash } from "@akave-async/domain/Chain"
import type * as Job from "@akave-async/domain/Job"
import type { Receipt } from "@akave-async/sdk/Chain"
import type { ContractError, InvalidArgument, RpcError, UnknownRevert } from "@akave-async/sdk/Errors"
import type { Prepared } from "@akave-async/sdk/Wallet"
import type { Effect, Option } from "effect"

/** Why a contract refused a call. */
export type Refusal = ContractError | UnknownRevert

export interface Operation {
  /** The transaction for the job, or why the contract would refuse it. Nothing is signed. */
  prepare(job: Job.Job): Effect.Effect<Prepared, InvalidArgument | Refusal | RpcError>
  /** What a transaction of this job that was mined and did not revert has done. */
  result(job: Job.Job, receipt: Receipt): Job.Result
  /**
   * The result, if this refusal means that what the job asks for is so already; none if it is an error. It is adopted
   * unless the transaction that did it is among the job's own. The name was last changed in block `since`, as the log
   * tells: what the chain's node shows of the time before is stale, which is an `RpcError`.
   */
  adopt(
    job: Job.Job,
    refusal: Refusal,
    own: ReadonlyArray<TransactionHash>,
    since: number
  ): Effect.Effect<Option.Option<Job.Result>, RpcError>
  /**
   * Whether what the job asks for is so in the state after this block. A refusal alone may speak of transactions that only
   * wait to be mined.
   */
  holds(job: Job.Job, block: number): Effect.Effect<boolean, InvalidArgument | Refusal | RpcError>
  /** Whether the contract may take a new transaction for the same job a moment later. */
  isPassing(refusal: Refusal): boolean
}
