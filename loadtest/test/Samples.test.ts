import { assert, it } from "@effect/vitest"
import { Samples } from "../src/Samples.ts"

const start = Date.parse("2026-01-01T00:00:00Z")
type Tags = Readonly<Record<string, string>>
/** A sample as k6 writes it. */
const line = (metric: string, second: number, value: number, tags: Tags, metadata?: Tags) =>
  JSON.stringify({
    metric,
    type: "Point",
    data: { time: new Date(start + second * 1000).toISOString(), value, tags, ...(metadata && { metadata }) }
  })

it("counts requests of each kind in every interval of the run, with their times", () => {
  const samples = new Samples(10, start)
  for (let n = 1; n <= 100; n++) samples.addLine(line("http_req_duration", 0.5, n, { request: "create" }))
  samples.addLine(line("http_req_duration", 2.5, 30, { request: "create" }))
  samples.addLine(line("http_req_duration", 1.5, 5, { request: "job" }))
  const { create = [], job = [] } = samples.series()
  assert.deepStrictEqual(create.map(({ perSecond, second }) => [second, perSecond]), [[0, 100], [1, 0], [2, 1]])
  assert.deepStrictEqual(job.map(({ perSecond }) => perSecond), [0, 1, 0])
  assert.approximately(create[0]?.median ?? 0, 50, 1)
  assert.approximately(create[0]?.p95 ?? 0, 95, 2)
  assert.isNull(create[1]?.p95)
})

it("has longer intervals in longer runs", () => {
  const samples = new Samples(3600, start)
  for (const second of [0, 29, 31, 3599]) samples.addLine(line("http_req_duration", second, 1, { request: "job" }))
  const { job = [] } = samples.series()
  assert.lengthOf(job, 120)
  assert.deepStrictEqual(job.slice(0, 2).map(({ perSecond, second }) => [second, perSecond]), [[0, 2 / 30], [
    30,
    1 / 30
  ]])
})

it("takes of a stream of events when it begins, and of other requests how long they take", () => {
  const samples = new Samples(10, start)
  samples.addLine(line("http_req_duration", 1, 3000, { request: "events" }))
  samples.addLine(line("http_req_waiting", 1, 10, { request: "create" }))
  assert.deepStrictEqual(samples.series(), {})
  samples.addLine(line("http_req_waiting", 1, 2, { request: "events" }))
  assert.hasAllKeys(samples.series(), ["events"])
})

it("leaves out what k6 says of its metrics, and metrics that are of no interest", () => {
  const samples = new Samples(10, start)
  samples.addLine(`{"type":"Metric","data":{"name":"http_req_failed"},"metric":"http_req_failed"}`)
  samples.addLine(`{"metric":"http_req_failed","type":"Metric","data":{"name":"http_req_failed"}}`)
  samples.addLine(line("vus", 1, 1, {}))
  samples.addLine("")
  assert.deepStrictEqual(samples.troubles(), { requests: [], jobs: [] })
})

it("counts jobs by how long they took", () => {
  const samples = new Samples(10, start)
  for (const millis of [50, 150, 199, 1_050]) samples.addLine(line("job_duration", 1, millis, {}))
  const { bars, width } = samples.jobBars()
  assert.strictEqual(width, 0.1)
  assert.deepStrictEqual(bars.filter(({ count }) => count > 0), [
    { second: 0, count: 1 },
    { second: 0.1, count: 2 },
    { second: 1, count: 1 }
  ])
  samples.addLine(line("job_duration", 1, 119_990, {}))
  assert.strictEqual(samples.jobBars().width, 3)
  assert.lengthOf(samples.jobBars().bars, 40)
  assert.deepStrictEqual(new Samples(10, start).jobBars().bars, [])
})

it("groups what is not as wanted, the most frequent first, with a few examples", () => {
  const samples = new Samples(10, start)
  const job = { last_status: "processing", job_error: "" }
  for (let n = 0; n < 5; n++) samples.addLine(line("jobs_not_completed", 1, 1, job, { job: `job-${n}` }))
  const failed = { last_status: "failed", job_error: "OutOfFunds" }
  for (let n = 5; n < 12; n++) samples.addLine(line("jobs_not_completed", 1, 1, failed, { job: `job-${n}` }))
  samples.addLine(line("http_req_failed", 1, 0, { name: "GET /jobs", status: "200" }))
  samples.addLine(line("http_req_failed", 1, 1, { name: "POST /buckets", status: "503" }))
  samples.addLine(line("http_req_failed", 1, 1, { name: "GET /jobs", status: "0", error: "request timeout" }))
  assert.deepStrictEqual(samples.troubles(), {
    requests: [
      { what: "POST /buckets: status 503", count: 1, examples: [] },
      { what: "GET /jobs: request timeout", count: 1, examples: [] }
    ],
    jobs: [
      { what: "last seen failed with OutOfFunds", count: 7, examples: ["job-5", "job-6", "job-7"] },
      { what: "last seen processing", count: 5, examples: ["job-0", "job-1", "job-2"] }
    ]
  })
})

it("keeps a bounded number of kinds", () => {
  const samples = new Samples(10, start)
  for (let n = 0; n < 1_000; n++) {
    samples.addLine(line("http_req_failed", 1, 1, { name: "GET /jobs", status: "0", error: `port ${n}` }))
  }
  const { requests } = samples.troubles()
  assert.isAtMost(requests.length, 60)
  assert.deepInclude(requests[0], { what: "of other kinds", count: 950 })
})
