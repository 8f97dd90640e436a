/** What a benchmark has measured, as text, as JSON and as a part of a page. */
import { summary } from "./Rounds.ts"

export interface Column {
  readonly name: string
  readonly unit: string
  readonly digits: number
  /** Drawn as a chart on the page. */
  readonly isDrawn?: boolean
}

export interface Row {
  readonly name: string
  /** By the column's name: one value for each round. What was not measured is left out. */
  readonly values: Readonly<Record<string, ReadonlyArray<number>>>
}

export interface Table {
  readonly title: string
  /** What was done, and what the columns are. */
  readonly about: string
  readonly columns: ReadonlyArray<Column>
  readonly rows: ReadonlyArray<Row>
}

/** The median, and what three quarters of the rounds lie between where there were several. */
const cell = ({ digits, name }: Column, { values }: Row): string => {
  const measured = values[name] ?? []
  if (measured.length === 0) return ""
  const { high, low, median } = summary(measured)
  return measured.length === 1
    ? median.toFixed(digits)
    : `${median.toFixed(digits)} (${low.toFixed(digits)}–${high.toFixed(digits)})`
}
const heading = ({ name, unit }: Column) => unit === "" ? name : `${name}, ${unit}`

const cellsOf = ({ columns, rows }: Table) => [
  ["", ...columns.map(heading)],
  ...rows.map((row) => [row.name, ...columns.map((column) => cell(column, row))])
]

export const toText = (table: Table): string => {
  const lines = cellsOf(table)
  const widths = lines[0]?.map((_, n) => Math.max(...lines.map((line) => line[n]?.length ?? 0))) ?? []
  const text = lines.map((line) => line.map((cell, n) => cell.padEnd(widths[n] ?? 0)).join("  ").trimEnd())
  return [table.title, table.about, "", ...text, ""].join("\n")
}

const chart = ({ rows, title }: Table, column: Column): string => {
  const drawn = rows.filter(({ values }) => (values[column.name]?.length ?? 0) > 0)
  const bars = drawn.map(({ values }) => summary(values[column.name] ?? []).median.toFixed(column.digits))
  return [
    "```mermaid",
    "xychart-beta horizontal",
    `  title "${title}: ${heading(column)}"`,
    `  x-axis [${drawn.map(({ name }) => `"${name}"`).join(", ")}]`,
    "  y-axis \"\"",
    `  bar [${bars.join(", ")}]`,
    "```"
  ].join("\n")
}

export const toMarkdown = (table: Table): string => {
  const [head = [], ...lines] = cellsOf(table)
  const line = (cells: ReadonlyArray<string>) => `| ${cells.join(" | ")} |`
  const charts = table.columns.filter(({ isDrawn }) => isDrawn && table.rows.length > 1).map((column) =>
    chart(table, column)
  )
  return [
    `### ${table.title}`,
    table.about,
    [line(head), line(head.map(() => "---")), ...lines.map(line)].join("\n"),
    ...charts
  ].join("\n\n")
}
