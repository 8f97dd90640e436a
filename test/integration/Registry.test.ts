/** A kind of aggregate that the product does not have, registered from outside: everything that reads the log takes it. */
import * as Bucket from "@akave-async/domain/Bucket"
import { BucketName } from "@akave-async/domain/BucketName"
import * as DeadLetter from "@akave-async/domain/DeadLetter"
import { Address, TransactionHash } from "@akave-async/domain/Ethereum"
import * as Job from "@akave-async/domain/Job"
import * as BucketEvents from "@akave-async/eventing/BucketEvents"
import { EventLog, type EventLogShape } from "@akave-async/eventing/EventLog"
import * as EventLogJetStream from "@akave-async/eventing/EventLogJetStream"
import * as HashChain from "@akave-async/eventing/HashChain"
import { done } from "@akave-async/eventing/Outcome"
import * as Reaction from "@akave-async/eventing/Reaction"
import * as Segment from "@akave-async/eventing/Segment"
import * as Pairs from "@akave-async/executor/test/Pairs"
import * as Projector from "@akave-async/projector/Projector"
import { migrate } from "@akave-async/read-model/Migrations"
import { onSchema } from "@akave-async/read-model/test/schema"
import { assert } from "@effect/vitest"
import { Duration, Effect, Schedule, Stream, Struct } from "effect"
import { SqlClient } from "effect/sql"
import * as Nats from "../support/Nats.ts"

const owner = Address.make("0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266")
const jobId = (n: number) => Job.Id.make(`019845e1-682f-7b02-a706-${`${n}`.padStart(12, "0")}`)
const pair = BucketName.make("my-pair")
const bucket = BucketName.make("my-bucket")
const often = Schedule.spaced("20 millis")
const origin = { source: "/test" }

/** A pair that is created in two parts, and a bucket that is asked for. */
const happen = Effect.fnUntraced(function*(log: EventLogShape) {
  const subject = Pairs.subject(owner, pair)
  const asked = Pairs.request({ jobId: jobId(1), name: pair, owner })
  yield* Pairs.execute(log, subject, { state: Job.noJobs, revision: 0 }, asked, origin)
  yield* Pairs.record(log, subject, Job.startAttempt(jobId(1)))
  const fees = { maxFeePerGas: 2n, maxPriorityFeePerGas: 1n }
  for (const [nonce, part] of Pairs.parts.entries()) {
    const transactionHash = TransactionHash.make(`0x${`${nonce}`.repeat(64)}`)
    const submission = { jobId: jobId(1), transactionHash, nonce, signer: owner, ...fees, part }
    yield* Pairs.record(log, subject, Job.recordSubmission(submission))
  }
  const second = `0x${"ab".repeat(32)}`
  yield* Pairs.record(log, subject, Job.complete({ jobId: jobId(1), adopted: false, blockNumber: 9, own: { second } }))
  yield* BucketEvents.execute(
    log,
    Bucket.subject(owner, bucket),
    { state: Bucket.initial, revision: 0 },
    Bucket.requestCreation({ jobId: jobId(2), name: bucket, owner }),
    origin
  )
})

onSchema(
  "registry",
  "a kind that is registered from outside is projected, reacted to, set aside and archived like the product's own",
  Effect.gen(function*() {
    const sql = yield* SqlClient.SqlClient
    yield* migrate
    const server = yield* Nats.server
    const log = yield* EventLogJetStream.open(yield* Nats.connected(server.url), {
      stream: "EVENTS",
      prefix: "events",
      replicas: 1,
      dedupWindow: Duration.minutes(2)
    })
    yield* happen(log)

    const handled: Array<string> = []
    yield* Effect.forkScoped(
      Reaction.run(log, {
        name: "reaction",
        source: "/test",
        ackWait: Duration.seconds(1),
        maxAckPending: 10,
        wants: ({ step }) => step?.step === "requested",
        // What a defect meets is set aside, whichever kind it is of.
        handle: ({ known }) => {
          handled.push(known.kind.name)
          return known.kind.name === "pair" ? Effect.die(new Error("a defect")) : Effect.succeed(done)
        },
        delays: { ...Reaction.delays, failed: Duration.millis(10) }
      })
    )
    yield* Effect.forkScoped(Effect.provideService(Projector.run, EventLog, log))

    const letters = sql`select sequence, subject, letter->>'jobId' as job from dead_letters`
    const [letter] = yield* Effect.repeat(letters, { until: (found) => found.length > 0, schedule: often })
    assert.deepStrictEqual(letter, { sequence: 1, subject: Pairs.subject(owner, pair), job: jobId(1) })
    assert.sameMembers([...new Set(handled)], ["pair", "bucket"])
    assert.lengthOf(handled.filter((kind) => kind === "pair"), Reaction.maxDefects)

    const rows = yield* sql<
      { job: unknown }
    >`select operation, bucket_name, status, job from bucket_jobs order by id`
    assert.deepStrictEqual(rows.map(Struct.omit(["job"])), [
      { operation: "pair.create", bucket_name: pair, status: "completed" },
      { operation: "bucket.create", bucket_name: bucket, status: "queued" }
    ])
    const [job] = yield* Pairs.registry.readJobs(rows.map(({ job }) => job))
    assert.deepInclude(job, { id: jobId(1), part: "second", attempts: 1 })
    // The archive holds all of the log in one chain of hashes.
    const last = yield* log.lastSequence
    const stored = yield* log.subscribe(1).pipe(Stream.take(last), Stream.runCollect)
    const checkpoint = sql`select sequence, hash from projection_checkpoint`
    yield* Effect.repeat(checkpoint, { until: ([row]) => row?.["sequence"] === last, schedule: often })
    assert.deepStrictEqual(yield* checkpoint, [{ sequence: last, hash: Buffer.from(HashChain.over(stored)) }])
    const segments = yield* sql<{ events: Uint8Array }>`select events from event_segments order by first_sequence`
    const archived = yield* Effect.promise(() => Promise.all(segments.map(({ events }) => Segment.unpack(events))))
    assert.deepStrictEqual(
      archived.flat().map(({ sequence, subject }) => [sequence, subject]),
      stored.map(({ sequence, subject }) => [sequence, subject])
    )
    assert.strictEqual(DeadLetter.Sequence.make(1), letter?.["sequence"])
  }).pipe(Effect.provide(Pairs.registered))
)
