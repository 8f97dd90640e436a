/** The connection to Postgres while that does not answer, and the network neither. */
import { EventLog } from "@akave-async/eventing/EventLog"
import * as EventLogMemory from "@akave-async/eventing/EventLogMemory"
import * as Ports from "@akave-async/local/Ports"
import * as Stack from "@akave-async/local/Stack"
import * as Projector from "@akave-async/projector/Projector"
import { migrate } from "@akave-async/read-model/Migrations"
import { assert, describe, it } from "@effect/vitest"
import { Clock, Context, Deferred, Duration, Effect, Fiber, Layer, Schedule, type Scope } from "effect"
import type { SqlClient, SqlError } from "effect/sql"
import { appendFileSync, chmodSync, chownSync, copyFileSync, statSync } from "node:fs"
import { join } from "node:path"
import * as Proxy from "../faults/src/Proxy.ts"
import { authority, hasOpenssl } from "../support/Certificates.ts"
import * as PgBouncer from "../support/PgBouncer.ts"
import * as Postgres from "../support/Postgres.ts"

const patience = Duration.seconds(2)
/** Of a connection and a statement, each given up on its own, with time to spare for a machine that has other work. */
const bound = 2000 + 2000 + 5000

const test = (sentence: string, body: () => Effect.Effect<void, unknown, Scope.Scope>) =>
  it.live(sentence, () => Effect.scoped(body()))

/** How the effect fails; it does so within the bound. */
const failure = <A, E, R>(effect: Effect.Effect<A, E | SqlError.SqlError, R>) =>
  Effect.gen(function*() {
    const begun = yield* Clock.currentTimeMillis
    const error = yield* Effect.flip(effect)
    assert.isBelow((yield* Clock.currentTimeMillis) - begun, bound)
    const { message, reason } = error as SqlError.SqlError
    assert.strictEqual(reason._tag, "ConnectionError")
    return message
  })

const one = (sql: SqlClient.SqlClient) => Effect.asVoid(sql`select 1`)
/** What other sessions are doing, seen by one of its own. */
const others = (sql: SqlClient.SqlClient) =>
  sql<{ pid: number; state: string; query: string }>`
    select pid, state, query from pg_stat_activity
    where pid <> pg_backend_pid() and backend_type = 'client backend' order by pid`
const isSleeping = ({ query, state }: { readonly query: string; readonly state: string }) =>
  query.includes("pg_sleep") && state === "active"
const until = <A, E, R>(look: Effect.Effect<ReadonlyArray<A>, E, R>, isSo: (rows: ReadonlyArray<A>) => boolean) =>
  Effect.repeat(look, { until: isSo, schedule: Schedule.spaced("20 millis") })

describe("while Postgres is frozen", () => {
  test("each statement, each end of a transaction and each wait for a connection ends in time, and all go on afterwards", () =>
    Effect.gen(function*() {
      const server = yield* Postgres.server
      const sql = yield* Postgres.connected(server.url, { patience, maxConnections: 3 })
      const admin = yield* Postgres.connected(server.url, { maxConnections: 1 })
      yield* sql`create table items (id int)`
      const before = yield* Effect.all([sql`select pg_sleep(0.1)`, sql`select pg_sleep(0.1)`], { concurrency: 2 }).pipe(
        Effect.andThen(others(admin))
      )
      assert.lengthOf(before, 2)

      const isOpen = yield* Deferred.make<void>()
      const isFrozen = yield* Deferred.make<void>()
      const committing = yield* failure(sql.withTransaction(
        sql`insert into items values (1)`.pipe(
          Effect.andThen(Deferred.succeed(isOpen, undefined)),
          Effect.andThen(Deferred.await(isFrozen))
        )
      )).pipe(Effect.forkScoped)
      yield* Deferred.await(isOpen)
      yield* server.freeze
      yield* Deferred.succeed(isFrozen, undefined)
      const reported = yield* Effect.all([
        ...Array.from({ length: 6 }, () => failure(one(sql))),
        failure(sql.withTransaction(one(sql))),
        Fiber.join(committing)
      ], { concurrency: "unbounded" })
      for (const message of reported) {
        assert.match(message, /^Postgres at 127\.0\.0\.1:\d+ (did not answer|gave no connection) within 2 seconds$/)
      }
      assert.isTrue(reported.some((message) => message.includes("did not answer")))
      assert.isTrue(reported.some((message) => message.includes("gave no connection")))

      yield* server.thaw
      yield* Effect.retry(one(sql), { schedule: Schedule.spaced("20 millis") })
      // None of the connections that were given up is used again.
      yield* until(others(admin), (rows) => rows.every(({ pid }) => before.every((old) => old.pid !== pid)))
      yield* Effect.all(Array.from({ length: 6 }, () => one(sql)), { concurrency: "unbounded" })
    }))

  test("nobody waits for a first connection", () =>
    Effect.gen(function*() {
      const server = yield* Postgres.server
      yield* server.freeze
      const sql = yield* Postgres.connected(server.url, { patience })
      assert.match(yield* failure(one(sql)), /gave no connection within 2 seconds$/)
      yield* server.thaw
      yield* Effect.retry(one(sql), { schedule: Schedule.spaced("20 millis") })
    }))
})

describe("a statement", () => {
  test("that nobody waits for any more is ended on the server too, and its connection is not used again", () =>
    Effect.gen(function*() {
      const server = yield* Postgres.server
      const sql = yield* Postgres.connected(server.url, { patience, maxConnections: 1 })
      const admin = yield* Postgres.connected(server.url, { maxConnections: 1 })
      const fiber = yield* Effect.forkScoped(sql`select pg_sleep(600)`)
      const [asleep] = yield* until(others(admin), (rows) => rows.some(isSleeping))
      yield* Fiber.interrupt(fiber)
      yield* until(others(admin), (rows) => !rows.some(isSleeping))
      const [now] = yield* sql<{ pid: number }>`select pg_backend_pid() as pid`
      assert.notStrictEqual(now?.pid, asleep?.pid)

      assert.match(yield* failure(sql`select pg_sleep(600)`), /did not answer within 2 seconds$/)
      yield* until(others(admin), (rows) => !rows.some(isSleeping))
      yield* one(sql)
    }))

  test("of a transaction is ended by the server itself, which says so", () =>
    Effect.gen(function*() {
      const server = yield* Postgres.server
      const sql = yield* Postgres.connected(server.url, { patience, maxConnections: 1 })
      const error = yield* Effect.flip(sql.withTransaction(sql`select pg_sleep(600)`))
      assert.strictEqual(error.reason._tag, "StatementTimeoutError")
      assert.match(error.message, /says: canceling statement due to statement timeout \(SQLSTATE 57014\)$/)
      // Nothing of it is left behind in the session.
      assert.deepStrictEqual(yield* sql`show statement_timeout`, [{ statement_timeout: "0" }])
    }))
})

describe("while the network is silent", () => {
  test("statements end in time, also on connections that were idle, and go on when it is back", () =>
    Effect.gen(function*() {
      const server = yield* Postgres.server
      const proxy = yield* Proxy.make({ to: server.port, random: () => 0.5 })
      const sql = yield* Postgres.connected(server.url.replace(`${server.port}`, `${proxy.port}`), {
        patience,
        maxConnections: 2
      })
      yield* Effect.all([sql`select pg_sleep(0.1)`, sql`select pg_sleep(0.1)`], { concurrency: 2 })
      yield* proxy.become(Proxy.blackHole)
      yield* Effect.all(Array.from({ length: 4 }, () => failure(one(sql))), { concurrency: "unbounded" })
      yield* proxy.become(Proxy.sound)
      yield* Effect.retry(one(sql), { schedule: Schedule.spaced("20 millis") })
    }))

  test("the server ends a transaction that it hears no more of, and gives its locks to others", () =>
    Effect.gen(function*() {
      const server = yield* Postgres.server
      const proxy = yield* Proxy.make({ to: server.port, random: () => 0.5 })
      const sql = yield* Postgres.connected(server.url.replace(`${server.port}`, `${proxy.port}`), { patience })
      const other = yield* Postgres.connected(server.url)
      yield* sql`create table items (id int)`
      const isSilent = yield* Deferred.make<void>()
      const vanished = yield* failure(sql.withTransaction(
        sql`lock table items`.pipe(
          Effect.andThen(proxy.become(Proxy.blackHole)),
          Effect.andThen(Deferred.succeed(isSilent, undefined)),
          Effect.andThen(one(sql))
        )
      )).pipe(Effect.forkScoped)
      yield* Deferred.await(isSilent)
      const begun = yield* Clock.currentTimeMillis
      yield* other`insert into items values (1)`
      assert.isBelow((yield* Clock.currentTimeMillis) - begun, bound)
      assert.match(yield* Fiber.join(vanished), /did not answer within 2 seconds$/)
    }))
})

test("a role that has a schema, and may create none, has the read model there", () =>
  Effect.gen(function*() {
    const server = yield* Postgres.server
    const admin = yield* Postgres.connected(server.url)
    yield* admin`create role tenant login`
    yield* admin`create schema given authorization tenant`
    const url = server.url.replace("akave@", "tenant@")
    yield* Effect.provideContext(migrate, yield* Layer.build(Postgres.database(url, "given")))
    const elsewhere = yield* Layer.build(Layer.fresh(Postgres.database(url, "other")))
    const { message } = yield* Effect.flip(Effect.provideContext(migrate, elsewhere))
    assert.match(message, /^The read model's tables can't be made: .* says: permission denied for database akave \(/)
  }))

test("a projector goes on when a network that fell silent under it is back", () =>
  Effect.gen(function*() {
    const server = yield* Postgres.server
    const proxy = yield* Proxy.make({ to: server.port, random: () => 0.5 })
    const log = yield* EventLogMemory.open
    const append = (name: string) =>
      log.append(name, { revision: 0 }, { id: name, headers: { "ce-type": "test.v1" }, data: Uint8Array.of(0) })
    const database = Postgres.database(server.url.replace(`${server.port}`, `${proxy.port}`), "projected", { patience })
    const context = yield* Layer.build(database)
    yield* Effect.provideContext(migrate, context)
    yield* Projector.run.pipe(
      Effect.provideContext(Context.add(context, EventLog, log)),
      Effect.forkScoped
    )
    const admin = yield* Postgres.connected(server.url)
    const applied = admin<{ sequence: number }>`select sequence from projected.projection_checkpoint`
    yield* append("before")
    yield* until(applied, ([row]) => row?.sequence === 1)
    yield* proxy.become(Proxy.blackHole)
    yield* append("meanwhile")
    // It has given up what it began, and tries again.
    const disturbed = proxy.disturbed()
    yield* until(Effect.sync(() => [proxy.disturbed()]), ([now = 0]) => now > disturbed + 2)
    yield* proxy.become(Proxy.sound)
    yield* append("after")
    yield* until(applied, ([row]) => row?.sequence === 3)
  }))

/** Statements of many clients at once, some of them in transactions, on a table of this schema. */
const work = (sql: SqlClient.SqlClient) =>
  Effect.gen(function*() {
    yield* sql`create table if not exists public.items (id int)`
    yield* Effect.forEach(
      Array.from({ length: 30 }, (_, id) => id),
      (id) =>
        sql.withTransaction(Effect.gen(function*() {
          yield* sql`insert into public.items values (${id})`
          yield* Effect.ignore(sql.withTransaction(sql`select ${id} / 0`))
          return yield* sql`select ${id}::int as id`
        })),
      { concurrency: "unbounded" }
    )
    const [row] = yield* sql`select count(*) as count from public.items`
    assert.deepStrictEqual(row, { count: 30 })
  })

describe.skipIf(!PgBouncer.hasPgBouncer)("behind PgBouncer", () => {
  test("statements and transactions work in sessions that are shared, also over a socket", () =>
    Effect.gen(function*() {
      const server = yield* Postgres.server
      const pooler = yield* PgBouncer.make(server.port)
      yield* work(yield* Postgres.connected(pooler.url, { maxConnections: 10 }))
      const sql = yield* Postgres.connected(pooler.socketUrl)
      // What transactions set is not left to others.
      const settings = sql`select current_setting('statement_timeout') as statement,
        current_setting('idle_in_transaction_session_timeout') as idle`
      const [row] = yield* settings
      assert.deepStrictEqual(row, { statement: "0", idle: "0" })
      const refused = yield* Postgres.connected(`${pooler.url}?options=-c%20search_path%3Dx`)
      assert.match(yield* failure(one(refused)), /says: unsupported startup parameter: options \(SQLSTATE 08P01\)$/)
    }))

  test("a statement that nobody waits for any more is ended on the server too", () =>
    Effect.gen(function*() {
      const server = yield* Postgres.server
      const { url } = yield* PgBouncer.make(server.port)
      const sql = yield* Postgres.connected(url, { patience })
      const admin = yield* Postgres.connected(server.url, { maxConnections: 1 })
      const fiber = yield* Effect.forkScoped(sql`select pg_sleep(600)`)
      yield* until(others(admin), (rows) => rows.some(isSleeping))
      yield* Fiber.interrupt(fiber)
      yield* until(others(admin), (rows) => !rows.some(isSleeping))
    }))
})

describe.skipIf(!hasOpenssl)("with TLS", () => {
  test("the server is trusted as sslmode says", () =>
    Effect.gen(function*() {
      const server = yield* Postgres.server
      const folder = yield* Stack.temporaryFolder
      const [ca, stranger] = [yield* authority(folder), yield* authority(folder, "stranger")]
      const { certFile, keyFile } = ca.issue("server", ["DNS:localhost"])
      const { gid, uid } = statSync(server.folder)
      for (const [from, name] of [[certFile, "server.crt"], [keyFile, "server.key"]] as const) {
        const file = join(server.folder, name)
        copyFileSync(from, file)
        chmodSync(file, 0o600)
        chownSync(file, uid, gid)
      }
      appendFileSync(join(server.folder, "postgresql.conf"), "ssl = on\n")
      yield* server.process.restart

      const encrypted = (host: string, parameters: string) =>
        Effect.flatMap(
          Postgres.connected(`postgres://akave@${host}:${server.port}/akave?${parameters}`),
          (sql) => sql<{ ssl: boolean }>`select ssl from pg_stat_ssl where pid = pg_backend_pid()`
        ).pipe(Effect.map(([row]) => row?.ssl))
      const refused = (host: string, parameters: string) =>
        Effect.map(Effect.flip(encrypted(host, parameters)), (error) => (error as SqlError.SqlError).message)

      assert.isFalse(yield* encrypted("127.0.0.1", ""))
      assert.isFalse(yield* encrypted("127.0.0.1", "sslmode=disable"))
      assert.isTrue(yield* encrypted("127.0.0.1", "sslmode=require"))
      assert.isTrue(yield* encrypted("127.0.0.1", `sslmode=verify-ca&sslrootcert=${ca.caFile}`))
      assert.isTrue(yield* encrypted("localhost", `sslmode=verify-full&sslrootcert=${ca.caFile}`))
      assert.match(yield* refused("localhost", "sslmode=verify-full"), /can't be reached: .*(certificate|issuer)/)
      for (const mode of ["require", "verify-ca", "verify-full"]) {
        const message = yield* refused("localhost", `sslmode=${mode}&sslrootcert=${stranger.caFile}`)
        assert.match(message, /can't be reached: .*(certificate|issuer)/)
      }
      const named = yield* refused("127.0.0.1", `sslmode=verify-full&sslrootcert=${ca.caFile}`)
      assert.match(named, /can't be reached: .*127\.0\.0\.1 is not in the cert's list/)
    }))
})

describe("what fails is reported in the words of Postgres, or of the system", () => {
  test("with its SQLSTATE and without a secret", () =>
    Effect.gen(function*() {
      const server = yield* Postgres.server
      const reported = (url: string, statement = "select 1") =>
        Effect.flatMap(Postgres.connected(url), (sql) => Effect.flip(sql.unsafe(statement))).pipe(
          Effect.map(({ message }) => message)
        )
      const url = (login: string, port = server.port, database = "akave") =>
        `postgres://${login}@${Ports.host}:${port}/${database}`
      const closed = yield* Ports.free
      const at = `Postgres at ${Ports.host}:${server.port}`
      assert.strictEqual(
        yield* reported(url("akave:s3cr3t", closed)),
        `Postgres at ${Ports.host}:${closed} can't be reached: connect ECONNREFUSED ${Ports.host}:${closed}`
      )
      assert.strictEqual(
        yield* reported(url("nobody:s3cr3t")),
        `${at} says: role "nobody" does not exist (SQLSTATE 28000)`
      )
      assert.strictEqual(
        yield* reported(url("akave:s3cr3t", server.port, "none")),
        `${at} says: database "none" does not exist (SQLSTATE 3D000)`
      )
      assert.strictEqual(
        yield* reported(url("akave"), "select * from akave_async.buckets"),
        `${at} says: relation "akave_async.buckets" does not exist (SQLSTATE 42P01)`
      )
      assert.match(
        yield* reported(url("akave"), "select nowhere()"),
        /does not exist \(SQLSTATE 42883\); No function .*/
      )
      assert.strictEqual(
        yield* reported(`${url("akave:s3cr3t")}?sslmode=require`),
        `${at} can't be reached: The server does not support SSL connections`
      )
    }))
})
