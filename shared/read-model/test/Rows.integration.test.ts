/** Rows that are copied in are those that statements with JSON would have written. */
import * as Postgres from "@akave-async/platform/Postgres"
import { assert } from "@effect/vitest"
import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import { copyInto, toJson } from "../src/Rows.ts"
import { onSchema } from "./schema.ts"

const texts = [
  "",
  "plain",
  "\\N",
  "\\.",
  "a\tb\nc\r\\d",
  "\\u0000",
  "nul \0",
  "half \ud83d of it",
  "whole 😀",
  "{\"a\":1}"
]
const rows = texts.map((text, n) => ({ id: n, text, json: { text, all: [text, null, 1.5] }, none: null }))
const columns = ["id", "text", "json", "none"] as const
const copied = (of: typeof rows) =>
  Effect.flatMap(
    SqlClient.SqlClient,
    (sql) => copyInto(sql("copied"), columns, of.map((row) => columns.map((name) => row[name])))
  )

onSchema(
  "rows",
  "are the same, whatever their text",
  Effect.gen(function*() {
    const sql = yield* SqlClient.SqlClient
    yield* sql`create schema ${sql(yield* Postgres.ReadModelSchema)}`
    for (const table of ["copied", "inserted"]) {
      yield* sql`create table ${sql(table)} (id bigint primary key, text text, json jsonb, none text)`
    }
    yield* sql.withTransaction(copied(rows))
    yield* sql`insert into inserted select * from json_to_recordset(${toJson(rows)}::json)
    as row(id bigint, text text, json jsonb, none text)`
    const all = (table: string) => sql`select *, json::text as written from ${sql(table)} order by id`
    assert.lengthOf(yield* all("copied"), texts.length)
    assert.deepStrictEqual(yield* all("copied"), yield* all("inserted"))

    // What is refused leaves the connection usable, and nothing of it.
    const error = yield* Effect.flip(
      sql.withTransaction(copied([...rows.map((row) => ({ ...row, id: row.id + 100 })), ...rows]))
    )
    assert.strictEqual(error.reason._tag, "UniqueViolation")
    const nested = sql.withTransaction(Effect.gen(function*() {
      yield* Effect.ignore(sql.withTransaction(copied(rows)))
      return yield* sql`select count(*) from copied`
    }))
    assert.deepStrictEqual(yield* nested, [{ count: texts.length }])
    const missing = copyInto(sql("missing"), columns, [])
    assert.strictEqual((yield* Effect.flip(sql.withTransaction(missing))).reason._tag, "SqlSyntaxError")
  })
)
