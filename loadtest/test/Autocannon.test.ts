import { assert, it } from "@effect/vitest"
import { createServer, type Server } from "node:http"
import type { AddressInfo } from "node:net"
import { percentile, run } from "../src/Autocannon.ts"
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
  const server: Server = createServer(async (request, response) => {
    const answer = (status: number, body: unknown) =>
      response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body))
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
    return answer(200, { status, created_at: "2026-01-01T00:00:00.000Z", updated_at: "2026-01-01T00:00:01.500Z" })
  })
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  const { port } = server.address() as AddressInfo
  const env = { BASE_URL: `http://127.0.0.1:${port}`, VUS: "3", DURATION: "1s", THINK: "200ms" }
  const settings = { ...settingsOf(env), lookSeconds: 0.01 }
  return { names, looks, settings, [Symbol.asyncDispose]: () => close(server) }
}
const close = (server: Server) =>
  new Promise<void>((resolve) => {
    server.close(() => resolve())
    server.closeAllConnections()
  })

it("asks with a new name each time, thinks in between, and follows every accepted job to its end", async () => {
  await using gateway = await listen({})
  const figures = await run(gateway.settings, assert.fail)
  assert.strictEqual(new Set(gateway.names).size, gateway.names.length)
  // Three users who wait 100 to 300 ms between two requests, for one second.
  assert.isAtLeast(figures.asked, 6)
  assert.isAtMost(figures.asked, 33)
  const { accepted, asked, completed, failedRequests, finishedUsers, jobTimes, notCompleted } = figures
  assert.deepStrictEqual({ asked, accepted, completed, failedRequests, notCompleted, finishedUsers }, {
    asked: gateway.names.length,
    accepted: gateway.names.length,
    completed: gateway.names.length,
    failedRequests: 0,
    notCompleted: 0,
    finishedUsers: 3
  })
  assert.deepStrictEqual(jobTimes, { median: 1500, p95: 1500, max: 1500 })
  assert.strictEqual(gateway.looks.size, gateway.names.length)
}, 30_000)

it("counts refused requests and failed jobs", async () => {
  await using gateway = await listen({ refuseEvery: 3, jobsFail: true })
  const reported: Array<string> = []
  const figures = await run(gateway.settings, (line) => reported.push(line))
  const refused = Math.floor(gateway.names.length / 3)
  assert.strictEqual(figures.failedRequests, refused)
  assert.strictEqual(figures.accepted, gateway.names.length - refused)
  assert.strictEqual(figures.completed, 0)
  assert.strictEqual(figures.notCompleted, figures.accepted)
  assert.lengthOf(reported, figures.accepted)
}, 30_000)
