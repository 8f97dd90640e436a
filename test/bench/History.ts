/** A log with the history of many jobs, as gateways and executors would have left it, without a chain. */
import * as Bucket from "@akave-async/domain/Bucket"
import { BucketName } from "@akave-async/domain/BucketName"
import { Address, BucketId, TransactionHash } from "@akave-async/domain/Ethereum"
import * as Job from "@akave-async/domain/Job"
import * as BucketEvents from "@akave-async/eventing/BucketEvents"
import type { EventLogShape } from "@akave-async/eventing/EventLog"
import * as Stack from "@akave-async/local/Stack"
import { jetstream } from "@nats-io/jetstream"
import { headers as makeHeaders, type NatsConnection } from "@nats-io/transport-node"
import { DateTime, Effect } from "effect"
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

/** Jobs whose events are between each other, as where so many are worked on at the same time. */
const interleaved = 500

/**
 * Publishes the creations of so many buckets to the stream of an empty log, many messages at a time: what {@link append} leaves there,
 * but for the traces.
 */
export const publish = Effect.fnUntraced(function*(connection: NatsConnection, jobs: number, prefix = "akave.events") {
  const client = jetstream(connection)
  const owner = Address.make(Stack.publicDevelopmentAddress)
  const fees = { maxFeePerGas: 2_000_000_000n, maxPriorityFeePerGas: 1_000_000_000n }
  let sequence = 0
  for (let first = 0; first < jobs; first += interleaved) {
    const group = Array.from({ length: Math.min(interleaved, jobs - first) }, (_, n) => {
      const jobId = Job.Id.make(uuidV7Unsafe())
      const name = BucketName.make(`bench-${jobId}`)
      return { jobId, name, transactionHash: TransactionHash.make(hashOf(jobId)), n: first + n, revision: 0 }
    })
    const sent: Array<Promise<unknown>> = []
    const occurredAt = yield* DateTime.now
    for (const step of [0, 1, 2, 3]) {
      for (const job of group) {
        const { jobId, n, name, transactionHash } = job
        const common = { jobId, occurredAt }
        const event = [
          () => Bucket.Event.cases.BucketRequested.make({ ...common, name, owner }),
          () => Bucket.Event.cases.BucketStarted.make({ ...common, attempt: 1 }),
          () =>
            Bucket.Event.cases.BucketSubmitted.make({ ...common, transactionHash, nonce: n, signer: owner, ...fees }),
          () =>
            Bucket.Event.cases.BucketCreated.make({
              ...common,
              adopted: false,
              transactionHash,
              blockNumber: n,
              gasUsed: 150_000,
              bucketId: BucketId.make(hashOf(name))
            })
        ][step]?.()
        if (event === undefined) continue
        const subject = Bucket.subject(owner, name)
        const encoded = yield* Effect.orDie(BucketEvents.codec.encode(event, {
          id: BucketEvents.idOf(event),
          source: "/akave/bench",
          subject,
          time: occurredAt,
          correlationId: jobId,
          traceparent: `00-${jobId.replaceAll("-", "")}-0000000000000001-00`
        }))
        const headers = makeHeaders()
        for (const [header, value] of Object.entries(encoded.headers)) headers.set(header, value)
        const expect = { streamName: "AKAVE_EVENTS", lastSubjectSequence: job.revision }
        sent.push(client.publish(`${prefix}.${subject}`, encoded.data, { msgID: encoded.id, headers, expect }))
        job.revision = ++sequence
      }
    }
    yield* Effect.promise(() => Promise.all(sent))
  }
})
