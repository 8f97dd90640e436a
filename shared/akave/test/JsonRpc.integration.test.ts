import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Logger } from "effect"
import * as JsonRpc from "../src/JsonRpc.ts"
import { answer, serve } from "./httpServer.ts"

it.live.each<[status: number, body: string, trouble: { code: string | number; details: string }]>([
  [503, "busy", { code: "SERVER_ERROR", details: "server response 503 Service Unavailable: busy" }],
  [502, "<html>busy</html>", { code: "SERVER_ERROR", details: "server response 502 Bad Gateway" }],
  [500, `{"message":"no upstream"}`, {
    code: "SERVER_ERROR",
    details: "server response 500 Internal Server Error: no upstream"
  }],
  [200, "busy", { code: "BAD_DATA", details: "the answer is not JSON" }],
  [200, "null", { code: "BAD_DATA", details: "the request was left out of the answer" }],
  [200, `{"id":7,"result":"0x1"}`, { code: "BAD_DATA", details: "the request was left out of the answer" }],
  [200, `{"id":null,"error":{"code":-32000,"message":"try again"}}`, { code: -32_000, details: "try again" }],
  [200, `{"id":1,"error":"busy"}`, { code: "UNKNOWN", details: "busy" }],
  [200, `{"id":1,"error":{}}`, { code: "UNKNOWN", details: "no reason given" }]
])("reports what is wrong with an answer of status %i: %s", ([status, body, trouble]) =>
  Effect.gen(function*() {
    const host = yield* serve(answer(status, body))
    const rpc = yield* JsonRpc.make(`http://${host}`, "10 seconds")
    const error = yield* Effect.flip(rpc.request("eth_blockNumber", []))
    assert.deepInclude(error, { _tag: "RpcError", method: "eth_blockNumber", isRetryable: true, ...trouble })
  }))

it.live("gives each request of a batch its own answer, in whatever order they come", () =>
  Effect.gen(function*() {
    const host = yield* serve(async (request, response) => {
      const requests: ReadonlyArray<{ id: number; params: ReadonlyArray<unknown> }> = JSON.parse(
        (await request.toArray()).join("")
      )
      const answers = requests.map(({ id, params: [n] }) =>
        n === 2 ? { id, error: { code: 3, message: "execution reverted", data: "0x" } } : { id, result: n }
      )
      response.end(JSON.stringify(answers.toReversed().filter(({ result }) => result !== 4)))
    })
    const rpc = yield* JsonRpc.make(`http://${host}`, "10 seconds")
    const outcomes = yield* Effect.forEach(
      [1, 2, 3, 4],
      (n) => Effect.match(rpc.request("echo", [n]), { onFailure: ({ code }) => code, onSuccess: (result) => result }),
      { concurrency: "unbounded" }
    )
    assert.deepStrictEqual(outcomes, [1, 3, 3, "BAD_DATA"])
  }))

it.live("sends the user of a url as fetch can't, and reports them to nobody", () =>
  Effect.gen(function*() {
    const host = yield* serve(({ headers }, response) => {
      const isKnown = headers.authorization === `Basic ${Buffer.from("me:s@cret").toString("base64")}`
      answer(isKnown ? 200 : 401, isKnown ? `{"id":1,"result":"0x9"}` : "who is wrong-one?")(undefined, response)
    })
    const known = yield* JsonRpc.make(`http://me:s%40cret@${host}`, "10 seconds")
    assert.strictEqual(yield* known.request("eth_blockNumber", []), "0x9")
    const unknown = yield* JsonRpc.make(`http://me:wrong-one@${host}`, "10 seconds")
    const error = yield* Effect.flip(unknown.request("eth_blockNumber", []))
    assert.include(error.message, "eth_blockNumber failed: server response 401 Unauthorized")
    assert.notInclude(JSON.stringify(error) + error.stack, "wrong-one")
  }))

it.live("leaves the socket when nobody waits for the answer any more", () =>
  Effect.gen(function*() {
    const { promise: closed, resolve: close } = Promise.withResolvers<void>()
    const { promise: asked, resolve: ask } = Promise.withResolvers<void>()
    const host = yield* serve((request) => {
      request.socket.once("close", close)
      ask()
    })
    const rpc = yield* JsonRpc.make(`http://${host}`, "10 seconds")
    const waiting = yield* Effect.forkChild(rpc.request("eth_blockNumber", []))
    yield* Effect.promise(() => asked)
    yield* Fiber.interrupt(waiting)
    yield* Effect.promise(() => closed)
  }))

interface Asked {
  readonly id: number
  readonly method: string
  readonly params: ReadonlyArray<number>
}

/** A node that says for each post what it answers; it is given how many posts came before. Gives the sizes of the posts. */
const node = (
  respond: (
    asked: ReadonlyArray<Asked>,
    post: number
  ) => { readonly status?: number; readonly headers?: Readonly<Record<string, string>>; readonly body: unknown }
) =>
  Effect.gen(function*() {
    const sizes: Array<number> = []
    const times: Array<number> = []
    let open = 0
    let most = 0
    const host = yield* serve(async (request, response) => {
      most = Math.max(most, ++open)
      const text = (await request.toArray()).join("")
      const asked: ReadonlyArray<Asked> = [JSON.parse(text)].flat()
      const { body, headers = { "content-type": "application/json" }, status = 200 } = respond(asked, sizes.length)
      sizes.push(asked.length)
      times.push(performance.now())
      const isBatch = text.startsWith("[")
      const json = Array.isArray(body) && !isBatch ? body[0] : body
      answer(status, typeof body === "string" ? body : JSON.stringify(json), headers)(request, response)
      open -= 1
    })
    return { host, sizes, times, most: () => most }
  })

const echo = (asked: ReadonlyArray<Asked>) => asked.map(({ id, params: [n] }) => ({ jsonrpc: "2.0", id, result: n }))

/** All of so many requests that are made at once. */
const askMany = (host: string, count: number) =>
  Effect.gen(function*() {
    const rpc = yield* JsonRpc.make(`http://${host}`, "5 seconds")
    const ask = (numbers: ReadonlyArray<number>) =>
      Effect.forEach(numbers, (n) => rpc.request("echo", [n]), { concurrency: "unbounded" })
    const numbers = Array.from({ length: count }, (_, n) => n)
    assert.deepStrictEqual(yield* ask(numbers), numbers)
    return { rpc, ask }
  })

describe("an answer is read", () => {
  it.live.each<[number, Readonly<Record<string, string>>]>([
    [400, { "content-type": "application/json" }],
    [403, { "content-type": "application/json" }],
    [500, { "content-type": "application/json" }],
    [502, { "content-type": "text/html" }],
    [200, { "content-type": "text/plain; charset=utf-8" }],
    [400, {}]
  ])("whatever its status and content type are (%i, %o)", ([status, headers]) =>
    Effect.gen(function*() {
      const error = { code: -32_000, message: "nonce too low" }
      const { host } = yield* node(([asked]) =>
        asked?.method === "fail"
          ? { status, headers, body: [{ id: asked.id, error }] }
          : { status, headers, body: [{ id: asked?.id, result: "0x9" }] }
      )
      const rpc = yield* JsonRpc.make(`http://${host}`, "5 seconds")
      assert.deepInclude(yield* Effect.flip(rpc.request("fail", [])), { code: -32_000, details: "nonce too low" })
      assert.strictEqual(yield* rpc.request("eth_blockNumber", []), "0x9")
    }))

  it.live("up to 64 MiB", () =>
    Effect.gen(function*() {
      const { promise: ended, resolve: end } = Promise.withResolvers<void>()
      const host = yield* serve((_, response) => {
        const piece = Buffer.alloc(1024 * 1024, " ")
        const write = () => {
          while (response.write(piece));
        }
        response.on("drain", write).on("close", end)
        write()
      })
      const rpc = yield* JsonRpc.make(`http://${host}`, "30 seconds")
      const error = yield* Effect.flip(rpc.request("eth_getLogs", []))
      assert.strictEqual(error.code, "BAD_DATA")
      assert.include(error.details, "too large")
      yield* Effect.promise(() => ended)
    }))

  it.live("and what it repeats of a key is asked to nobody", () =>
    Effect.gen(function*() {
      const host = yield* serve((request, response) => {
        const error = { code: -32_000, message: `no access to ${request.url}`, data: { url: request.url } }
        answer(404, request.url?.startsWith("/v2") ? `Cannot POST ${request.url}` : JSON.stringify({ id: 1, error }))(
          request,
          response
        )
      })
      for (const path of ["v2/the-s3cret", "v3?key=the-s3cret"]) {
        const rpc = yield* JsonRpc.make(`http://${host}/${path}`, "5 seconds")
        const error = yield* Effect.flip(rpc.request("eth_blockNumber", []))
        assert.notInclude(JSON.stringify(error) + JSON.stringify(error.cause) + error.message + error.stack, "s3cret")
      }
    }))
})

describe("a batch that a node refuses", () => {
  it.live.each<[string, number, (size: number) => unknown]>([
    ["with an error for all of it", 200, (size) => ({
      jsonrpc: "2.0",
      id: null,
      error: { code: -32_000, message: `batch limit 10 exceeded: ${size} requests given` }
    })],
    ["with an array of one error", 200, () => [{ id: null, error: { code: -32_600, message: "Invalid Request" } }]],
    ["with HTTP 413", 413, () => "Payload too large"],
    ["with HTTP 400 and words", 400, () => ({ message: "at most 10 please" })],
    [
      "with HTTP 500 and an error",
      500,
      () => ({ id: 0, error: { code: 31, message: "Batch of more than 10 requests" } })
    ],
    ["with HTTP 429 and words", 429, () => ({ id: null, error: { code: -32_005, message: "batch size too large" } })]
  ])("%s is halved until it is taken, and the size is remembered", ([, status, refusal]) =>
    Effect.gen(function*() {
      const { host, sizes } = yield* node((asked) =>
        asked.length > 10 ? { status, body: refusal(asked.length) } : { body: echo(asked) }
      )
      const { ask } = yield* askMany(host, 300)
      const refused = sizes.filter((size) => size > 10)
      assert.isAtMost(refused.length, 12)
      assert.isAtMost(sizes.length, 75)
      yield* ask(Array.from({ length: 50 }, (_, n) => n))
      assert.lengthOf(sizes.filter((size) => size > 10), refused.length)
    }))

  it.live("item by item, each with its own id, is halved too", () =>
    Effect.gen(function*() {
      const error = { code: -32_003, message: "response too large" }
      const { host } = yield* node((asked) => ({
        body: asked.map(({ id, params: [n] }, at) => at < 10 ? { id, result: n } : { id, error })
      }))
      yield* askMany(host, 100)
    }))

  it.live("whatever its size goes as single requests, a bounded number at once", () =>
    Effect.gen(function*() {
      const { host, most, sizes } = yield* node((asked) =>
        asked.length > 1
          ? { status: 400, body: { id: null, error: { code: -32_600, message: "batch requests are not supported" } } }
          : { body: echo(asked) }
      )
      yield* askMany(host, 200)
      assert.isAtLeast(sizes.filter((size) => size === 1).length, 200)
      assert.isAtMost(most(), 16)
    }))

  it.live("is reported in the node's own words where a request can't be divided", () =>
    Effect.gen(function*() {
      const message = "no batches on the free plan"
      const { host } = yield* node(() => ({ status: 403, body: { id: null, error: { code: -32_052, message } } }))
      const rpc = yield* JsonRpc.make(`http://${host}`, "5 seconds")
      const errors = yield* Effect.all([1, 2].map((n) => Effect.flip(rpc.request("echo", [n]))), { concurrency: 2 })
      assert.deepStrictEqual(errors.map(({ details }) => details), [message, message])
    }))

  it.live("for one method in it makes that method go alone, and leaves the others together", () =>
    Effect.gen(function*() {
      const { host, sizes } = yield* node((asked) =>
        asked.some(({ method }) => method === "forbidden")
          ? { status: 403, headers: { "content-type": "text/plain" }, body: "method not allowed" }
          : { body: echo(asked) }
      )
      const { ask, rpc } = yield* askMany(host, 20)
      const [error] = yield* Effect.all([Effect.flip(rpc.request("forbidden", [])), ask([1, 2, 3, 4, 5])], {
        concurrency: 2
      })
      assert.include(error, { code: "SERVER_ERROR", status: 403 })
      const before = sizes.length
      yield* Effect.all([Effect.flip(rpc.request("forbidden", [])), ask([1, 2, 3, 4, 5])], { concurrency: 2 })
      assert.deepStrictEqual(sizes.slice(before).toSorted(), [1, 5])
    }))

  it.live("by cutting the connection goes smaller when it is made again", () =>
    Effect.gen(function*() {
      const host = yield* serve(async (request, response) => {
        const asked: ReadonlyArray<Asked> = [JSON.parse((await request.toArray()).join(""))].flat()
        if (asked.length > 10) return response.socket?.resetAndDestroy()
        const [first] = echo(asked)
        return answer(200, JSON.stringify(asked.length === 1 ? first : echo(asked)))(request, response)
      })
      const rpc = yield* JsonRpc.make(`http://${host}`, "5 seconds")
      const numbers = Array.from({ length: 100 }, (_, n) => n)
      const results = yield* Effect.forEach(
        numbers,
        (n) => Effect.retry(rpc.request("echo", [n]), { times: 5 }),
        { concurrency: "unbounded" }
      )
      assert.deepStrictEqual(results, numbers)
    }))
})

describe("a limit on requests", () => {
  const limited = { code: -32_005, message: "project ID request rate exceeded" }

  it.live.each<[string, number, (asked: ReadonlyArray<Asked>) => unknown]>([
    ["HTTP 429", 429, () => "slow down"],
    [
      "HTTP 429 with JSON-RPC",
      429,
      (asked) => asked.map(({ id }) => ({ id, error: { code: -32_000, message: "no" } }))
    ],
    ["-32005", 200, (asked) => asked.map(({ id }) => ({ id, error: limited }))],
    ["-32029", 200, (asked) => asked.map(({ id }) => ({ id, error: { code: -32_029, message: "no" } }))],
    ["429 as a code, for all of it", 200, () => ({ id: null, error: { code: 429, message: "no" } })],
    [
      "words",
      200,
      (asked) =>
        asked.map(({ id }) => ({ id, error: { code: -32_000, message: "exceeded its compute units per second" } }))
    ]
  ])("as %s is waited for", ([, status, refusal]) =>
    Effect.gen(function*() {
      const { host, sizes } = yield* node((asked, post) =>
        post < 2 ? { status, body: refusal(asked) } : { body: echo(asked) }
      )
      yield* askMany(host, 20)
      assert.isAtMost(sizes.length, 12)
    }))

  it.live("is kept to as a rate: all are answered, and few are refused", () =>
    Effect.gen(function*() {
      // 40 requests a tenth of a second.
      let [left, refused] = [40, 0]
      const refill = setInterval(() => left = 40, 100)
      yield* Effect.addFinalizer(() => Effect.sync(() => clearInterval(refill)))
      const { host } = yield* node((asked) => {
        if (asked.length > left) {
          refused += 1
          return { status: 429, body: { id: null, error: limited } }
        }
        left -= asked.length
        return { body: echo(asked) }
      })
      yield* askMany(host, 400)
      assert.isAtMost(refused, 40)
    }))

  it.live.each<[string, () => Readonly<Record<string, string>>, number]>([
    ["in seconds", () => ({ "retry-after": "1" }), 1_000],
    ["as a date", () => ({
      date: new Date(Date.now() - 3_600_000).toUTCString(),
      "retry-after": new Date(Date.now() - 3_600_000 + 2_000).toUTCString()
    }), 1_000]
  ])("that names a time %s is waited for as long", ([, headers, least]) =>
    Effect.gen(function*() {
      const { host, times } = yield* node((asked, post) =>
        post === 0 ? { status: 503, headers: headers(), body: "later" } : { body: echo(asked) }
      )
      yield* askMany(host, 1)
      assert.isAtLeast((times[1] ?? 0) - (times[0] ?? 0), least - 10)
    }))

  it.live("that does not end is reported in the node's own words", () =>
    Effect.gen(function*() {
      const { host } = yield* node(([asked]) => ({ body: [{ id: asked?.id, error: limited }] }))
      const rpc = yield* JsonRpc.make(`http://${host}`, "1 second", "500 millis")
      assert.deepInclude(yield* Effect.flip(rpc.request("eth_blockNumber", [])), {
        code: -32_005,
        details: limited.message,
        isRetryable: true
      })
    }))

  it.live("that does not end is reported as each request's own", () =>
    Effect.gen(function*() {
      const { host } = yield* node((asked) => ({ status: 429, body: asked.map(({ id }) => ({ id, error: limited })) }))
      const rpc = yield* JsonRpc.make(`http://${host}`, "1 second", "500 millis")
      const errors = yield* Effect.forEach(["a", "b", "c"], (method) => Effect.flip(rpc.request(method, [])), {
        concurrency: 3
      })
      assert.deepStrictEqual(errors.map(({ code, method, status }) => ({ code, method, status })), [
        { code: -32_005, method: "a", status: 429 },
        { code: -32_005, method: "b", status: 429 },
        { code: -32_005, method: "c", status: 429 }
      ])
    }))

  it.live("is asked to the operator in the node's own words, as a refused batch is", () =>
    Effect.gen(function*() {
      const reported: Array<string> = []
      const logger = Logger.make(({ message }) => reported.push(String(message)))
      const { host } = yield* node((asked, post) => {
        if (post === 0) return { body: { id: null, error: { code: -32_000, message: "batch limit 10 exceeded" } } }
        return post === 1 ? { status: 429, body: { id: null, error: limited } } : { body: echo(asked) }
      })
      yield* askMany(host, 20).pipe(Effect.provide(Logger.layer([logger])))
      assert.lengthOf(reported, 2)
      assert.include(
        reported[0],
        "refused 20 requests at once, so 10 at most go together: batch limit 10 exceeded (-32000)"
      )
      assert.include(reported[1], `limits requests, which wait for it: ${limited.message} (-32005)`)
    }))

  it.live("is not what a gas limit or too many blocks are", () =>
    Effect.gen(function*() {
      const messages = ["Transaction gas limit exceeds block gas limit", "query returned more than 10000 results"]
      const { host, sizes } = yield* node(([asked]) => ({
        body: [{ id: asked?.id, error: { code: -32_005, message: messages[asked?.params[0] ?? 0] } }]
      }))
      const rpc = yield* JsonRpc.make(`http://${host}`, "5 seconds")
      for (const [n, details] of messages.entries()) {
        assert.include(yield* Effect.flip(rpc.request("any", [n])), { code: -32_005, details })
      }
      assert.lengthOf(sizes, 2)
    }))
})
