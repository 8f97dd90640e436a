/**
 * Postgres through `pg`, under Effect's SQL client interface: migrations, transactions and typed errors come from there.
 * `int8` arrives as a number (every one of ours is a count or a sequence below 2^53), `timestamptz` as a Date.
 *
 * Nothing here depends on what a session remembers, so that a pooler may give each transaction another session: no startup
 * parameter, no prepared statement, no `search_path`; what a transaction needs to be set it sets for itself.
 */
import { Config, Context, Duration, Effect, Layer, Option, Redacted, Schema, Stream } from "effect"
import * as Reactivity from "effect/reactivity/Reactivity"
import { SqlClient, SqlError, Statement } from "effect/sql"
import type { Connection } from "effect/sql/SqlConnection"
import { type ClientConfig, DatabaseError, Pool, type PoolClient, type QueryResult, types as pgTypes } from "pg"
import * as Measure from "./Measure.ts"
import { cancel } from "./PostgresCancel.ts"
import * as PostgresCopy from "./PostgresCopy.ts"
import { databaseUrl } from "./PostgresSettings.ts"

export interface Options {
  readonly connection: Redacted.Redacted<ClientConfig>
  readonly maxConnections: number
  /** After which a statement without an answer is given up, with its connection. */
  readonly patience: Duration.Duration
}

/** Nobody waits longer for a connection, be it that all are in use or that a new one does not come about. */
const connectTimeout = Duration.seconds(2)
/** A connection on which nothing happens is probed after this, and is dead when ten probes a second apart got no answer. */
const keepAliveDelay = Duration.seconds(10)
/** A server that lives ends a transaction's statement itself before it is given up here, by this much. */
const margin = Duration.seconds(1)

const int8 = 20
const types = {
  getTypeParser:
    ((oid: number, format?: "text") =>
      oid === int8 ? Number : pgTypes.getTypeParser(oid, format)) as typeof pgTypes.getTypeParser
}

export const make = Effect.fnUntraced(function*({ connection, maxConnections, patience }: Options) {
  const config = Redacted.value(connection)
  const pool = yield* Effect.acquireRelease(
    Effect.sync(() =>
      new Pool({
        ...config,
        max: maxConnections,
        connectionTimeoutMillis: Duration.toMillis(connectTimeout),
        keepAlive: true,
        keepAliveInitialDelayMillis: Duration.toMillis(keepAliveDelay),
        types
      })
    ),
    (pool) => Effect.promise(() => pool.end())
  )
  // A connection that breaks is replaced on next use; without listeners its error would end the process: the pool listens
  // while it is idle, and this one while it is lent out.
  pool.on("error", () => {})
  pool.on("connect", (client) => client.on("error", () => isBroken.add(client)))

  const toSqlError = sqlErrorOf(config, patience)
  const acquire = Effect.callback<PoolClient, SqlError.SqlError>((resume) => {
    let isWanted = true
    pool.connect().then(
      (client) => isWanted ? resume(Effect.succeed(client)) : client.release(),
      (cause) => resume(Effect.fail(toSqlError("connect", cause)))
    )
    return Effect.sync(() => {
      isWanted = false
    })
  }).pipe(Measure.timed((exit) => calls("CONNECT", exit._tag === "Success" ? "ok" : "error")))
  // Whoever used it need not wait for a server that does not answer.
  const release = (client: PoolClient) =>
    Effect.sync(() => {
      if (isGivenUp.has(client)) void cancel(client).then(() => client.release(true))
      else client.release(isBroken.has(client))
    })
  const acquirer = Effect.map(
    Effect.acquireRelease(acquire, release, { interruptible: true }),
    (client) => connectionOf(client, patience, toSqlError)
  )
  const limit = Duration.toMillis(Duration.max(Duration.subtract(patience, margin), margin))
  return yield* SqlClient.make({
    acquirer,
    transactionAcquirer: acquirer,
    // The server ends a transaction whose client is gone without a word, and the locks that it holds.
    beginTransaction:
      `BEGIN; SET LOCAL statement_timeout = ${limit}; SET LOCAL idle_in_transaction_session_timeout = ${limit}`,
    compiler: Statement.makeCompiler({
      dialect: "pg",
      placeholder: (index) => `$${index}`,
      onIdentifier: Statement.defaultEscape("\""),
      onRecordUpdate: (placeholders, alias, columns, values, returning) => [
        `(values ${placeholders}) AS ${alias}${columns}${returning === undefined ? "" : ` RETURNING ${returning[0]}`}`,
        returning === undefined ? values.flat() : [...values.flat(), ...returning[1]]
      ],
      onCustom: () => ["", []]
    }),
    driver: "pg",
    releaseSavepoint: (name) => `RELEASE SAVEPOINT ${name}`,
    spanAttributes: [["db.system.name", "postgresql"]]
  })
})

/** The schema that holds the read model. Every statement names it: what a session looks through may be anything. */
export class ReadModelSchema
  extends Context.Service<ReadModelSchema, string>()("@akave-async/platform/Postgres/ReadModelSchema")
{}

/** What is needed to read and write the read model. */
export type Database = SqlClient.SqlClient | ReadModelSchema

/** The number of the last migration that this release has: what it reads and writes of the read model is as that one leaves it. */
export const readModelMigration = 8

/** The table of the migrations that were made. */
export const migrationsTable = "schema_migrations"

/** The names of the read model's tables, as statements write them. */
export const readModelTable = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  const schema = yield* ReadModelSchema
  return (name: string) => sql(`${schema}.${name}`)
})

/** A client, on a read model in this schema. */
export const layer = (
  { schema, ...options }: Options & { readonly schema: string }
): Layer.Layer<Database> =>
  Layer.merge(
    Layer.effect(SqlClient.SqlClient, make(options)).pipe(Layer.provide(Reactivity.layer)),
    Layer.succeed(ReadModelSchema, schema)
  )

/** The client of `DATABASE_URL`, on the schema `READ_MODEL_SCHEMA`. Connects when it is first used. */
export const layerConfig = (patience: Duration.Duration) =>
  Layer.unwrap(Effect.gen(function*() {
    const connection = yield* databaseUrl
    const schema = yield* Config.schema(schemaName, "READ_MODEL_SCHEMA").pipe(Config.withDefault("akave_async"))
    const maxConnections = yield* Config.schema(poolSize, "DATABASE_MAX_CONNECTIONS").pipe(Config.withDefault(10))
    return layer({ connection, schema, maxConnections, patience })
  }))

const schemaName = Schema.String.check(
  Schema.isPattern(/^[a-z_][a-z0-9_]{0,62}$/, {
    message: "a schema name has lower-case letters, digits and underscores"
  })
)
const poolSize = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 1000 }))

/** Connections that have failed. */
const isBroken = new WeakSet<PoolClient>()
/** Connections on which a statement was given up: the server may still be at it, and its answer may still come. */
const isGivenUp = new WeakSet<PoolClient>()

type ToSqlError = (operation: "connect" | "query", cause: unknown) => SqlError.SqlError

const connectionOf = (client: PoolClient, patience: Duration.Duration, toSqlError: ToSqlError): Connection => {
  const asked = <A>(text: string, ask: () => Promise<A>) =>
    Effect.callback<A, SqlError.SqlError>((resume) => {
      if (isGivenUp.has(client)) return resume(Effect.fail(toSqlError("query", new NoAnswer())))
      const settle = (outcome: Effect.Effect<A, SqlError.SqlError>) => {
        clearTimeout(timer)
        resume(outcome)
      }
      const giveUp = () => {
        isGivenUp.add(client)
        settle(Effect.fail(toSqlError("query", new NoAnswer())))
      }
      // A timer of its own: a transaction's end can't be interrupted, and must not wait for ever either.
      const timer = setTimeout(giveUp, Duration.toMillis(patience))
      ask().then(
        (result) => settle(Effect.succeed(result)),
        (cause) => {
          const error = toSqlError("query", cause)
          if (error.reason._tag === "ConnectionError") isBroken.add(client)
          settle(Effect.fail(error))
        }
      )
      return Effect.sync(giveUp)
    }).pipe(Measure.timed((exit) => calls(operationOf(text), exit._tag === "Success" ? "ok" : "error")))
  const query = (text: string, values: ReadonlyArray<unknown>, rowMode?: "array") =>
    asked<QueryResult>(
      text,
      () => client.query({ text, values: [...values], ...(rowMode === undefined ? {} : { rowMode }) })
    )
  const execute: Connection["execute"] = (sql, params, transformRows) =>
    Effect.map(query(sql, params), ({ rows }) => transformRows === undefined ? rows : transformRows(rows))
  const executeValues: Connection["executeValues"] = (sql, params) =>
    Effect.map(query(sql, params, "array"), ({ rows }) => rows)
  // A connection that broke has taken its transaction with it: nothing is left to roll back, and COMMIT will report it.
  const executeUnprepared: Connection["executeUnprepared"] = (sql, params, transformRows) =>
    Effect.catchIf(
      execute(sql, params, transformRows),
      ({ reason }) => reason._tag === "ConnectionError" && /^(ROLLBACK|RELEASE)\b/.test(sql),
      () => Effect.succeed([])
    )
  const connection: Connection = {
    execute,
    executeUnprepared,
    executeRaw: query,
    executeStream: (sql, params, transformRows) =>
      Stream.unwrap(Effect.map(execute(sql, params, transformRows), Stream.fromIterable)),
    executeValues,
    executeValuesUnprepared: executeValues
  }
  copies.set(connection, (text, rows) => asked(text, () => PostgresCopy.copyIn(client, text, rows)))
  return connection
}

/** How rows are copied in over a connection. */
const copies = new WeakMap<Connection, (text: string, rows: string) => Effect.Effect<void, SqlError.SqlError>>()

/**
 * Runs `COPY … FROM STDIN` in the transaction that is under way, which must be one of this client.
 * @param rows In COPY's text format.
 */
export const copyIn = Effect.fnUntraced(function*(statement: Statement.Statement<unknown>, rows: string) {
  const sql = yield* SqlClient.SqlClient
  const transaction = yield* Effect.serviceOption(sql.transactionService)
  const copy = Option.getOrUndefined(Option.map(transaction, ([connection]) => copies.get(connection)))
  if (copy === undefined) return yield* Effect.die(new Error("rows are copied in a transaction only"))
  yield* copy(statement.compile()[0], rows)
})

const calls = Measure.labelled(
  Measure.seconds("db.client.operation.duration", "From a statement to its answer; CONNECT waits for a connection"),
  ["db.operation.name", "outcome"]
)
/** The first word of a statement: there are as many as the code has. */
const operationOf = (text: string): string => /\w+/.exec(text)?.[0].toUpperCase() ?? ""

/** A statement was not answered in time. */
class NoAnswer extends Error {}

type Fields = { readonly cause: unknown; readonly operation: string; readonly message: string }

/** The reason for each SQLSTATE that a caller may want to distinguish (PostgreSQL manual, appendix A). */
const reasons: ReadonlyArray<readonly [prefix: string, make: (fields: Fields) => SqlError.SqlErrorReason]> = [
  // The server has ended the session for its idle transaction.
  ["25P03", (fields) => new SqlError.ConnectionError(fields)],
  ["28", (fields) => new SqlError.AuthenticationError(fields)],
  ["42501", (fields) => new SqlError.AuthorizationError(fields)],
  ["42", (fields) => new SqlError.SqlSyntaxError(fields)],
  ["23505", (fields) => new SqlError.UniqueViolation({ ...fields, constraint: constraintOf(fields.cause) })],
  ["23", (fields) => new SqlError.ConstraintError(fields)],
  ["40P01", (fields) => new SqlError.DeadlockError(fields)],
  ["40", (fields) => new SqlError.SerializationError(fields)],
  ["55P03", (fields) => new SqlError.LockTimeoutError(fields)],
  ["57014", (fields) => new SqlError.StatementTimeoutError(fields)],
  ["53300", (fields) => new SqlError.ConnectionError(fields)],
  ["08", (fields) => new SqlError.ConnectionError(fields)],
  ["57P", (fields) => new SqlError.ConnectionError(fields)]
]

const constraintOf = (cause: unknown): string => cause instanceof DatabaseError ? cause.constraint ?? "" : ""

const sqlErrorOf = ({ host, port }: ClientConfig, patience: Duration.Duration): ToSqlError => {
  const server = host === undefined || host === ""
    ? "Postgres"
    : `Postgres at ${host}${port === undefined ? "" : `:${port}`}`
  const describe = (operation: "connect" | "query", cause: unknown) => {
    // The detail is left out: it may repeat what is stored.
    if (cause instanceof DatabaseError) {
      const hint = cause.hint === undefined ? "" : `; ${cause.hint}`
      return `${server} says: ${cause.message} (SQLSTATE ${cause.code})${hint}`
    }
    if (cause instanceof NoAnswer) return `${server} did not answer within ${Duration.toSeconds(patience)} seconds`
    const message = messageOf(cause)
    if (operation === "connect" && /timeout/.test(message)) {
      return `${server} gave no connection within ${Duration.toSeconds(connectTimeout)} seconds`
    }
    return `${server} can't be reached: ${message}`
  }
  return (operation, cause) => {
    // Whatever the server did not say itself went wrong on the way to it.
    const code = cause instanceof DatabaseError ? cause.code ?? "" : "08"
    const make = reasons.find(([prefix]) => code.startsWith(prefix))?.[1]
    const fields = { cause, operation, message: describe(operation, cause) }
    return new SqlError.SqlError({ reason: make === undefined ? new SqlError.UnknownError(fields) : make(fields) })
  }
}

/** What an error says. Where a name has several addresses, each has failed with a message of its own. */
const messageOf = (cause: unknown): string => {
  if (cause instanceof AggregateError) return cause.errors.map(messageOf).join(", ")
  return cause instanceof Error ? cause.message : "the connection failed"
}
