import { assert, it } from "@effect/vitest"
import { createServer, type Server } from "node:http"
import type { AddressInfo } from "node:net"
import { percentile, run } from "../src/Autocannon.ts"
import { Samples } from "../src/Samples.ts"
import { settingsOf } from "../src/Scenario.ts"

it("takes the percentile from the sorted values", () => {
  const hundred = Array.from({ length: 100 }, (_, index) => index + 1)
  assert.deepStrictEqual([0, 1, 50, 95, 99.1, 100].map((percent) => percentile(hundred, percent)), [
    1,
    1,
    50,
    95,
    100,
    100
  ])
  assert.deepStrictEqual([1, 95, 100].map((percent) => percentile([7], percent)), [7, 7, 7])
  assert.strictEqual(percentile([], 95), 0)
})

/** A gateway whose jobs are completed at the second look; its options say what it does wrong. */
const listen = async (options: { readonly refuseEvery?: number; readonly jobsFail?: boolean }) => {
  const names: Array<string> = []
  const looks = new Map<string, number>()
  const signedBy = new Set<string | undefined>()
  const server: Server = createServer(async (request, response) => {
    const answer = (status: number, body: unknown) =>
      response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body))
    signedBy.add(request.headers.authorization)
    if (request.method === "POST") {
      let body = ""
      for await (const chunk of request) body += chunk
      names.push(JSON.parse(body).name)
      return names.length % (options.refuseEvery ?? Infinity) === 0
        ? answer(503, { code: "event_log_unavailable" })
        : answer(202, { job_id: `job-${names.length}` })
    }
    const job = request.url ?? ""
    looks.set(job, (looks.get(job) ?? 0) + 1)
    const ended = options.jobsFail ? "failed" : "completed"
    const status = looks.get(job) === 1 ? "queued" : ended
    const error = status === "failed" ? { code: "OutOfFunds" } : null
    return answer(200, {
      status,
      error,
      created_at: "2026-01-01T00:00:00.000Z",
      updated_at: "2026-01-01T00:00:01.500Z"
    })
  })
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  const { port } = server.address() as AddressInfo
  const env = { BASE_URL: `http://127.0.0.1:${port}`, API_KEY: "secret", VUS: "3", DURATION: "1s", THINK: "200ms" }
  const settings = { ...settingsOf(env, "create-bucket"), lookSeconds: 0.01 }
  return { names, looks, signedBy, settings, [Symbol.asyncDispose]: () => close(server) }
}
const close = (server: Server) =>
  new Promise<void>((resolve) => {
    server.close(() => resolve())
    server.closeAllConnections()
  })

it("asks with a new name each time, thinks in between, and follows every accepted job to its end", async () => {
  await using gateway = await listen({})
  const samples = new Samples(1)
  const values = await run(gateway.settings, (sample) => samples.add(sample))
  const asked = gateway.names.length
  assert.strictEqual(new Set(gateway.names).size, asked)
  // Three users who wait 100 to 300 ms between two requests, for one second.
  assert.isAtLeast(asked, 6)
  assert.isAtMost(asked, 33)
  assert.deepInclude(values, {
    http_req_failed: { rate: 0 },
    checks: { rate: 1 },
    jobs_accepted: { count: asked },
    jobs_completed: { count: asked },
    jobs_outstanding: { count: 0 },
    job_duration: { med: 1500, "p(95)": 1500, "p(99)": 1500, max: 1500, count: asked }
  })
  assert.strictEqual(values["http_req_duration{request:create}"]?.["count"], asked)
  assert.strictEqual(values["http_req_duration{request:job}"]?.["count"], 2 * asked)
  assert.strictEqual(gateway.looks.size, asked)
  assert.deepStrictEqual([...gateway.signedBy], ["Bearer secret"])
  assert.hasAllKeys(samples.series(), ["create", "job"])
  assert.deepStrictEqual(samples.troubles(), { requests: [], jobs: [] })
}, 30_000)

it("counts refused requests and failed jobs", async () => {
  await using gateway = await listen({ refuseEvery: 3, jobsFail: true })
  const samples = new Samples(1)
  const values = await run(gateway.settings, (sample) => samples.add(sample))
  const asked = gateway.names.length
  const refused = Math.floor(asked / 3)
  const accepted = asked - refused
  assert.deepInclude(values, {
    http_req_failed: { rate: refused / (asked + 2 * accepted) },
    jobs_accepted: { count: accepted },
    jobs_completed: { count: 0 },
    jobs_outstanding: { count: accepted }
  })
  const { jobs, requests } = samples.troubles()
  assert.deepStrictEqual(requests, [{ what: "POST /buckets: status 503", count: refused, examples: [] }])
  assert.deepStrictEqual(jobs.map(({ count, what }) => ({ count, what })), [{
    count: accepted,
    what: "last seen failed with OutOfFunds"
  }])
  assert.lengthOf(jobs[0]?.examples ?? [], 3)
}, 30_000)
