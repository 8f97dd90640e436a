/** The read model rebuilt while a projector runs and events come, and the state as of an event. */
import * as Bucket from "@akave-async/domain/Bucket"
import { BucketName } from "@akave-async/domain/BucketName"
import { Address, BucketId } from "@akave-async/domain/Ethereum"
import * as Job from "@akave-async/domain/Job"
import * as Log from "@akave-async/domain/Log"
import * as BucketEvents from "@akave-async/eventing/BucketEvents"
import { EventLog, type EventLogShape } from "@akave-async/eventing/EventLog"
import * as EventLogJetStream from "@akave-async/eventing/EventLogJetStream"
import * as EventLogMemory from "@akave-async/eventing/EventLogMemory"
import * as LogEvents from "@akave-async/eventing/LogEvents"
import * as Rebuild from "@akave-async/operator/Rebuild"
import * as Postgres from "@akave-async/platform/Postgres"
import * as Projector from "@akave-async/projector/Projector"
import { checkpoint } from "@akave-async/read-model/Checkpoint"
import * as Dump from "@akave-async/read-model/Dump"
import { migrate } from "@akave-async/read-model/Migrations"
import * as ReadModel from "@akave-async/read-model/ReadModel"
import { assert, describe, it } from "@effect/vitest"
import { connect } from "@nats-io/transport-node"
import { DateTime, Deferred, Duration, Effect, Fiber, Layer, Option, Schedule, type Scope, Stream } from "effect"
import { SqlClient } from "effect/sql"
import { inject } from "vitest"
import * as History from "../bench/History.ts"
import * as Kills from "../rebuild/Kills.ts"
import * as Nats from "../support/Nats.ts"
import * as PostgresServer from "../support/Postgres.ts"

const { ReadModelSchema } = Postgres

let schemas = 0
/** A log of its own, with so many jobs of four events each, and a schema of its own. */
const made = Effect.fnUntraced(function*(jobs: number, url = inject("natsUrl")) {
  const name = `REBUILD_${process.pid}_${++schemas}`
  const stream = { stream: name, prefix: name.toLowerCase() }
  const connection = yield* Effect.acquireRelease(
    Effect.promise(() => connect({ servers: url })),
    (connection) => Effect.promise(() => connection.close())
  )
  yield* EventLogJetStream.create(connection, { ...stream, replicas: 1, dedupWindow: Duration.minutes(2) })
  yield* History.publish(connection, stream, jobs)
  const log = yield* EventLogJetStream.attach(connection, stream)
  return { connection, log, schema: name.toLowerCase(), stream }
})

/** All schemas of a test go with it. */
const onDatabase = Effect.fnUntraced(function*<A, E>(
  schema: string,
  log: EventLogShape,
  body: Effect.Effect<A, E, Postgres.Database | EventLog | Scope.Scope>,
  url = inject("databaseUrl")
) {
  const context = yield* Layer.build(PostgresServer.database(url, schema, { maxConnections: 10 }))
  yield* Effect.addFinalizer(() => Effect.ignore(Effect.provideContext(dropAll(schema), context)))
  return yield* body.pipe(Effect.provideService(EventLog, log), Effect.provideContext(context))
})
const dropAll = Effect.fnUntraced(function*(schema: string) {
  const sql = yield* SqlClient.SqlClient
  const found = yield* sql<{ name: string }>`
    select nspname as name from pg_namespace where nspname = ${schema} or nspname like ${`${schema}\\_%`}`
  for (const { name } of found) yield* sql`drop schema ${sql(name)} cascade`
})

const test = (
  sentence: string,
  jobs: number,
  body: (mine: Effect.Success<ReturnType<typeof made>>) => Effect.Effect<
    void,
    unknown,
    Postgres.Database | EventLog | Scope.Scope
  >
) =>
  it.live(sentence, () =>
    Effect.gen(function*() {
      const mine = yield* made(jobs)
      yield* onDatabase(mine.schema, mine.log, body(mine))
    }).pipe(Effect.scoped))

const quietly = { isBuiltOnly: false, isForced: false, report: () => Effect.void }
const run = (options: Partial<Parameters<typeof Rebuild.run>[1]> = {}) =>
  Effect.flatMap(Rebuild.source, (source) => Rebuild.run(source, { ...quietly, ...options }))
const asOf = (until: number, schema: Option.Option<string> = Option.none()) =>
  Effect.flatMap(Rebuild.source, (source) => Rebuild.asOf(source, { until, schema, report: () => Effect.void }))
const digestOf = (schema: string) => Dump.digest(Dump.rows(schema))
const on = (schema: string) => <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.provideService(effect, ReadModelSchema, schema)

/** The read model as a projector makes it of the events up to one, in runs of such a size. */
const projected = Effect.fnUntraced(function*(schema: string, until: number, size: number) {
  const log = yield* EventLog
  const events = yield* log.subscribe(1).pipe(Stream.take(until), Stream.runCollect)
  yield* Effect.gen(function*() {
    yield* migrate
    for (let from = 0; from < until; from += size) yield* ReadModel.apply(events.slice(from, from + size))
  }).pipe(on(schema))
})
const reached = (sequence: number) =>
  Effect.repeat(checkpoint(), {
    until: (standing) => standing.sequence >= sequence,
    schedule: Schedule.spaced("20 millis")
  })
/** Tries again until it succeeds: what is waited for is there then. */
const eventually = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.retry(effect, Schedule.spaced("20 millis"))

describe("a rebuild", () => {
  test(
    "makes a read model where there is none, equal to a projector's, and leaves nothing else",
    300,
    ({ schema }) =>
      Effect.gen(function*() {
        const sql = yield* SqlClient.SqlClient
        const rebuilt = yield* run()
        assert.deepInclude(rebuilt, { schema, sequence: 1200, switched: true, before: null })
        yield* projected(`${schema}_model`, 1200, 7)
        assert.deepStrictEqual(yield* digestOf(schema), yield* digestOf(`${schema}_model`))
        assert.deepStrictEqual(yield* Rebuild.list, [])
        const indexes = (name: string) =>
          sql`select replace(indexdef, ${name}, 'x') as index from pg_indexes where schemaname = ${name} order by indexname`
        assert.deepStrictEqual(yield* indexes(schema), yield* indexes(`${schema}_model`))
      })
  )

  test(
    "takes the live one's place while a projector runs, events come and queries read",
    500,
    (mine) =>
      Effect.gen(function*() {
        const { connection, log, schema, stream } = mine
        const sql = yield* SqlClient.SqlClient
        yield* migrate
        const projector = yield* Effect.forkChild(Projector.run)
        const publisher = yield* Effect.forkChild(History.publish(connection, stream, 2_000, 2_000))
        yield* reached(1)
        let highest = 0
        const reader = yield* Effect.forkChild(Effect.forever(Effect.gen(function*() {
          const [row] = yield* sql<{ sequence: number; jobs: number }>`
          select sequence, (select count(*) from ${sql(`${schema}.bucket_jobs`)} where status = 'completed') as jobs
          from ${sql(`${schema}.projection_checkpoint`)}`
          assert.isAtLeast(row?.sequence ?? 0, highest)
          highest = row?.sequence ?? 0
        })))
        const switches = []
        for (let n = 0; n < 3; n++) switches.push(yield* run())
        assert.deepStrictEqual(switches.map(({ switched }) => switched), [true, true, true])
        yield* Fiber.join(publisher)
        // The same projector, which nobody has started again, goes on.
        yield* reached(10_000)
        assert.isUndefined(projector.pollUnsafe())
        assert.isUndefined(reader.pollUnsafe())
        assert.isAbove(highest, 0)
        assert.strictEqual(yield* log.lastSequence, 10_000)
        yield* asOf(10_000)
        assert.deepStrictEqual(yield* digestOf(schema), yield* digestOf(`${schema}_as_of_10000`))
        // What was live stands as it was.
        for (const { before, sequence } of switches) {
          const standing = yield* on(before ?? "")(checkpoint())
          assert.isAtMost(standing.sequence, sequence)
          const place = `${before}_again`
          yield* asOf(standing.sequence, Option.some(place))
          assert.deepStrictEqual(yield* digestOf(before ?? ""), yield* digestOf(place))
        }
      })
  )

  test(
    "waits for a projector's transaction, which ends on the tables on which it began",
    50,
    ({ log, schema }) =>
      Effect.gen(function*() {
        const sql = yield* SqlClient.SqlClient
        const events = yield* log.subscribe(1).pipe(Stream.take(200), Stream.runCollect)
        yield* migrate
        yield* ReadModel.apply(events.slice(0, 100))
        const [isHeld, mayEnd] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
        const transaction = yield* Effect.forkChild(sql.withTransaction(Effect.gen(function*() {
          yield* checkpoint("for update")
          yield* Deferred.succeed(isHeld, undefined)
          yield* Deferred.await(mayEnd)
          yield* ReadModel.apply(events.slice(100, 150))
        })))
        yield* Deferred.await(isHeld)
        const rebuild = yield* Effect.forkChild(run())
        yield* eventually(Effect.filterOrFail(
          sql`select 1 from pg_locks where not granted and mode = 'AccessExclusiveLock'
          and relation = ${`${schema}.projection_checkpoint`}::regclass`,
          (waiting) => waiting.length === 1
        ))
        assert.isUndefined(rebuild.pollUnsafe())
        yield* Deferred.succeed(mayEnd, undefined)
        yield* Fiber.join(transaction)
        const { before } = yield* Fiber.join(rebuild)
        assert.strictEqual((yield* on(before ?? "")(checkpoint())).sequence, 150)
        // It was rebuilt from all of the log, so the live one was behind it; the next run is passed over as far as it is in it.
        assert.strictEqual((yield* checkpoint()).sequence, 200)
        assert.isUndefined(yield* ReadModel.apply(events.slice(150, 200)))
        yield* projected(`${schema}_model`, 200, 200)
        assert.deepStrictEqual(yield* digestOf(schema), yield* digestOf(`${schema}_model`))
      })
  )

  test(
    "and projectors that start meanwhile, with their migrations, both end well",
    20,
    ({ schema }) =>
      Effect.gen(function*() {
        const projectors = Effect.repeat(migrate, { times: 30 })
        const both = yield* Effect.all([Effect.repeat(run(), { times: 4 }), projectors, projectors], { concurrency: 3 })
        assert.strictEqual(both[0].sequence, 80)
        yield* projected(`${schema}_model`, 80, 80)
        assert.deepStrictEqual(yield* digestOf(schema), yield* digestOf(`${schema}_model`))
      })
  )

  test("that is built only is gone on with later", 100, ({ connection, schema, stream }) =>
    Effect.gen(function*() {
      const built = yield* run({ isBuiltOnly: true })
      assert.deepInclude(built, { schema: `${schema}_rebuilt`, sequence: 400, switched: false })
      assert.deepStrictEqual((yield* Rebuild.list).map(({ schema, sequence }) => [schema, sequence]), [
        [`${schema}_rebuilt`, 400]
      ])
      yield* History.publish(connection, stream, 10, 400)
      const begun: Array<number> = []
      const report = ({ done }: Rebuild.Progress) => Effect.sync(() => void begun.push(done))
      assert.deepInclude(yield* run({ report }), { sequence: 440, switched: true })
      assert.strictEqual(begun[0], 400)
      yield* projected(`${schema}_model`, 440, 100)
      assert.deepStrictEqual(yield* digestOf(schema), yield* digestOf(`${schema}_model`))
    }))

  test(
    "is refused where the live one was made from other events, unless it is forced",
    25,
    ({ schema }) =>
      Effect.gen(function*() {
        const sql = yield* SqlClient.SqlClient
        for (const sequence of [60, 100]) {
          yield* dropAll(schema)
          yield* projected(schema, sequence, 10)
          yield* sql`update ${sql(`${schema}.projection_checkpoint`)} set hash = decode(repeat('ab', 32), 'hex')`
          const error = yield* Effect.flip(run())
          assert.match(
            String(error),
            new RegExp(`After event ${sequence} the live read model has the hash (ab){32}, .*--force`)
          )
          assert.deepInclude(yield* run({ isForced: true }), { switched: true, sequence: 100 })
        }
      })
  )

  test(
    "is refused where the live one is ahead of the log, or of a newer release",
    5,
    ({ schema }) =>
      Effect.gen(function*() {
        const sql = yield* SqlClient.SqlClient
        yield* projected(schema, 20, 20)
        yield* sql`update ${sql(`${schema}.projection_checkpoint`)} set sequence = 21`
        assert.match(
          String(yield* Effect.flip(run())),
          /stands at event 21, and the event log ends at 20: restore the log/
        )
        yield* sql`insert into ${sql(`${schema}.schema_migrations`)} (migration_id, name) values (999, 'of_tomorrow')`
        assert.match(String(yield* Effect.flip(run())), /has the migration 999, and this release ends with/)
      })
  )

  test("runs once at a time, and not into a schema of somebody else", 5, ({ schema }) =>
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      const [isRunning, mayEnd] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
      const report = () => Effect.andThen(Deferred.succeed(isRunning, undefined), Deferred.await(mayEnd))
      const first = yield* Effect.forkChild(run({ report }))
      yield* Deferred.await(isRunning)
      assert.match(String(yield* Effect.flip(run())), /Another rebuild writes to the schema .*_rebuilt/)
      assert.match(String(yield* Effect.flip(Rebuild.drop(`${schema}_rebuilt`))), /Another rebuild writes/)
      yield* Deferred.succeed(mayEnd, undefined)
      yield* Fiber.join(first)

      yield* sql`create schema ${sql(`${schema}_rebuilt`)}`
      assert.match(String(yield* Effect.flip(run())), /There is a schema .*_rebuilt already, which no rebuild has made/)
      assert.match(
        String(yield* Effect.flip(Rebuild.drop(`${schema}_rebuilt`))),
        /is no schema that a rebuild has made/
      )
      assert.match(String(yield* Effect.flip(Rebuild.drop(schema))), /is no schema that a rebuild has made/)
    }))

  test(
    "says that it may not create schemas, and keeps who may use the live one",
    5,
    ({ log, schema }) =>
      Effect.gen(function*() {
        const sql = yield* SqlClient.SqlClient
        const [builder, reader] = [`${schema}_builder`, `${schema}_reader`]
        for (const role of [builder, reader]) yield* sql`create role ${sql(role)} login`
        yield* Effect.addFinalizer(() =>
          Effect.orDie(Effect.andThen(
            dropAll(schema),
            Effect.forEach(
              [builder, reader],
              (role) => Effect.andThen(sql`drop owned by ${sql(role)}`, sql`drop role ${sql(role)}`)
            )
          ))
        )
        yield* projected(schema, 20, 20)
        yield* sql`grant usage on schema ${sql(schema)} to ${sql(reader)}`
        yield* sql`grant select on all tables in schema ${sql(schema)} to ${sql(reader)}`
        const as = (role: string) => {
          const url = new URL(inject("databaseUrl"))
          url.username = role
          return url.href
        }
        assert.match(
          String(yield* Effect.flip(onDatabase(schema, log, run(), as(builder)))),
          /permission denied for database/
        )
        yield* run()
        const jobs = onDatabase(
          schema,
          log,
          Effect.flatMap(
            SqlClient.SqlClient,
            (sql) => sql<{ count: number }>`select count(*) from ${sql(`${schema}.bucket_jobs`)}`
          ),
          as(reader)
        )
        assert.deepStrictEqual(yield* jobs, [{ count: 5 }])
      })
  )

  test("that is killed again and again goes on, and ends equal", 5_000, ({ schema, stream }) =>
    Effect.gen(function*() {
      const settings = {
        NATS_URL: inject("natsUrl"),
        DATABASE_URL: inject("databaseUrl"),
        READ_MODEL_SCHEMA: schema,
        EVENTS_STREAM: stream.stream,
        EVENTS_PREFIX: stream.prefix
      }
      const last = yield* Kills.killed(settings, { events: 20_000, kills: 4, seed: 7 })
      assert.isTrue(last.isSwitched)
      yield* asOf(20_000)
      assert.deepStrictEqual(yield* digestOf(schema), yield* digestOf(`${schema}_as_of_20000`))
    }))

  it.live("goes on by itself after NATS was killed, and is gone on with after Postgres was", () =>
    Effect.gen(function*() {
      const [nats, postgres] = yield* Effect.all([Nats.server, PostgresServer.server], { concurrency: 2 })
      const { log, schema } = yield* made(10_000, nats.url)
      yield* onDatabase(
        schema,
        log,
        Effect.gen(function*() {
          const until = (fault: Effect.Effect<void>) => ({ done, phase }: Rebuild.Progress) =>
            phase === "events" && done >= 10_000 && done < 40_000 ? fault : Effect.void
          const down = nats.kill.pipe(Effect.andThen(Effect.forkDetach(Effect.orDie(nats.start))), Effect.asVoid)
          assert.deepInclude(yield* run({ isBuiltOnly: true, report: until(Effect.orDie(down)) }), { sequence: 40_000 })
          yield* Rebuild.drop(`${schema}_rebuilt`)

          const error = yield* Effect.flip(run({ report: until(Effect.orDie(postgres.process.kill("SIGKILL"))) }))
          assert.match(String(error), /Postgres at/)
          yield* postgres.process.start
          const rebuilt = yield* run()
          assert.deepInclude(rebuilt, { switched: true, sequence: 40_000 })
          yield* asOf(40_000)
          assert.deepStrictEqual(yield* digestOf(schema), yield* digestOf(`${schema}_as_of_40000`))
        }),
        postgres.url
      )
    }).pipe(Effect.scoped))
})

describe("the state as of an event", () => {
  test("is the fold of the events up to it, whatever has come since", 60, ({ schema }) =>
    Effect.gen(function*() {
      for (const sequence of [1, 59, 60, 137, 240]) {
        const built = yield* asOf(sequence)
        assert.deepInclude(built, { schema: `${schema}_as_of_${sequence}`, sequence, switched: false })
        yield* projected(`${schema}_to_${sequence}`, sequence, 13)
        assert.deepStrictEqual(yield* digestOf(built.schema), yield* digestOf(`${schema}_to_${sequence}`))
      }
      assert.match(String(yield* Effect.flip(asOf(60))), /_as_of_60 already, the state as of event 60: drop it/)
      assert.match(String(yield* Effect.flip(asOf(1, Option.some("Mine")))), /lower-case letters/)
      assert.match(
        String(yield* Effect.flip(asOf(1, Option.some("a".repeat(64))))),
        /no name of more than 63 characters/
      )
      yield* Rebuild.drop(`${schema}_as_of_60`)
      assert.deepInclude(yield* asOf(60), { sequence: 60 })
    }))

  it.live("is none of a place that the history has not", () =>
    Effect.gen(function*() {
      const mine = yield* made(1)
      const sequenceOf = (place: Rebuild.Place) => onDatabase(mine.schema, mine.log, Rebuild.sequenceOf(place))
      const problem = (place: Rebuild.Place) => Effect.map(Effect.flip(sequenceOf(place)), String)
      assert.match(yield* problem({ sequence: 0 }), /There is no event 0: the log has the events 1 to 4/)
      assert.match(yield* problem({ sequence: 5 }), /There is no event 5/)
      const now = yield* DateTime.now
      assert.match(yield* problem({ time: DateTime.add(now, { hours: 1 }) }), /is yet to come/)
      assert.match(yield* problem({ time: DateTime.subtract(now, { days: 1 }) }), /No event had happened at/)
      assert.strictEqual(yield* sequenceOf({ time: now }), 4)
      assert.strictEqual(yield* sequenceOf({ sequence: 3 }), 3)
    }).pipe(Effect.scoped))

  it.live("at a time is found in what was taken out of the log too, and made of it", () =>
    Effect.gen(function*() {
      const { connection, log, schema, stream } = yield* made(3)
      yield* onDatabase(
        schema,
        log,
        Effect.gen(function*() {
          const between = yield* DateTime.now
          yield* Effect.sleep("5 millis")
          yield* History.publish(connection, stream, 3, 12)
          yield* run()
          yield* LogEvents.execute(
            log,
            Log.subject("EventsArchived"),
            { state: undefined, revision: 0 },
            Log.recordArchival({ upTo: 20, aggregates: 5, events: 20, file: "a", sha256: "ab".repeat(32) }),
            { source: "/test" }
          )
          // As a log that has the others only.
          const lacking: EventLogShape = {
            ...log,
            get: (sequence) => sequence > 20 ? log.get(sequence) : Effect.succeedNone,
            nextUnder: (tokens, from) => log.nextUnder(tokens, Math.max(21, from))
          }
          const until = yield* Effect.provideService(Rebuild.sequenceOf({ time: between }), EventLog, lacking)
          assert.strictEqual(until, 12)
          const onArchive = { ...lacking, subscribe: (from: number) => log.subscribe(Math.max(21, from)) }
          yield* Effect.provideService(asOf(22), EventLog, onArchive)
          yield* projected(`${schema}_model`, 22, 22)
          assert.deepStrictEqual(yield* digestOf(`${schema}_as_of_22`), yield* digestOf(`${schema}_model`))
        })
      )
    }).pipe(Effect.scoped))

  it.live("is none of a history with a gap", () =>
    Effect.gen(function*() {
      const mine = yield* made(5)
      const events = yield* mine.log.subscribe(1).pipe(Stream.take(20), Stream.runCollect)
      const source = (left: ReadonlyArray<number>): Rebuild.Source<never> => ({
        last: Effect.succeed(20),
        events: (from, to) =>
          Stream.fromIterable(
            events.filter(({ sequence }) => sequence >= from && sequence <= to && !left.includes(sequence))
          )
      })
      const build = (left: ReadonlyArray<number>) =>
        Effect.flip(Rebuild.asOf(source(left), { until: 20, schema: Option.none(), report: () => Effect.void }))
      const memory = yield* EventLogMemory.openOn({ events: [] })
      yield* onDatabase(
        mine.schema,
        memory,
        Effect.gen(function*() {
          assert.match(String(yield* build([7])), /Event 7 is in neither .*, where event 8 comes next/)
          assert.match(String(yield* build([20])), /Event 20 is in neither the event log nor the archive: nothing/)
        })
      )
    }).pipe(Effect.scoped))
})

test(
  "runs that are cut anywhere give the same, also of jobs that were asked for twice and buckets that were made twice",
  0,
  (mine) =>
    Effect.gen(function*() {
      const { log, schema } = mine
      const sql = yield* SqlClient.SqlClient
      const owner = Address.make("0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266")
      const name = BucketName.make("twice")
      const bucketId = BucketId.make(`0x${"ab".repeat(32)}`)
      const subject = Bucket.subject(owner, name)
      const [first, second] = [1, 2].map((n) => Job.Id.make(`019845e1-682f-7b02-a706-00000000000${n}`))
      if (first === undefined || second === undefined) return
      const life = (jobId: Job.Id): ReadonlyArray<Bucket.Event> => {
        const common = { jobId, occurredAt: DateTime.makeUnsafe("2026-01-01T00:00:00Z") }
        return [
          Bucket.BucketRequested.make({ ...common, name, owner }),
          Bucket.Event.cases.BucketStarted.make({ ...common, attempt: 1 }),
          Bucket.Event.cases.BucketCreated.make({ ...common, adopted: true, bucketId })
        ]
      }
      // The second job finds the bucket that the first one has made; then the first one's request is there once more.
      const events = [...life(first), ...life(second), ...life(first).slice(0, 1)]
      for (const [n, event] of events.entries()) {
        const metadata = { id: `event-${n}`, source: "/test", subject, time: event.occurredAt }
        yield* log.append(subject, { revision: n }, yield* BucketEvents.codec.encode(event, metadata))
      }
      const digests = []
      for (const size of [1, 2, 3, 7]) {
        yield* projected(`${schema}_by_${size}`, 7, size)
        digests.push(yield* digestOf(`${schema}_by_${size}`))
      }
      yield* run()
      digests.push(yield* digestOf(schema))
      assert.lengthOf(new Set(digests.map(({ sha256 }) => sha256)), 1)
      assert.deepStrictEqual(yield* sql`select id, status from ${sql(`${schema}.bucket_jobs`)} order by id`, [
        { id: first, status: "queued" },
        { id: second, status: "completed" }
      ])
      assert.deepStrictEqual(yield* sql`select job_id from ${sql(`${schema}.buckets`)}`, [{ job_id: first }])
    })
)

describe("the canonical dump", () => {
  test(
    "does not depend on sessions, or on the order of rows, and names what differs",
    30,
    ({ log, schema }) =>
      Effect.gen(function*() {
        const sql = yield* SqlClient.SqlClient
        const [a, b] = [`${schema}_a`, `${schema}_b`]
        yield* projected(a, 120, 1)
        yield* projected(b, 120, 120)
        // Rows are written anew, in another order.
        yield* sql`update ${sql(`${b}.bucket_jobs`)} set status = status where left(id::text, 35) >= ''`
        yield* sql`insert into ${sql(`${b}.bucket_jobs`)} (with gone as (delete from ${
          sql(`${b}.bucket_jobs`)
        } returning *)
        select * from gone order by id desc)`.pipe(Effect.ignore)
        const url = new URL(inject("databaseUrl"))
        url.searchParams.set("options", "-c timezone=Asia/Kathmandu -c datestyle=German -c bytea_output=escape")
        const elsewhere = onDatabase(schema, log, digestOf(b), url.href)
        const digest = yield* digestOf(a)
        assert.deepStrictEqual(yield* elsewhere, digest)
        assert.strictEqual(digest.rows, 61)
        const found = Stream.runCollect(Dump.differences(Dump.rows(a), Dump.rows(b)))
        assert.deepStrictEqual(yield* found, [])

        const [first, second] = yield* sql<{ id: string; name: string }>`
        select id, bucket_name as name from ${sql(`${a}.bucket_jobs`)} order by id limit 2`
        yield* sql`delete from ${sql(`${b}.bucket_jobs`)} where id = ${first?.id}::uuid`
        yield* sql`update ${sql(`${b}.bucket_jobs`)} set status = 'failed', tenant = 'x' where id = ${second?.id}::uuid`
        yield* sql`insert into ${sql(`${b}.webhooks`)} values ('ü', 'o', null, 'enabled', 1, '{}')`
        assert.deepStrictEqual(yield* found, [
          { table: "bucket_jobs", key: [first?.id ?? ""], in: "a" },
          {
            table: "bucket_jobs",
            key: [second?.id ?? ""],
            in: "both",
            columns: [{ name: "status", a: "completed", b: "failed" }, { name: "tenant", a: null, b: "x" }]
          },
          { table: "webhooks", key: ["ü"], in: "b" }
        ])
        // A snapshot has what was there when it was taken.
        yield* Effect.scoped(Effect.gen(function*() {
          const { id: snapshot } = yield* Dump.snapshot(a)
          yield* sql`delete from ${sql(`${a}.bucket_jobs`)}`
          assert.deepStrictEqual(yield* Dump.digest(Dump.rows(a, { snapshot })), digest)
          assert.strictEqual((yield* digestOf(a)).rows, 31)
        }))
        assert.match(String(yield* Effect.flip(digestOf(`${schema}_none`))), /There is no read model in the schema/)
      })
  )
})
