/** How values are written, by the units that the dashboard's panels name (Grafana's own names for them). */

/** A count, which is written as it is from a hundredth on. */
const count = (value: number) =>
  Math.abs(value) >= 0.01 && Math.abs(value) < 1 ? `${Number(value.toPrecision(3))}` : scaled(value, counts)

/** By the largest size that the value reaches. */
const scaled = (value: number, steps: ReadonlyArray<readonly [size: number, suffix: string]>): string => {
  const [size, suffix] = steps.find(([size]) => Math.abs(value) >= size) ?? steps.at(-1) ?? [1, ""]
  return `${Number((value / size).toPrecision(3))}${suffix}`
}

const counts = [[1e9, " G"], [1e6, " M"], [1e3, " k"], [1, ""], [1e-3, " m"], [1e-6, " µ"], [1e-9, " n"]] as const
const times = [[86_400, " d"], [3_600, " h"], [60, " min"], [1, " s"], [1e-3, " ms"], [1e-6, " µs"]] as const
const bytes = [[2 ** 30, " GiB"], [2 ** 20, " MiB"], [2 ** 10, " KiB"], [1, " B"]] as const

/** A value with its unit, short enough for an axis. */
export const format = (value: number, unit = "short"): string => {
  if (!Number.isFinite(value)) return Number.isNaN(value) ? "–" : value > 0 ? "∞" : "−∞"
  if (value === 0) return unit === "percentunit" ? "0 %" : "0"
  switch (unit) {
    case "percentunit":
      return `${Number((100 * value).toPrecision(4))} %`
    case "s":
      return scaled(value, times)
    case "bytes":
      return scaled(value, bytes)
    case "reqps":
    case "ops":
      return `${count(value)}/s`
    default:
      return count(value)
  }
}
