/** A log with the history of many jobs, as gateways and executors would have left it, without a chain. */
import * as Bucket from "@akave-async/domain/Bucket"
import { BucketName } from "@akave-async/domain/BucketName"
import { Address, BucketId, TransactionHash } from "@akave-async/domain/Ethereum"
import * as Job from "@akave-async/domain/Job"
import * as BucketEvents from "@akave-async/eventing/BucketEvents"
import type { EventLogShape } from "@akave-async/eventing/EventLog"
import * as Stack from "@akave-async/local/Stack"
import { Effect } from "effect"
import { uuidV7Unsafe } from "effect/crypto/SecureRandom"
import { createHash } from "node:crypto"

/** Jobs whose events are appended at the same time. */
const atOnce = 500

const hashOf = (text: string) => `0x${createHash("sha256").update(text).digest("hex")}`

/** Appends the creations of so many buckets, from their requests to their ends. */
export const append = Effect.fnUntraced(function*(log: EventLogShape, jobs: number) {
  const owner = Address.make(Stack.publicDevelopmentAddress)
  const origin = { source: "/akave/bench" }
  yield* Effect.forEach(
    Array.from({ length: jobs }),
    Effect.fnUntraced(function*(_, n) {
      const jobId = Job.Id.make(yield* Effect.sync(() => uuidV7Unsafe()))
      const name = BucketName.make(`bench-${jobId}`)
      const subject = Bucket.subject(owner, name)
      const transactionHash = TransactionHash.make(hashOf(jobId))
      const fees = { maxFeePerGas: 2_000_000_000n, maxPriorityFeePerGas: 1_000_000_000n }
      const requested = yield* BucketEvents.execute(
        log,
        subject,
        { state: Bucket.initial, revision: 0 },
        Bucket.requestCreation({ jobId, name, owner }),
        { ...origin, traceparent: `00-${jobId.replaceAll("-", "")}-0000000000000001-00` }
      )
      const { execute } = yield* Effect.fromNullishOr(BucketEvents.kind.jobs)
      let known = requested as Parameters<typeof execute>[2]
      for (
        const decide of [
          Job.startAttempt(jobId),
          Job.recordSubmission({ jobId, transactionHash, nonce: n, signer: owner, ...fees }),
          Job.complete({
            jobId,
            adopted: false,
            transactionHash,
            blockNumber: n,
            gasUsed: 150_000,
            own: { bucketId: BucketId.make(hashOf(name)) }
          })
        ] as ReadonlyArray<Job.Decision<Job.StepName, Job.JobOver | Job.OutOfOrder>>
      ) {
        known = yield* execute(log, subject, known, decide, origin)
      }
    }),
    { concurrency: atOnce, discard: true }
  ).pipe(Effect.orDie)
})
