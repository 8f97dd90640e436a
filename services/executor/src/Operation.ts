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

export interface Operation {
  /** The transaction for the job, or why the contract would refuse it. Nothing is signed. */
  prepare(job: Job.Job): Effect.Effect<Prepared, InvalidArgument | ContractError | UnknownRevert | RpcError>
  /** What a transaction of this job that was mined and did not revert has done. */
  result(job: Job.Job, receipt: Receipt): Job.Result
  /**
   * The result, if this refusal means that what the job asks for is so already; none if it is an error. It is adopted
   * unless the transaction that did it is the job's own.
   */
  adopt(
    job: Job.Job,
    refusal: ContractError | UnknownRevert,
    own: TransactionHash | undefined
  ): Effect.Effect<Option.Option<Job.Result>, RpcError>
}
