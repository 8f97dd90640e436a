/** A log with the history of many jobs, as gateways and executors would have left it, without a chain. */
import * as Bucket from "@akave-async/domain/Bucket"
import { BucketName } from "@akave-async/domain/BucketName"
import { Address, BucketId, TransactionHash } from "@akave-async/domain/Ethereum"
import * as Job from "@akave-async/domain/Job"
import * as BucketEvents from "@akave-async/eventing/BucketEvents"
import type { EventLogShape } from "@akave-async/eventing/EventLog"
import type * as EventLogJetStream from "@akave-async/eventing/EventLogJetStream"
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
 * Publishes the creations of so many buckets to the stream of a log that nobody else writes to, many messages at a time: what
 * {@link append} leaves there.
 * @param from The last event of the log.
 */
export const publish = Effect.fnUntraced(function*(
  connection: NatsConnection,
  { prefix = "akave.events", stream = "AKAVE_EVENTS" }: Partial<EventLogJetStream.Options>,
  jobs: number,
  from = 0
) {
  const client = jetstream(connection)
  const owner = Address.make(Stack.publicDevelopmentAddress)
  let sequence = from
  for (let first = 0; first < jobs; first += interleaved) {
    const group = Array.from({ length: Math.min(interleaved, jobs - first) }, (_, n) => lifeOf(owner, first + n))
    const occurredAt = yield* DateTime.now
    const acks: Array<Promise<unknown>> = []
    for (const step of [0, 1, 2, 3]) {
      for (const job of group) {
        const event = job.events(occurredAt)[step] as Bucket.Event
        const { data, headers, id } = yield* Effect.orDie(BucketEvents.codec.encode(event, {
          id: BucketEvents.idOf(event),
          source: "/akave/bench",
          subject: job.subject,
          time: occurredAt,
          correlationId: job.jobId,
          traceparent: `00-${job.jobId.replaceAll("-", "")}-0000000000000001-00`
        }))
        const messageHeaders = makeHeaders()
        for (const [name, value] of Object.entries(headers)) messageHeaders.set(name, value)
        const expect = { streamName: stream, lastSubjectSequence: job.revision }
        acks.push(client.publish(`${prefix}.${job.subject}`, data, { msgID: id, headers: messageHeaders, expect }))
        job.revision = ++sequence
      }
    }
    yield* Effect.promise(() => Promise.all(acks))
  }
})

/** The life of a job, event by event. */
const lifeOf = (owner: Address, n: number) => {
  const jobId = Job.Id.make(uuidV7Unsafe())
  const name = BucketName.make(`bench-${jobId}`)
  const transactionHash = TransactionHash.make(hashOf(jobId))
  const events = (occurredAt: DateTime.Utc): ReadonlyArray<Bucket.Event> => {
    const common = { jobId, occurredAt }
    return [
      Bucket.BucketRequested.make({ ...common, name, owner }),
      Bucket.Event.cases.BucketStarted.make({ ...common, attempt: 1 }),
      Bucket.Event.cases.BucketSubmitted.make({
        ...common,
        transactionHash,
        nonce: n,
        signer: owner,
        maxFeePerGas: 2_000_000_000n,
        maxPriorityFeePerGas: 1_000_000_000n
      }),
      Bucket.Event.cases.BucketCreated.make({
        ...common,
        adopted: false,
        transactionHash,
        blockNumber: n,
        gasUsed: 150_000,
        bucketId: BucketId.make(hashOf(name))
      })
    ]
  }
  return { jobId, subject: Bucket.subject(owner, name), events, revision: 0 }
}
