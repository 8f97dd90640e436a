/** The panels of a dashboard as HTML: lines over time as SVG, and single values as tiles. */
import { format } from "./Units.ts"

/** One line: what the legend calls it, and its values by the second. */
export interface Line {
  readonly name: string
  readonly points: ReadonlyArray<readonly [time: number, value: number]>
}

/** A colour from this value on; the first step has none. */
export interface Step {
  readonly color: string
  readonly value: number | null
}

export interface Scale {
  readonly unit?: string
  readonly min?: number
  readonly max?: number
  readonly thresholds?: { readonly steps: ReadonlyArray<Step> }
}

/** Of a panel, for each of the dashboard's 24 columns. */
const columnWidth = 72
const height = 190
const margin = { left: 64, right: 10, top: 8, bottom: 22 }
const colors = 8
/** Of the legend; further lines are drawn, and counted there. */
const mostNames = 8

/** Text as HTML and SVG have it. */
export const escaped = (text: string): string =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll("\"", "&quot;")

/** What is round in minutes, hours and days, in seconds. */
const roundTimes = [30, 60, 120, 300, 600, 1_800, 3_600, 7_200, 21_600, 43_200, 86_400, 604_800]

/** The next round number. */
const roundedUp = (rough: number, unit: string | undefined): number => {
  const time = unit === "s" && rough > 20 ? roundTimes.find((time) => time >= rough) : undefined
  if (time !== undefined) return time
  if (unit === "bytes") return 2 ** Math.ceil(Math.log2(rough))
  const power = 10 ** Math.floor(Math.log10(rough))
  return power * ([1, 2, 5].find((factor) => factor * power >= rough) ?? 10)
}

/** About four round numbers from low to high. */
const ticks = (low: number, high: number, unit: string | undefined): ReadonlyArray<number> => {
  const step = roundedUp((high - low) / 4, unit)
  const first = Math.ceil(low / step - 1e-9)
  return Array.from({ length: Math.floor(high / step + 1e-9) - first + 1 }, (_, n) => (first + n) * step)
}

/** The lowest and the highest value to show. */
const extent = (lines: ReadonlyArray<Line>, { max, min }: Scale): readonly [number, number] => {
  const values = lines.flatMap(({ points }) => points.map(([, value]) => value)).filter(Number.isFinite)
  const least = values.reduce((a, b) => Math.min(a, b), min ?? Infinity)
  const most = values.reduce((a, b) => Math.max(a, b), max ?? -Infinity)
  const room = most > least ? (most - least) * 0.06 : Math.abs(most) * 0.1 || 1
  return [min ?? least - room, max ?? most + room]
}

/** The path of a line; a value that is missing, or no number, leaves a gap. */
const pathOf = (points: Line["points"], longestStep: number, at: (time: number, value: number) => string): string => {
  let path = ""
  let before = -Infinity
  for (const [time, value] of points) {
    if (!Number.isFinite(value)) continue
    path += `${time - before > longestStep ? "M" : "L"}${at(time, value)}`
    before = time
  }
  // A point on its own is shown too.
  return path.replaceAll(/M([^ML]+)(?=M|$)/g, "M$1h1")
}

/** The times that a chart shows, in seconds. */
export interface Span {
  readonly from: number
  readonly to: number
  readonly step: number
}

/** Lines over time, in so many of the dashboard's columns. */
export const chart = (lines: ReadonlyArray<Line>, scale: Scale, { from, step, to }: Span, columns: number): string => {
  if (lines.every(({ points }) => points.every(([, value]) => !Number.isFinite(value)))) {
    return `<p class="none">No data</p>`
  }
  const width = columnWidth * columns
  const [low, high] = extent(lines, scale)
  const x = (time: number) => margin.left + (time - from) / (to - from) * (width - margin.left - margin.right)
  const y = (value: number) =>
    height - margin.bottom - (value - low) / (high - low) * (height - margin.top - margin.bottom)
  const across = (value: number, style: string) =>
    `<line class="${style}" x1="${margin.left}" x2="${width - margin.right}" y1="${y(value)}" y2="${y(value)}"/>`
  const rows = ticks(low, high, scale.unit).map((value) =>
    `${across(value, "grid")}<text x="${margin.left - 6}" y="${y(value) + 4}" text-anchor="end">${
      escaped(format(value, scale.unit))
    }</text>`
  )
  const times = [0, 0.25, 0.5, 0.75, 1].map((share) => {
    const time = from + share * (to - from)
    const clock = new Date(time * 1_000).toISOString().slice(11, 16)
    const anchor = share === 0 ? "start" : share === 1 ? "end" : "middle"
    return `<text x="${x(time)}" y="${height - 6}" text-anchor="${anchor}">${clock}</text>`
  })
  const limits = (scale.thresholds?.steps ?? []).flatMap(({ value }) =>
    value !== null && value > low && value < high ? [across(value, "limit")] : []
  )
  const paths = lines.map(({ points }, n) =>
    `<path class="c${n % colors}" d="${
      pathOf(points, 1.5 * step, (time, value) => `${x(time).toFixed(1)},${y(Math.min(value, high)).toFixed(1)}`)
    }"/>`
  )
  const svg = [...rows, ...times, ...limits, ...paths].join("")
  return `<svg viewBox="0 0 ${width} ${height}" role="img">${svg}</svg>${legend(lines, scale)}`
}

const legend = (lines: ReadonlyArray<Line>, { unit }: Scale): string => {
  const names = lines.slice(0, mostNames).map(({ name, points }, n) =>
    `<li><i class="c${n % colors}"></i>${escaped(name)} <b>${
      escaped(format(points.at(-1)?.[1] ?? Number.NaN, unit))
    }</b></li>`
  )
  if (lines.length > mostNames) names.push(`<li>and ${lines.length - mostNames} more</li>`)
  return `<ul>${names.join("")}</ul>`
}

/** The last value, in the colour of the step that it has reached. */
export const tile = (value: number | undefined, { thresholds, unit }: Scale): string => {
  if (value === undefined || Number.isNaN(value)) return `<p class="none">No data</p>`
  const color = thresholds?.steps.findLast((step) => step.value === null || value >= step.value)?.color ?? "none"
  return `<p class="value ${color}">${escaped(format(value, unit))}</p>`
}
