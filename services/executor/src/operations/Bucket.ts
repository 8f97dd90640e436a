/** The operations on buckets. */
import type * as Bucket from "@akave-async/domain/Bucket"
import { BucketId, TransactionHash } from "@akave-async/domain/Ethereum"
import * as Job from "@akave-async/domain/Job"
import { bucketId, Buckets, isIndexChanged, type MinedTransaction } from "@akave-async/sdk/Buckets"
import type { Receipt } from "@akave-async/sdk/Chain"
import { RpcError } from "@akave-async/sdk/Errors"
import { Effect, Option } from "effect"
import { forJobs, type Operation, type Refusal } from "../Operation.ts"

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
      const bucketId = idOf(job)
      const last = yield* buckets.creationTransaction(bucketId)
      // The chain's node may not look back as far as to a bucket that was made before the log knew of it.
      if (Option.isNone(last) && since === 0) return Option.some({ bucketId, adopted: true })
      return Option.some(yield* adopt(job, last, own, since))
    }),

    isTemporary: () => false
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
      return Option.some(yield* adopt(job, last, own, since))
    }),

    isTemporary: isIndexChanged
  }

  return { "bucket.create": forJobs(create), "bucket.delete": forJobs(remove) }
})

const idOf = ({ owner, request }: Bucket.BucketJob): BucketId => BucketId.make(bucketId(request.name, owner))

const isContractError = (refusal: Refusal, name: string): boolean =>
  refusal._tag === "ContractError" && refusal.name === name

/** What a transaction of the job that did not revert has done. */
const result = (job: Bucket.BucketJob, receipt: Receipt) => ({
  bucketId: idOf(job),
  transactionHash: TransactionHash.make(receipt.transactionHash),
  blockNumber: receipt.blockNumber,
  gasUsed: receipt.gasUsed,
  ...(receipt.effectiveGasPrice === undefined ? {} : { effectiveGasPrice: receipt.effectiveGasPrice }),
  adopted: false
})

/**
 * The result that the last such transaction has brought about. No transaction, or one no later than the last that the log
 * knows, proves nothing: the chain's node shows an older state.
 */
const adopt = (
  job: Bucket.BucketJob,
  last: Option.Option<MinedTransaction>,
  own: ReadonlyArray<TransactionHash>,
  since: number
) => {
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
