/** The connection to Postgres while that does not answer, and the network neither. */
import * as Ports from "@akave-async/local/Ports"
import { assert, describe, it } from "@effect/vitest"
import { Clock, Deferred, Duration, Effect, Fiber, Schedule, type Scope } from "effect"
import type { SqlClient, SqlError } from "effect/sql"
import * as Proxy from "../faults/src/Proxy.ts"
import * as Postgres from "../support/Postgres.ts"

const patience = Duration.seconds(2)
/** Of a connection and a statement, each given up on its own, with time to spare. */
const bound = 2000 + 2000 + 1000

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
      const told = yield* Effect.all([
        ...Array.from({ length: 6 }, () => failure(one(sql))),
        failure(sql.withTransaction(one(sql))),
        Fiber.join(committing)
      ], { concurrency: "unbounded" })
      for (const message of told) {
        assert.match(message, /^Postgres at 127\.0\.0\.1:\d+ (did not answer|gave no connection) within 2 seconds$/)
      }
      assert.isTrue(told.some((message) => message.includes("did not answer")))
      assert.isTrue(told.some((message) => message.includes("gave no connection")))

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
      const isSleeping = (rows: ReadonlyArray<{ query: string; state: string }>) =>
        rows.some(({ query, state }) => query.includes("pg_sleep") && state === "active")

      const fiber = yield* Effect.forkScoped(sql`select pg_sleep(600)`)
      const [asleep] = yield* until(others(admin), isSleeping)
      yield* Fiber.interrupt(fiber)
      yield* until(others(admin), (rows) => !isSleeping(rows))
      const [now] = yield* sql<{ pid: number }>`select pg_backend_pid() as pid`
      assert.notStrictEqual(now?.pid, asleep?.pid)

      assert.match(yield* failure(sql`select pg_sleep(600)`), /did not answer within 2 seconds$/)
      yield* until(others(admin), (rows) => !isSleeping(rows))
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

describe("what fails is told in the words of Postgres, or of the system", () => {
  test("with its SQLSTATE and without a secret", () =>
    Effect.gen(function*() {
      const server = yield* Postgres.server
      const told = (url: string, statement = "select 1") =>
        Effect.flatMap(Postgres.connected(url), (sql) => Effect.flip(sql.unsafe(statement))).pipe(
          Effect.map(({ message }) => message)
        )
      const url = (login: string, port = server.port, database = "akave") =>
        `postgres://${login}@${Ports.host}:${port}/${database}`
      const closed = yield* Ports.free
      const at = `Postgres at ${Ports.host}:${server.port}`
      assert.strictEqual(
        yield* told(url("akave:s3cr3t", closed)),
        `Postgres at ${Ports.host}:${closed} can't be reached: connect ECONNREFUSED ${Ports.host}:${closed}`
      )
      assert.strictEqual(
        yield* told(url("nobody:s3cr3t")),
        `${at} says: role "nobody" does not exist (SQLSTATE 28000)`
      )
      assert.strictEqual(
        yield* told(url("akave:s3cr3t", server.port, "none")),
        `${at} says: database "none" does not exist (SQLSTATE 3D000)`
      )
      assert.strictEqual(
        yield* told(url("akave"), "select * from akave_async.buckets"),
        `${at} says: relation "akave_async.buckets" does not exist (SQLSTATE 42P01)`
      )
      assert.match(yield* told(url("akave"), "select nowhere()"), /does not exist \(SQLSTATE 42883\); No function .*/)
      assert.strictEqual(
        yield* told(`${url("akave:s3cr3t")}?sslmode=require`),
        `${at} can't be reached: The server does not support SSL connections`
      )
    }))
})
