/** Rows and fields as text. */
import { CliOutput } from "effect/cli"
import { fit, paint, plain, styleOf } from "./Style.ts"

export interface Look {
  readonly hasColor: boolean
  /** Columns that there are; undefined where nothing limits a line. */
  readonly width: number | undefined
}

/** A value as a cell of a table. */
export const cell = (value: unknown): string => {
  if (value === null || value === undefined) return "-"
  if (Array.isArray(value)) return value.length === 0 ? "-" : value.map(cell).join(", ")
  return plain(typeof value === "object" ? JSON.stringify(value) : String(value))
}

const gap = 2
/** No column is made narrower than this. */
const least = 8
/** What other commands take as an argument is never cut. */
const whole = new Set(["account", "file_name", "job_id", "key_id", "name", "sequence", "webhook_id"])

/** The widths of columns: as wide as they need, or where these are too many, the widest ones less. */
const widthsOf = (rows: ReadonlyArray<ReadonlyArray<string>>, width: number | undefined): ReadonlyArray<number> => {
  const names = rows[0] ?? []
  const widths = names.map((_, n) => Math.max(...rows.map((row) => CliOutput.displayWidth(row[n] ?? ""))))
  const total = () => widths.reduce((sum, one) => sum + one, 0) + gap * (widths.length - 1)
  for (let more = total() - (width ?? Infinity); more > 0; more = total() - (width ?? Infinity)) {
    const flexible = widths.map((width, n) => whole.has(names[n] ?? "") ? 0 : width)
    const widest = flexible.indexOf(Math.max(...flexible))
    const now = widths[widest] ?? 0
    if (now <= least) break
    widths[widest] = Math.max(least, now - more)
  }
  return widths
}

/** A table with a head, by the names of the fields that it shows. */
export const table = (
  rows: ReadonlyArray<object>,
  columns: ReadonlyArray<string>,
  { hasColor, width }: Look
): ReadonlyArray<string> => {
  const cells = rows.map((row) => columns.map((name) => cell(Reflect.get(row, name))))
  const widths = widthsOf([columns, ...cells], width)
  const line = (texts: ReadonlyArray<string>, isHead: boolean) =>
    texts.map((text, n) => {
      const fitted = n === texts.length - 1 && width === undefined ? text : fit(text, widths[n] ?? 0)
      return paint(fitted, isHead ? "bold" : styleOf(text), hasColor)
    }).join(" ".repeat(gap)).trimEnd()
  return [line(columns, true), ...cells.map((texts) => line(texts, false))]
}

/** Fields as lines, those of objects in them indented. */
export const fields = (value: object, look: Look, indent = ""): ReadonlyArray<string> => {
  const entries = Object.entries(value)
  const width = Math.max(0, ...entries.map(([name]) => name.length))
  return entries.flatMap(([name, one]) => {
    const head = `${indent}${paint(fit(name, width), "dim", look.hasColor)}  `
    if (Array.isArray(one) && one.some((item) => typeof item === "object" && item !== null)) {
      return [head.trimEnd(), ...one.flatMap((item) => [...fields(item, look, `${indent}  `), ""]).slice(0, -1)]
    }
    if (typeof one === "object" && one !== null && !Array.isArray(one)) {
      return [head.trimEnd(), ...fields(one, look, `${indent}  `)]
    }
    const text = cell(one)
    return [`${head}${paint(text, styleOf(text), look.hasColor)}`]
  })
}
