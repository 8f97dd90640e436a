/** What services report at /metrics, and the dashboards and alerts that are made of it. */
import type * as Stack from "@akave-async/local/Stack"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { spawnSync } from "node:child_process"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { parse } from "yaml"
import { createBucket, ended, eventually, freshName, request } from "../support/Gateway.ts"
import * as SharedStack from "../support/SharedStack.ts"

const repository = join(import.meta.dirname, "../..")
const read = (file: string) => readFileSync(join(repository, file), "utf8")

interface Rule {
  readonly alert?: string
  readonly record?: string
  readonly expr: string
}
const rules: ReadonlyArray<Rule> = parse(read("deploy/observability/prometheus-rules.yml")).groups
  .flatMap(({ rules }: { rules: ReadonlyArray<Rule> }) => rules)
const panels: ReadonlyArray<{ readonly targets?: ReadonlyArray<{ readonly expr: string }> }> = JSON.parse(
  read("deploy/observability/grafana-dashboard.json")
).panels
const queries = [
  ...rules.map(({ expr }) => expr),
  ...panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr))
]
const monitoring = read("docs/operations/monitoring.md")

/** What Prometheus adds itself. */
const ownNames = new Set(["up", "ALERTS"])
const ownLabels = new Set(["job", "instance", "le", "alertname", "alertstate"])
const words = /\b(?:akave_|http_|rpc_|db_|process_|v8js_|nodejs_)\w+|\bup\b|\bALERTS\b/g
/** The metrics that a query reads, without what names a label or a recorded series. */
const namesIn = (query: string) =>
  [...query.replaceAll(/akave:[\w:]+/g, "").replaceAll(/\bby \([^)]*\)|\{[^}]*\}/g, "").matchAll(words)].map(([name]) =>
    name
  )
/** The labels that a query names. */
const labelsIn = (query: string) => [
  ...[...query.matchAll(/\bby \(([^)]*)\)/g)].flatMap(([, names = ""]) => names.split(",").map((name) => name.trim())),
  ...[...query.matchAll(/\{([^}]*)\}/g)].flatMap(([, selectors = ""]) =>
    [...selectors.matchAll(/(\w+)(?:=~|!~|!=|=)/g)].map(([, name = ""]) => name)
  )
]

/** A series as its name and its labels, without its value. */
const seriesIn = (text: string) =>
  text.split("\n").filter((line) => line !== "" && !line.startsWith("#"))
    .map((line) => line.slice(0, line.lastIndexOf(" ")))
const nameOf = (series: string) => series.split("{", 1)[0] ?? ""

let stack: Stack.Stack
SharedStack.use({}, (started) => {
  stack = started
})

const scrape = Effect.suspend(() =>
  Effect.forEach(
    stack.services.flatMap(({ metricsUrl }) => metricsUrl ?? []),
    (url) => Effect.map(request(url), ({ body }) => seriesIn(String(body)))
  )
)

describe("metrics", () => {
  it.live(
    "are there that dashboard, alerts and documents speak of, and stay few whatever clients send",
    () =>
      Effect.gen(function*() {
        const send = (path: string, init?: RequestInit) => request(`${stack.gatewayUrl}${path}`, init)
        const batch = () =>
          send("/buckets/batch", {
            method: "POST",
            body: JSON.stringify({ names: Array.from({ length: 100 }, freshName) })
          })
        /** Jobs with each end, and requests of all sorts. */
        const use = Effect.gen(function*() {
          const name = freshName()
          const { body } = yield* createBucket(stack.gatewayUrl, name)
          // A live stream, which ends with the job.
          yield* send(`/jobs/${body.job_id}/events`, { headers: { accept: "text/event-stream" } })
          yield* ended(stack.gatewayUrl, body.job_id)
          yield* createBucket(stack.gatewayUrl, name)
          for (const path of [`/${freshName()}`, `/jobs/${freshName()}`, "/jobs?limit=x"]) yield* send(path)
          for (const method of ["PATCH", "PROPFIND"]) yield* send("/jobs", { method })
          yield* Effect.all(Array.from({ length: 5 }, batch), { concurrency: "unbounded" })
          yield* eventually(send("/jobs?status=queued&limit=1"), ({ body }) => body.jobs.length > 0)
          yield* scrape
          yield* eventually(send("/jobs?status=queued&limit=1"), ({ body }) => body.jobs.length === 0)
          yield* eventually(send("/jobs?status=processing&limit=1"), ({ body }) => body.jobs.length === 0)
        })
        yield* use
        const first = yield* scrape
        yield* use
        const second = yield* scrape

        const all = new Set(second.flat())
        const names = new Set(Array.from(all, nameOf))
        // What has not happened here has no series yet.
        const rare = new Set([
          "akave_job_failed_attempts_total",
          "akave_events_newer_total",
          "akave_projection_newer_events_total"
        ])
        const known = (name: string) => names.has(name) || ownNames.has(name) || rare.has(name)
        assert.deepStrictEqual([...new Set(queries.flatMap(namesIn))].filter((name) => !known(name)), [])
        const labels = new Set(
          Array.from(all).flatMap((series) => [...series.matchAll(/[{,](\w+)="/g)].map(([, label]) => label))
        )
        const unknown = [...new Set(queries.flatMap(labelsIn))].filter((label) =>
          !labels.has(label) && !ownLabels.has(label)
        )
        assert.deepStrictEqual(unknown, ["category"].filter((label) => !labels.has(label)))

        const documented = [...monitoring.matchAll(/^\| `(\w+)` \| (\w+) \|/gm)]
        const base = (name: string) => name.replace(/_(?:bucket|sum|count)$/, "")
        assert.deepStrictEqual([...names].map(base).filter((name) => !documented.some(([, one]) => one === name)), [])
        assert.deepStrictEqual(
          documented.map(([, name = ""]) => name).filter((name) =>
            !rare.has(name) && ![...names].some((one) => base(one) === name)
          ),
          []
        )

        for (const [n, series] of second.entries()) {
          assert.isBelow(series.length, 1_000)
          // The first jobs may have been quicker than to have shown each status.
          assert.isAtMost(series.length, (first[n]?.length ?? 0) + 60)
          assert.deepStrictEqual(series.filter((one) => /bucket-|[0-9a-f]{8}-[0-9a-f]{4}-7/.test(one)), [])
        }
      }),
    90_000
  )
})

describe("the alerts", () => {
  const alerts = rules.flatMap(({ alert }) => alert ?? [])
  it("have a section each that says what to do, and no section is without one", () => {
    const sections = [...monitoring.matchAll(/^### (.*)$/gm)].flatMap(([, heading = ""]) => heading.split(", "))
    assert.sameMembers(sections, alerts)
  })

  it("are each made to fire by the rules' own test", () => {
    const fired = [...read("deploy/observability/prometheus-rules.test.yml").matchAll(/alertname="(\w+)"/g)]
    assert.sameMembers([...new Set(fired.map(([, name]) => name))], alerts)
  })

  it("read ratios that are recorded", () => {
    const recorded = new Set(rules.flatMap(({ record }) => record ?? []))
    const asked = queries.flatMap((query) => query.match(/akave:[\w:]+/g) ?? [])
    assert.isNotEmpty(asked)
    assert.deepStrictEqual(asked.filter((name) => !recorded.has(name)), [])
  })

  const hasPromtool = spawnSync("promtool", ["--version"]).error === undefined
  if (!hasPromtool) console.warn("promtool is not on this machine: the rules are not checked by it")
  it.skipIf(!hasPromtool).each([
    ["check", "rules", "prometheus-rules.yml"],
    ["check", "config", "prometheus.yml"],
    ["test", "rules", "prometheus-rules.test.yml"]
  ])("pass promtool %s %s", (...args) => {
    const { status, stderr, stdout } = spawnSync("promtool", args, {
      cwd: join(repository, "deploy/observability"),
      encoding: "utf8"
    })
    assert.strictEqual(status, 0, `${stdout}\n${stderr}`)
  })
})
