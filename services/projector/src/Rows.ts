/** Rows on their way to Postgres. */

/** Rows as JSON that Postgres takes: its text has no NUL and no half of a surrogate pair, while an error message may have both. */
export const toJson = (rows: ReadonlyArray<unknown>): string =>
  JSON.stringify(
    rows,
    (_, value) => typeof value === "string" ? value.toWellFormed().replaceAll("\0", "\ufffd") : value
  )
