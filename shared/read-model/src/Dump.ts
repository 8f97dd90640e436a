/**
 * The canonical dump: every row of a read model as a line of JSON, in the order of tables and primary keys. Two read models that hold
 * the same have the same lines, however their rows came into them and whatever a session is set to.
 *
 * Tables, columns and keys are what the catalog has. Left out are the archive, whose runs of events are cut as it happened (what they
 * hold is in the checkpoint's hash), the migrations, which have the time when they were made, and of the checkpoint when it was moved.
 */
import { migrationsTable } from "@akave-async/platform/Postgres"
import { Effect, Option, Order, Schema, Stream } from "effect"
import { SqlClient, type SqlError } from "effect/sql"
import type { Connection } from "effect/sql/SqlConnection"
import { createHash } from "node:crypto"

export interface Row {
  readonly table: string
  /** The values of its primary key: whole numbers as such, all else as text. */
  readonly key: ReadonlyArray<string | number>
  /** `{"table":…,"row":{…}}`, columns in the order of their names. */
  readonly line: string
}

export class SchemaMissing extends Schema.TaggedError<SchemaMissing>()("SchemaMissing", { schema: Schema.String }) {
  override readonly message = `There is no read model in the schema ${this.schema}`
}

/** Rows that are fetched at a time. */
const pageSize = 1_000

const leftOut = ["event_segments", migrationsTable]
/** The columns of tables of which not all are dumped. */
const onlyColumns: Readonly<Record<string, ReadonlyArray<string>>> = {
  projection_checkpoint: ["name", "sequence", "hash"]
}

/** What text of a row depends on, as a dump has it. A transaction that is long, and may be asked nothing for long. */
const settings = [
  "set local timezone = 'UTC'",
  "set local datestyle = 'ISO, YMD'",
  "set local intervalstyle = 'iso_8601'",
  "set local extra_float_digits = 1",
  "set local bytea_output = 'hex'",
  "set local statement_timeout = 0",
  "set local idle_in_transaction_session_timeout = 0"
]

/** A snapshot of the database that other transactions can read, as long as the scope lives, and the event that a read model stands at in it. */
export const snapshot = Effect.fnUntraced(function*(schema: string) {
  const connection = yield* reading(undefined)
  const [exported] = yield* execute<{ id: string }>(connection, "select pg_export_snapshot() as id")
  const [standing] = yield* execute<{ sequence: number }>(
    connection,
    `select sequence from ${quoted(schema)}.projection_checkpoint where name = 'events'`
  )
  return { id: exported?.id ?? "", sequence: standing?.sequence ?? 0 }
})

/**
 * All rows of the read model in a schema, as they are at one moment; at that of a snapshot (see {@link snapshot}) if one is given.
 * Fails where the schema has no read model.
 */
export const rows = (
  schema: string,
  options: { readonly snapshot?: string } = {}
): Stream.Stream<Row, SqlError.SqlError | SchemaMissing, SqlClient.SqlClient> =>
  Stream.unwrap(Effect.gen(function*() {
    const connection = yield* reading(options.snapshot)
    const tables = yield* tablesOf(connection, schema)
    if (tables.length === 0) return yield* new SchemaMissing({ schema })
    return Stream.flatMap(Stream.fromIterable(tables), (table) => rowsOf(connection, schema, table))
  }))

/** How many rows a dump has, and the SHA-256 of its lines, each with its line feed. */
export const digest = Effect.fnUntraced(function*<E, R>(dump: Stream.Stream<Row, E, R>) {
  const hash = createHash("sha256")
  let count = 0
  yield* Stream.runForEachArray(dump, (page) =>
    Effect.sync(() => {
      count += page.length
      for (const { line } of page) hash.update(`${line}\n`)
    }))
  return { rows: count, sha256: hash.digest("hex") }
})

// ---------------------------------------------------------------------------------------------------------------------
// Differences

/** A row that only one of two dumps has, or that has other values in these columns. */
export type Difference =
  & { readonly table: string; readonly key: Row["key"] }
  & (
    | { readonly in: "a" | "b" }
    | { readonly in: "both"; readonly columns: ReadonlyArray<Column> }
  )
/** What a column holds in each; undefined where it is not there. */
export interface Column {
  readonly name: string
  readonly a: unknown
  readonly b: unknown
}

/** How two dumps differ, in the order of their rows. */
export const differences = <E, R, E2, R2>(
  a: Stream.Stream<Row, E, R>,
  b: Stream.Stream<Row, E2, R2>
): Stream.Stream<Difference, E | E2, R | R2> =>
  Stream.combine(
    Stream.concat(Stream.map(a, Option.some), Stream.succeed(Option.none<Row>())),
    Stream.concat(Stream.map(b, Option.some), Stream.succeed(Option.none<Row>())),
    (): Heads => ({ pull: "both", a: Option.none(), b: Option.none() }),
    Effect.fnUntraced(function*(heads, pullA, pullB) {
      const nextA = heads.pull === "b" ? heads.a : yield* pullA
      const nextB = heads.pull === "a" ? heads.b : yield* pullB
      const [difference, pull] = compared(nextA, nextB)
      return [difference, { pull, a: nextA, b: nextB }] as const
    })
    // The end of a side, which its last head comes before, ends the stream: it is no failure of it.
  ).pipe(Stream.flattenIterable) as Stream.Stream<Difference, E | E2, R | R2>

/** The next row of each dump, none at its end; and of which of them the next one is wanted. */
interface Heads {
  readonly pull: "a" | "b" | "both"
  readonly a: Option.Option<Row>
  readonly b: Option.Option<Row>
}

const compared = (
  a: Option.Option<Row>,
  b: Option.Option<Row>
): readonly [ReadonlyArray<Difference>, Heads["pull"]] => {
  if (Option.isNone(a) && Option.isNone(b)) return [[], "both"]
  const order = Option.isNone(a) ? 1 : Option.isNone(b) ? -1 : byPlace(a.value, b.value)
  if (Option.isSome(a) && order < 0) return [[{ table: a.value.table, key: a.value.key, in: "a" }], "a"]
  if (Option.isSome(b) && order > 0) return [[{ table: b.value.table, key: b.value.key, in: "b" }], "b"]
  if (Option.isNone(a) || Option.isNone(b) || a.value.line === b.value.line) return [[], "both"]
  const { key, table } = a.value
  return [[{ table, key, in: "both", columns: columnsThatDiffer(a.value.line, b.value.line) }], "both"]
}

const columnsThatDiffer = (a: string, b: string): ReadonlyArray<Column> => {
  const [left, right] = [JSON.parse(a).row, JSON.parse(b).row]
  return [...new Set([...Object.keys(left), ...Object.keys(right)])].toSorted()
    .map((name) => ({ name, a: left[name], b: right[name] }))
    .filter(({ a, b }) => JSON.stringify(a) !== JSON.stringify(b))
}

/** Text as Postgres orders it by the collation "C": by its bytes in UTF-8. */
const byText: Order.Order<string> = (a, b) => a === b ? 0 : Buffer.compare(Buffer.from(a), Buffer.from(b)) < 0 ? -1 : 1

/** The order of the rows of a dump. */
const byPlace: Order.Order<Row> = (a, b) => {
  const ofTables = byText(a.table, b.table)
  if (ofTables !== 0) return ofTables
  for (const [n, left] of a.key.entries()) {
    const right = b.key[n]
    const order = typeof left === "number" && typeof right === "number"
      ? Order.Number(left, right)
      : byText(`${left}`, `${right}`)
    if (order !== 0) return order
  }
  return 0
}

// ---------------------------------------------------------------------------------------------------------------------
// Statements

const execute = <A>(connection: Connection, text: string, params: ReadonlyArray<unknown> = []) =>
  connection.execute(text, params, undefined) as Effect.Effect<ReadonlyArray<A>, SqlError.SqlError>

/** A connection in a transaction that reads one snapshot, until the scope is closed. */
const reading = Effect.fnUntraced(function*(snapshot: string | undefined) {
  const sql = yield* SqlClient.SqlClient
  const connection = yield* sql.reserve
  yield* Effect.acquireRelease(
    execute(connection, "begin isolation level repeatable read read only"),
    () => Effect.ignore(execute(connection, "rollback"))
  )
  // Before anything else: what has read has a snapshot of its own.
  if (snapshot !== undefined) yield* execute(connection, `set transaction snapshot '${snapshot.replaceAll("'", "")}'`)
  for (const setting of settings) yield* execute(connection, setting)
  return connection
})

interface Table {
  readonly name: string
  readonly columns: ReadonlyArray<string>
  /** The columns of its primary key, in their order; all, where it has none. */
  readonly key: ReadonlyArray<{ readonly name: string; readonly type: string }>
}

const tablesOf = Effect.fnUntraced(function*(connection: Connection, schema: string) {
  const columns = yield* execute<{ table: string; name: string; type: string; place: number | null }>(
    connection,
    `select c.relname as table, a.attname as name, a.atttypid::regtype::text as type,
       array_position(i.indkey::int2[], a.attnum) as place
     from pg_catalog.pg_class c
     join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
     left join pg_catalog.pg_index i on i.indrelid = c.oid and i.indisprimary
     where c.relnamespace = (select oid from pg_catalog.pg_namespace where nspname = $1)
       and c.relkind in ('r', 'p') and c.relname <> all($2)
     order by c.relname collate "C", a.attname collate "C"`,
    [schema, leftOut]
  )
  return [...Map.groupBy(columns, ({ table }) => table)].map(([name, all]): Table => {
    const taken = all.filter((column) => onlyColumns[name]?.includes(column.name) ?? true)
    const key = taken.filter(({ place }) => place !== null).toSorted((a, b) => (a.place ?? 0) - (b.place ?? 0))
    return { name, columns: taken.map(({ name }) => name), key: key.length === 0 ? taken : key }
  })
})

const quoted = (name: string): string => `"${name.replaceAll("\"", "\"\"")}"`

/** How a column of a key is ordered and written: the same in every database, and as {@link byPlace} has it. */
const ordering = ({ name, type }: Table["key"][number]): { readonly order: string; readonly value: string } => {
  const column = quoted(name)
  if (["smallint", "integer", "bigint"].includes(type)) return { order: column, value: column }
  // Its own order, for which there is an index, is that of its text.
  return type === "uuid"
    ? { order: column, value: `${column}::text` }
    : { order: `${column}::text collate "C"`, value: `${column}::text` }
}

const rowsOf = (connection: Connection, schema: string, { columns, key, name }: Table) => {
  const ordered = key.map(ordering)
  const cursor = `
    declare dump no scroll cursor for
    select json_build_array(${ordered.map(({ value }) => value).join(", ")})::text as key,
      (select row_to_json(r)::text from (select ${
    columns.map((column) => `t.${quoted(column)}`).join(", ")
  }) as r) as row
    from ${quoted(schema)}.${quoted(name)} as t order by ${ordered.map(({ order }) => `t.${order}`).join(", ")}`
  const start = JSON.stringify(name)
  const page = Effect.map(
    execute<{ key: string; row: string }>(connection, `fetch ${pageSize} from dump`),
    (found) => {
      const rows = found.map(({ key, row }): Row => ({
        table: name,
        key: JSON.parse(key),
        line: `{"table":${start},"row":${row}}`
      }))
      return [rows, found.length < pageSize ? Option.none<null>() : Option.some(null)] as const
    }
  )
  return Stream.unwrap(
    Effect.as(execute(connection, cursor), Stream.paginate(null, () => page))
  ).pipe(Stream.concat(Stream.drain(Stream.fromEffect(execute(connection, "close dump")))))
}
