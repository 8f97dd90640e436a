/** Rows on their way to Postgres. */
import { copyIn } from "@akave-async/platform/Postgres"
import { Effect } from "effect"
import { SqlClient, type Statement } from "effect/sql"

/** Rows as JSON that Postgres takes: its text has no NUL and no half of a surrogate pair, while an error message may have both. */
export const toJson = (rows: ReadonlyArray<unknown>): string => {
  const text = JSON.stringify(rows)
  // JSON writes both as escapes; few rows have them, or a text that looks like one.
  return hasUnstorable(text) ? JSON.stringify(rows, storable) : text
}

/**
 * Copies rows into a table, in the transaction that is under way. Values are text, numbers, what JSON has, or null; those of objects go
 * to columns of JSON.
 */
export const copyInto = Effect.fnUntraced(function*(
  table: Statement.Identifier,
  columns: ReadonlyArray<string>,
  rows: ReadonlyArray<ReadonlyArray<unknown>>
) {
  const sql = yield* SqlClient.SqlClient
  const statement = sql`copy ${table} (${sql.csv(columns.map((name) => sql`${sql(name)}`))}) from stdin`
  yield* copyIn(statement, rows.map((row) => `${row.map(copied).join("\t")}\n`).join(""))
})

/** A value as COPY reads it in its text format. */
const copied = (value: unknown): string => {
  if (value === null || value === undefined) return "\\N"
  const json = typeof value === "object" ? JSON.stringify(value) : `${value}`
  const text = typeof value !== "object" ?
    storableText(json)
    : hasUnstorable(json)
    ? JSON.stringify(value, storable)
    : json
  return isPlain(text) ? text : text.replaceAll(/[\\\n\r\t]/g, (found) => escapes[found] ?? "")
}
const isPlain = (text: string): boolean => !/[\\\n\r\t]/.test(text)
const escapes: Readonly<Record<string, string>> = { "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t" }

const hasUnstorable = (json: string): boolean => json.includes("\\u0000") || json.includes("\\ud")
const storableText = (text: string): string => text.toWellFormed().replaceAll("\0", "\ufffd")
const storable = (_: string, value: unknown) => typeof value === "string" ? storableText(value) : value
