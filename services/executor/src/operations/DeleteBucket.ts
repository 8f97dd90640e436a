import { Buckets, isIndexChanged } from "@akave-async/sdk/Buckets"
import { Effect, Option } from "effect"
import type { Operation } from "../Operation.ts"
import * as BucketChange from "./BucketChange.ts"

export const make: Effect.Effect<Operation, never, Buckets> = Effect.gen(function*() {
  const buckets = yield* Buckets

  return {
    prepare: (job) => buckets.prepareDelete({ name: job.bucketName, from: job.owner }),
    result: BucketChange.result,
    holds: (job, block) =>
      Effect.map(buckets.onChain({ name: job.bucketName, owner: job.owner, block }), Option.isNone),

    // A node that does not know of the bucket yet says the same as one that has seen it deleted; only the log that a
    // deletion leaves tells them apart.
    adopt: Effect.fnUntraced(function*(job, refusal, own, since) {
      if (!BucketChange.isContractError(refusal, "BucketNonexists")) return Option.none()
      const last = yield* buckets.deletionTransaction(BucketChange.idOf(job))
      return Option.some(yield* BucketChange.adopt(job, last, own, since))
    }),

    isPassing: isIndexChanged
  }
})
