/**
 * A preview of the dashboard for who has no Grafana: asks Prometheus for what each panel shows, and prints a page.
 * `node deploy/observability/render.ts PROMETHEUS_URL [MINUTES] > page.html`
 */
import { readFileSync } from "node:fs"
import { chart, escaped, type Line, type Scale, tile } from "./Chart.ts"

interface Panel {
  readonly type: "row" | "stat" | "timeseries"
  readonly title: string
  readonly description?: string
  readonly gridPos: { readonly w: number; readonly h: number }
  readonly fieldConfig?: { readonly defaults: Scale }
  readonly targets?: ReadonlyArray<{ readonly expr: string; readonly legendFormat: string }>
}

interface Series {
  readonly metric: Readonly<Record<string, string>>
  readonly values?: ReadonlyArray<readonly [number, string]>
  readonly value?: readonly [number, string]
}

interface Answer {
  readonly error?: string
  readonly data: { readonly result: ReadonlyArray<Series> }
}

const [url, minutes = "60"] = process.argv.slice(2)
if (url === undefined || !(Number(minutes) > 0)) {
  console.error("usage: node deploy/observability/render.ts PROMETHEUS_URL [MINUTES]")
  process.exit(1)
}
const to = Math.floor(Date.now() / 1_000)
const from = to - 60 * Number(minutes)
/** Seconds between two points of a line: there are 200. */
const step = Math.max(1, Math.round((to - from) / 200))

const dashboard: { readonly title: string; readonly panels: ReadonlyArray<Panel> } = JSON.parse(
  readFileSync(new URL("grafana-dashboard.json", import.meta.url), "utf8")
)

/** Asks Prometheus; what it refuses ends the program with its reason. */
const ask = async (path: string, parameters: Readonly<Record<string, string>>): Promise<ReadonlyArray<Series>> => {
  const query = new URLSearchParams(parameters)
  const response = await fetch(new URL(`/api/v1/${path}?${query}`, url))
  const answer = await response.json() as Answer
  if (answer.error !== undefined) throw new Error(`${parameters["query"]}: ${answer.error}`)
  return answer.data.result
}

/** Grafana makes the interval of a rate fit the scrapes; here it is one that fits those of prometheus.yml. */
const expressionOf = (expr: string) => expr.replaceAll("$__rate_interval", "1m")

const nameOf = (format: string, { metric }: Series) =>
  format.replaceAll(/\{\{(\w+)\}\}/g, (_, label: string) => metric[label] ?? "")

const linesOf = async (panel: Panel): Promise<ReadonlyArray<Line>> => {
  const asked = (panel.targets ?? []).map(async ({ expr, legendFormat }) => {
    const series = await ask("query_range", {
      query: expressionOf(expr),
      start: `${from}`,
      end: `${to}`,
      step: `${step}`
    })
    return series.map((one) => ({
      name: nameOf(legendFormat, one),
      points: (one.values ?? []).map(([time, value]) => [time, Number(value)] as const)
    }))
  })
  return (await Promise.all(asked)).flat().toSorted((a, b) => a.name.localeCompare(b.name))
}

const contentOf = async (panel: Panel): Promise<string> => {
  const scale = panel.fieldConfig?.defaults ?? {}
  if (panel.type === "timeseries") return chart(await linesOf(panel), scale, { from, to, step }, panel.gridPos.w)
  const [series] = await ask("query", { query: expressionOf(panel.targets?.[0]?.expr ?? ""), time: `${to}` })
  return tile(series?.value === undefined ? undefined : Number(series.value[1]), scale)
}

const panelOf = async (panel: Panel): Promise<string> => {
  const title = escaped(panel.title)
  if (panel.type === "row") return `<h2>${title}</h2>`
  const content = await contentOf(panel)
  return `<section style="grid-column: span ${panel.gridPos.w}" title="${
    escaped(panel.description ?? "")
  }"><h3>${title}</h3>${content}</section>`
}

const style = readFileSync(new URL("render.css", import.meta.url), "utf8")
const panels: Array<string> = []
for (const panel of dashboard.panels) panels.push(await panelOf(panel))
const span = [from, to].map((time) => new Date(time * 1_000).toISOString().replace("T", " ").slice(0, 16)).join(" to ")
console.log(`<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>${escaped(dashboard.title)}</title>
<style>${style}</style>
<h1>${escaped(dashboard.title)} <small>${span} UTC</small></h1>
<main>${panels.join("\n")}</main>
</html>`)
