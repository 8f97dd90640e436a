/** Charts as SVG. Their colours and text sizes are the page's. */

/** One line of a chart. */
export interface Line {
  readonly name: string
  /** The class that gives the line its colour. */
  readonly color: string
  readonly points: ReadonlyArray<{ readonly x: number; readonly y: number }>
}

/** The area that is drawn on, and the space around it for numbers. */
const [width, height] = [960, 260]
const [left, right, top, bottom] = [64, 16, 12, 36]

/** Numbers from 0 on, 4 to 10 of them, that are easy to read and reach so far. */
export const ticksTo = (highest: number): ReadonlyArray<number> => {
  if (!(highest > 0)) return [0, 1]
  const magnitude = 10 ** Math.floor(Math.log10(highest))
  const step = [0.1, 0.2, 0.5, 1, 2].map((factor) => factor * magnitude).find((step) => highest / step <= 6) ?? highest
  return Array.from({ length: Math.ceil(highest / step - 1e-9) + 1 }, (_, n) => Number((n * step).toPrecision(12)))
}

interface Axes {
  readonly highestX: number
  readonly highestY: number
  readonly unitX: string
  readonly unitY: string
}

const axes = ({ highestX, highestY, unitX, unitY }: Axes) => {
  const [ticksX, ticksY] = [ticksTo(highestX), ticksTo(highestY)]
  const scaleX = (x: number) => left + x / Math.max(highestX, 1e-9) * (width - left - right)
  const scaleY = (y: number) => height - bottom - y / (ticksY.at(-1) ?? 1) * (height - top - bottom)
  const horizontal = ticksY.map((y) =>
    `<line class="grid" x1="${left}" x2="${width - right}" y1="${round(scaleY(y))}" y2="${round(scaleY(y))}"/>`
    + `<text x="${left - 8}" y="${round(scaleY(y) + 4)}" text-anchor="end">${y}</text>`
  )
  const vertical = ticksX.filter((x) => x <= highestX).map((x) =>
    `<text x="${round(scaleX(x))}" y="${height - bottom + 18}" text-anchor="middle">${x}</text>`
  )
  const units = `<text class="unit" x="${left}" y="${height - 2}">${unitX}</text>`
    + `<text class="unit" x="12" y="${top + 96}" text-anchor="middle" transform="rotate(-90 12 ${
      top + 96
    })">${unitY}</text>`
  return { scaleX, scaleY, frame: [...horizontal, ...vertical, units].join("") }
}

const round = (value: number) => Math.round(value * 10) / 10

const svg = (label: string, content: string) =>
  `<svg viewBox="0 0 ${width} ${height}" role="img" aria-label="${label}">${content}</svg>`

/** Lines over time, and their names. */
export const lines = (label: string, unitY: string, seconds: number, drawn: ReadonlyArray<Line>): string => {
  const highestY = Math.max(0, ...drawn.flatMap(({ points }) => points.map(({ y }) => y)))
  const { frame, scaleX, scaleY } = axes({ highestX: seconds, highestY, unitX: "seconds", unitY })
  const paths = drawn.map(({ color, name, points }) => {
    const place = ({ x, y }: { readonly x: number; readonly y: number }) => `${round(scaleX(x))} ${round(scaleY(y))}`
    const dots = points.map((point) =>
      `<circle class="dot" cx="${round(scaleX(point.x))}" cy="${round(scaleY(point.y))}" r="3">`
      + `<title>${name}, second ${point.x}: ${Number(point.y.toPrecision(3))} ${unitY}</title></circle>`
    )
    return `<g class="${color}"><path d="M${points.map(place).join("L")}"/>${dots.join("")}</g>`
  })
  const names = drawn.map(({ color, name }) => `<li class="${color}">${name}</li>`)
  return `${svg(label, frame + paths.join(""))}<ul class="names">${names.join("")}</ul>`
}

/** Bars side by side, each from its x to the next one's. */
export const bars = (
  label: string,
  { unitX, unitY, width: barWidth }: { readonly unitX: string; readonly unitY: string; readonly width: number },
  drawn: ReadonlyArray<{ readonly x: number; readonly y: number }>
): string => {
  const highestX = (drawn.at(-1)?.x ?? 0) + barWidth
  const highestY = Math.max(0, ...drawn.map(({ y }) => y))
  const { frame, scaleX, scaleY } = axes({ highestX, highestY, unitX, unitY })
  const rectangles = drawn.map(({ x, y }) => {
    const size = { width: round(scaleX(x + barWidth) - scaleX(x) - 2), height: round(scaleY(0) - scaleY(y)) }
    return `<rect x="${round(scaleX(x) + 1)}" y="${round(scaleY(y))}" width="${size.width}" height="${size.height}">`
      + `<title>${x} to ${Number((x + barWidth).toPrecision(12))} ${unitX}: ${y} ${unitY}</title></rect>`
  })
  return svg(label, frame + rectangles.join(""))
}
