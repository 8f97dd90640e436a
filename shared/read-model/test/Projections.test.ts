import * as Bucket from "@akave-async/domain/Bucket"
import { BucketName } from "@akave-async/domain/BucketName"
import * as DeadLetter from "@akave-async/domain/DeadLetter"
import { Address, BucketId, TransactionHash } from "@akave-async/domain/Ethereum"
import * as Job from "@akave-async/domain/Job"
import { codec, kind } from "@akave-async/eventing/BucketEvents"
import * as DeadLetterEvents from "@akave-async/eventing/DeadLetterEvents"
import type { StoredEvent } from "@akave-async/eventing/EventLog"
import * as HashChain from "@akave-async/eventing/HashChain"
import * as Registry from "@akave-async/eventing/Registry"
import { assert, it } from "@effect/vitest"
import { DateTime, Effect, Schema } from "effect"
import * as Batch from "../src/Batch.ts"
import * as Buckets from "../src/projections/Buckets.ts"
import * as DeadLetters from "../src/projections/DeadLetters.ts"
import * as Jobs from "../src/projections/Jobs.ts"

const registry = Registry.of(Registry.kinds)
const { genesis } = HashChain
const ids = [1, 2, 3].map((n) => Job.Id.make(`019845e1-682f-7b02-a706-00000000000${n}`))
const occurredAt = DateTime.makeUnsafe("2026-01-01T00:00:00.000Z")

const store = (event: Bucket.Event, n: number): Effect.Effect<StoredEvent, Schema.SchemaError> =>
  Effect.map(
    codec.encode(event, { id: `event-${n + 1}`, source: "/test", subject: `bucket.${n % 3}`, time: occurredAt }),
    ({ data, headers }) => ({ sequence: n + 1, subject: `bucket.${n % 3}`, headers, data })
  )
const garbage = (n: number): StoredEvent => ({
  sequence: n + 1,
  subject: "bucket.0",
  headers: { "ce-type": "akave.BucketRequested.v1" },
  data: Uint8Array.of(255)
})

/** What of the log a batch archives. */
const archived = ({ encoded }: Batch.Batch) =>
  HashChain.decode(Buffer.from(encoded)).map((event) => ({ ...event, data: Uint8Array.from(event.data) }))

/** The rows of the jobs that these events speak of, given the jobs as they were before; and the jobs after them. */
const rowsOf = (before: ReadonlyMap<string, Jobs.Folded>, events: ReadonlyArray<Batch.Placed>) => {
  const folding = { ...Jobs.folding(), jobs: new Map(before) }
  Jobs.fold(folding, events)
  return { jobs: folding.jobs, jobRows: Jobs.rowsOf(folding) }
}

/** Cut into parts of these sizes, again and again. */
const split = <A>(all: ReadonlyArray<A>, sizes: ReadonlyArray<number>): ReadonlyArray<ReadonlyArray<A>> => {
  const parts: Array<ReadonlyArray<A>> = []
  for (let start = 0, n = 0; start < all.length; n++) {
    const size = sizes[n % sizes.length] ?? 1
    parts.push(all.slice(start, start + size))
    start += size
  }
  return parts
}

const owner = Address.make("0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266")
const jobOf = (id: Job.Id, operation: keyof typeof Bucket.operations = "bucket.create"): Bucket.BucketJob => ({
  id,
  operation,
  request: { name: BucketName.make("my-bucket") },
  owner,
  status: "processing",
  attempts: 1,
  startedAt: occurredAt,
  attemptFailed: false,
  createdAt: occurredAt,
  updatedAt: occurredAt
})

/** An event at its place in the log. */
const placed = (event: Bucket.Event, n: number): Batch.Placed => ({
  _tag: "Known",
  kind,
  event,
  step: Bucket.stepOf(event),
  toJson: () => codec.toJson(event),
  sequence: n + 1
})

const Sizes = Schema.NonEmptyArray(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 20 })))
const Events = Schema.Array(Bucket.Event)

it.effect.prop(
  "gives each job as the fold of its events, however they are cut into batches",
  [Events, Sizes],
  ([given, sizes]) =>
    Effect.gen(function*() {
      const events = given.map((event, n): Bucket.Event => ({ ...event, jobId: ids[n % ids.length] ?? event.jobId }))
      const stored = yield* Effect.forEach(events, store)
      const jobs = new Map<string, Jobs.Folded>()
      let hash = genesis
      for (const part of split(stored, sizes)) {
        const batch = Batch.read(registry, hash, part)
        assert.deepStrictEqual(batch.unreadable, [])
        assert.strictEqual(batch.lastSequence, part.at(-1)?.sequence)
        const rows = rowsOf(jobs, batch.events)
        for (const row of rows.jobRows) {
          const [job] = yield* registry.readJobs([row.job])
          assert.isDefined(job)
          assert.deepEqual(rows.jobs.get(job.id), { job, revision: row.revision })
          assert.deepInclude(row, { id: job.id, status: job.status })
          jobs.set(job.id, { job, revision: row.revision })
        }
        // What is read again changes nothing.
        assert.deepStrictEqual(rowsOf(rows.jobs, batch.events).jobRows, [])
        hash = batch.lastHash
      }

      const folded = new Map<string, Job.Job>()
      for (const event of events) {
        const job = Job.evolve(folded.get(event.jobId), Bucket.stepOf(event))
        if (job !== undefined) folded.set(event.jobId, job)
      }
      assert.deepStrictEqual(new Map(Array.from(jobs, ([id, { job }]) => [id, job])), folded)
      for (const [id, { revision }] of jobs) {
        assert.strictEqual(revision, events.findLastIndex(({ jobId }) => jobId === id) + 1)
      }
      assert.deepEqual(hash, HashChain.over(stored))
    })
)

it.effect("archives what it can't read, reports it, and reads the rest", () =>
  Effect.gen(function*() {
    const [jobId] = ids as [Job.Id]
    const started = yield* store(Bucket.Event.cases.BucketStarted.make({ jobId, attempt: 1, occurredAt }), 1)
    const batch = Batch.read(registry, genesis, [garbage(0), started, garbage(2)])
    assert.deepStrictEqual(archived(batch), [garbage(0), started, garbage(2)])
    assert.deepStrictEqual(batch.events.map(({ sequence }) => sequence), [2])
    assert.lengthOf(batch.unreadable, 2)
    assert.match(batch.unreadable[0] ?? "", /Event 1 .*akave\.BucketRequested\.v1/)
    assert.strictEqual(batch.lastSequence, 3)
    assert.deepStrictEqual(batch.occurredAt, occurredAt)
  }))

it("knows no time for a batch in which it can read nothing", () => {
  const batch = Batch.read(registry, genesis, [garbage(0)])
  assert.isUndefined(batch.occurredAt)
  assert.deepStrictEqual(rowsOf(new Map(), batch.events), { jobs: new Map(), jobRows: [] })
  assert.deepStrictEqual(Buckets.rows(new Map(), batch.events), { deletedBuckets: [], buckets: [] })
})

it("goes on with a job as it was before the batch, and makes none of an event that no request precedes", () => {
  const [known, unknown] = ids as [Job.Id, Job.Id]
  const transactionHash = TransactionHash.make(`0x${"ab".repeat(32)}`)
  const before = jobOf(known)
  const submitted = (jobId: Job.Id) =>
    Bucket.Event.cases.BucketSubmitted.make({
      jobId,
      transactionHash,
      nonce: 1,
      signer: owner,
      maxFeePerGas: 2n,
      maxPriorityFeePerGas: 1n,
      occurredAt
    })
  const events = [submitted(known), submitted(unknown)].map(placed)
  const { jobRows, jobs } = rowsOf(new Map([[known, { job: before, revision: 0 }]]), events)
  assert.deepStrictEqual(jobRows.map(({ id, revision }) => ({ id, revision })), [{ id: known, revision: 1 }])
  assert.deepInclude(jobs.get(known)?.job, { transactionHash })
})

/** What Postgres makes of a batch's rows. */
const applyBuckets = (table: Map<unknown, number>, rows: ReturnType<typeof Buckets.rows>) => {
  for (const { bucket_id, revision } of rows.deletedBuckets) {
    if ((table.get(bucket_id) ?? Infinity) < revision) table.delete(bucket_id)
  }
  for (const { bucket_id, revision } of rows.buckets) {
    if (!table.has(bucket_id)) table.set(bucket_id, revision as number)
  }
}
const Changes = Schema.Array(Schema.Struct({ bucket: Schema.Literals([0, 1, 2]), isDeletion: Schema.Boolean }))

it.effect.prop(
  "keeps a bucket from its first creation to its deletion, however its events are cut into batches",
  [Changes, Sizes],
  ([changes, sizes]) =>
    Effect.sync(() => {
      const [creation, deletion] = ids as [Job.Id, Job.Id]
      const jobs = new Map([
        [creation, { job: jobOf(creation), revision: 0 }],
        [deletion, { job: jobOf(deletion, "bucket.delete"), revision: 0 }]
      ])
      const expected = new Map<unknown, number>()
      const events = changes.map(({ bucket, isDeletion }, n) => {
        const bucketId = BucketId.make(`0x${bucket.toString().repeat(64)}`)
        if (isDeletion) expected.delete(bucketId)
        else if (!expected.has(bucketId)) expected.set(bucketId, n + 1)
        const result = { bucketId, adopted: false, occurredAt }
        const event = isDeletion
          ? Bucket.Event.cases.BucketDeleted.make({ ...result, jobId: deletion })
          : Bucket.Event.cases.BucketCreated.make({ ...result, jobId: creation })
        return placed(event, n)
      })
      const table = new Map<unknown, number>()
      for (const part of split(events, sizes)) {
        const rows = Buckets.rows(jobs, part)
        assert.strictEqual(new Set(rows.buckets.map(({ bucket_id }) => bucket_id)).size, rows.buckets.length)
        applyBuckets(table, rows)
      }
      assert.deepStrictEqual(table, expected)
    })
)

const Mixed = Schema.Array(Schema.Union([Bucket.Event, DeadLetter.Event]))
const isDeadLetterEvent = Schema.is(DeadLetter.Event)

it.effect.prop(
  "gives each dead letter as the fold of its events beside the jobs, however they are cut into batches",
  [Mixed, Sizes],
  ([given, sizes]) =>
    Effect.gen(function*() {
      const stored = yield* Effect.forEach(given, (event, n) => {
        if (!isDeadLetterEvent(event)) return store(event, n)
        const subject = DeadLetter.subject(DeadLetter.Sequence.make(n % 3 + 1))
        const ours = { ...event, sequence: DeadLetter.Sequence.make(n % 3 + 1) }
        const metadata = { id: `event-${n + 1}`, source: "/test", subject, time: event.occurredAt }
        return Effect.map(
          DeadLetterEvents.codec.encode(ours, metadata),
          ({ data, headers }): StoredEvent => ({ sequence: n + 1, subject, headers, data })
        )
      })
      const letters = new Map<number, DeadLetter.DeadLetter>()
      const revisions = new Map<number, number>()
      let bucketEvents = 0
      for (const part of split(stored, sizes)) {
        const batch = Batch.read(registry, genesis, part)
        assert.deepStrictEqual(batch.unreadable, [])
        bucketEvents += batch.events.filter(({ step }) => step !== undefined).length
        for (const row of DeadLetters.rows(letters, batch.events)) {
          const letter = Schema.decodeUnknownSync(Schema.toCodecJson(DeadLetter.DeadLetter))(row.letter)
          const { reason, sequence, status, subject, type } = letter
          assert.deepInclude(row, { sequence, subject, type, reason, status })
          letters.set(sequence, letter)
          revisions.set(sequence, row.revision)
        }
      }
      const expected = new Map<number, DeadLetter.DeadLetter>()
      const last = new Map<number, number>()
      for (const [n, event] of given.entries()) {
        if (!isDeadLetterEvent(event)) continue
        const sequence = DeadLetter.Sequence.make(n % 3 + 1)
        const letter = DeadLetter.evolve(expected.get(sequence), { ...event, sequence })
        if (letter === undefined) continue
        expected.set(sequence, letter)
        last.set(sequence, n + 1)
      }
      assert.deepStrictEqual(letters, expected)
      assert.deepStrictEqual(revisions, last)
      assert.strictEqual(bucketEvents, given.filter((event) => !isDeadLetterEvent(event)).length)
    })
)

it.effect("archives what other releases know, and reports the types of its own kinds that it does not know", () =>
  Effect.gen(function*() {
    const [jobId] = ids as [Job.Id]
    const started = yield* store(Bucket.Event.cases.BucketStarted.make({ jobId, attempt: 1, occurredAt }), 1)
    const foreign = { ...garbage(0), subject: "crate.0" }
    const newer = { ...garbage(2), headers: { "ce-type": "akave.BucketRenamed.v1" } }
    const batch = Batch.read(registry, genesis, [foreign, started, newer])
    assert.deepStrictEqual(archived(batch), [foreign, started, newer])
    assert.deepStrictEqual(batch.events.map(({ sequence }) => sequence), [2])
    assert.deepStrictEqual([batch.unreadable, batch.newer], [[], ["akave.BucketRenamed.v1"]])
  }))
