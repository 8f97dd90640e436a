import { BucketId, TransactionHash } from "@akave-async/domain/Chain"
import type * as Job from "@akave-async/domain/Job"
import { bucketId, Buckets } from "@akave-async/sdk/Buckets"
import { RpcError } from "@akave-async/sdk/Errors"
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
    adopt: Effect.fnUntraced(function*(job, refusal, own, since) {
      if (refusal._tag !== "ContractError" || refusal.name !== "BucketAlreadyExists") return Option.none()
      const origin = yield* buckets.creationTransaction(idOf(job))
      if (Option.isSome(origin) && origin.value.blockNumber > since) {
        const { blockNumber, hash } = origin.value
        const transactionHash = TransactionHash.make(hash)
        return Option.some({
          bucketId: idOf(job),
          transactionHash,
          blockNumber,
          adopted: !own.includes(transactionHash)
        })
      }
      if (Option.isNone(origin) && since === 0) return Option.some({ bucketId: idOf(job), adopted: true })
      return yield* new RpcError({
        method: "eth_getLogs",
        code: "STALE",
        details: `the chain's node shows the bucket as it was before block ${since}`
      })
    }),

    isPassing: () => false
  }
})
