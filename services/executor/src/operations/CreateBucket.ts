import { BucketId, TransactionHash } from "@akave-async/domain/Chain"
import type * as Job from "@akave-async/domain/Job"
import { bucketId, Buckets } from "@akave-async/sdk/Buckets"
import { Effect, Option } from "effect"
import type { Operation } from "../Operation.ts"

const idOf = (job: Job.Job) => BucketId.make(bucketId(job.bucketName, job.owner))

export const make: Effect.Effect<Operation, never, Buckets> = Effect.gen(function*() {
  const buckets = yield* Buckets

  return {
    prepare: (job) => buckets.prepareCreate({ name: job.bucketName, from: job.owner }),

    result: (job, receipt) => ({
      bucketId: idOf(job),
      transactionHash: TransactionHash.make(receipt.transactionHash),
      blockNumber: receipt.blockNumber,
      gasUsed: Number(receipt.gasUsed),
      adopted: false
    }),

    // The id holds the owner, so the bucket that exists is one of this wallet: what the job wants is there.
    adopt: Effect.fnUntraced(function*(job, refusal, own) {
      if (refusal._tag !== "ContractError" || refusal.name !== "BucketAlreadyExists") return Option.none()
      const origin = yield* buckets.creationTransaction(idOf(job))
      if (Option.isNone(origin)) return Option.some({ bucketId: idOf(job), adopted: true })
      const { blockNumber, hash } = origin.value
      const transactionHash = TransactionHash.make(hash)
      return Option.some({ bucketId: idOf(job), transactionHash, blockNumber, adopted: transactionHash !== own })
    })
  }
})
