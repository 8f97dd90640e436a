import type * as Stack from "@akave-async/local/Stack"
import { AkaveNode } from "@akave-async/sdk/AkaveNode"
import { bucketId, Buckets } from "@akave-async/sdk/Buckets"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Option } from "effect"
import * as ChainView from "../support/ChainView.ts"
import { createBucket, ended, eventually, freshName, request } from "../support/Gateway.ts"
import { eventsOf } from "../support/Log.ts"
import * as SharedStack from "../support/SharedStack.ts"

let stack: Stack.Stack
let gateway: string
SharedStack.use({}, (started) => {
  stack = started
  gateway = started.gatewayUrl
})

const timestamp = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/
const hash = /^0x[0-9a-f]{64}$/

describe("a bucket", () => {
  it.live("goes from HTTP to the chain and back", () =>
    Effect.gen(function*() {
      const name = freshName()
      const accepted = yield* createBucket(gateway, name)
      assert.strictEqual(accepted.status, 202)
      assert.strictEqual(accepted.headers.get("location"), `/jobs/${accepted.body.job_id}`)
      assert.deepInclude(accepted.body, {
        operation: "bucket.create",
        bucket_name: name,
        owner: stack.ownerAddress,
        tx_hash: null,
        result: null,
        error: null
      })
      assert.match(accepted.body.created_at, timestamp)

      const { body: job } = yield* ended(gateway, accepted.body.job_id)
      const id = bucketId(name, stack.ownerAddress)
      assert.deepInclude(job, { status: "completed", error: null, attempts: 1 })
      assert.match(job.tx_hash, hash)
      assert.deepInclude(job.result, { bucket_id: id, tx_hash: job.tx_hash, adopted: false })

      const same = yield* request(`${gateway}/buckets/jobs/${accepted.body.job_id}`)
      assert.deepStrictEqual(same.body, job)
      const { body: { buckets } } = yield* request(`${gateway}/buckets`)
      const listed = buckets.find((bucket: { readonly name: string }) => bucket.name === name)
      assert.deepInclude(listed, { bucket_id: id, owner: stack.ownerAddress, tx_hash: job.tx_hash, job_id: job.job_id })
      assert.deepStrictEqual((yield* request(`${gateway}/buckets/${name}`)).body, listed)

      yield* Effect.gen(function*() {
        const node = yield* AkaveNode
        const chain = yield* Buckets
        assert.strictEqual((yield* node.bucketView({ name, owner: stack.ownerAddress })).id, id)
        const onChain = Option.getOrThrow(yield* chain.onChain({ name, owner: stack.ownerAddress }))
        assert.deepInclude(onChain, { id, name, owner: stack.ownerAddress })
      }).pipe(Effect.provide(ChainView.layer(stack)))
    }))

  it.live("that the wallet made outside the gateway is adopted", () =>
    Effect.gen(function*() {
      const name = freshName()
      const made = yield* Effect.flatMap(Buckets, (buckets) => buckets.createBucket(name)).pipe(
        Effect.provide(ChainView.layer(stack))
      )
      const { body: { job_id } } = yield* createBucket(gateway, name)
      const { body: job } = yield* ended(gateway, job_id)
      assert.deepInclude(job, { status: "completed", tx_hash: made.transactionHash })
      assert.deepInclude(job.result, { bucket_id: made.id, adopted: true, block_number: made.blockNumber })
    }))

  it.live("can be followed at once, whoever asks", () =>
    Effect.gen(function*() {
      const answers = yield* Effect.forEach(Array.from({ length: 50 }), () =>
        Effect.gen(function*() {
          const { body: { job_id } } = yield* createBucket(gateway, freshName())
          return yield* request(`${gateway}/jobs/${job_id}`)
        }), { concurrency: 10 })
      assert.deepStrictEqual([...new Set(answers.map(({ status }) => status))], [200])
      yield* Effect.forEach(answers, ({ body }) => ended(gateway, body.job_id), { concurrency: 10 })
    }))
})

describe("the events of a job", () => {
  it.live("are CloudEvents that name their cause and carry the caller's trace", () =>
    Effect.gen(function*() {
      const trace = "0af7651916cd43dd8448eb211c80319c"
      const { body: accepted } = yield* request(`${gateway}/buckets`, {
        method: "POST",
        body: JSON.stringify({ name: freshName() }),
        headers: { traceparent: `00-${trace}-b7ad6b7169203331-01` }
      })
      yield* ended(gateway, accepted.job_id)
      const events = yield* eventsOf(stack.natsUrl, accepted.job_id)
      assert.deepStrictEqual(events.map((event) => event["ce-type"]), [
        "akave.BucketRequested.v1",
        "akave.BucketStarted.v1",
        "akave.BucketSubmitted.v1",
        "akave.BucketCreated.v1"
      ])
      for (const event of events) assert.strictEqual(event["traceparent"]?.split("-")[1], trace)
      const [requested, started, submitted, created] = events
      assert.strictEqual(started?.["ce-causationid"], requested?.["ce-id"])
      assert.strictEqual(submitted?.["ce-causationid"], requested?.["ce-id"])
      assert.strictEqual(created?.["ce-causationid"], submitted?.["ce-id"])
    }))
})

describe("one name", () => {
  it.live("has one live job, and after it one bucket", () =>
    Effect.gen(function*() {
      const name = freshName()
      // The executor rests, so that the first job is still queued when the second request comes.
      yield* stack.executor(0).kill("SIGSTOP")
      const { body: job } = yield* createBucket(gateway, name)
      const busy = yield* createBucket(gateway, name)
      yield* stack.executor(0).kill("SIGCONT")
      assert.strictEqual(busy.status, 409)
      assert.deepInclude(busy.body, { code: "bucket_busy", job_id: job.job_id })

      yield* ended(gateway, job.job_id)
      const exists = yield* createBucket(gateway, name)
      assert.strictEqual(exists.status, 409)
      assert.deepInclude(exists.body, {
        code: "bucket_exists",
        job_id: job.job_id,
        bucket_id: bucketId(name, stack.ownerAddress)
      })
    }))

  it.live("asked for by many at once goes to one of them", () =>
    Effect.gen(function*() {
      const name = freshName()
      const answers = yield* Effect.all(Array.from({ length: 20 }, () => createBucket(gateway, name)), {
        concurrency: 20
      })
      assert.lengthOf(answers.filter(({ status }) => status === 202), 1)
      assert.lengthOf(answers.filter(({ status }) => status === 409), 19)
    }))
})

describe("a job", () => {
  const cancel = (jobId: string) => request(`${gateway}/jobs/${jobId}`, { method: "DELETE" })

  it.live("is cancelled while it is queued, never goes on chain, and frees its name", () =>
    Effect.gen(function*() {
      const name = freshName()
      yield* stack.executor(0).kill("SIGSTOP")
      const { body: job } = yield* createBucket(gateway, name)
      const cancelled = yield* cancel(job.job_id)
      assert.strictEqual(cancelled.status, 200)
      assert.deepInclude(cancelled.body, { job_id: job.job_id, status: "cancelled", tx_hash: null })
      assert.deepInclude(cancelled.body.error, { category: "cancelled" })
      const again = yield* cancel(job.job_id)
      assert.deepStrictEqual([again.status, again.body], [200, cancelled.body])
      const { body: next } = yield* createBucket(gateway, name)
      yield* stack.executor(0).kill("SIGCONT")

      yield* ended(gateway, next.job_id)
      assert.strictEqual((yield* request(`${gateway}/jobs/${job.job_id}`)).body.status, "cancelled")
      const transactions = yield* Effect.promise(() => ChainView.transactionsOf(stack.rpcUrl, stack.ownerAddress))
      assert.lengthOf(transactions.filter(({ bucketName }) => bucketName === name), 1)
    }))

  it.live("is not cancelled when it has ended, is unknown, or another has followed it", () =>
    Effect.gen(function*() {
      const { body: job } = yield* createBucket(gateway, freshName())
      yield* ended(gateway, job.job_id)
      const late = yield* cancel(job.job_id)
      assert.deepInclude(late.body, { status: 409, code: "job_not_cancellable" })
      const unknown = yield* cancel("019845e1-682f-7b02-a706-3b2422d13aec")
      assert.deepInclude(unknown.body, { status: 404, code: "job_not_found" })
    }))

  it.live("that is cancelled while it starts is one or the other, for its caller as on chain", () =>
    Effect.gen(function*() {
      const outcomes = yield* Effect.forEach(Array.from({ length: 40 }), () =>
        Effect.gen(function*() {
          const { body: job } = yield* createBucket(gateway, freshName())
          const { status } = yield* cancel(job.job_id)
          const { body: end } = yield* ended(gateway, job.job_id)
          return { name: end.bucket_name, status, end: end.status }
        }), { concurrency: 10 })
      const transactions = yield* Effect.promise(() => ChainView.transactionsOf(stack.rpcUrl, stack.ownerAddress))
      for (const { end, name, status } of outcomes) {
        assert.strictEqual(end, status === 200 ? "cancelled" : "completed")
        assert.lengthOf(transactions.filter(({ bucketName }) => bucketName === name), status === 200 ? 0 : 1)
      }
    }))
})

describe("the list of buckets", () => {
  it.live("comes in pages, by name", () =>
    Effect.gen(function*() {
      const jobs = yield* Effect.forEach([1, 2, 3, 4, 5], () => createBucket(gateway, freshName()))
      yield* Effect.forEach(jobs, ({ body }) => ended(gateway, body.job_id))
      const names: Array<string> = []
      let after: string | null = ""
      while (after !== null) {
        const query: string = after === "" ? "" : `&after=${after}`
        const page = yield* request(`${gateway}/buckets?limit=2${query}`)
        assert.isAtMost(page.body.buckets.length, 2)
        names.push(...page.body.buckets.map(({ name }: { readonly name: string }) => name))
        after = page.body.next
      }
      assert.deepStrictEqual(names, [...new Set(names)].toSorted())
      for (const { body } of jobs) assert.include(names, body.bucket_name)
    }))
})

describe("the description", () => {
  it.live("of the API is served as OpenAPI 3.1, and a page shows it", () =>
    Effect.gen(function*() {
      const { body: description } = yield* request(`${gateway}/openapi.json`)
      assert.match(description.openapi, /^3\.1/)
      assert.includeMembers(Object.keys(description.paths), [
        "/buckets",
        "/buckets/{name}",
        "/jobs/{job_id}",
        "/buckets/jobs/{job_id}",
        "/dead-letters",
        "/dead-letters/{sequence}",
        "/dead-letters/{sequence}/redrive",
        "/dead-letters/redrive",
        "/health",
        "/health/ready"
      ])
      const codes = JSON.stringify(description.paths["/buckets"].post.responses)
      for (const status of ["202", "400", "409", "413", "415", "503"]) assert.include(codes, `"${status}"`)
      const deletion = JSON.stringify(description.paths["/buckets/{name}"].delete.responses)
      for (const status of ["202", "400", "404", "409", "503"]) assert.include(deletion, `"${status}"`)
      const page = yield* request(`${gateway}/docs`)
      assert.strictEqual(page.status, 200)
      assert.include(page.body, "Akave Async Gateway")
      // Else the page loads fonts from its maker, and shows buttons that lead to its maker's cloud.
      for (
        const setting of [
          `"withDefaultFonts":false`,
          `"telemetry":false`,
          `"hideClientButton":true`,
          `"showDeveloperTools":"never"`,
          `"agent":{"disabled":true}`
        ]
      ) assert.include(page.body, setting)
    }))

  it.live("of where to go on is at the root: a page for browsers, JSON for others", () =>
    Effect.gen(function*() {
      const page = yield* request(`${gateway}/`, { headers: { accept: "text/html,application/xhtml+xml,*/*;q=0.8" } })
      assert.strictEqual(page.status, 200)
      assert.match(page.headers.get("content-type") ?? "", /^text\/html/)
      const { body: links, headers } = yield* request(`${gateway}/`, { headers: { accept: "*/*" } })
      assert.match(headers.get("content-type") ?? "", /^application\/json/)
      for (const path of ["/docs", "/openapi.json", "/health", "/health/ready"]) {
        assert.include(page.body, `href="${path}"`)
        assert.include(Object.values(links), path)
        assert.strictEqual((yield* request(`${gateway}${path}`)).status, 200)
      }
      for (const text of [page.body, JSON.stringify(links)]) assert.include(text, "docs/http-api.md")
    }))

  it.live("of its health says that all is there", () =>
    Effect.gen(function*() {
      const ready = yield* request(`${gateway}/health/ready`)
      assert.strictEqual(ready.status, 200)
      for (const part of ["event_log", "read_model", "node", "chain"]) assert.isTrue(ready.body[part].ready, part)
      assert.deepStrictEqual((yield* request(`${gateway}/health`)).body, { status: "ok" })
    }))
})

describe("a request that is not valid", () => {
  const json = (value: unknown) => JSON.stringify(value)
  const cases: ReadonlyArray<readonly [string, RequestInit, number, string, RegExp]> = [
    ["no body", {}, 400, "invalid_request", /a JSON object/],
    ["an empty body", { body: "" }, 400, "invalid_request", /a JSON object/],
    ["no JSON", { body: "name=my-bucket" }, 400, "invalid_request", /valid JSON/],
    ["half a JSON", { body: "{\"name\":" }, 400, "invalid_request", /valid JSON/],
    ["null", { body: "null" }, 400, "invalid_request", /a JSON object/],
    ["a list", { body: "[]" }, 400, "invalid_request", /a JSON object/],
    ["a text", { body: "\"my-bucket\"" }, 400, "invalid_request", /a JSON object/],
    ["no name", { body: "{}" }, 400, "invalid_request", /body\.name: Missing key/],
    ["a null name", { body: json({ name: null }) }, 400, "invalid_request", /body\.name: Expected string/],
    ["a number for a name", { body: json({ name: 7 }) }, 400, "invalid_request", /body\.name: Expected string/],
    ["a list for a name", { body: json({ name: ["my-bucket"] }) }, 400, "invalid_request", /body\.name/],
    ["an unknown field", { body: json({ name: "my-bucket", size: 1 }) }, 400, "invalid_request", /body\.size/],
    ["an empty name", { body: json({ name: "" }) }, 400, "invalid_request", /3 to 63/],
    ["a name of 2 characters", { body: json({ name: "ab" }) }, 400, "invalid_request", /3 to 63/],
    ["a name of 64 characters", { body: json({ name: "a".repeat(64) }) }, 400, "invalid_request", /3 to 63/],
    ["an upper-case name", { body: json({ name: "My-Bucket" }) }, 400, "invalid_request", /lower-case/],
    ["a name with a space", { body: json({ name: "my bucket" }) }, 400, "invalid_request", /lower-case/],
    ["a name with a subject wildcard", { body: json({ name: "my.>" }) }, 400, "invalid_request", /lower-case/],
    ["a Unicode name", { body: json({ name: "bücket" }) }, 400, "invalid_request", /lower-case/],
    ["an emoji name", { body: json({ name: "🪣🪣🪣" }) }, 400, "invalid_request", /lower-case/],
    ["a name with a NUL", { body: json({ name: "abc\0" }) }, 400, "invalid_request", /lower-case/],
    ["a name that begins with a hyphen", { body: json({ name: "-abc" }) }, 400, "invalid_request", /starts and ends/],
    ["a name with two dots", { body: json({ name: "a..b" }) }, 400, "invalid_request", /two dots/],
    ["a name like an IP address", { body: json({ name: "192.168.0.1" }) }, 400, "invalid_request", /IP address/],
    ["bytes that are not UTF-8", { body: Uint8Array.of(0x7b, 0xff, 0xfe, 0x7d) }, 400, "invalid_request", /valid JSON/],
    ["128 KiB and a byte", { body: "a".repeat(128 * 1024 + 1) }, 413, "body_too_large", /131072 bytes/],
    [
      "XML",
      { body: "<name/>", headers: { "content-type": "text/xml" } },
      415,
      "unsupported_media_type",
      /application\/json/
    ]
  ]
  it.live.each(cases)("because of %s", ([, init, status, code, detail]) =>
    Effect.gen(function*() {
      const answer = yield* request(`${gateway}/buckets`, { method: "POST", ...init })
      assert.strictEqual(answer.status, status, JSON.stringify(answer.body))
      assert.include(answer.headers.get("content-type"), "application/problem+json")
      assert.deepInclude(answer.body, { status, code, type: `urn:akave-async:problem:${code}` })
      assert.match(answer.body.detail, detail)
    }))

  const paths: ReadonlyArray<readonly [string, string, number, string]> = [
    ["GET", "/nothing", 404, "route_not_found"],
    ["PUT", "/buckets", 405, "method_not_allowed"],
    ["GET", "/jobs/7", 400, "invalid_request"],
    ["GET", "/jobs/019845e1-682f-4b02-a706-3b2422d13aec", 400, "invalid_request"],
    ["GET", "/jobs/019845e1-682f-7b02-a706-3b2422d13aec", 404, "job_not_found"],
    ["GET", "/buckets/jobs/019845e1-682f-7b02-a706-3b2422d13aec", 404, "job_not_found"],
    ["GET", "/buckets/no-such-bucket", 404, "bucket_not_found"],
    ["GET", "/buckets/jobs", 404, "bucket_not_found"],
    ["GET", "/buckets/ab", 400, "invalid_request"],
    ["GET", "/buckets/My-Bucket", 400, "invalid_request"],
    ["DELETE", "/buckets/no-such-bucket", 404, "bucket_not_found"],
    ["DELETE", "/buckets/ab", 400, "invalid_request"],
    ["DELETE", "/buckets/my.%3E", 400, "invalid_request"],
    ["DELETE", "/buckets/a..b", 400, "invalid_request"],
    ["DELETE", "/buckets/192.168.0.1", 400, "invalid_request"],
    ["DELETE", "/buckets", 405, "method_not_allowed"],
    ["GET", "/buckets?limit=0", 400, "invalid_request"],
    ["GET", "/buckets?limit=1001", 400, "invalid_request"],
    ["GET", "/buckets?after=%00", 400, "invalid_request"],
    ["GET", "/buckets?limit=many", 400, "invalid_request"],
    ["GET", "/buckets?page=2", 400, "invalid_request"]
  ]
  it.live.each(paths)("as %s %s", ([method, path, status, code]) =>
    Effect.gen(function*() {
      const answer = yield* request(`${gateway}${path}`, { method })
      assert.deepInclude(answer.body, { status, code })
      assert.strictEqual(answer.status, status)
    }))

  it.live("has a body if its type is to matter", () =>
    Effect.gen(function*() {
      const id = "019845e1-682f-7b02-a706-3b2422d13aec"
      const cases = [
        ["DELETE", "/buckets/no-such-bucket", "bucket_not_found"],
        ["DELETE", `/jobs/${id}`, "job_not_found"],
        ["POST", "/dead-letters/999999/redrive", "dead_letter_not_found"],
        ["POST", "/buckets", "invalid_request"],
        ["POST", "/dead-letters/redrive", "invalid_request"],
        ["PUT", "/buckets", "method_not_allowed"],
        ["PATCH", "/nothing", "route_not_found"]
      ] as const
      const headers = { "content-type": "text/xml" }
      const chunked = (text: string) => ({ body: new Blob([text]).stream(), duplex: "half" }) as const
      for (const [method, path, code] of cases) {
        // Without a length, with a length of 0, and in no chunks.
        for (const body of [{}, { body: "" }, chunked("")]) {
          const answer = yield* request(`${gateway}${path}`, { method, headers, ...body })
          assert.strictEqual(answer.body.code, code, `${method} ${path}`)
        }
        for (const body of [{ body: "<name/>" }, chunked("<name/>"), chunked("a".repeat(128 * 1024 + 1))]) {
          const answer = yield* request(`${gateway}${path}`, { method, headers, ...body })
          assert.strictEqual(answer.body.code, "unsupported_media_type", `${method} ${path}`)
        }
      }
    }))

  it.live("takes a body of 128 KiB and bodies without a type, as curl sends them", () =>
    Effect.gen(function*() {
      const name = freshName()
      const padded = `${" ".repeat(128 * 1024 - JSON.stringify({ name }).length)}${JSON.stringify({ name })}`
      assert.strictEqual((yield* request(`${gateway}/buckets`, { method: "POST", body: padded })).status, 202)
      const form = { "content-type": "application/x-www-form-urlencoded" }
      const body = json({ name: freshName() })
      assert.strictEqual((yield* request(`${gateway}/buckets`, { method: "POST", body, headers: form })).status, 202)
    }))
})

describe("a stack that was stopped", () => {
  it.live("finds its jobs, buckets and chain again", () =>
    Effect.gen(function*() {
      const name = freshName()
      const { body: { job_id } } = yield* createBucket(gateway, name)
      const before = yield* ended(gateway, job_id)
      yield* stack.stop
      yield* stack.start()
      assert.deepStrictEqual((yield* request(`${gateway}/jobs/${job_id}`)).body, before.body)
      assert.strictEqual((yield* createBucket(gateway, name)).status, 409)
      const { body: next } = yield* createBucket(gateway, freshName())
      yield* ended(gateway, next.job_id)
      yield* eventually(request(`${gateway}/health/ready`), ({ status }) => status === 200)
    }))
})
