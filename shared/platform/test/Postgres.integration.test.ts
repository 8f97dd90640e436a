import { assert, describe, it } from "@effect/vitest"
import { Cause, Deferred, Duration, Effect, Exit, Fiber, Redacted, Schedule, type Scope } from "effect"
import * as Reactivity from "effect/reactivity/Reactivity"
import type { SqlClient, SqlError } from "effect/sql"
import { createServer } from "node:net"
import { inject } from "vitest"
import * as Postgres from "../src/Postgres.ts"

type Sql = SqlClient.SqlClient

interface Options extends Partial<Postgres.Options> {
  readonly url?: string
  readonly schema?: string
}

const connect = (
  { schema = "public", url = inject("databaseUrl"), ...options }: Options = {}
): Effect.Effect<Sql, never, Scope.Scope> =>
  Postgres.make({
    connection: Redacted.make({ connectionString: url, options: `-c search_path=${schema}` }),
    maxConnections: 4,
    patience: Duration.seconds(30),
    ...options
  }).pipe(Effect.provide(Reactivity.layer))

let schemas = 0
/** A client on an empty schema of its own. */
const fresh = (options: Options = {}) =>
  Effect.gen(function*() {
    const schema = `platform_${process.pid}_${++schemas}`
    const sql = yield* connect({ schema, ...options })
    yield* Effect.acquireRelease(
      sql`create schema ${sql(schema)}`,
      () => Effect.orDie(sql`drop schema ${sql(schema)} cascade`)
    )
    yield* sql`create table items (id int primary key, name text not null)`
    return sql
  })

const test = (sentence: string, body: () => Effect.Effect<void, unknown, Scope.Scope>) =>
  it.live(sentence, () => Effect.scoped(body()))

const names = (sql: Sql) =>
  Effect.map(sql<{ name: string }>`select name from items order by id`, (rows) => rows.map(({ name }) => name))
const reasonOf = <A, E, R>(effect: Effect.Effect<A, E | SqlError.SqlError, R>) =>
  Effect.map(Effect.flip(effect), (error) => {
    const { isRetryable, reason } = error as SqlError.SqlError
    return { tag: reason._tag, isRetryable }
  })
const backendOf = (sql: Sql) =>
  Effect.map(sql<{ pid: number }>`select pg_backend_pid() as pid`, ([row]) => row?.pid ?? 0)
/** Ends a connection's process on the server, and waits until it is gone. */
const terminate = (sql: Sql, pid: number) =>
  Effect.gen(function*() {
    yield* sql`select pg_terminate_backend(${pid})`
    yield* sql`select 1 from pg_stat_activity where pid = ${pid}`.pipe(
      Effect.repeat({ until: (rows) => rows.length === 0, schedule: Schedule.spaced("10 millis") })
    )
  })

describe("values", () => {
  test("arrive as numbers, dates and parsed JSON", () =>
    Effect.gen(function*() {
      const sql = yield* fresh()
      const [row] = yield* sql`
        select 9007199254740991::int8 as large, count(*) as counted, '2026-01-02T03:04:05.678Z'::timestamptz as at,
          '{"a":[1,null,"x"]}'::jsonb as json, decode('00ff', 'hex') as bytes, null as nothing, true as yes
        from items`
      assert.deepStrictEqual(row, {
        large: 9_007_199_254_740_991,
        counted: 0,
        at: new Date("2026-01-02T03:04:05.678Z"),
        json: { a: [1, null, "x"] },
        bytes: Buffer.from([0, 255]),
        nothing: null,
        yes: true
      })
      assert.deepStrictEqual(yield* sql`select 1::int8 as a, 'b' as b`.values, [[1, "b"]])
    }))

  test("are parameters and never part of the statement", () =>
    Effect.gen(function*() {
      const sql = yield* fresh()
      const hostile = ["'); drop table items; --", "\" ' \\ $1 ${x} ;", "☃ \n\t"]
      for (const [id, name] of hostile.entries()) yield* sql`insert into items (id, name) values (${id}, ${name})`
      assert.deepStrictEqual(yield* names(sql), hostile)
      assert.lengthOf(yield* sql`select 1 from items where name = ${"' or '1' = '1"}`, 0)
      assert.deepStrictEqual(yield* sql`select 1 as ${sql("a\" from items; --")}`, [{ "a\" from items; --": 1 }])
    }))
})

describe("errors", () => {
  test("name the constraint that a duplicate violates", () =>
    Effect.gen(function*() {
      const sql = yield* fresh()
      yield* sql`insert into items values (1, 'one')`
      const error = yield* Effect.flip(sql`insert into items values (1, 'two')`)
      assert.strictEqual(error.reason._tag, "UniqueViolation")
      assert.strictEqual(error.reason._tag === "UniqueViolation" && error.reason.constraint, "items_pkey")
      assert.isFalse(error.isRetryable)
      assert.deepStrictEqual(yield* names(sql), ["one"])
    }))

  for (
    const [what, expected, isRetryable, statement] of [
      ["text that is not SQL", "SqlSyntaxError", false, "selekt 1"],
      ["a table that is missing", "SqlSyntaxError", false, "select * from nowhere"],
      ["a null where none may be", "ConstraintError", false, "insert into items values (1, null)"],
      ["a division by zero", "UnknownError", false, "select 1 / 0"]
    ] as const
  ) {
    test(`report ${what} as ${expected}`, () =>
      Effect.gen(function*() {
        const sql = yield* fresh()
        assert.deepStrictEqual(yield* reasonOf(sql.unsafe(statement)), { tag: expected, isRetryable })
        assert.deepStrictEqual(yield* sql`select 1 as one`, [{ one: 1 }])
      }))
  }

  test("report a statement that took too long as StatementTimeoutError", () =>
    Effect.gen(function*() {
      const sql = yield* fresh()
      const late = sql.withTransaction(
        Effect.andThen(sql`set local statement_timeout = '50ms'`, sql`select pg_sleep(60)`)
      )
      assert.deepStrictEqual(yield* reasonOf(late), { tag: "StatementTimeoutError", isRetryable: true })
    }))

  test("report a lock that was not given in time as LockTimeoutError", () =>
    Effect.gen(function*() {
      const sql = yield* fresh()
      const waiting = Effect.andThen(sql`set local lock_timeout = '50ms'`, sql`lock table items`)
      const rival = yield* connect()
      const [schema] = yield* sql<{ schema: string }>`select current_schema() as schema`
      const held = rival.withTransaction(Effect.gen(function*() {
        yield* rival`lock table ${rival(schema?.schema ?? "")}.items`
        return yield* reasonOf(sql.withTransaction(waiting))
      }))
      assert.deepStrictEqual(yield* held, { tag: "LockTimeoutError", isRetryable: true })
    }))

  test("report a deadlock as DeadlockError, to one of the two in it", () =>
    Effect.gen(function*() {
      const sql = yield* fresh()
      yield* sql`insert into items values (1, 'one'), (2, 'two')`
      const [left, right] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
      const lock = (
        first: number,
        second: number,
        mine: Deferred.Deferred<void>,
        theirs: Deferred.Deferred<void>
      ) =>
        sql.withTransaction(Effect.gen(function*() {
          yield* sql`update items set name = name where id = ${first}`
          yield* Deferred.succeed(mine, undefined)
          yield* Deferred.await(theirs)
          yield* sql`update items set name = name where id = ${second}`
        }))
      const exits = yield* Effect.all([
        Effect.exit(lock(1, 2, left, right)),
        Effect.exit(lock(2, 1, right, left))
      ], { concurrency: 2 })
      const failed = exits.filter(Exit.isFailure)
      assert.lengthOf(failed, 1)
      const error = Cause.squash(failed[0]?.cause ?? Cause.empty) as SqlError.SqlError
      assert.strictEqual(error.reason._tag, "DeadlockError")
      assert.isTrue(error.isRetryable)
    }))

  test("report an update of what has changed since it was read as SerializationError", () =>
    Effect.gen(function*() {
      const sql = yield* fresh()
      yield* sql`insert into items values (1, 'one')`
      const outdated = sql.withTransaction(Effect.gen(function*() {
        yield* sql`set transaction isolation level repeatable read`
        yield* names(sql)
        yield* Fiber.join(yield* changed(sql))
        yield* sql`update items set name = 'mine'`
      }))
      assert.deepStrictEqual(yield* reasonOf(outdated), { tag: "SerializationError", isRetryable: true })
      assert.deepStrictEqual(yield* names(sql), ["theirs"])
    }))

  test("report what a role may not do as AuthorizationError", () =>
    Effect.gen(function*() {
      const sql = yield* fresh()
      const forbidden = Effect.andThen(sql`set local role pg_monitor`, sql`select * from pg_authid`)
      assert.deepStrictEqual(yield* reasonOf(sql.withTransaction(forbidden)), {
        tag: "AuthorizationError",
        isRetryable: false
      })
    }))

  test("report a role that does not exist as AuthenticationError", () =>
    Effect.gen(function*() {
      const url = new URL(inject("databaseUrl"))
      url.username = "nobody_of_that_name"
      const sql = yield* connect({ url: url.href })
      assert.deepStrictEqual(yield* reasonOf(sql`select 1`), { tag: "AuthenticationError", isRetryable: false })
    }))

  test("report a server without a free connection as ConnectionError, which may pass", () =>
    Effect.gen(function*() {
      const admin = yield* connect()
      const role = `platform_busy_${process.pid}`
      yield* Effect.acquireRelease(
        admin`create role ${admin(role)} login password 'public' connection limit 0`,
        () => Effect.orDie(admin`drop role ${admin(role)}`)
      )
      const url = new URL(inject("databaseUrl"))
      url.username = role
      url.password = "public"
      const sql = yield* connect({ url: url.href })
      assert.deepStrictEqual(yield* reasonOf(sql`select 1`), { tag: "ConnectionError", isRetryable: true })
    }))

  test("report a port where nobody listens as ConnectionError, which may pass", () =>
    Effect.gen(function*() {
      const url = new URL(inject("databaseUrl"))
      url.port = `${yield* closedPort}`
      const sql = yield* connect({ url: url.href })
      assert.deepStrictEqual(yield* reasonOf(sql`select 1`), { tag: "ConnectionError", isRetryable: true })
      assert.deepStrictEqual(yield* reasonOf(sql.withTransaction(sql`select 1`)), {
        tag: "ConnectionError",
        isRetryable: true
      })
    }))
})

describe("a transaction", () => {
  test("is kept as a whole when it succeeds, and not at all when it fails or dies", () =>
    Effect.gen(function*() {
      const sql = yield* fresh()
      const insert = (id: number) => sql`insert into items values (${id}, ${`${id}`})`
      yield* sql.withTransaction(Effect.andThen(insert(1), insert(2)))
      const failed = yield* Effect.exit(sql.withTransaction(Effect.andThen(insert(3), Effect.fail("no"))))
      assert.deepStrictEqual(failed, Exit.fail("no"))
      const refused = sql.withTransaction(Effect.andThen(insert(4), insert(1)))
      assert.strictEqual((yield* reasonOf(refused)).tag, "UniqueViolation")
      assert.isTrue(Exit.hasDies(yield* Effect.exit(sql.withTransaction(Effect.andThen(insert(5), Effect.die("bug"))))))
      assert.deepStrictEqual(yield* names(sql), ["1", "2"])
    }))

  test("is rolled back when it is interrupted", () =>
    Effect.gen(function*() {
      const sql = yield* fresh({ maxConnections: 1 })
      const inserted = yield* Deferred.make<void>()
      const fiber = yield* sql.withTransaction(Effect.gen(function*() {
        yield* sql`insert into items values (1, 'one')`
        yield* Deferred.succeed(inserted, undefined)
        return yield* Effect.never
      })).pipe(Effect.forkScoped)
      yield* Deferred.await(inserted)
      yield* Fiber.interrupt(fiber)
      assert.deepStrictEqual(yield* names(sql), [])
    }))

  test("can fail in a nested part and keep the rest", () =>
    Effect.gen(function*() {
      const sql = yield* fresh()
      const insert = (id: number) => sql`insert into items values (${id}, ${`${id}`})`
      yield* sql.withTransaction(Effect.gen(function*() {
        yield* insert(1)
        const inner = yield* Effect.exit(sql.withTransaction(Effect.andThen(insert(2), insert(1))))
        assert.isTrue(Exit.isFailure(inner))
        yield* sql.withTransaction(insert(3))
      }))
      assert.deepStrictEqual(yield* names(sql), ["1", "3"])
      const all = sql.withTransaction(Effect.andThen(sql.withTransaction(insert(4)), Effect.fail("no")))
      assert.strictEqual(yield* Effect.flip(all), "no")
      assert.deepStrictEqual(yield* names(sql), ["1", "3"])
    }))

  for (const isNested of [false, true]) {
    const kind = isNested ? "nested transaction" : "transaction"
    test(`fails with ConnectionError when its connection breaks while a statement of a ${kind} runs`, () =>
      Effect.gen(function*() {
        const sql = yield* fresh()
        const admin = yield* connect()
        const pid = yield* Deferred.make<number>()
        const sleep = sql`select pg_sleep(60)`
        const fiber = yield* reasonOf(sql.withTransaction(Effect.gen(function*() {
          yield* sql`insert into items values (1, 'one')`
          yield* Deferred.succeed(pid, yield* backendOf(sql))
          yield* isNested ? sql.withTransaction(sleep) : sleep
        }))).pipe(Effect.forkScoped)
        yield* terminate(admin, yield* Deferred.await(pid))
        assert.deepStrictEqual(yield* Fiber.join(fiber), { tag: "ConnectionError", isRetryable: true })
        assert.deepStrictEqual(yield* names(sql), [])
      }))

    test(`fails with ConnectionError when its connection breaks between statements of a ${kind}`, () =>
      Effect.gen(function*() {
        const sql = yield* fresh()
        const admin = yield* connect()
        const cut = Effect.flatMap(backendOf(sql), (pid) => terminate(admin, pid))
        const broken = sql.withTransaction(Effect.gen(function*() {
          yield* sql`insert into items values (1, 'one')`
          yield* isNested ? sql.withTransaction(cut) : cut
        }))
        assert.deepStrictEqual(yield* reasonOf(broken), { tag: "ConnectionError", isRetryable: true })
        assert.deepStrictEqual(yield* names(sql), [])
      }))
  }

  test("fails with its own error though its connection broke before", () =>
    Effect.gen(function*() {
      const sql = yield* fresh()
      const admin = yield* connect()
      const broken = sql.withTransaction(Effect.gen(function*() {
        yield* terminate(admin, yield* backendOf(sql))
        return yield* Effect.fail("no")
      }))
      assert.deepStrictEqual(yield* Effect.exit(broken), Exit.fail("no"))
    }))
})

describe("the pool", () => {
  test("replaces a connection that the server has ended", () =>
    Effect.gen(function*() {
      const sql = yield* fresh({ maxConnections: 1 })
      const admin = yield* connect()
      const before = yield* backendOf(sql)
      yield* terminate(admin, before)
      // The end of an idle connection may come to notice only after it was handed out once more.
      const after = yield* Effect.retry(backendOf(sql), { times: 1, while: ({ isRetryable }) => isRetryable })
      assert.notStrictEqual(after, before)
    }))

  test("has no more connections than it may, and serves all who wait", () =>
    Effect.gen(function*() {
      const sql = yield* fresh({ maxConnections: 2 })
      const pids = yield* Effect.all(
        Array.from({ length: 20 }, () => sql<{ pid: number }>`select pg_backend_pid() as pid, pg_sleep(0.01)`),
        { concurrency: "unbounded" }
      )
      assert.strictEqual(new Set(pids.flat().map(({ pid }) => pid)).size, 2)
      assert.lengthOf(pids.flat(), 20)
    }))

  test("refuses who waited too long for a connection, and serves again when one is free", () =>
    Effect.gen(function*() {
      const sql = yield* fresh({ maxConnections: 1 })
      const impatient = yield* Deferred.make<{ readonly tag: string; readonly isRetryable: boolean }>()
      const taken = yield* Deferred.make<void>()
      const holder = yield* sql.withTransaction(
        Effect.andThen(Deferred.succeed(taken, undefined), Deferred.await(impatient))
      ).pipe(Effect.forkScoped)
      yield* Deferred.await(taken)
      yield* Deferred.succeed(impatient, yield* reasonOf(sql`select 1`))
      assert.deepStrictEqual(yield* Fiber.join(holder), { tag: "ConnectionError", isRetryable: true })
      assert.deepStrictEqual(yield* sql`select 1 as one`, [{ one: 1 }])
    }))
})

/** Another one's update of all items, under way outside of the surrounding transaction. */
const changed = (sql: Sql) =>
  Effect.gen(function*() {
    const [row] = yield* sql<{ schema: string }>`select current_schema() as schema`
    const rival = yield* connect({ schema: row?.schema ?? "" })
    return yield* Effect.forkScoped(rival`update items set name = 'theirs'`)
  })

/** A port on which nobody listens any more. */
const closedPort = Effect.callback<number>((resume) => {
  const server = createServer().listen(0, "127.0.0.1", () => {
    const address = server.address()
    const port = typeof address === "object" && address !== null ? address.port : 0
    server.close(() => resume(Effect.succeed(port)))
  })
})
