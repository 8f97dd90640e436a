import { assert, describe, it } from "@effect/vitest"
import { createHmac } from "node:crypto"
import { vi } from "vitest"
import {
  ArgumentInvalid,
  BucketExists,
  CallTimeout,
  ConnectionFailed,
  InvalidRequest,
  Problem,
  UnexpectedAnswer
} from "../src/public.ts"
import { clientOf, failureOf, json, problem, serve } from "./server.ts"

const job = { job_id: "01a1fd96-6aed-70f8-9e47-556db4c9cbc3", status: "queued" }
const pair = { publicKey: "aag_pk_a", secretKey: "aag_sk_a_1" }

describe("a connection", () => {
  it("is kept for the next call", async () => {
    const { sockets, url } = await serve((_, response) => json(response, 202, job))
    const client = clientOf(url)
    for (let n = 0; n < 20; n++) await client.submitBucket(`bucket-${n}`)
    // The next call may come a moment before the connection of the last one is free.
    assert.isAtMost(sockets(), 2)
  })

  it("is one of a bounded number, however many calls are made at once", async () => {
    const { asked, sockets, url } = await serve((_, response) => json(response, 202, job))
    const client = clientOf(url)
    await Promise.all(Array.from({ length: 500 }, (_, n) => client.submitBucket(`bucket-${n}`)))
    assert.lengthOf(asked, 500)
    assert.isAtMost(sockets(), 100)
  })
})

describe("a call is made again", () => {
  it("with its idempotency key, where it asks for a job", async () => {
    const { asked, url } = await serve((_, response, n) =>
      n === 1
        ? response.socket?.destroy()
        : n === 2
        ? problem(response, 503, "event_log_unavailable")
        : json(response, 202, job)
    )
    assert.strictEqual((await clientOf(url).submitBucket("name")).job_id, job.job_id)
    assert.lengthOf(asked, 3)
    assert.lengthOf(new Set(asked.map(({ headers }) => headers["idempotency-key"])), 1)
    assert.match(`${asked[0]?.headers["idempotency-key"]}`, /^[0-9a-f-]{36}$/)
  })

  it("with another key, where it is another call, and with the caller's where it names one", async () => {
    const { asked, url } = await serve((_, response) => json(response, 202, job))
    const client = clientOf(url)
    await client.submitBucket("name")
    await client.buckets.submitDelete("name")
    await client.submitBucket("name", { idempotencyKey: "mine" })
    const keys = asked.map(({ headers }) => headers["idempotency-key"])
    assert.lengthOf(new Set(keys), 3)
    assert.strictEqual(keys[2], "mine")
  })

  it.each([408, 429, 502, 503, 504])("where it reads, and was answered with %i", async (status) => {
    const { asked, url } = await serve((_, response, n) =>
      n < 3 ? problem(response, status, "x") : json(response, 200, job)
    )
    await clientOf(url).jobs.get(job.job_id)
    assert.lengthOf(asked, 3)
  })

  it("no sooner than Retry-After says", async () => {
    const times: Array<number> = []
    const { url } = await serve((_, response, n) => {
      times.push(performance.now())
      if (n > 1) return json(response, 200, job)
      response.setHeader("retry-after", "1")
      return problem(response, 429, "rate_limited")
    })
    await clientOf(url).jobs.get(job.job_id)
    assert.isAtLeast((times[1] ?? 0) - (times[0] ?? 0), 990)
  })

  it("where it is not safe, only if nothing was done of it", async () => {
    const { asked, url } = await serve((_, response, n) =>
      n === 1 ? problem(response, 429, "rate_limited") : problem(response, 503, "event_log_unavailable")
    )
    const error = await failureOf(clientOf(url).accounts.issueKey("a", { label: "", scopes: ["read"] }))
    assert.strictEqual(error["code"], "event_log_unavailable")
    assert.lengthOf(asked, 2)
  })

  it("with the same signature, which makes it the same request", async () => {
    const { asked, url } = await serve((_, response, n) =>
      n < 3 ? problem(response, 503, "event_log_unavailable") : json(response, 201, {})
    )
    await clientOf(url, { credentials: pair }).accounts.issueKey("a", { label: "", scopes: ["read"] })
    assert.lengthOf(asked, 3)
    assert.lengthOf(new Set(asked.map(({ headers }) => headers["x-signature"])), 1)
  })

  it("a few times, and fails with what was answered last", async () => {
    const { asked, url } = await serve((_, response) => problem(response, 503, "overloaded"))
    const error = await failureOf(clientOf(url).submitBucket("name"))
    assert.include(error, { _tag: "Overloaded", status: 503 })
    assert.lengthOf(asked, 6)
  })
})

describe("a request is signed", () => {
  it("over time, method, path and body, as the gateway reads it", async () => {
    const { asked, url } = await serve((_, response) => json(response, 200, { jobs: [], next: null }))
    const client = clientOf(`${url}/base/`, { credentials: pair })
    for await (const _ of client.jobs.list({ since: "2026-11-21T10:10:55.853Z", limit: 5 })) {
      assert.fail("there is none")
    }
    const [one] = asked
    assert.strictEqual(one?.path, "/base/jobs?since=2026-11-21T10%3A10%3A55.853Z&limit=5")
    const signed = `${one?.headers["x-timestamp"]}:GET:${one?.path}:`
    assert.strictEqual(
      one?.headers["x-signature"],
      createHmac("sha256", pair.secretKey).update(signed).digest("hex")
    )
    assert.strictEqual(one?.headers.authorization, `Bearer ${pair.publicKey}`)
    assert.notInclude(JSON.stringify(one), pair.secretKey)
  })

  it("by the gateway's clock, where ours is wrong", async () => {
    const gatewayTime = Math.floor(Date.now() / 1000) + 5_000
    const { asked, url } = await serve(({ headers }, response) =>
      Math.abs(Number(headers["x-timestamp"]) - gatewayTime) < 100
        ? json(response, 202, job)
        : problem(response, 401, "clock_skew", { server_time: gatewayTime })
    )
    const client = clientOf(url, { credentials: pair })
    await client.submitBucket("one")
    await client.submitBucket("two")
    assert.lengthOf(asked, 3)
  })

  it("not, where there is one key", async () => {
    const { asked, url } = await serve((_, response) => json(response, 200, job))
    await clientOf(url, { credentials: { apiKey: "aag_sk_k" } }).jobs.get(job.job_id)
    assert.strictEqual(asked[0]?.headers.authorization, "Bearer aag_sk_k")
    assert.isUndefined(asked[0]?.headers["x-signature"])
  })
})

describe("a call fails", () => {
  it("with the class of the problem, and its fields", async () => {
    const { asked, url } = await serve((_, response) =>
      problem(response, 409, "bucket_exists", { job_id: "j", bucket_id: "b" })
    )
    const error = await failureOf(clientOf(url).submitBucket("name"))
    assert.instanceOf(error, BucketExists)
    assert.include(error, { code: "bucket_exists", status: 409, message: "bucket_exists it is", job_id: "j" })
    assert.lengthOf(asked, 1)
  })

  it("with what is wrong with each value", async () => {
    const errors = [{ path: ["name"], message: "too short" }]
    const { url } = await serve((_, response) => problem(response, 400, "invalid_request", { errors }))
    const error = await failureOf(clientOf(url).submitBucket("x"))
    assert.instanceOf(error, InvalidRequest)
    assert.deepStrictEqual((error as unknown as InvalidRequest).errors, errors)
  })

  it("with a problem that only newer gateways have", async () => {
    const { url } = await serve((_, response) => problem(response, 409, "of_tomorrow", { more: 1 }))
    const error = await failureOf(clientOf(url).submitBucket("name"))
    assert.strictEqual(error.constructor, Problem)
    assert.include(error, { code: "of_tomorrow", more: 1 })
  })

  it.each<[string, number, string]>([["a page", 200, "<h1>hello"], ["another server's 404", 404, "not found"]])(
    "with the beginning of %s that is no answer of a gateway",
    async (_, status, body) => {
      const { url } = await serve((_, response) => response.writeHead(status).end(body))
      const error = await failureOf(clientOf(url).jobs.get(job.job_id))
      assert.instanceOf(error, UnexpectedAnswer)
      assert.include(error.message, body)
    }
  )

  it("without following to where it is sent, with its credentials", async () => {
    const elsewhere = await serve((_, response) => json(response, 200, job))
    const { url } = await serve((_, response) => response.writeHead(307, { location: `${elsewhere.url}/jobs/x` }).end())
    const error = await failureOf(clientOf(url, { credentials: { apiKey: "k" } }).jobs.get(job.job_id))
    assert.instanceOf(error, ConnectionFailed)
    assert.isEmpty(elsewhere.asked)
  })

  it("where nobody listens, with the place", async () => {
    const { close, url } = await serve(() => {})
    close()
    const error = await failureOf(clientOf(url).jobs.get(job.job_id))
    assert.instanceOf(error, ConnectionFailed)
    assert.match(error.message, /127.0.0.1.*ECONNREFUSED.*gateway runs/)
  })

  it("when it takes too long", async () => {
    const { url } = await serve(() => {})
    assert.instanceOf(await failureOf(clientOf(url).jobs.get(job.job_id, { timeout: 50 })), CallTimeout)
  })

  it("with the reason of the signal, when it is aborted", async () => {
    const controller = new AbortController()
    const { url } = await serve(() => controller.abort(new Error("enough")))
    const error = await failureOf(clientOf(url).jobs.get(job.job_id, { signal: controller.signal }))
    assert.strictEqual(error.message, "enough")
  })

  it.each(["localhost:8000", "ftp://x", "http://user:secret@host", "http://host/?a=1", ""])(
    "before anything is sent, where the URL is %s",
    (url) => assert.throws(() => clientOf(url), ArgumentInvalid)
  )

  it("before anything is sent, where an argument is missing", async () => {
    const { asked, url } = await serve(() => {})
    for (const id of ["", undefined as unknown as string]) {
      assert.instanceOf(await failureOf(clientOf(url).jobs.get(id)), ArgumentInvalid)
    }
    assert.isEmpty(asked)
  })
})

describe("what the gateway can do", () => {
  it("is asked for once, and any operation of it can be asked for", async () => {
    const operations = [{ operation: "thing.paint", method: "PUT", path: "/things/{name}/paint", input: {} }]
    const { asked, url } = await serve(({ headers, path }, response) =>
      path !== "/capabilities"
        ? json(response, 202, job)
        : headers["if-none-match"] === "\"1\""
        ? response.writeHead(304).end()
        : json(response, 200, { operations }, { etag: "\"1\"" })
    )
    await clientOf(url).submit("thing.paint", { name: "a b", colour: "red" })
    await clientOf(url).submit("thing.paint", { name: "c", colour: "blue" })
    assert.deepStrictEqual(asked.map(({ body, method, path }) => `${method} ${path} ${body}`), [
      "GET /capabilities ",
      "PUT /things/a%20b/paint {\"colour\":\"red\"}",
      "PUT /things/c/paint {\"colour\":\"blue\"}"
    ])
    // An hour later it is asked whether that is still so, and only then.
    vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + 3_600_001 })
    await clientOf(url).submit("thing.paint", { name: "d", colour: "green" })
    vi.useRealTimers()
    assert.deepStrictEqual(asked.slice(3).map(({ headers, path }) => `${path} ${headers["if-none-match"] ?? ""}`), [
      "/capabilities \"1\"",
      "/things/d/paint "
    ])
    const error = await failureOf(clientOf(url).submit("thing.burn", {}))
    assert.match(error.message, /no operation "thing.burn": it has thing.paint/)
  })
})
