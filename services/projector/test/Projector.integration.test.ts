import * as Bucket from "@akave-async/domain/Bucket"
import { BucketName } from "@akave-async/domain/BucketName"
import * as DeadLetter from "@akave-async/domain/DeadLetter"
import * as Delivery from "@akave-async/domain/Delivery"
import { Address, BucketId, TransactionHash } from "@akave-async/domain/Ethereum"
import * as File from "@akave-async/domain/File"
import * as Job from "@akave-async/domain/Job"
import * as FileHistory from "@akave-async/domain/test/FileHistory"
import * as Webhook from "@akave-async/domain/Webhook"
import type { Decision } from "@akave-async/eventing/Aggregate"
import { codec, idOf, kind } from "@akave-async/eventing/BucketEvents"
import type { NewEvent } from "@akave-async/eventing/CloudEvent"
import * as DeadLetterEvents from "@akave-async/eventing/DeadLetterEvents"
import * as DeliveryEvents from "@akave-async/eventing/DeliveryEvents"
import { EventLog, type EventLogShape, type StoredEvent } from "@akave-async/eventing/EventLog"
import * as EventLogMemory from "@akave-async/eventing/EventLogMemory"
import * as FileEvents from "@akave-async/eventing/FileEvents"
import * as HashChain from "@akave-async/eventing/HashChain"
import * as Registry from "@akave-async/eventing/Registry"
import * as Segment from "@akave-async/eventing/Segment"
import * as WebhookEvents from "@akave-async/eventing/WebhookEvents"
import * as Postgres from "@akave-async/platform/Postgres"
import { migrate } from "@akave-async/read-model/Migrations"
import * as Reader from "@akave-async/read-model/Reader"
import { onSchema } from "@akave-async/read-model/test/schema"
import { assert, describe } from "@effect/vitest"
import { Arbitrary, DateTime, Duration, Effect, Redacted, Result, Schedule, Schema, type Scope, Stream } from "effect"
import * as Reactivity from "effect/reactivity/Reactivity"
import { SqlClient } from "effect/sql"
import { inject } from "vitest"
import * as Projector from "../src/Projector.ts"

const owner = Address.make("0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266")
const jobId = (n: number): Job.Id => Job.Id.make(`019845e1-682f-7b02-a706-${n.toString(16).padStart(12, "0")}`)
const hash = (n: number) => `0x${n.toString(16).padStart(64, "0")}`
const epoch = DateTime.makeUnsafe("2026-01-01T00:00:00.000Z")

const empty = (sentence: string, body: Effect.Effect<void, unknown, Postgres.Database | Scope.Scope>) =>
  onSchema("projector", sentence, body)
/** Runs the test on an empty read model of its own. */
const test = (sentence: string, body: () => Effect.Effect<void, unknown, Postgres.Database | Scope.Scope>) =>
  empty(sentence, Effect.andThen(migrate, Effect.suspend(body)))

/** The events of commands like those that led to these, on three buckets at a time, a hundred for each; refusals are left out. */
const history = (likes: ReadonlyArray<Bucket.Event>): ReadonlyArray<Bucket.Event> => {
  const states = new Map<string, Bucket.State>()
  return likes.flatMap((like, n): ReadonlyArray<Bucket.Event> => {
    const bucket = n % 3 + 3 * Math.floor(n / 300)
    const name = BucketName.make(`bucket.${bucket}`)
    const state = states.get(name) ?? Bucket.initial
    const { occurredAt: _, ...step } = Bucket.stepOf(like)
    const jobOf = state.job === undefined || step.step === "requested" ? jobId(n) : state.job.id
    const decide = (): Decision<Bucket.State, Bucket.Event, unknown> => {
      switch (step.step) {
        case "requested": {
          const asked = { jobId: jobOf, name, owner, tenant: "tenant", idempotencyKeyHash: `key-${n}` }
          return step.operation === "bucket.create" ? Bucket.requestCreation(asked) : Bucket.requestDeletion(asked)
        }
        case "started":
          return Bucket.onJob(Job.startAttempt(jobOf))
        case "submitted":
          return Bucket.onJob(Job.recordSubmission({ ...step, jobId: jobOf }))
        case "attemptFailed":
          return Bucket.onJob(Job.failAttempt({ ...step, jobId: jobOf }))
        case "advanced":
          return Bucket.onJob(Job.advance({ ...step, jobId: jobOf }))
        case "abandoned":
          return Bucket.onJob(Job.abandon({ ...step, jobId: jobOf }))
        case "completed":
          return Bucket.onJob(
            Job.complete({ ...step, jobId: jobOf, own: { bucketId: BucketId.make(hash(bucket)) } })
          )
        case "failed":
          return Bucket.onJob(Job.fail({ ...step, jobId: jobOf }))
        case "cancelled":
          return Bucket.onJob(Job.cancel({ ...step, jobId: jobOf }))
      }
    }
    const decided = Result.getOrElse(decide()(state, DateTime.add(epoch, { seconds: n })), () => [])
    states.set(name, decided.reduce(Bucket.evolve, state))
    return decided
  })
}

/** A job that is created, `rounds` times, each on its own bucket: four events each. */
const created = (rounds: number): ReadonlyArray<Bucket.Event> =>
  Array.from({ length: rounds }, (_, n): ReadonlyArray<Bucket.Event> => {
    const common = { jobId: jobId(n), occurredAt: DateTime.add(epoch, { seconds: n }) }
    const transactionHash = TransactionHash.make(hash(n))
    return [
      Bucket.BucketRequested.make({ ...common, name: BucketName.make(`bucket-${n}`), owner }),
      Bucket.Event.cases.BucketStarted.make({ ...common, attempt: 1 }),
      Bucket.Event.cases.BucketSubmitted.make({
        ...common,
        transactionHash,
        nonce: n,
        signer: owner,
        maxFeePerGas: 2n,
        maxPriorityFeePerGas: 1n
      }),
      Bucket.Event.cases.BucketCreated.make({
        ...common,
        transactionHash,
        bucketId: BucketId.make(hash(n)),
        adopted: false
      })
    ]
  }).flat()

const encode = (event: Bucket.Event, n: number) =>
  codec.encode(event, {
    id: `${n}.${idOf(event)}`,
    source: "/test",
    subject: `bucket.${n % 3}`,
    time: event.occurredAt
  })
const toStored = ({ data, headers }: NewEvent, n: number): StoredEvent => ({
  sequence: n + 1,
  subject: `bucket.${n % 3}`,
  headers,
  data
})
const store = (events: ReadonlyArray<Bucket.Event>) =>
  Effect.forEach(events, (event, n) => Effect.map(encode(event, n), (encoded) => toStored(encoded, n)))
const garbage: NewEvent = {
  id: "garbage",
  headers: { "ce-type": "akave.BucketStarted.v1" },
  data: Uint8Array.of(255, 0)
}

const logOf = Effect.fnUntraced(function*(events: ReadonlyArray<NewEvent>) {
  const log = yield* EventLogMemory.open
  for (const [n, event] of events.entries()) yield* log.append(`bucket.${n}`, { revision: 0 }, event)
  return log
})

const fold = (events: ReadonlyArray<Bucket.Event>): ReadonlyMap<string, Job.Job> => {
  const jobs = new Map<string, Job.Job>()
  for (const event of events) {
    const job = Job.evolve(jobs.get(event.jobId), Bucket.stepOf(event))
    if (job !== undefined) jobs.set(job.id, job)
  }
  return jobs
}

/** The buckets that are there after these events, each with the job that created it first and the sequence of that event. */
const existing = (events: ReadonlyArray<{ readonly event: Bucket.Event; readonly sequence: number }>) => {
  const buckets = new Map<unknown, Record<string, unknown>>()
  for (const { event, sequence } of events) {
    if (event._tag === "BucketDeleted") buckets.delete(event.bucketId)
    if (event._tag === "BucketCreated" && !buckets.has(event.bucketId)) {
      buckets.set(event.bucketId, { job_id: event.jobId, revision: sequence })
    }
  }
  return buckets
}

/** All that the read model holds. */
const everything = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  return {
    jobs: yield* sql`select * from bucket_jobs order by id`,
    buckets: yield* sql`select * from buckets order by owner, name`,
    files: yield* sql`select * from files order by owner, bucket_name, name`,
    deadLetters: yield* sql`select * from dead_letters order by sequence`,
    webhooks: yield* sql`select * from webhooks order by id`,
    deliveries: yield* sql`select * from webhook_deliveries order by webhook_id, sequence`,
    segments: yield* sql<{ events: Uint8Array }>`select * from event_segments order by first_sequence`,
    checkpoint: yield* sql`select * from projection_checkpoint`
  }
})
const checkpoint = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  const [row] = yield* sql<{ sequence: number; hash: string }>`
    select sequence, encode(hash, 'hex') as hash from projection_checkpoint`
  return row
})
const untilApplied = (sequence: number) =>
  Effect.repeat(checkpoint, { until: (row) => row?.sequence === sequence, schedule: Schedule.spaced("20 millis") })

const encodeJob = (job: Job.Job) => kind.jobs?.toJson(job)
/** Postgres has neither NUL nor half of a surrogate pair: each is stored as U+FFFD. */
const storable = (value: unknown): unknown =>
  JSON.parse(
    JSON.stringify(value),
    (_, inner) => typeof inner === "string" ? inner.replace(/\0|\p{Surrogate}/gu, "\ufffd") : inner
  )
/** The read model is what these events fold to, and its archive is what was stored. */
const assertFolded = Effect.fnUntraced(function*(stored: ReadonlyArray<StoredEvent>) {
  const sql = yield* SqlClient.SqlClient
  const decoded = stored.flatMap((one) => {
    const event = codec.decode(one)
    return Result.isSuccess(event) ? [{ sequence: one.sequence, event: event.success }] : []
  })
  const expected = fold(decoded.map(({ event }) => event))
  const { buckets, jobs, segments } = yield* everything
  assert.deepStrictEqual(
    Object.fromEntries(jobs.map(({ id, job }) => [id, job])),
    Object.fromEntries(Array.from(expected.values(), (job) => [job.id, storable(encodeJob(job))]))
  )
  for (const row of jobs) {
    const job = expected.get(`${row["id"]}`)
    const { revision, status } = row
    assert.deepStrictEqual({ revision, status }, {
      revision: decoded.findLast(({ event }) => event.jobId === job?.id)?.sequence,
      status: job?.status
    })
    assert.strictEqual((row["updated_at"] as Date).getTime(), job?.updatedAt.epochMilliseconds)
  }
  assert.deepStrictEqual(
    new Map(buckets.map(({ bucket_id, job_id, revision }) => [bucket_id, { job_id, revision }])),
    existing(decoded)
  )
  assert.deepStrictEqual(spentInRows(jobs), spentBy(decoded.map(({ event }) => Bucket.stepOf(event))))

  // The archive alone is enough to compute the chain again.
  const archive = yield* Effect.promise(() => Promise.all(segments.map(({ events }) => Segment.unpack(events))))
  assert.deepStrictEqual(
    archive.flat().map((event) => ({ ...event, data: Buffer.from(event.data) })),
    stored.map((event) => ({ ...event, data: Buffer.from(event.data) }))
  )
  const previous = HashChain.over(archive.flat())
  const [row] = yield* sql`select sequence, hash from projection_checkpoint`
  assert.deepStrictEqual(row, { sequence: stored.at(-1)?.sequence ?? 0, hash: Buffer.from(previous) })
})

/** What each job has paid by these events, and with how many transactions. */
const spentBy = (steps: ReadonlyArray<Job.Step>) => {
  const spent: Record<string, { fees: bigint; transactions: number }> = {}
  for (const step of steps) {
    const own = spent[step.jobId] ??= { fees: 0n, transactions: 0 }
    if ((step.step !== "advanced" && step.step !== "completed") || step.adopted) continue
    if (step.transactionHash === undefined) continue
    own.transactions++
    own.fees += BigInt(step.gasUsed ?? 0) * (step.effectiveGasPrice ?? 0n)
  }
  return spent
}
const spentInRows = (rows: ReadonlyArray<Record<string, unknown>>) =>
  Object.fromEntries(rows.map(({ fees, id, transactions }) => [id, { fees: BigInt(`${fees}`), transactions }]))

/** The columns that a letter's row has for those who look for it. */
const columns = ({ reason, sequence, subject, type }: DeadLetter.Letter) => ({
  sequence,
  subject,
  type,
  reason: reason.replace("\0", "\ufffd")
})

const applyIn = (size: number, stored: ReadonlyArray<StoredEvent>) =>
  Effect.gen(function*() {
    for (let start = 0; start < stored.length; start += size) yield* Projector.apply(stored.slice(start, start + size))
  })

/** The rows of the files that are there after these events. */
const filesAfter = (events: ReadonlyArray<File.Event>) => {
  const names = new Map<string, string>()
  const files = new Map<string, { state: File.State; revision: number }>()
  for (const [n, event] of events.entries()) {
    if ("bucketName" in event) names.set(event.jobId, event.name)
    const name = names.get(event.jobId) ?? ""
    const before = files.get(name) ?? { state: File.initial, revision: 0 }
    const state = File.evolve(before.state, event)
    files.set(name, { state, revision: state.file === before.state.file ? before.revision : n + 1 })
  }
  return [...files.values()].flatMap(({ revision, state: { file } }) =>
    file === undefined ? [] : [{
      owner,
      bucket_name: "my.bucket",
      name: file.name,
      file_id: file.id,
      root_cid: file.rootCid,
      size: 40_000_000,
      encoded_size: file.encodedSize,
      sha256: file.sha256,
      content_type: null,
      encryption: "none",
      key_id: null,
      name_on_wire: null,
      parity_blocks: 16,
      is_public: file.isPublic,
      tenant: null,
      job_id: file.jobId,
      created_at: DateTime.toDateUtc(file.createdAt),
      revision
    }]
  ).toSorted((a, b) => a.name < b.name ? -1 : 1)
}
const storeFiles = (events: ReadonlyArray<File.Event>) =>
  Effect.forEach(events, (event, n) =>
    Effect.map(
      FileEvents.codec.encode(event, { id: `${n}`, source: "/test", subject: `file.${n % 3}`, time: event.occurredAt }),
      ({ data, headers }): StoredEvent => ({ sequence: n + 1, subject: `file.${n % 3}`, headers, data })
    ))

describe("files", () => {
  for (const size of [1, 7, 5_000]) {
    test(`in batches of ${size} are those that are left by the log, with what their jobs have paid`, () =>
      Effect.gen(function*() {
        const likes = yield* Arbitrary.sampleEffect(Arbitrary.schema(File.Event), {
          count: 4_000,
          seed: 1,
          maxDiscards: 100_000
        })
        const events = FileHistory.history([...likes, ...likes.toReversed()], epoch)
        assert.deepStrictEqual(
          new Set(events.map(({ _tag }) => _tag)),
          new Set(Object.keys(File.Event.cases))
        )
        assert.isTrue(events.some((event) => event._tag === "FileUploadAdvanced" && event.part === "delete"))
        yield* applyIn(size, yield* storeFiles(events))
        const { files, jobs } = yield* everything
        const expected = filesAfter(events)
        assert.isAbove(expected.length, 3)
        assert.deepStrictEqual(files, expected)
        assert.deepStrictEqual(spentInRows(jobs), spentBy(events.map(File.stepOf)))
        const requested = new Map(events.flatMap((event) => "bucketName" in event ? [[event.jobId, event.name]] : []))
        assert.deepStrictEqual(new Map(jobs.map(({ file_name, id }) => [id, file_name])), requested)
      }))
  }
})

describe("batches", () => {
  for (const size of [1, 3, 7, 1000]) {
    test(`of ${size} give the fold of the log`, () =>
      Effect.gen(function*() {
        const likes = yield* Arbitrary.sampleEffect(Arbitrary.schema(Bucket.Event), {
          count: 3_000,
          seed: 1,
          maxDiscards: 100_000
        })
        const events = history(likes)
        assert.deepStrictEqual(
          new Set(events.map(({ _tag }) => _tag)),
          new Set(Object.keys(Bucket.Event.cases))
        )
        const stored = yield* store(events)
        yield* applyIn(size, stored)
        yield* assertFolded(stored)
      }))
  }

  test("that are applied twice, or in part, change nothing the second time", () =>
    Effect.gen(function*() {
      const stored = yield* store(created(5))
      assert.strictEqual(yield* Projector.apply(stored), 20)
      const before = yield* everything
      assert.strictEqual(yield* Projector.apply(stored), 0)
      assert.strictEqual(yield* Projector.apply(stored.slice(3, 9)), 0)
      assert.deepStrictEqual(yield* everything, before)
      const longer = yield* store(created(6))
      assert.strictEqual(yield* Projector.apply(longer.slice(10)), 4)
      yield* assertFolded(longer)
    }))

  test("that are read ahead of those that are written give the fold of the log, however many jobs they speak of", () =>
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      const [count, size] = [25_000, 10_000]
      const asked = Array.from(
        { length: count },
        (_, n) =>
          Bucket.BucketRequested.make({
            jobId: jobId(n),
            occurredAt: epoch,
            name: BucketName.make(`bucket-${n}`),
            owner
          })
      )
      const begun = asked.map(({ jobId }) =>
        Bucket.Event.cases.BucketStarted.make({ jobId, occurredAt: epoch, attempt: 1 })
      )
      const stored = yield* store([...asked, ...begun])
      const reader = yield* Reader.make(HashChain.genesis)
      const ahead: Array<readonly [ReadonlyArray<StoredEvent>, Reader.Run]> = []
      for (let start = 0; start < stored.length; start += size) {
        const part = stored.slice(start, start + size)
        // Bit by bit, as a rebuild reads.
        for (let from = 0; from < size; from += 700) yield* reader.add(part.slice(from, from + 700))
        ahead.push([part, yield* reader.close])
        // As in a projector: while a run is read, the two before it may not be written yet.
        const [first] = ahead.length > 2 ? ahead.splice(0, 1) : []
        if (first !== undefined) yield* Projector.apply(...first)
      }
      for (const run of ahead) yield* Projector.apply(...run)
      const statuses = yield* sql`select status, count(*) from bucket_jobs group by status`
      assert.deepStrictEqual(statuses, [{ status: "processing", count }])
    }))

  test("with an event that can't be read archive it and apply the rest", () =>
    Effect.gen(function*() {
      const encoded = yield* Effect.forEach(created(2), encode)
      const stored = encoded.toSpliced(2, 0, garbage).map(toStored)
      yield* applyIn(4, stored)
      yield* assertFolded(stored)
      yield* Projector.apply([...stored, toStored({ ...garbage, id: "more" }, stored.length)])
      assert.strictEqual((yield* checkpoint)?.sequence, stored.length + 1)
    }))

  for (const size of [1, 2, 1000]) {
    test(`of ${size} show the dead letters, and the jobs as if there were none`, () =>
      Effect.gen(function*() {
        const sql = yield* SqlClient.SqlClient
        const letter = (n: number) => ({
          sequence: DeadLetter.Sequence.make(n),
          subject: `bucket.${n}`,
          type: "akave.BucketRequested.v1",
          reason: `reason \0 ${n}`,
          deliveries: 10
        })
        const dead = (n: number, round: number) =>
          DeadLetter.DeadLettered.make({ ...letter(n), round, jobId: jobId(n), occurredAt: epoch })
        const redriven = (n: number, round: number) =>
          DeadLetter.DeadLetterRedriven.make({
            sequence: DeadLetter.Sequence.make(n),
            round,
            redrivenBy: "a client",
            occurredAt: epoch
          })
        const reported = [dead(1, 1), dead(2, 1), redriven(1, 1), dead(1, 2), redriven(2, 1)]
        const encoded = yield* Effect.forEach(reported, (event) => {
          const subject = DeadLetter.subject(event.sequence)
          const metadata = { id: DeadLetterEvents.idOf(event), source: "/test", subject, time: epoch }
          return Effect.map(DeadLetterEvents.codec.encode(event, metadata), (event) => ({ ...event, subject }))
        })
        // A dead letter's event after each of the first events of two jobs.
        const jobs = yield* store(created(2))
        const stored = jobs.flatMap((one, n) => [one, ...(encoded[n] === undefined ? [] : [encoded[n]])]).map(
          ({ data, headers, subject }, n): StoredEvent => ({ sequence: n + 1, subject, headers, data })
        )
        yield* applyIn(size, stored)
        yield* assertFolded(stored)
        const letters = yield* sql`
          select sequence, subject, type, reason, status, revision, letter->'round' as round
          from dead_letters order by sequence`
        assert.deepStrictEqual(letters, [
          { ...columns(letter(1)), status: "dead", revision: 8, round: 2 },
          { ...columns(letter(2)), status: "redriven", revision: 10, round: 1 }
        ])
        assert.deepStrictEqual(yield* sql`select distinct status from bucket_jobs`, [{ status: "completed" }])
      }))
  }

  for (const size of [1, 7, 1000]) {
    test(`of ${size} show webhooks and deliveries as the fold of their events`, () =>
      Effect.gen(function*() {
        const sql = yield* SqlClient.SqlClient
        const options = { count: 300, seed: 1, maxDiscards: 100_000 }
        const changes = yield* Arbitrary.sampleEffect(Arbitrary.schema(Webhook.Event), options)
        const attempts = yield* Arbitrary.sampleEffect(Arbitrary.schema(Delivery.Event), options)
        const webhookId = (n: number) => Webhook.Id.make(`${n % 3}`.padStart(16, "0"))
        const events = changes.flatMap((change, n): ReadonlyArray<Webhook.Event | Delivery.Event> => {
          const attempt = attempts[n] ?? assert.fail("there are as many")
          const ours = { webhookId: webhookId(n), occurredAt: epoch }
          return [{ ...change, ...ours }, { ...attempt, ...ours, sequence: n % 5 + 1 }]
        })
        const stored = yield* Effect.forEach(events, (event, n) => {
          const subject = event._tag === "DeliveryAttempted"
            ? Delivery.subject({ webhookId: event.webhookId, sequence: event.sequence })
            : Webhook.subject(event.owner, event.webhookId)
          const metadata = { id: `${n}`, source: "/test", subject, time: epoch }
          const encoded = event._tag === "DeliveryAttempted"
            ? DeliveryEvents.codec.encode(event, metadata)
            : WebhookEvents.codec.encode(event, metadata)
          return Effect.map(encoded, ({ data, headers }): StoredEvent => ({ sequence: n + 1, subject, headers, data }))
        })
        yield* applyIn(size, stored)

        const webhooks = new Map<string, { readonly state: Webhook.Webhook; readonly revision: number }>()
        const deliveries = new Map<string, { readonly state: Delivery.Delivery; readonly revision: number }>()
        for (const [n, event] of events.entries()) {
          if (event._tag === "DeliveryAttempted") {
            const key = `${event.webhookId} ${event.sequence}`
            const state = Delivery.evolve(deliveries.get(key)?.state, event)
            if (state !== undefined) deliveries.set(key, { state, revision: n + 1 })
          } else {
            const state = Webhook.evolve(webhooks.get(event.webhookId)?.state, event)
            if (state !== undefined) webhooks.set(event.webhookId, { state, revision: n + 1 })
          }
        }
        // Postgres takes no NUL and no half of a surrogate pair.
        const storable = (value: unknown): unknown =>
          JSON.parse(JSON.stringify(value, (_, one) =>
            typeof one === "string" ? one.toWellFormed().replaceAll("\0", "\ufffd") : one))
        const encodeWebhook = Schema.encodeSync(Schema.toCodecJson(Webhook.Webhook))
        const encodeDelivery = Schema.encodeSync(Schema.toCodecJson(Delivery.Delivery))
        assert.sameDeepMembers(
          [...yield* sql`select id, status, revision, webhook from webhooks`],
          Array.from(webhooks.values(), ({ revision, state }) => ({
            id: state.id,
            status: state.status,
            revision,
            webhook: storable(encodeWebhook(state))
          }))
        )
        assert.sameDeepMembers(
          [...yield* sql`select webhook_id, sequence, outcome, revision, delivery from webhook_deliveries`],
          Array.from(deliveries.values(), ({ revision, state }) => ({
            webhook_id: state.webhookId,
            sequence: state.sequence,
            outcome: state.outcome,
            revision,
            delivery: storable(encodeDelivery(state))
          }))
        )
        assert.isAtLeast(deliveries.size, 15)
      }))
  }

  test("with text that Postgres can't store are applied all the same", () =>
    Effect.gen(function*() {
      const [requested, started] = created(1) as [Bucket.Event, Bucket.Event]
      const failed = Bucket.Event.cases.BucketFailed.make({
        jobId: jobId(0),
        error: { category: "network", code: "ChainUnreachable", message: "nul \0, half \ud800 and \\u0000" },
        attempts: 1,
        occurredAt: epoch
      })
      const stored = yield* store([requested, started, failed])
      assert.strictEqual(yield* Projector.apply(stored), 3)
      const sql = yield* SqlClient.SqlClient
      const [row] = yield* sql`select status, job->'error'->>'message' as message from bucket_jobs`
      assert.deepStrictEqual(row, { status: "failed", message: "nul \ufffd, half \ufffd and \\u0000" })
    }))

  test("with a bucket that was created twice keep the first one", () =>
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      const again = created(1).map((event): Bucket.Event => {
        const renamed = { ...event, jobId: jobId(7) }
        return renamed._tag === "BucketRequested"
          ? { ...renamed, owner: Address.make(owner.toLowerCase()) }
          : renamed
      })
      yield* Projector.apply(yield* store([...created(1), ...again]))
      assert.deepStrictEqual(yield* sql`select job_id from buckets`, [{ job_id: jobId(0) }])
      assert.deepStrictEqual(yield* sql`select distinct status from bucket_jobs`, [{ status: "completed" }])
    }))

  test("with a bucket that was deleted and created again show the new one, and the old one's name is free", () =>
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      const common = { jobId: jobId(1), occurredAt: epoch }
      const deletion = [
        Bucket.BucketDeletionRequested.make({ ...common, name: BucketName.make("bucket-0"), owner }),
        Bucket.Event.cases.BucketDeletionStarted.make({ ...common, attempt: 1 }),
        Bucket.Event.cases.BucketDeleted.make({ ...common, bucketId: BucketId.make(hash(0)), adopted: false })
      ]
      const again = created(1).map((event): Bucket.Event => ({ ...event, jobId: jobId(2) }))
      const stored = yield* store([...created(1), ...deletion, ...again])
      const [gone, back] = [stored.slice(0, 7), stored.slice(7)]
      yield* Projector.apply(gone)
      yield* assertFolded(gone)
      assert.lengthOf(yield* sql`select 1 from buckets`, 0)
      yield* Projector.apply(back)
      yield* assertFolded(stored)
      assert.deepStrictEqual(yield* sql`select name, job_id from buckets`, [{ name: "bucket-0", job_id: jobId(2) }])
    }))

  test("that begin behind the checkpoint's next event are refused", () =>
    Effect.gen(function*() {
      const stored = yield* store(created(3))
      yield* Projector.apply(stored.slice(0, 4))
      const before = yield* everything
      const error = yield* Effect.flip(Projector.apply(stored.slice(5)))
      assert.strictEqual(error._tag, "CheckpointBehind")
      assert.deepStrictEqual(yield* everything, before)
      yield* Projector.apply(stored.slice(4))
      yield* assertFolded(stored)
    }))

  test("that Postgres refuses in the middle leave all as it was", () =>
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      const stored = yield* store(created(3))
      yield* Projector.apply(stored.slice(0, 4))
      const before = yield* everything
      for (
        const [table, check] of [["bucket_jobs", "bucket_name <> 'bucket-2'"], [
          "buckets",
          "name <> 'bucket-2'"
        ]] as const
      ) {
        yield* sql`alter table ${sql(table)} add constraint no check (${sql.literal(check)})`
        const error = yield* Effect.flip(Projector.apply(stored.slice(4)))
        assert.isTrue(error._tag === "SqlError" && error.reason._tag === "ConstraintError")
        assert.deepStrictEqual(yield* everything, before)
        yield* sql`alter table ${sql(table)} drop constraint no`
      }
      yield* Projector.apply(stored.slice(4))
      yield* assertFolded(stored)
    }))
})

describe("a running projector", () => {
  test("shares a log of 2,000 events with another one, and each event is applied once", () =>
    Effect.gen(function*() {
      const encoded = yield* Effect.forEach(created(500), encode)
      const log = yield* logOf(encoded.slice(0, 1000))
      const run = Projector.run.pipe(Effect.provideService(EventLog, log))
      yield* Effect.forkScoped(run)
      yield* Effect.forkScoped(run)
      for (const [n, event] of encoded.slice(1000).entries()) {
        yield* log.append(`bucket.later.${n}`, { revision: 0 }, event)
        if (n % 100 === 0) yield* Effect.yieldNow
      }
      yield* untilApplied(2000)
      yield* assertFolded(yield* log.subscribe(1).pipe(Stream.take(2000), Stream.runCollect))
    }))

  test("reads from the checkpoint again when it was given too late a beginning", () =>
    Effect.gen(function*() {
      const log = yield* logOf(yield* Effect.forEach(created(10), encode))
      const asked: Array<number> = []
      const forgetful: EventLogShape = {
        ...log,
        subscribe: (from) => log.subscribe(asked.push(from) === 1 ? from + 5 : from)
      }
      yield* Effect.forkScoped(Projector.run.pipe(Effect.provideService(EventLog, forgetful)))
      yield* untilApplied(40)
      assert.deepStrictEqual(asked, [1, 1])
      yield* assertFolded(yield* log.subscribe(1).pipe(Stream.take(40), Stream.runCollect))
    }))

  test("goes on from the checkpoint after all its connections were ended", () =>
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      const encoded = yield* Effect.forEach(created(10), encode)
      const log = yield* logOf(encoded.slice(0, 20))
      yield* Effect.forkScoped(Projector.run.pipe(Effect.provideService(EventLog, log)))
      yield* untilApplied(20)
      const [setting] = yield* sql<{ schema: string }>`select current_schema() as schema`
      const admin = yield* Postgres.make({
        connection: Redacted.make({ connectionString: inject("databaseUrl") }),
        maxConnections: 1,
        patience: Duration.seconds(30)
      }).pipe(Effect.provide(Reactivity.layer))
      // Whoever writes now waits for this lock, and is cut off while it waits.
      yield* admin.withTransaction(Effect.gen(function*() {
        yield* admin`lock table ${admin(setting?.schema ?? "")}.projection_checkpoint`
        yield* log.append("bucket.later", { revision: 0 }, encoded[20] as NewEvent)
        const waiting = admin<{ pid: number }>`
          select pid from pg_locks where not granted and relation = ${`${setting?.schema}.projection_checkpoint`}::regclass`
        const [first] = yield* Effect.repeat(waiting, {
          until: (rows) => rows.length > 0,
          schedule: Schedule.spaced("10 millis")
        })
        yield* admin`select pg_terminate_backend(${first?.pid})`
      }))
      for (const [n, event] of encoded.slice(21).entries()) {
        yield* log.append(`bucket.more.${n}`, { revision: 0 }, event)
      }
      yield* untilApplied(40)
      yield* assertFolded(yield* log.subscribe(1).pipe(Stream.take(40), Stream.runCollect))
    }))
})

empty(
  "migrations that three projectors run at once end well, and change nothing when they are run again",
  Effect.gen(function*() {
    yield* Effect.all([migrate, migrate, migrate], { concurrency: "unbounded" })
    const sql = yield* SqlClient.SqlClient
    const tables = sql`
      select table_name, column_name, data_type from information_schema.columns
      where table_schema = current_schema() order by table_name, ordinal_position`
    const stored = yield* store(created(2))
    yield* Projector.apply(stored)
    const before = { rows: yield* everything, tables: yield* tables }
    assert.includeMembers(before.tables.map((row) => row["table_name"]), ["bucket_jobs", "event_segments"])
    yield* migrate
    assert.deepStrictEqual({ rows: yield* everything, tables: yield* tables }, before)
    assert.lengthOf(yield* sql`select 1 from schema_migrations`, Postgres.readModelMigration)
  })
)

/** The tables as they were before the archive had segments. */
const beforeSegments = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  yield* sql`delete from schema_migrations where migration_id >= 6`
  yield* sql`drop table event_segments, webhooks, webhook_deliveries, files`
  yield* sql`drop index bucket_jobs_live`
  yield* sql`alter table bucket_jobs drop file_name, drop fees, drop transactions`
  yield* sql`
    create table event_archive (
      sequence bigint primary key, subject text not null, headers text not null, data bytea not null, hash bytea not null)`
  yield* sql`create table job_events (sequence bigint primary key)`
  yield* sql`alter table bucket_jobs add tx_hash text, add error jsonb, add idempotency_key_hash text`
})

empty(
  "a migration takes the archive of an earlier release over, and the projector goes on behind it",
  Effect.gen(function*() {
    const sql = yield* SqlClient.SqlClient
    yield* migrate
    const stored = yield* store(created(600))
    const earlier = stored.slice(0, 2_399)
    yield* Projector.apply(earlier)
    yield* beforeSegments
    let hash: Uint8Array = HashChain.genesis
    for (const event of earlier) {
      hash = HashChain.over([event], hash)
      const headers = JSON.stringify(Object.entries(event.headers).toSorted(([a], [b]) => a < b ? -1 : 1))
      yield* sql`
        insert into event_archive (sequence, subject, headers, data, hash)
        values (${event.sequence}, ${event.subject}, ${headers}, ${event.data}, ${hash})`
    }
    yield* migrate
    assert.lengthOf(yield* sql`select 1 from event_segments`, 3)
    yield* assertFolded(earlier)
    yield* Projector.apply(stored)
    yield* assertFolded(stored)
  })
)

/** Jobs as an earlier release wrote them into `bucket_jobs`. */
const earlier = {
  id: jobId(1),
  operation: "bucket.create",
  bucketName: "my-bucket",
  owner,
  tenant: "tenant",
  status: "queued",
  attempts: 0,
  attemptFailed: false,
  createdAt: "2026-01-01T00:00:00.000Z",
  updatedAt: "2026-01-01T00:00:00.000Z"
}
const startedAt = "2026-01-01T00:00:01.000Z"
const error = { category: "network", code: "ChainUnreachable", message: "the chain is away" }
const transactionHash = hash(7)
const result = { bucketId: hash(1), transactionHash, blockNumber: 9, gasUsed: 141_000, adopted: false }
const begun = { ...earlier, status: "processing", attempts: 1, startedAt }

empty(
  "a migration takes the jobs of an earlier release over, whatever their status",
  Effect.gen(function*() {
    const sql = yield* SqlClient.SqlClient
    yield* migrate
    // As it was before that migration.
    yield* sql`alter table bucket_jobs alter column bucket_name set not null`
    yield* sql`delete from schema_migrations where migration_id >= 3`
    yield* sql`drop index buckets_owner, bucket_jobs_owner`
    yield* beforeSegments
    const jobs = [
      earlier,
      begun,
      { ...begun, transactionHash },
      { ...begun, attemptFailed: true, error, retryAt: startedAt },
      { ...begun, status: "completed", transactionHash, result },
      { ...begun, status: "completed", transactionHash, result: { ...result, effectiveGasPrice: "3000000007" } },
      { ...begun, status: "completed", result: { bucketId: hash(1), adopted: true } },
      { ...begun, status: "failed", attemptFailed: true, error },
      { ...earlier, status: "cancelled", error: { ...error, category: "cancelled" } }
    ].map((job, n) => ({ ...job, id: jobId(n) }))
    for (const { bucketName, id, status, ...job } of jobs) {
      yield* sql`
        insert into bucket_jobs (id, operation, bucket_name, owner, status, created_at, updated_at, revision, job)
        values (${id}, ${job.operation}, ${bucketName}, ${owner}, ${status}, ${job.createdAt}, ${job.updatedAt}, 0,
          ${JSON.stringify({ ...job, bucketName, id, status })}::jsonb)`
    }
    yield* migrate
    const rows = yield* sql<{ job: unknown }>`select job from bucket_jobs order by id`
    const read = yield* Registry.of(Registry.kinds).readJobs(rows.map(({ job }) => job))
    assert.deepStrictEqual(read.map(({ status }) => status), jobs.map(({ status }) => status))
    for (const [n, job] of read.entries()) {
      assert.deepInclude(job, { id: jobId(n), tenant: "tenant", request: { name: "my-bucket" } })
      assert.strictEqual(Job.attemptsOf(job), jobs[n]?.attempts)
    }
    const [, , submitted, failed, completed] = read as ReadonlyArray<object>
    assert.deepInclude(submitted, { transactionHash })
    assert.deepInclude(failed, { attemptFailed: true, error })
    assert.deepInclude(completed, { result })
    const spent = yield* sql<{ fees: string; transactions: number }>`
      select fees::text, transactions from bucket_jobs where status = 'completed' order by id`
    assert.deepStrictEqual(spent.map(({ fees, transactions }) => [fees, transactions]), [
      ["0", 1],
      [`${141_000n * 3_000_000_007n}`, 1],
      ["0", 0]
    ])

    // They go on from there.
    const event = Bucket.Event.cases.BucketStarted.make({ jobId: jobId(3), attempt: 2, occurredAt: epoch })
    yield* Projector.apply(yield* store([event]))
    const [{ job } = { job: undefined }] = yield* sql`select job from bucket_jobs where id = ${jobId(3)}`
    assert.deepInclude(job, { attempts: 2, attemptFailed: false, request: { name: "my-bucket" } })
  })
)
