import { assert, it } from "@effect/vitest"
import { summaryOfValues, type Troubles } from "../src/Report.ts"
import { judge, rulesOf, thresholdsOf, type Values } from "../src/Rules.ts"
import { type Scenario, scenarios, settingsOf } from "../src/Scenario.ts"

const names = Object.keys(scenarios) as ReadonlyArray<Scenario>
/** Values that keep every rule of every scenario. */
const good: Values = {
  ...Object.fromEntries(
    names.flatMap((name) => rulesOf(settingsOf({}, name))).map(({ metric }) => [metric, { "p(95)": 199.9, count: 10 }])
  ),
  http_req_failed: { rate: 0 },
  checks: { rate: 1 },
  jobs_accepted: { count: 1000 },
  jobs_completed: { count: 1000 },
  jobs_outstanding: { count: 0 },
  dropped_iterations: { count: 0 }
}

it.each(names)("finds every rule of %s kept in a good run", (name) => {
  const settings = settingsOf({}, name)
  assert.deepStrictEqual(judge(good, settings).filter(({ isKept }) => !isKept), [])
  assert.include(summaryOfValues("k6", settings, good), "Every rule was kept.")
})

it.each<Values>([
  { "http_req_duration{request:create}": { "p(95)": 200 } },
  { "http_req_duration{request:jobs}": { "p(95)": 1000 } },
  { http_req_failed: { rate: 0.0001 } },
  { checks: { rate: 0.9999 } },
  { jobs_accepted: { count: 0 } },
  { jobs_outstanding: { count: 1 } },
  { dropped_iterations: { count: 1 } }
])("finds one rule broken by %o", (change) => {
  const settings = settingsOf({}, "spike")
  const values = { ...good, ...change }
  assert.lengthOf(judge(values, settings).filter(({ isKept }) => !isKept), 1)
  const text = summaryOfValues("k6", settings, values)
  assert.match(text, /^ {2}BROKEN {2}.*: [\d.]+( m?s)?$/m)
  assert.notInclude(text, "Every rule was kept.")
})

it("has a stream of events answered when it begins", () => {
  const thresholds = thresholdsOf(settingsOf({}, "follow-events"))
  assert.deepStrictEqual(thresholds["http_req_waiting{request:events}"], ["p(95)<200"])
  assert.notProperty(thresholds, "http_req_duration{request:events}")
})

it("gives k6 the same rules as thresholds", () => {
  for (const name of names) {
    const settings = settingsOf({}, name)
    const thresholds = thresholdsOf(settings)
    assert.lengthOf(Object.values(thresholds).flat(), rulesOf(settings).length)
    for (const request of ["http_req_failed", "checks", "jobs_outstanding"]) assert.property(thresholds, request)
  }
})

it("reports in one line each kind of what is not as wanted", () => {
  const troubles: Troubles = {
    requests: [{ what: "POST /buckets: status 503", count: 7, examples: [] }],
    jobs: [{ what: "last seen processing", count: 480, examples: ["a", "b", "c"] }]
  }
  const text = summaryOfValues("k6", settingsOf({}, "create-bucket"), good, troubles)
  assert.include(text, "\n  Requests that failed:\n       7  POST /buckets: status 503\n")
  assert.include(text, "\n  Jobs that are not completed:\n     480  last seen processing, such as a, b, c\n")
})
