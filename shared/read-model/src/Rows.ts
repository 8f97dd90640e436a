/** Rows on their way to Postgres. */

/** Rows as JSON that Postgres takes: its text has no NUL and no half of a surrogate pair, while an error message may have both. */
export const toJson = (rows: ReadonlyArray<unknown>): string => {
  const text = JSON.stringify(rows)
  // JSON writes both as escapes; few rows have them, or a text that looks like one.
  return text.includes("\\u0000") || text.includes("\\ud") ? JSON.stringify(rows, storable) : text
}

const storable = (_: string, value: unknown) =>
  typeof value === "string" ? value.toWellFormed().replaceAll("\0", "\ufffd") : value
