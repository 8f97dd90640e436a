/** The event log and ledgers on a real nats-server, backed up, lost, and restored. */
import * as Log from "@akave-async/domain/Log"
import type { EventLogShape, StoredEvent } from "@akave-async/eventing/EventLog"
import * as EventLogJetStream from "@akave-async/eventing/EventLogJetStream"
import * as HashChain from "@akave-async/eventing/HashChain"
import * as LogEvents from "@akave-async/eventing/LogEvents"
import * as Ports from "@akave-async/local/Ports"
import * as Backup from "@akave-async/operator/Backup"
import * as Restore from "@akave-async/operator/Restore"
import { ReadModelSchema } from "@akave-async/platform/Postgres"
import { migrate } from "@akave-async/read-model/Migrations"
import * as ReadModel from "@akave-async/read-model/ReadModel"
import { onSchema } from "@akave-async/read-model/test/schema"
import { NodeServices } from "@effect/platform-node"
import { assert, it } from "@effect/vitest"
import { jetstreamManager } from "@nats-io/jetstream"
import { ConfigProvider, Duration, Effect, Fiber, Result, Schedule, type Scope, Stream } from "effect"
import { SqlClient } from "effect/sql"
import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { inject } from "vitest"
import * as Nats from "../support/Nats.ts"

const wallet = "0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266"
const ledgerName = `AKAVE_WALLET_${wallet}`
const dedupWindow = Duration.millis(200)
const logOptions = { stream: "AKAVE_EVENTS", prefix: "akave.events", replicas: 1, dedupWindow }
const ledgerOptions = { ...logOptions, stream: ledgerName, prefix: `akave.wallet.${wallet}` }

const quiet = { isOlderTaken: false, onEvents: (_count: number) => {} }
const contentsOf = Effect.fnUntraced(function*(log: EventLogShape, upTo?: number) {
  const last = upTo ?? (yield* log.lastSequence)
  return yield* log.subscribe(1).pipe(Stream.take(last), Stream.runCollect)
})
const encoded = (events: ReadonlyArray<StoredEvent>) => events.map((event) => HashChain.encode(event).toString("hex"))

const bench = Effect.gen(function*() {
  const server = yield* Nats.server
  const folder = yield* Effect.acquireRelease(
    Effect.sync(() => mkdtempSync(join(tmpdir(), "akave-backup-"))),
    (folder) => Effect.sync(() => rmSync(folder, { recursive: true }))
  )
  const settings = (more: Readonly<Record<string, string>> = {}) =>
    ConfigProvider.layer(
      ConfigProvider.fromUnknown({ NATS_URL: server.url, EVENTS_DEDUP_WINDOW: "90 seconds", ...more })
    )
  const inFile = (name: string) => join(folder, name)
  return {
    server,
    folder,
    inFile,
    backup: (name: string, after?: string) =>
      Backup.run({ file: inFile(name), after: after === undefined ? undefined : inFile(after) }).pipe(
        Effect.provide(settings())
      ),
    restore: (
      names: ReadonlyArray<string>,
      options: Partial<typeof quiet> = {},
      more: Readonly<Record<string, string>> = {}
    ) =>
      Restore.run(names.map(inFile), { ...quiet, ...options }).pipe(
        Effect.provide([settings(more), NodeServices.layer])
      ),
    open: (options: EventLogJetStream.CreateOptions) =>
      Effect.flatMap(Nats.connected(server.url), (connection) => EventLogJetStream.open(connection, options)),
    attach: Effect.fnUntraced(function*(options: EventLogJetStream.Options) {
      return yield* EventLogJetStream.attach(yield* Nats.connected(server.url), options)
    }),
    configOf: Effect.fnUntraced(function*(stream: string) {
      const connection = yield* Nats.connected(server.url)
      return (yield* Effect.promise(async () => (await jetstreamManager(connection)).streams.info(stream))).config
    })
  }
})

/** Whatever a log can hold, with the expectations that writers state. */
const awkward = Effect.fnUntraced(function*(log: EventLogShape, ledger: EventLogShape) {
  const revisions = new Map<string, number>()
  const append = Effect.fnUntraced(function*(subject: string, id: string, data: Uint8Array, headers = {}) {
    const event = { id, data, headers: { "ce-id": id, ...headers } }
    const { isDuplicate, sequence } = yield* log.append(subject, { revision: revisions.get(subject) ?? 0 }, event)
    assert.isFalse(isDuplicate)
    revisions.set(subject, sequence)
  })
  yield* append("a.binary", "binary", Uint8Array.from({ length: 256 }, (_, n) => n))
  yield* append("a.empty", "empty", new Uint8Array())
  yield* append("a.text", "text", Buffer.from("\ufeff{\"a\":\"ünï\u2028\u2029\r\n\"}"))
  yield* append("a.headers", "headers", Buffer.from("{}"), { "x-quoted": "\"a\\b\"", "x-unicode": "ünïcödé 🪣 \u2028" })
  yield* append("a.large", "large", new Uint8Array(1_000_000).fill(200))
  yield* append("a.repeated", "repeated", Buffer.from("1"))
  yield* Effect.sleep(Duration.times(dedupWindow, 4))
  yield* append("a.repeated", "repeated", Buffer.from("2"))
  yield* Effect.sleep(Duration.times(dedupWindow, 4))
  yield* append("b.repeated", "repeated", Buffer.from("3"))
  yield* Effect.forEach(
    Array.from({ length: 3_000 }, (_, n) => n),
    (n) => append(`many.${n}`, `many-${n}`, Buffer.from(`{"n":${n},"long":"${"x".repeat(2_000)}"}`)),
    { concurrency: "unbounded" }
  )
  // A group of claims, each but the first of which names the one before it.
  const claim = (n: number) => ({ id: `claim-${n}`, headers: {}, data: Buffer.from(`${n}`) })
  yield* ledger.append("opened", { revision: 0 }, claim(0))
  yield* Effect.forEach(
    [1, 2, 3],
    (n) =>
      ledger.append(
        `job-${n}`,
        { lastSequence: n, lastId: n === 1 ? undefined : `claim-${n - 1}`, revision: 0 },
        claim(n)
      ),
    { concurrency: "unbounded" }
  )
})

const test = (sentence: string, body: Effect.Effect<void, unknown, Scope.Scope>) =>
  it.live(sentence, () => Effect.scoped(body))

test(
  "what was backed up comes back with all that it was, at the same sequences, by a whole file and others that follow on it",
  Effect.gen(function*() {
    const { attach, backup, configOf, folder, inFile, open, restore, server } = yield* bench
    const [log, ledger] = [yield* open(logOptions), yield* open(ledgerOptions)]
    yield* awkward(log, ledger)

    yield* backup("whole")
    yield* log.append("a.later", { revision: 0 }, { id: "later", headers: {}, data: Buffer.from("later") })
    const second = yield* backup("second", "whole")
    assert.deepStrictEqual(second.map(({ events }) => events), [1, 0])
    yield* ledger.append("job-4", { lastSequence: 4 }, { id: "claim-4", headers: {}, data: Buffer.from("4") })
    const third = yield* backup("third", "second")
    assert.deepStrictEqual(third.map(({ events }) => events), [0, 1])
    const [before, beforeLedger] = [yield* contentsOf(log), yield* contentsOf(ledger)]
    assert.deepStrictEqual(readdirSync(folder).toSorted(), ["second", "third", "whole"])
    assert.match((yield* Effect.flip(backup("whole"))).message, /whole exists, and stays as it is: name another file$/)

    yield* server.startEmpty
    const files = ["whole", "second", "third"]
    assert.match(
      (yield* Effect.flip(restore(["second"]))).message,
      /begins with event 3009 of AKAVE_EVENTS: name the files/
    )
    assert.deepStrictEqual(yield* Nats.streamsOn(server.url), [])
    const restored = yield* restore(files)
    assert.deepStrictEqual(
      restored.streams.map(({ events, found, stream }) => [stream, events, found]),
      [["AKAVE_EVENTS", before.length, 0], [ledgerName, 5, 0]]
    )
    assert.strictEqual(restored.restoration, 1)
    assert.match(restored.next.join("\n"), new RegExp(`ledger renew ${wallet}`))
    const verified = yield* Backup.verify(files.map(inFile))
    assert.deepStrictEqual(restored.streams.map(({ hash }) => hash), verified.map(({ hash }) => hash))

    const again = yield* attach(logOptions)
    assert.deepStrictEqual(encoded(yield* contentsOf(again, before.length)), encoded(before))
    const ledgerAgain = yield* attach({ ...ledgerOptions, isRestoring: true })
    assert.deepStrictEqual(encoded(yield* contentsOf(ledgerAgain)), encoded(beforeLedger))
    const { state } = yield* LogEvents.load(again, Log.subject("LogRestored"))
    assert.deepInclude(state, { lastSequence: before.length, restoration: 1, from: "backup" })
    assert.strictEqual(yield* again.lastSequence, before.length + 1)
    const config = yield* configOf("AKAVE_EVENTS")
    assert.deepInclude(config, { duplicate_window: 90e9, deny_delete: true, deny_purge: false, allow_direct: true })
    assert.deepInclude(yield* configOf(ledgerName), { deny_delete: true, deny_purge: true })
    // A ledger that was restored is used by nobody before its wallet's renewal.
    const unused = yield* Effect.flip(Effect.flatMap(attach(ledgerOptions), ({ lastSequence }) => lastSequence))
    assert.match(unused.message, new RegExp(`${ledgerName} is not in use: .* run akave-async ledger renew ${wallet}$`))

    // What is there now is the log of a file no more.
    assert.match(
      (yield* Effect.flip(restore(files))).message,
      /has 3010 events, more than the 3009 that would be restored/
    )
    yield* backup("fourth", "third")
    assert.strictEqual((yield* Backup.verify([...files, "fourth"].map(inFile))).length, 2)
  })
)

test(
  "a restore that is killed is completed by another one, and the services wait for it",
  Effect.gen(function*() {
    const { attach, backup, open, restore, server } = yield* bench
    const [log, ledger] = [yield* open(logOptions), yield* open(ledgerOptions)]
    yield* awkward(log, ledger)
    const before = yield* contentsOf(log)
    yield* backup("whole")
    yield* server.startEmpty

    let stored = 0
    const killed = yield* Effect.forkChild(restore(["whole"], {
      onEvents: (count: number) => {
        stored += count
        if (stored >= 1_000) killed.interruptUnsafe()
      }
    }))
    assert.strictEqual((yield* Fiber.await(killed))._tag, "Failure")
    const away = yield* Effect.flip(Effect.flatMap(attach(logOptions), ({ lastSequence }) => lastSequence))
    assert.strictEqual(away.message, "The event log AKAVE_EVENTS is not in use: it is being restored")
    const waiting = yield* attach(logOptions)
    const [{ found = 0, events = 0 } = {}] = (yield* restore(["whole"])).streams
    assert.isAbove(found, 0)
    assert.isBelow(found, events)
    assert.strictEqual(yield* waiting.lastSequence, before.length + 1)
    assert.deepStrictEqual(encoded(yield* contentsOf(waiting, before.length)), encoded(before))
  })
)

test(
  "nothing is restored over what is there, or written for a log that is another one, and the sentence says what to do",
  Effect.gen(function*() {
    const { backup, folder, inFile, open, restore, server } = yield* bench
    const event = (id: string) => ({ id, headers: {}, data: Buffer.from(id) })
    const log = yield* open(logOptions)
    for (const id of ["1", "2"]) yield* log.append(`s.${id}`, { revision: 0 }, event(id))
    yield* backup("two")
    yield* log.append("s.3", { revision: 0 }, event("3"))
    const refused = (restored: Effect.Effect<unknown, { readonly message: string }, Scope.Scope>) =>
      Effect.map(Effect.flip(restored), ({ message }) => message)
    assert.strictEqual(
      yield* refused(restore(["two"])),
      "The stream AKAVE_EVENTS is there, and has 3 events, more than the 2 that would be restored. It stays as it is. "
        + "If it is not what you want, stop the services, delete it (nats stream rm AKAVE_EVENTS) and restore again"
    )
    assert.match(yield* refused(restore(["none"])), /none can't be used: there is no such file$/)
    assert.match(
      yield* refused(restore(["two"], {}, { EVENTS_STREAM: "OTHER" })),
      /^The events are those of the stream AKAVE_EVENTS, and EVENTS_STREAM names OTHER: set it to AKAVE_EVENTS/
    )

    yield* server.startEmpty
    const other = yield* open(logOptions)
    yield* other.append("s.1", { revision: 0 }, event("another"))
    assert.match(yield* refused(restore(["two"])), /its 1 events are others than would be restored\. It stays as it is/)
    assert.match(
      yield* refused(backup("other", "two")),
      /AKAVE_EVENTS ends at event 1, and .*two has its events up to 2/
    )
    yield* other.append("s.2", { revision: 0 }, event("another second"))
    assert.match(
      yield* refused(backup("other", "two")),
      /Event 2 of AKAVE_EVENTS is another than in .*two: take a whole/
    )
    assert.isFalse(existsSync(inFile("other")))
    assert.deepStrictEqual(readdirSync(folder), ["two"])
    assert.strictEqual(yield* other.lastSequence, 2)
  })
)

test(
  "a backup is of the log as it was when it was begun, while it grows",
  Effect.gen(function*() {
    const { backup, inFile, open } = yield* bench
    const log = yield* open(logOptions)
    let count = 0
    const writing = yield* Effect.suspend(() => {
      const id = `${++count}`
      return log.append(`s.${id}`, { revision: 0 }, { id, headers: {}, data: Buffer.from(id) })
    }).pipe(Effect.repeat(Schedule.forever), Effect.forkChild)
    yield* Effect.repeat(Effect.sync(() => count), {
      until: (count) => count > 500,
      schedule: Schedule.spaced("5 millis")
    })
    const [written = { events: 0 }] = yield* backup("grown")
    yield* Fiber.interrupt(writing)
    const [verified] = yield* Backup.verify([inFile("grown")])
    assert.strictEqual(verified?.events, written.events)
    assert.isAtLeast(written.events, 499)
    const events = yield* contentsOf(log, written.events)
    assert.strictEqual(verified?.hash, Buffer.from(HashChain.over(events)).toString("hex"))
    assert.isTrue(Result.isSuccess(yield* Effect.result(backup("next", "grown"))))
  })
)

onSchema(
  "backup",
  "a lost log comes back from the archive, or from a file that has no less; an archive that was changed restores nothing",
  Effect.gen(function*() {
    const { attach, backup, open, restore, server } = yield* bench
    const sql = yield* SqlClient.SqlClient
    const schema = yield* ReadModelSchema
    const settings = { DATABASE_URL: inject("databaseUrl"), READ_MODEL_SCHEMA: schema }
    const refused = (names: ReadonlyArray<string>, more = settings) =>
      Effect.map(Effect.flip(restore(names, {}, more)), ({ message }) => message)
    const [log, ledger] = [yield* open(logOptions), yield* open(ledgerOptions)]
    yield* awkward(log, ledger)
    yield* backup("older")
    const later = { id: "later", headers: {}, data: Buffer.from("later") }
    const { sequence: last } = yield* log.append("a.later", { revision: 0 }, later)
    const before = yield* contentsOf(log)
    yield* migrate
    yield* ReadModel.apply(before.slice(0, 1_000))
    yield* ReadModel.apply(before.slice(1_000))
    yield* server.startEmpty

    assert.strictEqual(
      yield* refused(["older"]),
      `The read model has applied ${last} events, and the files end with event ${
        last - 1
      }. Restore the log by akave-async `
        + "restore --from-archive, which keeps all that was applied; to go on with the files all the same, give --lose-newer"
    )
    const away = `postgres://akave@127.0.0.1:${yield* Ports.free}/akave`
    assert.match(
      yield* refused(["older"], { ...settings, DATABASE_URL: away }),
      /^The read model of DATABASE_URL can't be asked how far it is: .*give --lose-newer if it is lost as well$/s
    )
    yield* sql`update projection_checkpoint set hash = ${Buffer.alloc(32)}`
    assert.match(yield* refused([]), /^The archive was changed: its hash chain does not end with the hash/)
    yield* sql`update projection_checkpoint set hash = ${HashChain.over(before)}, sequence = sequence + 1`
    assert.match(
      yield* refused([]),
      new RegExp(`^The archive ends at event ${last}, and the read model's checkpoint at event`)
    )
    yield* sql`update projection_checkpoint set sequence = sequence - 1`
    assert.deepStrictEqual(yield* Nats.streamsOn(server.url), [])

    const restored = yield* restore([], {}, settings)
    assert.deepStrictEqual(restored.streams.map(({ events, stream }) => [stream, events]), [["AKAVE_EVENTS", last]])
    const again = yield* attach(logOptions)
    assert.deepStrictEqual(encoded(yield* contentsOf(again, last)), encoded(before))
    const { state } = yield* LogEvents.load(again, Log.subject("LogRestored"))
    assert.deepInclude(state, { lastSequence: last, from: "archive" })

    yield* Nats.deleteStream(server.url, "AKAVE_EVENTS")
    const { next, restoration } = yield* restore(["older"], { isOlderTaken: true }, settings)
    assert.strictEqual(restoration, 1)
    assert.include(
      next.join("\n"),
      `The read model has applied ${last} events, and the files end with event ${last - 1}: run akave-async rebuild`
    )
  })
)
