/** What is delivered for operators (rules, dashboard, documentation), as values that tests hold against each other. */
import * as Stack from "@akave-async/local/Stack"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { parse } from "yaml"
import * as Promql from "./Promql.ts"

/** The folder of Prometheus' and Grafana's files. */
export const folder = join(Stack.repository, "deploy/observability")
const read = (file: string) => readFileSync(join(folder, file), "utf8")

/** The services that have metrics; Prometheus' label `job` is one of them. */
export const jobs = ["gateway", "executor", "projector", "notifier"] as const

interface Rule {
  readonly record?: string
  readonly alert?: string
  readonly expr: string
  readonly for?: string
  readonly labels?: Readonly<Record<string, string>>
  readonly annotations?: Readonly<Record<string, string>>
}
const groups: ReadonlyArray<{ readonly name: string; readonly rules: ReadonlyArray<Rule> }> =
  parse(read("prometheus-rules.yml")).groups
/** All rules, in order. */
export const rules: ReadonlyArray<Rule> = groups.flatMap(({ rules }) => rules)
/** Those that alert. */
export const alerts = rules.flatMap(({ alert, ...rule }) => alert === undefined ? [] : [{ ...rule, alert }])
/** The names of what rules record. */
export const recorded: ReadonlySet<string> = new Set(rules.flatMap(({ record = [] }) => record))

interface Panel {
  readonly id: number
  readonly type: string
  readonly title: string
  readonly description?: string
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number }
  readonly targets?: ReadonlyArray<{ readonly expr: string; readonly legendFormat: string }>
}
/** The dashboard's panels, in order. */
export const panels: ReadonlyArray<Panel> = JSON.parse(read("grafana-dashboard.json")).panels

/** Every query, with where it stands. */
export const queries: ReadonlyArray<readonly [where: string, query: string]> = [
  ...rules.map((rule) => [rule.alert ?? `${rule.record} ${rule.labels?.["slo"] ?? ""}`.trim(), rule.expr] as const),
  ...panels.flatMap(({ targets = [], title }) => targets.map(({ expr }) => [`the panel ${title}`, expr] as const))
]

/** What Prometheus knows by itself. */
export const ownMetrics: ReadonlySet<string> = new Set(["up", "ALERTS"])
/** What Prometheus adds to each series. */
export const ownLabels: ReadonlySet<string> = new Set(["job", "instance"])

/** The jobs that a selector reads from. */
export const jobsOf = ({ matchers, metric }: Promql.Selector): ReadonlyArray<string> => {
  const ofJob = matchers.filter(({ label }) => label === "job")
  return ofJob.length === 0 ? [] : jobs.filter((job) => Promql.matches({ metric, matchers: ofJob }, { job }))
}

/** The name of a metric: a histogram's series have a suffix. */
export const metricOf = (series: string): string => series.replace(/_(bucket|count|sum)$/, "")

/** The guide to monitoring. */
export const guide = readFileSync(join(Stack.repository, "docs/operations/monitoring.md"), "utf8")

export interface Documented {
  readonly name: string
  readonly type: string
  readonly services: ReadonlyArray<string>
  readonly labels: ReadonlyArray<string>
}
const codes = (cell: string) => Array.from(cell.matchAll(/`([^`]+)`/g), ([, code = ""]) => code)
/** The metrics that the guide lists. */
export const documented: ReadonlyArray<Documented> = Array.from(
  guide.matchAll(/^\| `(\w+)` \| (gauge|counter|histogram) \| ([^|]+) \|([^|]*)\|/gm),
  ([, name = "", type = "", services = "", labels = ""]) => ({
    name,
    type,
    services: services.trim() === "all" ? jobs : services.split(",").map((one) => one.trim()),
    labels: codes(labels)
  })
)
