import { assert, it } from "@effect/vitest"
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { ticksTo } from "../src/Chart.ts"
import { write } from "../src/Results.ts"
import { Samples } from "../src/Samples.ts"
import { settingsOf } from "../src/Scenario.ts"

const startedAt = new Date("2026-01-01T00:00:00Z")

const written = () => {
  const folder = mkdtempSync(join(tmpdir(), "akave-async-results-"))
  const settings = settingsOf({ BASE_URL: "http://gateway/<b>", API_KEY: "a-secret" }, "create-bucket")
  const samples = new Samples(settings.seconds, startedAt.getTime())
  const time = startedAt.toISOString()
  for (const value of [3, 400]) {
    samples.add({ metric: "http_req_duration", data: { time, value, tags: { request: "create" } } })
  }
  samples.add({ metric: "job_duration", data: { time, value: 1_500 } })
  const tags = { last_status: "failed", job_error: "<script>" }
  samples.add({ metric: "jobs_not_completed", data: { time, value: 1, tags, metadata: { job: "job-1" } } })
  const values = { "http_req_duration{request:create}": { "p(95)": 400, count: 2 }, jobs_outstanding: { count: 4 } }
  const { isKept, page, text } = write(join(folder, "new"), { tool: "k6", settings, startedAt, values, samples })
  const files = new Map(
    readdirSync(join(folder, "new")).map((name) => [name, readFileSync(join(folder, "new", name), "utf8")])
  )
  return { files, page, text, isKept, [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }) }
}

it("writes a run as text, JSON and a page, without the secret of the key", () => {
  using run = written()
  const name = "create-bucket-2026-01-01T00-00-00-000Z"
  assert.sameMembers([...run.files.keys()], [`${name}.txt`, `${name}.json`, `${name}.html`])
  assert.isFalse(run.isKept)
  assert.strictEqual(run.files.get(`${name}.txt`), run.text)
  assert.match(run.page, new RegExp(`${name}.html$`))
  const { settings, troubles, verdicts } = JSON.parse(run.files.get(`${name}.json`) ?? "")
  assert.deepInclude(settings, { scenario: "create-bucket", users: 100 })
  assert.deepStrictEqual(troubles.jobs, [
    { what: "last seen failed with <script>", count: 1, examples: ["job-1"] },
    { what: "not followed to the end", count: 3, examples: [] }
  ])
  assert.deepInclude(verdicts[0], { value: 400, isKept: false })
  for (const text of run.files.values()) assert.notInclude(text, "a-secret")
})

it("has a page that needs nothing else, and takes nothing measured for markup", () => {
  using run = written()
  const html = [...run.files].find(([name]) => name.endsWith(".html"))?.[1] ?? ""
  assert.notMatch(html, /<script|<link|<img|<b>|@import|url\(|\ssrc=|\shref=/)
  assert.include(html, "&lt;script&gt;")
  assert.lengthOf(html.match(/<svg /g) ?? [], 3)
  assert.include(html, "<title>POST /buckets, second 0: ")
  assert.include(html, "<title>1.5 to 1.6 seconds: 1 jobs</title>")
  assert.include(html, `<span class="broken">broken</span>`)
  assert.notInclude(html, "NaN")
})

it.each([
  [0, [0, 1]],
  [4, [0, 1, 2, 3, 4]],
  [8, [0, 2, 4, 6, 8]],
  [50.4, [0, 10, 20, 30, 40, 50, 60]],
  [120, [0, 20, 40, 60, 80, 100, 120]],
  [0.35, [0, 0.1, 0.2, 0.3, 0.4]]
])("counts to %d in numbers that are easy to read", (highest, ticks) => {
  assert.deepStrictEqual(ticksTo(highest), ticks)
})
