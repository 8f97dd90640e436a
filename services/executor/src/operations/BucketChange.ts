/** What the operations on buckets have in common. */
import { BucketId, TransactionHash } from "@akave-async/domain/Chain"
import type * as Job from "@akave-async/domain/Job"
import { bucketId, type MinedTransaction } from "@akave-async/sdk/Buckets"
import type { Receipt } from "@akave-async/sdk/Chain"
import { RpcError } from "@akave-async/sdk/Errors"
import { Effect, Option } from "effect"
import type { Refusal } from "../Operation.ts"

export const idOf = (job: Job.Job): BucketId => BucketId.make(bucketId(job.bucketName, job.owner))

/** What a transaction of the job that did not revert has done. */
export const result = (job: Job.Job, receipt: Receipt): Job.Result => ({
  bucketId: idOf(job),
  transactionHash: TransactionHash.make(receipt.transactionHash),
  blockNumber: receipt.blockNumber,
  gasUsed: receipt.gasUsed,
  adopted: false
})

export const isContractError = (refusal: Refusal, name: string): boolean =>
  refusal._tag === "ContractError" && refusal.name === name

/**
 * The result that the last such transaction has brought about. One that lies not after what the log knows of, or none, is
 * no evidence: the chain's node shows an earlier time.
 */
export const adopt = (
  job: Job.Job,
  last: Option.Option<MinedTransaction>,
  own: ReadonlyArray<TransactionHash>,
  since: number
): Effect.Effect<Job.Result, RpcError> => {
  if (Option.isNone(last) || last.value.blockNumber <= since) {
    return Effect.fail(
      new RpcError({
        method: "eth_getLogs",
        code: "STALE",
        details: `the chain's node shows the bucket as it was before what is known of it since block ${since}`
      })
    )
  }
  const { blockNumber, hash } = last.value
  const transactionHash = TransactionHash.make(hash)
  return Effect.succeed({ bucketId: idOf(job), transactionHash, blockNumber, adopted: !own.includes(transactionHash) })
}
