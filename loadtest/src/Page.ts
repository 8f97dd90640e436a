/** The report of a run as one HTML page that needs nothing else. */
import * as Chart from "./Chart.ts"
import { type Group, jobsOf, measuredText, requestsOf, statistics, timeText, type Troubles } from "./Report.ts"
import type { Values, Verdict } from "./Rules.ts"
import type { Interval, Samples } from "./Samples.ts"
import { type Request, routes, scenarios, type Settings } from "./Scenario.ts"

/** All that is known of a run. */
export interface Results {
  readonly title: string
  readonly startedAt: string
  /** Without the secret. */
  readonly settings: Settings
  readonly verdicts: ReadonlyArray<Verdict>
  readonly values: Values
  readonly series: ReturnType<Samples["series"]>
  readonly jobBars: ReturnType<Samples["jobBars"]>
  readonly troubles: Troubles
}

/** The page. */
export const pageOf = (results: Results): string => {
  const { settings, startedAt, title, troubles, values, verdicts } = results
  const jobs = jobsOf(values)
  const isKept = verdicts.every(({ isKept }) => isKept)
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark">
<title>Load test: ${escaped(settings.scenario)}</title>
<style>${style}</style>
<main>
<h1>Load test: ${escaped(settings.scenario)} <span class="${isKept ? "kept" : "broken"}">${
    isKept ? "every rule kept" : "not every rule kept"
  }</span></h1>
<p>${escaped(title)}. Begun ${startedAt}. In this scenario, ${scenarios[settings.scenario].says}.</p>
<section><h2>Rules</h2>${
    table(
      ["", "rule", "measured"],
      verdicts.map((verdict) => [
        `<span class="${verdict.isKept ? "kept" : "broken"}">${verdict.isKept ? "kept" : "broken"}</span>`,
        escaped(verdict.says),
        measuredText(verdict)
      ])
    )
  }</section>
<section><h2>Time to answer</h2>${
    latencies(results)
  }<p class="note">95 of 100 requests were answered within this time. A stream of events is answered when it begins.</p>${
    answers(results)
  }</section>
<section><h2>Requests per second</h2>${rates(results)}</section>
<section><h2>Jobs, from request to end</h2>
<p>${jobs.accepted} accepted, ${jobs.completed} completed, ${jobs.outstanding} not.</p>${jobTimes(results)}</section>
${groups("Requests that failed", troubles.requests)}${groups("Jobs that are not completed", troubles.jobs)}
</main>
</html>
`
}

const linesOf = ({ series }: Results, of: (interval: Interval) => number | null) =>
  (Object.keys(routes) as ReadonlyArray<Request>).flatMap((request): ReadonlyArray<Chart.Line> => {
    const points = (series[request] ?? []).flatMap((interval) => {
      const y = of(interval)
      return y === null ? [] : [{ x: interval.second, y }]
    })
    return points.length === 0 ? [] : [{ name: routes[request], color: request, points }]
  })

/** The start of the last interval. */
const lengthOf = ({ series }: Results) => Math.max(1, ...Object.values(series).map((all) => all.at(-1)?.second ?? 0))

const latencies = (results: Results) =>
  Chart.lines("Time to answer over time", "ms", lengthOf(results), linesOf(results, ({ p95 }) => p95))

const rates = (results: Results) =>
  Chart.lines(
    "Requests per second over time",
    "requests/s",
    lengthOf(results),
    linesOf(results, ({ perSecond }) => perSecond)
  )

const jobTimes = ({ jobBars: { bars, width } }: Results) =>
  Chart.bars(
    "How long jobs took",
    { unitX: "seconds", unitY: "jobs", width },
    bars.map(({ count, second }) => ({ x: second, y: count }))
  )

const answers = ({ settings, values }: Results) =>
  table(
    ["request", "count", ...Object.values(statistics)],
    requestsOf(settings, values).map(({ count, route, times }) => [
      escaped(route),
      `${count}`,
      ...Object.keys(statistics).map((key) => timeText(times[key] ?? 0))
    ])
  )

const groups = (title: string, found: ReadonlyArray<Group>) =>
  found.length === 0 ? "" : `<section><h2>${title}</h2>${
    table(
      ["count", "what", "examples"],
      found.map(({ count, examples, what }) => [`${count}`, escaped(what), escaped(examples.join(", "))])
    )
  }</section>`

const table = (heads: ReadonlyArray<string>, rows: ReadonlyArray<ReadonlyArray<string>>) => {
  const row = (cells: ReadonlyArray<string>, tag: string) =>
    `<tr>${cells.map((cell) => `<${tag}>${cell}</${tag}>`).join("")}</tr>`
  return `<table><thead>${row(heads, "th")}</thead><tbody>${
    rows.map((cells) => row(cells, "td")).join("")
  }</tbody></table>`
}

const entities: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", "\"": "&quot;" }
const escaped = (text: string) => text.replaceAll(/[&<>"]/g, (character) => entities[character] ?? character)

const style = `
:root { --text: #1d2126; --soft: #636c76; --page: #fff; --line: #dfe3e8; --good: #1a7f37; --bad: #cf222e;
  --create: #0969da; --job: #bf5700; --jobs: #8250df; --events: #1a7f37; --buckets: #bf3989; --bucket: #9a6700 }
@media (prefers-color-scheme: dark) {
  :root { --text: #e6e9ed; --soft: #98a1ab; --page: #14171b; --line: #31363d; --good: #4ac26b; --bad: #ff7b72;
    --create: #58a6ff; --job: #f0883e; --jobs: #bc8cff; --events: #56d364; --buckets: #f778ba; --bucket: #e3b341 }
}
body { margin: 0; background: var(--page); color: var(--text); font: 15px/1.5 system-ui, sans-serif }
main { max-width: 60rem; margin: 0 auto; padding: 1.5rem }
h1 { font-size: 1.5rem } h2 { margin: 2rem 0 .5rem; font-size: 1.1rem }
h1 span { margin-left: .5rem; font-size: 1rem; font-weight: normal }
.kept { color: var(--good) } .broken { color: var(--bad); font-weight: bold }
p { margin: .25rem 0 } .note { color: var(--soft) }
table { width: 100%; margin-top: .5rem; border-collapse: collapse; font-variant-numeric: tabular-nums }
th, td { padding: .25rem .75rem .25rem 0; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top }
th { color: var(--soft); font-weight: normal }
svg { display: block; width: 100%; height: auto }
svg text { fill: var(--soft); font-size: 12px } .grid { stroke: var(--line) }
path { fill: none; stroke: currentColor; stroke-width: 2; stroke-linejoin: round }
.dot { fill: currentColor } rect { fill: var(--create) }
.names { display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; margin: .25rem 0 .5rem 4rem; padding: 0; list-style: none }
.names li::before { content: ""; display: inline-block; width: 1.25em; margin-right: .5em; border-top: 2px solid; vertical-align: middle }
${(Object.keys(routes)).map((request) => `.${request} { color: var(--${request}) }`).join("\n")}
`
