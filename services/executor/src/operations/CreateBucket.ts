import { Buckets } from "@akave-async/sdk/Buckets"
import { Effect, Option } from "effect"
import type { Operation } from "../Operation.ts"
import * as BucketChange from "./BucketChange.ts"

export const make: Effect.Effect<Operation, never, Buckets> = Effect.gen(function*() {
  const buckets = yield* Buckets

  return {
    prepare: (job) => buckets.prepareCreate({ name: job.bucketName, from: job.owner }),
    result: BucketChange.result,
    holds: (job, block) =>
      Effect.map(buckets.onChain({ name: job.bucketName, owner: job.owner, block }), Option.isSome),

    // The id holds the owner, so the bucket that exists is one of this wallet: what the job wants is there.
    adopt: Effect.fnUntraced(function*(job, refusal, own, since) {
      if (!BucketChange.isContractError(refusal, "BucketAlreadyExists")) return Option.none()
      const bucketId = BucketChange.idOf(job)
      const last = yield* buckets.creationTransaction(bucketId)
      // The chain's node may not look back as far as to a bucket that was made before the log knew of it.
      if (Option.isNone(last) && since === 0) return Option.some({ bucketId, adopted: true })
      return Option.some(yield* BucketChange.adopt(job, last, own, since))
    }),

    isPassing: () => false
  }
})
