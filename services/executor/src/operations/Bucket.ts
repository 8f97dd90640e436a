/** The operations on buckets. */
import type * as Bucket from "@akave-async/domain/Bucket"
import { BucketId } from "@akave-async/domain/Ethereum"
import * as Job from "@akave-async/domain/Job"
import { bucketId, Buckets, isIndexChanged } from "@akave-async/sdk/Buckets"
import { Effect, Option } from "effect"
import { type Done, forJobs, type Operation, type Refusal } from "../Operation.ts"
import { doneSince } from "./Found.ts"

type Name = keyof typeof Bucket.operations
type JobOf<Of extends Name> = Extract<Bucket.BucketJob, { readonly operation: Of }>

export const make: Effect.Effect<Record<Name, Operation>, never, Buckets> = Effect.gen(function*() {
  const buckets = yield* Buckets

  const create: Operation<JobOf<"bucket.create">> = {
    parts: () => [Job.whole],
    prepare: ({ owner, request }) => buckets.prepareCreate({ name: request.name, from: owner }),
    result,
    holds: ({ owner, request }, _, block) =>
      Effect.map(buckets.onChain({ name: request.name, owner, block }), Option.isSome),

    // The id holds the owner, so the bucket that exists is one of this wallet: what the job wants is there.
    adopt: Effect.fnUntraced(function*(job, _, refusal, own, since) {
      if (!isContractError(refusal, "BucketAlreadyExists")) return Option.none()
      const last = yield* buckets.creationTransaction(idOf(job))
      // The chain's node may not look back as far as to a bucket that was made before the log knew of it.
      if (Option.isNone(last) && since === 0) return Option.some({ adopted: true })
      return Option.some(yield* doneSince(last, own, since))
    }),

    isTemporary: () => Effect.succeed(false)
  }

  const remove: Operation<JobOf<"bucket.delete">> = {
    parts: () => [Job.whole],
    prepare: ({ owner, request }) => buckets.prepareDelete({ name: request.name, from: owner }),
    result,
    holds: ({ owner, request }, _, block) =>
      Effect.map(buckets.onChain({ name: request.name, owner, block }), Option.isNone),

    // A node that does not know of the bucket yet says the same as one that has seen it deleted; only the log that a
    // deletion leaves distinguishes them.
    adopt: Effect.fnUntraced(function*(job, _, refusal, own, since) {
      if (!isContractError(refusal, "BucketNonexists")) return Option.none()
      const last = yield* buckets.deletionTransaction(idOf(job))
      return Option.some(yield* doneSince(last, own, since))
    }),

    isTemporary: (refusal) => Effect.succeed(isIndexChanged(refusal))
  }

  return { "bucket.create": forJobs(create), "bucket.delete": forJobs(remove) }
})

const idOf = ({ owner, request }: Bucket.BucketJob): BucketId => BucketId.make(bucketId(request.name, owner))

const isContractError = (refusal: Refusal, name: string): boolean =>
  refusal._tag === "ContractError" && refusal.name === name

const result = (job: Bucket.BucketJob, done: Done) => Effect.succeed({ bucketId: idOf(job), ...done })
