/** Parts of the log read once more, and what may be taken out of it, on real servers. */
import { BucketName } from "@akave-async/domain/BucketName"
import * as Checkpoints from "@akave-async/eventing/Checkpoints"
import { EventLog, type StoredEvent } from "@akave-async/eventing/EventLog"
import * as EventLogJetStream from "@akave-async/eventing/EventLogJetStream"
import * as LogEvents from "@akave-async/eventing/LogEvents"
import * as Audit from "@akave-async/operator/Audit"
import * as Replay from "@akave-async/operator/Replay"
import * as Retention from "@akave-async/operator/Retention"
import { Nats } from "@akave-async/platform/Nats"
import type * as Postgres from "@akave-async/platform/Postgres"
import { readModelTable } from "@akave-async/platform/Postgres"
import * as Checkpoint from "@akave-async/read-model/Checkpoint"
import { migrate } from "@akave-async/read-model/Migrations"
import * as ReadModel from "@akave-async/read-model/ReadModel"
import { onSchema } from "@akave-async/read-model/test/schema"
import { assert } from "@effect/vitest"
import { ConfigProvider, DateTime, Duration, Effect, Layer, type Scope, Stream } from "effect"
import { SqlClient } from "effect/sql"
import { generateKeyPairSync } from "node:crypto"
import { existsSync, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { inject } from "vitest"
import * as History from "../bench/History.ts"
import * as Cancelled from "../support/Cancelled.ts"

type Needs = Postgres.Database | EventLog | Nats | Scope.Scope

let streams = 0
/** A log with three buckets, of four events each, and two jobs that were cancelled, of two each; and its read model. */
const test = (sentence: string, body: (stream: EventLogJetStream.Options) => Effect.Effect<void, unknown, Needs>) =>
  onSchema(
    "replay",
    sentence,
    Effect.gen(function*() {
      yield* migrate
      const name = `REPLAY_${process.pid}_${++streams}`
      const stream = { stream: name, prefix: name.toLowerCase() }
      const settings = ConfigProvider.layer(ConfigProvider.fromUnknown({
        NATS_URL: inject("natsUrl"),
        DATABASE_URL: inject("databaseUrl"),
        EVENTS_STREAM: stream.stream,
        EVENTS_PREFIX: stream.prefix
      }))
      yield* Effect.gen(function*() {
        const connection = yield* Nats
        const dedupWindow = Duration.minutes(2)
        yield* EventLogJetStream.create(connection, { ...stream, replicas: 1, dedupWindow, isPurgeable: true })
        yield* History.publish(connection, stream, 3)
        const log = yield* EventLogJetStream.attach(connection, stream)
        yield* Cancelled.append(log, 2)
        yield* project.pipe(Effect.provideService(EventLog, log))
        yield* body(stream).pipe(Effect.provideService(EventLog, log))
      }).pipe(Effect.provide(Layer.merge(Nats.layerConfig("test").pipe(Layer.provide(settings)), settings)))
    })
  )

/** Has the read model apply all that the log has. */
const project = Effect.gen(function*() {
  const log = yield* EventLog
  const { sequence } = yield* Checkpoint.checkpoint()
  const last = yield* log.lastSequence
  if (last === sequence) return
  yield* ReadModel.apply(yield* log.subscribe(sequence + 1).pipe(Stream.take(last - sequence), Stream.runCollect))
})

const { privateKey } = generateKeyPairSync("ed25519")
/** Signs what the log holds, and has the read model apply that too. */
const sign = Effect.gen(function*() {
  yield* Checkpoints.record(
    yield* EventLog,
    { privateKey, publicKey: publicKeyOf() },
    yield* Checkpoint.checkpoint(),
    "/test"
  )
  yield* project
})
const publicKeyOf = () => Buffer.from(privateKey.export({ format: "jwk" }).x ?? "", "base64url").toString("base64")

const replayed = (options: Replay.Options) =>
  Effect.flatMap(Replay.events(options), ({ events }) => Stream.runCollect(events))
const sequencesOf = (events: ReadonlyArray<StoredEvent>) => events.map(({ sequence }) => sequence)

test("a replay has the events that are asked for, in their order", () =>
  Effect.gen(function*() {
    const all = yield* replayed({})
    assert.deepStrictEqual(sequencesOf(all), Array.from({ length: 16 }, (_, n) => n + 1))
    assert.deepStrictEqual(sequencesOf(yield* replayed({ from: 3, to: 5 })), [3, 4, 5])
    assert.deepStrictEqual(sequencesOf(yield* replayed({ from: 15, to: 99 })), [15, 16])
    const [first] = all
    const job = first?.headers["ce-correlationid"] ?? ""
    assert.deepStrictEqual(yield* replayed({ job }), all.filter(({ headers }) => headers["ce-correlationid"] === job))
    const bucket = BucketName.make(first?.subject.split(".")[2] ?? "")
    assert.deepStrictEqual(yield* replayed({ bucket }), all.filter(({ subject }) => subject === first?.subject))
    const types = ["akave.BucketCreated.v1", "akave.BucketCancelled.v1"]
    assert.strictEqual((yield* replayed({ types })).length, 5)
    assert.deepStrictEqual(yield* replayed({ account: "nobody" }), [])
    const time = DateTime.makeUnsafe(all[12]?.headers["ce-time"] ?? "")
    const since = yield* replayed({ since: time })
    const until = yield* replayed({ until: time })
    assert.deepStrictEqual([...until, ...since].toSorted((a, b) => a.sequence - b.sequence), all)
    assert.isTrue(sequencesOf(since).includes(13))
    assert.deepStrictEqual(sequencesOf(yield* replayed({ from: 1, to: 4, rate: 1_000 })), [1, 2, 3, 4])
    assert.match(
      (yield* Effect.flip(replayed({ from: 17 }))).message,
      /^The log ends at event 16: begin there or before$/
    )
  }))

test("a replay into another stream keeps subjects, ids and data, and changes nothing of the log", ({ prefix, stream }) =>
  Effect.gen(function*() {
    const log = yield* EventLog
    const all = yield* replayed({})
    const target = { stream: `${stream}_STAGING`, prefix: `${prefix}_staging` }
    assert.strictEqual(yield* Replay.into(target, Stream.fromIterable(all.slice(4))), 12)
    const copy = yield* EventLogJetStream.attach(yield* Nats, target)
    const copied = yield* copy.subscribe(1).pipe(Stream.take(12), Stream.runCollect)
    const contentOf = ({ data, headers, subject }: StoredEvent) => [subject, headers["nats-msg-id"], data.toString()]
    assert.deepStrictEqual(copied.map(contentOf), all.slice(4).map(contentOf))
    assert.strictEqual(yield* log.lastSequence, 16)
    // Once more within a moment stores nothing twice.
    yield* Replay.into(target, Stream.fromIterable(all.slice(4)))
    assert.strictEqual(yield* copy.lastSequence, 12)

    const refused = (target: EventLogJetStream.Options) =>
      Effect.map(Effect.flip(Replay.into(target, Stream.empty)), ({ message }) => message)
    assert.match(yield* refused({ stream, prefix: "elsewhere" }), /is in use by this deployment: name another stream$/)
    assert.match(yield* refused({ stream: "AKAVE_WALLET_0x1", prefix: "elsewhere" }), /is in use by this deployment/)
    for (const taken of [prefix, `${prefix}.below`, "akave", "akave.wallet.0x1"]) {
      assert.match(
        yield* refused({ stream: `${stream}_X`, prefix: taken }),
        /are those of this deployment: name another/
      )
    }
    assert.match(
      yield* refused({ ...target, prefix: "elsewhere" }),
      /is there, and takes .*_staging\.>: name its prefix/
    )
  }))

test("what has ended is taken out once a checkpoint and a file have it, and the rest stays", () =>
  Effect.gen(function*() {
    const log = yield* EventLog
    const folder = mkdtempSync(join(tmpdir(), "archive-"))
    yield* Effect.addFinalizer(() => Effect.sync(() => rmSync(folder, { recursive: true })))
    const file = join(folder, "archive.ndjson.gz")
    const options = {
      file,
      before: DateTime.add(yield* DateTime.now, { minutes: 1 }),
      isTrial: false,
      onStep: () => {}
    }
    assert.match(
      (yield* Effect.flip(Retention.run(options))).message,
      /^No signed checkpoint covers the log: run checkpoint create first$/
    )
    yield* sign
    const early = { ...options, before: DateTime.makeUnsafe(0) }
    assert.deepStrictEqual(yield* Retention.run(early), { up_to: 16, aggregates: 0, events: 0, file: null })
    assert.deepStrictEqual(yield* Retention.run({ ...options, isTrial: true }), {
      up_to: 16,
      aggregates: 2,
      events: 4,
      file: null
    })
    assert.isFalse(existsSync(file))
    assert.deepStrictEqual(yield* Retention.run(options), { up_to: 16, aggregates: 2, events: 4, file })
    assert.deepStrictEqual(
      sequencesOf(yield* log.page(">", 1, 100)),
      [...Array.from({ length: 12 }, (_, n) => n + 1), 17, 18]
    )
    assert.strictEqual(yield* LogEvents.archivedUpTo(log), 16)
    yield* project
    // Who reads the past does not notice, and the audit has nothing to say.
    const { checked, findings } = yield* Audit.log({})
    assert.deepStrictEqual(findings, [])
    assert.match(checked, /^14 events are the same in the event log and in the archive, up to event 18; /)
    assert.strictEqual((yield* Checkpoint.verified).sequence, 18)
    assert.deepStrictEqual(yield* Retention.run(options), { up_to: 16, aggregates: 0, events: 0, file: null })
  }))

test("nothing is taken out of a log that is not as it was written, or of a stream that can give up nothing", () =>
  Effect.gen(function*() {
    yield* sign
    const sql = yield* SqlClient.SqlClient
    const table = yield* readModelTable
    yield* sql`delete from ${table("event_segments")} where first_sequence = 1`
    const options = { file: "/nowhere/file", before: yield* DateTime.now, isTrial: true, onStep: () => {} }
    assert.match(
      (yield* Effect.flip(Retention.run(options))).message,
      /^Log and archive are not as they should be: run audit first\. event 1 .* is missing in the archive$/
    )
    const { prefix, stream } = yield* EventLogJetStream.eventsConfig
    const other = { stream: `${stream}_OLD`, prefix: `${prefix}_old` }
    yield* EventLogJetStream.create(yield* Nats, { ...other, replicas: 1, dedupWindow: Duration.minutes(2) })
    const error = yield* Effect.flip(
      Retention.run(options).pipe(
        Effect.provide(ConfigProvider.layer(ConfigProvider.fromUnknown({ EVENTS_STREAM: other.stream })))
      )
    )
    assert.match(error.message, /_OLD was made so that nothing can be taken out of it \(deny_purge\)/)
  }))

test("a row of the read model that does not follow from the log is named, and so is one that is missing", () =>
  Effect.gen(function*() {
    const sql = yield* SqlClient.SqlClient
    const table = yield* readModelTable
    assert.deepStrictEqual((yield* Audit.readModel).findings, [])
    const [job] = yield* sql<{ id: string }>`
      update ${table("bucket_jobs")} set status = 'failed'
      where id = (select id from ${table("bucket_jobs")} order by id limit 1) returning id`
    yield* sql`delete from ${table("buckets")} where name = (select min(name) from ${table("buckets")})`
    const { findings } = yield* Audit.readModel
    assert.strictEqual(findings.length, 2)
    assert.strictEqual(
      findings[0],
      `bucket_jobs ${job?.id} is not what follows from the log: status is "failed", and has to be "cancelled"`
    )
    assert.match(findings[1] ?? "", /^buckets 0x\w+ bench-\S+ is missing in the read model$/)
    // The schema that it was compared with is gone, so that it can be compared again.
    assert.strictEqual((yield* Audit.readModel).findings.length, 2)
  }))
