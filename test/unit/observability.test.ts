/** Rules, dashboard and the guide to monitoring, held against each other; test/system/Metrics.test.ts holds them against services. */
import { assert, describe, it } from "@effect/vitest"
import { spawnSync } from "node:child_process"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { parse } from "yaml"
import * as Observability from "../support/Observability.ts"
import * as Promql from "../support/Promql.ts"

const { alerts, documented, folder, guide, panels, queries, recorded, rules } = Observability
const metricNamed = new Map(documented.map((metric) => [metric.name, metric]))

/** The labels that series of a name have; undefined for a name that nothing has. */
const labelsOf = (name: string): ReadonlySet<string> | undefined => {
  if (Observability.ownMetrics.has(name)) return new Set([...Observability.ownLabels, "alertname", "alertstate"])
  if (recorded.has(name)) return new Set(["slo", "owner"])
  const metric = metricNamed.get(Observability.metricOf(name))
  return metric && new Set([...metric.labels, ...Observability.ownLabels, ...(name.endsWith("_bucket") ? ["le"] : [])])
}

describe("a query", () => {
  it("is read as Prometheus reads it", () => {
    const query =
      `sum by (le, job) (rate(a_bucket{job="x", le=~"1(\\\\.0)?"}[5m] offset 6h)) / on () group_left (v) b > bool 1e3
      and avg_over_time(c:d:rate5m[$__range]) unless e{f!="}"}`
    assert.deepStrictEqual(Promql.selectors(query).map(({ metric }) => metric), ["a_bucket", "b", "c:d:rate5m", "e"])
    assert.deepStrictEqual(Promql.selectors(query)[0]?.matchers, [
      { label: "job", operator: "=", value: "x" },
      { label: "le", operator: "=~", value: "1(\\.0)?" }
    ])
    assert.deepStrictEqual(Promql.groupings(query), ["le", "job", "v"])
    const [selector] = Promql.selectors(`a{b!="c", d=~"e|f"}`)
    assert.isDefined(selector)
    if (selector === undefined) return
    assert.deepStrictEqual(
      [{ d: "e" }, { b: "c", d: "e" }, { d: "ef" }].map((labels) => Promql.matches(selector, labels)),
      [true, false, false]
    )
  })

  it.each(queries)("of %s asks for documented metrics by their labels", (_, query) => {
    const found = Promql.selectors(query)
    const known = new Set<string>()
    for (const { matchers, metric } of found) {
      const labels = labelsOf(metric)
      assert.isDefined(labels, metric)
      for (const label of labels ?? []) known.add(label)
      for (const { label } of matchers) assert.include([...labels ?? []], label, metric)
    }
    for (const label of Promql.groupings(query)) assert.include([...known], label)
  })

  it.each(queries)("of %s says which services it asks, and asks those that have the metric", (_, query) => {
    for (const selector of Promql.selectors(query)) {
      const metric = metricNamed.get(Observability.metricOf(selector.metric))
      if (metric === undefined) continue
      const asked = Observability.jobsOf(selector)
      assert.isNotEmpty(asked, selector.metric)
      assert.includeMembers([...metric.services], [...asked], selector.metric)
    }
  })
})

describe("an alert", () => {
  it.each(alerts)("$alert waits for a time, and says how urgent it is and what is wrong", (alert) => {
    assert.match(alert.for ?? "", /^\d+m$/)
    assert.match(alert.labels?.["severity"] ?? "", /^(page|ticket)$/)
    assert.isNotEmpty(alert.annotations?.["summary"])
  })

  it("has a section of the guide, and each section an alert", () => {
    const [, section = ""] = guide.split(/^## Alerts$/m)
    const described = Array.from(section.matchAll(/^### (\w+)$/gm), ([, name = ""]) => name)
    assert.deepStrictEqual(described.toSorted(), alerts.map(({ alert }) => alert).toSorted())
  })

  it("is tested where it must fire, and where it must be silent", () => {
    const file = readFileSync(join(folder, "prometheus-rules.test.yml"), "utf8")
    const cases: ReadonlyArray<{ alertname: string; exp_alerts?: ReadonlyArray<unknown> }> = parse(file).tests.flatMap((
      test: { alert_rule_test?: ReadonlyArray<unknown> }
    ) => test.alert_rule_test ?? [])
    for (const { alert } of alerts) {
      const own = cases.filter(({ alertname }) => alertname === alert).map(({ exp_alerts = [] }) =>
        exp_alerts.length > 0
      )
      assert.includeMembers(own, [true, false], alert)
    }
  })
})

it("rules use every metric that they record", () => {
  const used = new Set(queries.flatMap(([, query]) => Promql.selectors(query).map(({ metric }) => metric)))
  for (const name of recorded) assert.isTrue(used.has(name), name)
})

it("every objective has a budget, events and errors, and a line in the guide", () => {
  const slosOf = (record: string) =>
    rules.filter((rule) => rule.record === record).map(({ labels }) => labels?.["slo"] ?? "").toSorted()
  const slos = slosOf("akave:slo_budget")
  assert.lengthOf(slos, 5)
  assert.deepStrictEqual(slosOf("akave:slo_events:rate2m"), slos)
  assert.deepStrictEqual(slosOf("akave:slo_errors:rate2m"), slos)
  const listed = Array.from(guide.matchAll(/^\| `(\w+)` \| [^|]+ \| [\d.]+ % \|/gm), ([, name = ""]) => name)
  assert.deepStrictEqual(listed.toSorted(), slos)
})

describe("the dashboard", () => {
  it("has rows of panels without gap or overlap, each with an explanation and queries", () => {
    assert.strictEqual(new Set(panels.map(({ id }) => id)).size, panels.length)
    const taken = new Set<string>()
    for (const { description, gridPos: { h, w, x, y }, targets = [], title, type } of panels) {
      for (let column = x; column < x + w; column++) {
        for (let row = y; row < y + h; row++) {
          assert.isFalse(taken.has(`${column},${row}`), title)
          taken.add(`${column},${row}`)
        }
      }
      if (type === "row") continue
      assert.isNotEmpty(targets, title)
      assert.isNotEmpty(description, title)
    }
    const height = Math.max(...panels.map(({ gridPos: { h, y } }) => y + h))
    assert.strictEqual(taken.size, 24 * height)
  })

  it("shows every documented metric, or what rules record of it", () => {
    const expressions = [
      ...panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr)),
      ...rules.flatMap(({ expr, record }) => record === undefined ? [] : [expr])
    ]
    const shown = new Set(
      expressions.flatMap((expr) => Promql.selectors(expr)).map(({ metric }) => Observability.metricOf(metric))
    )
    assert.deepStrictEqual(documented.map(({ name }) => name).filter((name) => !shown.has(name)), [])
  })
})

it("Prometheus is told of every service in a container, where its metrics are", () => {
  const { rule_files, scrape_configs } = parse(readFileSync(join(folder, "prometheus.yml"), "utf8"))
  assert.deepStrictEqual(rule_files, ["prometheus-rules.yml"])
  const { services } = parse(readFileSync(join(folder, "../../docker-compose.yml"), "utf8"), { merge: true })
  const told = scrape_configs.map((
    { dns_sd_configs: [target], job_name }: { dns_sd_configs: ReadonlyArray<unknown>; job_name: string }
  ) => [
    job_name,
    target
  ])
  assert.sameDeepMembers(
    told,
    Observability.jobs.map((job) => [job, {
      names: [job],
      type: "A",
      port: Number(services[job].environment.HEALTH_PORT),
      refresh_interval: "15s"
    }])
  )
})

const hasPromtool = spawnSync("promtool", ["--version"]).error === undefined
if (!hasPromtool) {
  console.warn("promtool is not on this machine: Prometheus itself does not check rules and configuration")
}

it.skipIf(!hasPromtool).each([
  ["check", "rules", "prometheus-rules.yml"],
  ["check", "config", "prometheus.yml"],
  ["test", "rules", "prometheus-rules.test.yml"]
])("promtool %s %s %s finds nothing wrong", (...args) => {
  const { status, stderr, stdout } = spawnSync("promtool", args, { cwd: folder, encoding: "utf8" })
  assert.strictEqual(status, 0, `${stdout}${stderr}`)
})
