import * as Log from "@akave-async/domain/Log"
import * as Checkpoints from "@akave-async/eventing/Checkpoints"
import { EventLog, type EventLogShape, type StoredEvent } from "@akave-async/eventing/EventLog"
import * as EventLogJetStream from "@akave-async/eventing/EventLogJetStream"
import * as HashChain from "@akave-async/eventing/HashChain"
import * as Segment from "@akave-async/eventing/Segment"
import { readModelTable } from "@akave-async/platform/Postgres"
import * as Archive from "@akave-async/read-model/Archive"
import { checkpoint } from "@akave-async/read-model/Checkpoint"
import { migrate } from "@akave-async/read-model/Migrations"
import * as ReadModel from "@akave-async/read-model/ReadModel"
import { onSchema } from "@akave-async/read-model/test/schema"
import { assert } from "@effect/vitest"
import { jetstream } from "@nats-io/jetstream"
import { connect, headers as makeHeaders } from "@nats-io/transport-node"
import { DateTime, Duration, Effect, Option, Stream } from "effect"
import { SqlClient } from "effect/sql"
import { createPublicKey, generateKeyPairSync } from "node:crypto"
import { inject } from "vitest"
import * as Stores from "../../src/audit/Stores.ts"
import * as Changes from "./Changes.ts"

const { privateKey } = generateKeyPairSync("ed25519")
const publicKey = Buffer.from(createPublicKey(privateKey).export({ format: "jwk" }).x ?? "", "base64url").toString(
  "base64"
)
const key = { privateKey, publicKey }

/** Has the read model apply all that the log has. */
const project = Effect.fnUntraced(function*(log: EventLogShape, size: number) {
  const { sequence } = yield* checkpoint()
  const last = yield* log.lastSequence
  if (last === sequence) return
  const events = yield* log.subscribe(sequence + 1).pipe(Stream.take(last - sequence), Stream.runCollect)
  for (let at = 0; at < events.length; at += size) yield* ReadModel.apply(events.slice(at, at + size))
})

/** A log whose archive is as it is, up to a signed checkpoint and a little further. */
const fill = Effect.fnUntraced(function*(log: EventLogShape) {
  for (const { data, headers, subject } of Changes.logOf(50)) {
    const { "nats-msg-id": id = "", ...rest } = headers
    const revision = Option.match(yield* log.last(subject), { onNone: () => 0, onSome: ({ sequence }) => sequence })
    yield* log.append(subject, { revision }, { id, data, headers: rest })
  }
  yield* project(log, 10)
  yield* Checkpoints.record(log, key, yield* checkpoint(), "/test")
  yield* project(log, 10)
})

const audit = (log: EventLogShape, options: Stores.Options = {}) =>
  Effect.provideService(Stores.audit(options), EventLog, log)
const sentences = (log: EventLogShape, options?: Stores.Options) => Effect.map(audit(log, options), Stores.sentencesOf)

/** Changes the segment of the archive that has an event. */
const changeSegment = Effect.fnUntraced(function*(
  sequence: number,
  change: (events: ReadonlyArray<StoredEvent>) => ReadonlyArray<StoredEvent>
) {
  const sql = yield* SqlClient.SqlClient
  const table = yield* readModelTable
  const [segment] = yield* Stream.runCollect(Archive.segments(sequence, sequence))
  const row = yield* Effect.fromNullishOr(segment)
  const events = change(yield* Archive.unpack(row))
  const packed = yield* Effect.promise(() => Segment.pack(events.map(HashChain.encode)))
  yield* sql`update ${table("event_segments")} set events = ${packed} where first_sequence = ${row.firstSequence}`
})

let streams = 0
/** A log on the real server, which can be made again with other events. */
const realLog = Effect.gen(function*() {
  const connection = yield* Effect.acquireRelease(
    Effect.promise(() => connect({ servers: inject("natsUrl") })),
    (connection) => Effect.promise(() => connection.close())
  )
  const id = `AUDIT_${process.pid}_${++streams}`
  const options = { stream: id, prefix: id.toLowerCase(), replicas: 1, dedupWindow: Duration.minutes(2) }
  const log = yield* EventLogJetStream.open(connection, options)
  /** The events of the log, changed, as a log that was made anew from them. */
  const remade = Effect.fnUntraced(
    function*(change: (events: ReadonlyArray<StoredEvent>) => ReadonlyArray<StoredEvent>) {
      const last = yield* log.lastSequence
      const events = change(yield* log.subscribe(1).pipe(Stream.take(last), Stream.runCollect))
      const other = { ...options, stream: `${id}_2`, prefix: `${id.toLowerCase()}_2` }
      yield* EventLogJetStream.create(connection, other)
      for (const { data, headers, subject } of events) {
        const copied = makeHeaders()
        // Only what the server looks at is written as it writes it; the name of the stream is another one here.
        for (const [name, value] of Object.entries(headers)) copied.set(name, value)
        yield* Effect.promise(() =>
          jetstream(connection).publish(`${other.prefix}.${subject}`, data, { headers: copied })
        )
      }
      return yield* EventLogJetStream.attach(connection, other)
    }
  )
  return { log, remade }
})

const test = (sentence: string, body: Parameters<typeof onSchema>[2]) =>
  onSchema("audit", sentence, Effect.andThen(migrate, body))

test(
  "a log and its archive that are as they were written give no finding, and the checkpoint that was signed is confirmed",
  Effect.gen(function*() {
    const { log } = yield* realLog
    yield* fill(log)
    const audited = yield* audit(log, { publicKey })
    assert.deepStrictEqual(Stores.sentencesOf(audited), [])
    assert.deepStrictEqual(
      [audited.same, audited.lastSequence, audited.checkpointsConfirmed, audited.signedUpTo, audited.notArchivedYet],
      [51, 51, 1, 50, 0]
    )
    assert.deepStrictEqual(audited.keys, { [publicKey]: 1 })
    yield* log.append("later", { revision: 0 }, { id: "later", headers: {}, data: new Uint8Array() })
    assert.strictEqual((yield* audit(log)).notArchivedYet, 1)
  })
)

test(
  "what is changed in Postgres is named",
  Effect.gen(function*() {
    const { log } = yield* realLog
    yield* fill(log)
    yield* changeSegment(
      13,
      (events) => events.map((one) => one.sequence === 13 ? { ...one, data: Buffer.from("{}") } : one)
    )
    yield* changeSegment(25, (events) => events.filter(({ sequence }) => sequence !== 25))
    const name = (n: number) => `event ${n} (akave.BucketRequested.v1, event-${n})`
    const expected = [
      `${name(13)} has another data in the log than in the archive; the archive was changed`,
      `${name(25)} is missing in the archive`
    ]
    assert.deepStrictEqual(yield* sentences(log), expected)
    const sql = yield* SqlClient.SqlClient
    const table = yield* readModelTable
    yield* sql`update ${table("event_segments")} set events = ${Buffer.from("garbage")} where first_sequence = 31`
    const [unreadable, ...others] = yield* sentences(log)
    assert.match(unreadable ?? "", /^the archive's segment of the events 31 to 40 can't be read: /)
    assert.deepStrictEqual(others, expected)
    yield* sql`delete from ${table("event_segments")} where first_sequence = 31`
    assert.deepStrictEqual(
      (yield* sentences(log)).filter((one) => one.endsWith("is missing in the archive")).length,
      11
    )
  })
)

test(
  "what is changed in JetStream is named",
  Effect.gen(function*() {
    const { log, remade } = yield* realLog
    yield* fill(log)
    const name = (n: number) => `event ${n} (akave.BucketRequested.v1, event-${n})`
    const changed = yield* remade((events) =>
      events.filter(({ sequence }) => sequence !== 17).map((one) =>
        one.sequence === 40 ? { ...one, headers: { ...one.headers, "ce-type": "akave.BucketCreated.v1" } } : one
      )
    )
    assert.deepStrictEqual(yield* sentences(changed), [
      `${name(17)} is missing in the event log`,
      "the log's events 17 to 50 have sequences in the archive that are 1 higher; the event log was changed",
      "event 39 (akave.BucketCreated.v1, event-40) was added to the event log",
      `${name(40)} is missing in the event log`
    ])
  })
)

test(
  "a log that was changed and an archive that was changed in the same way don't fit the checkpoint",
  Effect.gen(function*() {
    const { log, remade } = yield* realLog
    yield* fill(log)
    const change = (events: ReadonlyArray<StoredEvent>) =>
      events.map((one) => one.sequence === 33 ? { ...one, data: Buffer.from("{}") } : one)
    yield* changeSegment(33, change)
    const found = yield* sentences(yield* remade(change))
    assert.strictEqual(found.length, 1)
    assert.match(found[0] ?? "", /^log and archive hold the same events 1 to 50, and not those of the checkpoint of /)
  })
)

test(
  "a checkpoint counts only where its key has signed it, and is the one to trust",
  Effect.gen(function*() {
    const { log } = yield* realLog
    yield* fill(log)
    const stranger = Buffer.alloc(32, 7).toString("base64")
    assert.match((yield* sentences(log, { publicKey: stranger }))[0] ?? "", /that key is not the one to trust$/)
    const [signed] = Stores.checkpointsIn((yield* log.read(Log.subject("CheckpointSigned"))).events)
    const forged = { ...signed as Log.CheckpointSigned, hash: "0".repeat(64) }
    assert.match((yield* sentences(log, { checkpoints: [forged] }))[0] ?? "", /the signature is not that key's$/)
  })
)

test(
  "what an exported checkpoint covers is missed where both stores were cut short",
  Effect.gen(function*() {
    const { log } = yield* realLog
    yield* fill(log)
    const exported = Checkpoints.sign(key, { sequence: 60, hash: HashChain.genesis }, yield* DateTime.now)
    assert.match(
      (yield* sentences(log, { checkpoints: [exported] }))[0] ?? "",
      /^log and archive end at event 51, before the checkpoint of .* \(event 60\)$/
    )
  })
)
