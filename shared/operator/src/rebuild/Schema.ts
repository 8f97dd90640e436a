/**
 * The schema that a read model is built in. It is made with its tables in one transaction, without the indexes that only queries
 * need; those are made when it is built. What it is says its comment, as JSON.
 */
import { migrationsTable, ReadModelSchema } from "@akave-async/platform/Postgres"
import { checkpoint } from "@akave-async/read-model/Checkpoint"
import { migrateOnce, MigrationFailed } from "@akave-async/read-model/Migrations"
import { Effect, Option, Schema } from "effect"
import { SqlClient } from "effect/sql"

/** What a schema is, as its comment says. */
export const Mark = Schema.TaggedUnion({
  /** It is built, up to its checkpoint so far. */
  Building: {
    /** What built it: another release may build it otherwise. */
    release: Schema.String,
    /** The event that it ends with; none where it is to take the live one's place. */
    until: Schema.NullOr(Schema.Natural),
    /** The statements that make the indexes it has not. */
    indexes: Schema.Array(Schema.String)
  },
  /** The state as of an event, complete. */
  AsOf: { until: Schema.Natural },
  /** It was live, until a rebuilt one took its place. */
  Before: { replacedAt: Schema.String }
})
export type Mark = typeof Mark.Type
export const { AsOf, Before, Building } = Mark.cases

const Comment = Schema.fromJsonString(Schema.Struct({ "akave-async": Schema.toCodecJson(Mark) }))
const decodeComment = Schema.decodeUnknownOption(Comment)
const encodeComment = Schema.encodeSync(Comment)

/** Postgres cuts longer names in silence. */
const longestName = 63

export class SchemaNameInvalid extends Schema.TaggedError<SchemaNameInvalid>()("SchemaNameInvalid", {
  schema: Schema.String,
  problem: Schema.String
}) {
  override readonly message = `The schema ${JSON.stringify(this.schema)} can't be used: ${this.problem}`
}

/** Fails for names that a read model can't have. */
export const validName = (schema: string): Effect.Effect<string, SchemaNameInvalid> =>
  !/^[a-z_][a-z0-9_]*$/.test(schema) || schema.startsWith("pg_")
    ? Effect.fail(
      new SchemaNameInvalid({
        schema,
        problem: "a name has lower-case letters, digits and underscores, and does not begin with pg_"
      })
    )
    : schema.length > longestName
    ? Effect.fail(
      new SchemaNameInvalid({ schema, problem: `Postgres takes no name of more than ${longestName} characters` })
    )
    : Effect.succeed(schema)

/** The schema that a rebuild of this one is built in. */
export const rebuiltName = (live: string): string => `${live}_rebuilt`
/** The schema of the state as of an event. */
export const asOfName = (live: string, sequence: number): string => `${live}_as_of_${sequence}`
/** What a schema is called once another has taken its place. */
export const beforeName = (live: string, time: string): string =>
  `${live}_before_${time.replace(/\.\d+/, "").replaceAll(/[-:]/g, "").toLowerCase()}`

export interface Found {
  /** Absent where the schema is none that a rebuild has made. */
  readonly mark: Option.Option<Mark>
}

/** A schema, if there is one of this name. */
export const find = Effect.fnUntraced(function*(schema: string) {
  const sql = yield* SqlClient.SqlClient
  const [row] = yield* sql<{ comment: string | null }>`
    select obj_description(oid, 'pg_namespace') as comment from pg_catalog.pg_namespace where nspname = ${schema}`
  return row === undefined ? Option.none<Found>() : Option.some<Found>({ mark: markOf(row.comment) })
})

export const markOf = (comment: string | null): Option.Option<Mark> =>
  Option.map(decodeComment(comment), (value) => value["akave-async"])

/** Says what a schema is. */
export const mark = Effect.fnUntraced(function*(schema: string, mark: Mark) {
  const sql = yield* SqlClient.SqlClient
  const text = encodeComment({ "akave-async": mark }).replaceAll("'", "''")
  yield* sql`comment on schema ${sql(schema)} is ${sql.literal(`'${text}'`)}`
})

/** Makes the schema with its tables, or not at all; one that is there goes first. */
export const create = Effect.fnUntraced(function*(building: Omit<typeof Building.Type, "_tag" | "indexes">) {
  const sql = yield* SqlClient.SqlClient
  const schema = yield* ReadModelSchema
  yield* sql.withTransaction(Effect.gen(function*() {
    yield* sql`drop schema if exists ${sql(schema)} cascade`
    yield* migrateOnce
    const indexes = yield* sql<{ name: string; definition: string }>`
      select c.relname as name, pg_get_indexdef(c.oid) as definition
      from pg_catalog.pg_index i join pg_catalog.pg_class c on c.oid = i.indexrelid
      where c.relnamespace = ${schema}::regnamespace
        and not exists (select from pg_catalog.pg_constraint where conindid = c.oid)
      order by c.relname`
    for (const { name } of indexes) yield* sql`drop index ${sql(`${schema}.${name}`)}`
    yield* mark(schema, Building.make({ ...building, indexes: indexes.map(({ definition }) => definition) }))
  })).pipe(Effect.mapError((cause) => new MigrationFailed({ cause })))
})

/** Makes the indexes that the schema has not, and gathers what the planner goes by; it is of use for queries from then on. */
export const complete = Effect.fnUntraced(function*() {
  const sql = yield* SqlClient.SqlClient
  const schema = yield* ReadModelSchema
  const found = Option.flatMap(yield* find(schema), ({ mark }) => mark)
  if (Option.isNone(found) || found.value._tag !== "Building" || found.value.indexes.length === 0) return
  const building = found.value
  yield* sql.withTransaction(Effect.gen(function*() {
    for (const definition of building.indexes) yield* sql.unsafe(definition)
    yield* mark(schema, Building.make({ ...building, indexes: [] }))
  }))
  for (const table of yield* tablesOf(schema)) yield* sql`analyze ${sql(`${schema}.${table}`)}`
})

/** The tables of a read model. */
export const tablesOf = Effect.fnUntraced(function*(schema: string) {
  const sql = yield* SqlClient.SqlClient
  const tables = yield* sql<{ name: string }>`
    select c.relname as name from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    where n.nspname = ${schema} and c.relkind in ('r', 'p') order by c.relname`
  return tables.map(({ name }) => name)
})

/** The number of the last migration that was made; 0 for none. */
export const migrationOf = Effect.fnUntraced(function*(schema: string) {
  const sql = yield* SqlClient.SqlClient
  if (!(yield* tablesOf(schema)).includes(migrationsTable)) return 0
  const [row] = yield* sql<{ migration: number }>`
    select coalesce(max(migration_id), 0)::int as migration from ${sql(`${schema}.${migrationsTable}`)}`
  return row?.migration ?? 0
})

/** The schemas that rebuilds have made or put aside: what they are, the event that they stand at, and their size in bytes. */
export const list = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  const found = yield* sql<{ schema: string; comment: string; bytes: number }>`
    select n.nspname as schema, obj_description(n.oid, 'pg_namespace') as comment,
      (select coalesce(sum(pg_total_relation_size(c.oid)), 0)::bigint from pg_catalog.pg_class c
       where c.relnamespace = n.oid and c.relkind = 'r') as bytes
    from pg_catalog.pg_namespace n where obj_description(n.oid, 'pg_namespace') like '{"akave-async":%'
    order by n.nspname`
  return yield* Effect.forEach(
    found.flatMap(({ comment, ...row }) => Option.toArray(Option.map(markOf(comment), (mark) => ({ ...row, mark })))),
    Effect.fnUntraced(function*({ bytes, mark, schema }) {
      const isFilled = (yield* tablesOf(schema)).includes("projection_checkpoint")
      const standing = isFilled ? yield* Effect.provideService(checkpoint(), ReadModelSchema, schema) : undefined
      return { schema, what: whatOf(mark), sequence: standing?.sequence ?? 0, bytes }
    })
  )
})

/** What a schema is, in words. */
export const whatOf = (mark: Mark): string => {
  switch (mark._tag) {
    case "AsOf":
      return `the state as of event ${mark.until}`
    case "Before":
      return `live until ${mark.replacedAt}`
    case "Building":
      return mark.until === null ? "built, to be switched" : `building the state as of event ${mark.until}`
  }
}
