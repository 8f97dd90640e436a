/** What the API answers beyond the main job: lists, batches, and what it says of itself. */
import type * as Stack from "@akave-async/local/Stack"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { createBucket, ended, eventually, freshName, request } from "../support/Gateway.ts"
import * as SharedStack from "../support/SharedStack.ts"

let stack: Stack.Stack
let gateway: string
SharedStack.use({ counts: { gateway: 2 } }, (started) => {
  stack = started
  gateway = started.gatewayUrl
})

interface Job {
  readonly job_id: string
  readonly bucket_name: string
  readonly status: string
}
const listed = Effect.fnUntraced(function*(query: string) {
  const { body, status } = yield* request(`${gateway}/jobs?${query}`)
  assert.strictEqual(status, 200, query)
  const { jobs, next }: { readonly jobs: ReadonlyArray<Job>; readonly next: string | null } = body
  return { jobs, next, names: jobs.map(({ bucket_name }) => bucket_name) }
})
const batch = (names: ReadonlyArray<string>, key?: string, url = gateway) =>
  request(`${url}/buckets/batch`, {
    method: "POST",
    headers: key === undefined ? {} : { "idempotency-key": key },
    body: JSON.stringify({ names })
  })

describe("a list of jobs", () => {
  it.live("is filtered, the latest first, and comes in pages", () =>
    Effect.gen(function*() {
      const prefix = freshName()
      const since = new Date().toISOString()
      const names = Array.from({ length: 5 }, (_, n) => `${prefix}-${n}`)
      const ids: Array<string> = []
      for (const name of names) ids.push((yield* createBucket(gateway, name)).body.job_id)
      yield* Effect.forEach(ids, (id) => ended(gateway, id))
      yield* eventually(
        request(`${gateway}/jobs?prefix=${prefix}&status=completed`),
        ({ body }) => body.jobs.length === 5
      )
      const until = new Date().toISOString()
      const deletion = yield* request(`${gateway}/buckets/${names[0]}`, { method: "DELETE" })
      yield* ended(gateway, deletion.body.job_id)
      yield* eventually(request(`${gateway}/jobs?prefix=${prefix}`), ({ body }) => body.jobs.length === 6)

      const latestFirst = names.toReversed()
      assert.deepStrictEqual((yield* listed(`prefix=${prefix}&operation=bucket.create`)).names, latestFirst)
      assert.deepStrictEqual((yield* listed(`since=${since}&until=${until}`)).names, latestFirst)
      assert.deepStrictEqual((yield* listed(`prefix=${prefix}&until=${since}`)).names, [])
      assert.deepStrictEqual((yield* listed(`bucket=${names[0]}`)).jobs.map(({ job_id }) => job_id), [
        deletion.body.job_id,
        ids[0]
      ])
      assert.deepStrictEqual((yield* listed(`prefix=${prefix}&status=failed`)).names, [])

      const pages: Array<string> = []
      let next: string | null = ""
      while (next !== null) {
        const page: Effect.Success<ReturnType<typeof listed>> = yield* listed(
          `prefix=${prefix}&operation=bucket.create&limit=2${next === "" ? "" : `&after=${next}`}`
        )
        pages.push(page.names.join(" "))
        next = page.next
      }
      assert.deepStrictEqual(pages, [
        `${names[4]} ${names[3]}`,
        `${names[2]} ${names[1]}`,
        `${names[0]}`
      ])
    }))

  it.live.each([
    { query: "status=over", path: "status" },
    { query: "operation=bucket.rename", path: "operation" },
    { query: "bucket=NO", path: "bucket" },
    { query: "prefix=%25", path: "prefix" },
    { query: "since=yesterday", path: "since" },
    { query: "after=1", path: "after" },
    { query: "limit=1001", path: "limit" },
    { query: "state=queued", path: "state" }
  ])("refuses $query", ({ path, query }) =>
    Effect.gen(function*() {
      const { body } = yield* request(`${gateway}/jobs?${query}`)
      assert.deepInclude(body, { status: 400, code: "invalid_request" })
      assert.deepStrictEqual(body.errors[0].path, [path])
    }))
})

describe("a batch", () => {
  it.live("has one answer for each name, and a name that is refused harms no other", () =>
    Effect.gen(function*() {
      const [first, second, busy] = [freshName(), freshName(), freshName()]
      const { body: { job_id } } = yield* createBucket(gateway, busy)
      const { body, status } = yield* batch([first, "Not-A-Name", busy, "", second])
      assert.strictEqual(status, 200)
      assert.deepInclude(body, { accepted: 2, refused: 3 })
      assert.deepStrictEqual(
        body.answers.map(({ job, name, problem, status }: Record<string, Record<string, unknown> | undefined>) => [
          name,
          status,
          job?.["bucket_name"],
          problem?.["code"]
        ]),
        [
          [first, 202, first, undefined],
          ["Not-A-Name", 400, undefined, "invalid_request"],
          [busy, 409, undefined, body.answers[2].problem.code],
          ["", 400, undefined, "invalid_request"],
          [second, 202, second, undefined]
        ]
      )
      assert.strictEqual(body.answers[2].problem.job_id, job_id)
      for (const n of [0, 4]) {
        assert.deepInclude((yield* ended(gateway, body.answers[n].job.job_id)).body, { status: "completed" })
      }
    }))

  it.live("with an idempotency key has the same jobs again, on any gateway", () =>
    Effect.gen(function*() {
      const [key, names] = [freshName(), Array.from({ length: 50 }, freshName)]
      const idsOf = ({ body }: { readonly body: { readonly answers: ReadonlyArray<{ readonly job: Job }> } }) =>
        body.answers.map(({ job }) => job.job_id)
      const first = yield* batch(names, key)
      const second = yield* batch(names, key, stack.gatewayUrls[1])
      assert.strictEqual(new Set(idsOf(first)).size, 50)
      assert.deepStrictEqual(idsOf(second), idsOf(first))
      const other = yield* batch(names.slice(1), key)
      assert.deepInclude(other.body, { status: 422, code: "idempotency_key_reused" })
    }))

  it.live.each([{ count: 0, status: 400 }, { count: 1_000, status: 200 }, { count: 1_001, status: 400 }])(
    "of $count names is answered with $status",
    ({ count, status }) =>
      Effect.map(
        batch(Array.from({ length: count }, () => "NO")),
        (answer) => assert.strictEqual(answer.status, status)
      )
  )
})

it.live("the gateway reports what it can do, and an ETag for it", () =>
  Effect.gen(function*() {
    const { body, headers, status } = yield* request(`${gateway}/capabilities`)
    assert.strictEqual(status, 200)
    assert.deepStrictEqual(
      body.operations.map(({ operation }: { readonly operation: string }) => operation),
      ["bucket.create", "bucket.delete", "file.upload", "file.delete", "file.access", "file.download"]
    )
    const again = yield* request(`${stack.gatewayUrls[1]}/capabilities`, {
      headers: { "if-none-match": headers.get("etag") ?? "" }
    })
    assert.deepStrictEqual([again.status, again.body], [304, ""])
  }))

it.live("the gateway reports how the jobs got on, and how many executors there are", () =>
  Effect.gen(function*() {
    const { body: { job_id } } = yield* createBucket(gateway, freshName())
    yield* ended(gateway, job_id)
    const { body } = yield* eventually(
      request(`${gateway}/stats?minutes=5`),
      ({ body }) => body.operations[0]?.completed > 0 && body.executors === 1
    )
    const [stats] = body.operations
    assert.deepInclude(stats, { operation: "bucket.create", failed: 0, success_share: 1 })
    assert.isAtLeast(stats.seconds_to_completion.p95, stats.seconds_to_completion.mean / 2)
    assert.closeTo(stats.requested_per_minute, stats.requested / 5, 1e-9)
    const { body: job } = yield* request(`${gateway}/jobs/${job_id}/explanation`)
    assert.strictEqual(stats.transactions, stats.completed)
    assert.isAtLeast(Number(stats.fees_wei), Number(job.fees.paid_wei))
    assert.deepStrictEqual(body.stored, { files: 0, bytes: 0, encoded_bytes: 0 })
  }))

describe("a path", () => {
  it.live.each([
    ["PUT", "/buckets", 405, "POST, GET, HEAD, OPTIONS"],
    ["POST", "/jobs", 405, "GET, HEAD, OPTIONS"],
    ["PATCH", "/buckets/a-bucket", 405, "GET, DELETE, HEAD, OPTIONS"],
    ["POST", "/docs", 405, "GET, HEAD, OPTIONS"],
    ["OPTIONS", "/buckets", 204, "POST, GET, HEAD, OPTIONS"],
    ["OPTIONS", "/", 204, "GET, HEAD, OPTIONS"],
    ["HEAD", "/buckets", 200, null],
    ["HEAD", "/docs", 200, null],
    ["OPTIONS", "/nothing", 404, null],
    ["GET", "/nothing", 404, null],
    ["GET", "/buckets/a/b", 404, null]
  ])("answers %s %s with %i", ([method, path, status, allow]) =>
    Effect.gen(function*() {
      const answer = yield* request(`${gateway}${path}`, { method: String(method) })
      assert.deepStrictEqual([answer.status, answer.headers.get("allow")], [status, allow])
      if (status === 405) assert.strictEqual(answer.body.code, "method_not_allowed")
    }))
})
