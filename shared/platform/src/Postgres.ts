/**
 * Postgres through `pg`, under Effect's SQL client interface: migrations, transactions and typed errors come from there.
 * `int8` arrives as a number (every one of ours is a count or a sequence below 2^53), `timestamptz` as a Date.
 */
import { Config, Duration, Effect, Layer, Redacted, Schema, Stream } from "effect"
import * as Reactivity from "effect/reactivity/Reactivity"
import { SqlClient, SqlError, Statement } from "effect/sql"
import type { Connection } from "effect/sql/SqlConnection"
import { DatabaseError, Pool, type PoolClient, types as pgTypes } from "pg"

export interface Options {
  readonly url: Redacted.Redacted
  readonly maxConnections: number
  /** The schema in which unqualified names are looked up and created. */
  readonly schema: string
}

/** No statement runs longer, and no caller waits longer for a connection. */
const statementTimeout = Duration.seconds(30)
const connectTimeout = Duration.seconds(2)

const int8 = 20
const types = {
  getTypeParser:
    ((oid: number, format?: "text") =>
      oid === int8 ? Number : pgTypes.getTypeParser(oid, format)) as typeof pgTypes.getTypeParser
}

export const make = Effect.fnUntraced(function*(options: Options) {
  const pool = yield* Effect.acquireRelease(
    Effect.sync(() =>
      new Pool({
        connectionString: Redacted.value(options.url),
        max: options.maxConnections,
        connectionTimeoutMillis: Duration.toMillis(connectTimeout),
        statement_timeout: Duration.toMillis(statementTimeout),
        options: `-c search_path=${options.schema}`,
        types
      })
    ),
    (pool) => Effect.promise(() => pool.end())
  )
  // A connection that breaks is replaced on next use; without listeners its error would end the process: the pool listens
  // while it is idle, and this one while it is lent out.
  pool.on("error", () => {})
  pool.on("connect", (client) => client.on("error", () => isBroken.add(client)))

  const acquire = Effect.tryPromise({ try: () => pool.connect(), catch: toSqlError("connect") })
  const acquirer = Effect.gen(function*() {
    const client = yield* Effect.acquireRelease(
      acquire,
      (client) => Effect.sync(() => client.release(isBroken.has(client)))
    )
    return connectionOf(client)
  })
  return yield* SqlClient.make({
    acquirer,
    transactionAcquirer: acquirer,
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

export const layer = (options: Options): Layer.Layer<SqlClient.SqlClient> =>
  Layer.effect(SqlClient.SqlClient, make(options)).pipe(Layer.provide(Reactivity.layer))

/** The client of `DATABASE_URL`, on the schema `READ_MODEL_SCHEMA`. Connects when it is first used. */
export const layerConfig = Layer.unwrap(Effect.gen(function*() {
  const url = yield* Config.Redacted("DATABASE_URL")
  const schema = yield* Config.schema(schemaName, "READ_MODEL_SCHEMA").pipe(Config.withDefault("akave_async"))
  const maxConnections = yield* Config.schema(poolSize, "DATABASE_MAX_CONNECTIONS").pipe(Config.withDefault(10))
  return layer({ url, schema, maxConnections })
}))

const schemaName = Schema.String.check(
  Schema.isPattern(/^[a-z_][a-z0-9_]{0,62}$/, {
    message: "a schema name has lower-case letters, digits and underscores"
  })
)
const poolSize = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 1000 }))

const isBroken = new WeakSet<PoolClient>()

const connectionOf = (client: PoolClient): Connection => {
  const query = (text: string, values: ReadonlyArray<unknown>, rowMode?: "array") =>
    Effect.tryPromise({
      try: () => client.query({ text, values: [...values], ...(rowMode === undefined ? {} : { rowMode }) }),
      catch: (cause) => {
        const error = toSqlError("query")(cause)
        if (error.reason._tag === "ConnectionError") isBroken.add(client)
        return error
      }
    })
  const execute: Connection["execute"] = (sql, params, transformRows) =>
    Effect.map(query(sql, params), ({ rows }) => transformRows === undefined ? rows : transformRows(rows))
  const executeValues: Connection["executeValues"] = (sql, params) =>
    Effect.map(query(sql, params, "array"), ({ rows }) => rows)
  // A connection that broke has taken its transaction with it: nothing is left to roll back, and COMMIT will tell.
  const executeUnprepared: Connection["executeUnprepared"] = (sql, params, transformRows) =>
    Effect.catchIf(
      execute(sql, params, transformRows),
      ({ reason }) => reason._tag === "ConnectionError" && /^(ROLLBACK|RELEASE)\b/.test(sql),
      () => Effect.succeed([])
    )
  return {
    execute,
    executeUnprepared,
    executeRaw: query,
    executeStream: (sql, params, transformRows) =>
      Stream.unwrap(Effect.map(execute(sql, params, transformRows), Stream.fromIterable)),
    executeValues,
    executeValuesUnprepared: executeValues
  }
}

/** The reason for each SQLSTATE that a caller may want to tell apart (PostgreSQL manual, appendix A). */
const reasons: ReadonlyArray<
  readonly [prefix: string, make: (fields: { cause: unknown; operation: string }) => SqlError.SqlErrorReason]
> = [
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

const toSqlError = (operation: string) => (cause: unknown): SqlError.SqlError => {
  // Whatever the server did not say itself went wrong on the way to it.
  const code = cause instanceof DatabaseError ? cause.code ?? "" : "08"
  const make = reasons.find(([prefix]) => code.startsWith(prefix))?.[1]
  const fields = { cause, operation }
  return new SqlError.SqlError({ reason: make === undefined ? new SqlError.UnknownError(fields) : make(fields) })
}
