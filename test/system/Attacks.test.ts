/** Requests that are meant to do harm, byte by byte: none is taken for another one, and none breaks the gateway. */
import type * as Stack from "@akave-async/local/Stack"
import { assert, beforeEach, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { freshName, request } from "../support/Gateway.ts"
import * as RawHttp from "../support/RawHttp.ts"
import * as SharedStack from "../support/SharedStack.ts"

let stack: Stack.Stack
SharedStack.use({ counts: { executor: 0 } }, (started) => {
  stack = started
})

const host = "Host: gateway"
const post = (headers: ReadonlyArray<string>, body: string) =>
  ["POST /buckets HTTP/1.1", host, ...headers, "", body].join("\r\n")
const get = (target: string, ...headers: ReadonlyArray<string>) =>
  [`GET ${target} HTTP/1.1`, host, ...headers, "", ""].join("\r\n")
/** A request that a smuggler would like to have taken for one of its own. */
const hidden = () => ["DELETE /buckets/hidden HTTP/1.1", host, "", ""].join("\r\n")

let name = ""
beforeEach(() => {
  name = freshName()
})
const json = () => JSON.stringify({ name })
const chunk = (text: string) => `${text.length.toString(16)}\r\n${text}\r\n`

describe("framing", () => {
  it.live.each<readonly [string, () => string, ReadonlyArray<number>]>([
    ["a length and chunks", () => post([`Content-Length: ${json().length}`, "Transfer-Encoding: chunked"], json()), [
      400
    ]],
    [
      "chunks and a length",
      () => post(["Transfer-Encoding: chunked", "Content-Length: 4"], `${chunk(json())}0\r\n\r\n`),
      [400]
    ],
    ["two lengths", () => post(["Content-Length: 2", `Content-Length: ${json().length}`], json()), [400]],
    ["two lengths in one", () => post([`Content-Length: 2, ${json().length}`], json()), [400]],
    ["a negative length", () => post(["Content-Length: -1"], json()), [400]],
    ["a length in hexadecimal", () => post(["Content-Length: 0x10"], json()), [400]],
    ["a length with a sign", () => post([`Content-Length: +${json().length}`], json()), [400]],
    ["an unknown coding", () => post(["Transfer-Encoding: xchunked"], `${chunk(json())}0\r\n\r\n`), [400]],
    ["chunked twice", () => post(["Transfer-Encoding: chunked, chunked"], `${chunk(json())}0\r\n\r\n`), [400]],
    [
      "chunked, then another coding",
      () => post(["Transfer-Encoding: chunked, identity"], `${chunk(json())}0\r\n\r\n`),
      [400]
    ],
    ["a chunk of a wrong size", () => post(["Transfer-Encoding: chunked"], `zz\r\n${json()}\r\n0\r\n\r\n`), [400]],
    ["a chunk of more than its size", () => post(["Transfer-Encoding: chunked"], `2\r\n${json()}\r\n0\r\n\r\n`), [400]],
    ["a chunk size of 2^64", () => post(["Transfer-Encoding: chunked"], `10000000000000000\r\n${json()}`), [400]],
    ["a space before a colon", () => get("/jobs", "X-One : 1"), [400]],
    ["a folded header", () => get("/jobs", "X-One: 1", " 2"), [400]],
    ["a header without a colon", () => get("/jobs", "X-One"), [400]],
    ["a NUL in a header", () => get("/jobs", "X-One: a\0b"), [400]],
    ["a bare CR in a header", () => get("/jobs", "X-One: a\rX-Two: b"), [400]],
    ["lines that end in LF alone", () => "GET /jobs HTTP/1.1\nHost: gateway\n\n", [400]],
    ["no host", () => "GET /jobs HTTP/1.1\r\n\r\n", [400]],
    ["an unknown version", () => `GET /jobs HTTP/3.0\r\n${host}\r\n\r\n`, [400]],
    ["the preface of HTTP/2", () => "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", [400]],
    ["a method in lower case", () => `get /jobs HTTP/1.1\r\n${host}\r\n\r\n`, [400]],
    ["an unknown method", () => `FETCH /jobs HTTP/1.1\r\n${host}\r\n\r\n`, [400]],
    ["a space in the path", () => get("/jobs /x"), [400]],
    ["a TLS handshake", () => "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", [400]],
    ["headers of 17 KiB", () => get("/jobs", `X-One: ${"a".repeat(17 * 1024)}`), [431]],
    ["a path of 17 KiB", () => get(`/jobs?prefix=${"a".repeat(17 * 1024)}`), [431]],
    ["2,001 headers", () => get("/jobs", ...Array.from({ length: 2_001 }, (_, n) => `X${n}: 1`)), [431]]
  ])("by %s is refused", ([, bytes, expected]) =>
    Effect.gen(function*() {
      const received = yield* Effect.promise(() => RawHttp.exchange(stack.gatewayUrl, bytes()))
      assert.deepStrictEqual(RawHttp.statusesOf(received), expected, received)
      const { body } = yield* request(`${stack.gatewayUrl}/events?limit=1000`)
      assert.notInclude(JSON.stringify(body), name, "nothing was stored")
    }))

  it.live("does not take what follows a body for a part of it, nor the reverse", () =>
    Effect.gen(function*() {
      const received = yield* Effect.promise(() =>
        RawHttp.exchange(
          stack.gatewayUrl,
          post([`Content-Length: ${json().length}`, "Content-Type: application/json"], json()) + hidden()
        )
      )
      assert.deepStrictEqual(RawHttp.statusesOf(received), [202, 404], received)
      const inside = JSON.stringify({ name, other: hidden() })
      const once = yield* Effect.promise(() =>
        RawHttp.exchange(stack.gatewayUrl, post([`Content-Length: ${inside.length}`], inside))
      )
      assert.deepStrictEqual(RawHttp.statusesOf(once), [400], once)
    }))

  it.live("that never ends is given up", () =>
    Effect.gen(function*() {
      const received = yield* Effect.promise(() =>
        RawHttp.exchange(stack.gatewayUrl, `GET /jobs HTTP/1.1\r\n${host}\r\nX-One: `, 20_000)
      )
      assert.deepStrictEqual(RawHttp.statusesOf(received), [408], received)
    }))
})

describe("a path", () => {
  it.live.each([
    ["/buckets/%2e%2e/jobs", 404],
    ["/buckets/../jobs", 404],
    ["//jobs", 404],
    ["/jobs//", 404],
    ["/./jobs", 404],
    ["/jobs/%00", 400],
    ["/buckets/a%00b", 400],
    ["/buckets/%0d%0aX-Injected:%201", 400],
    ["/buckets/%ff%fe", 400],
    ["/buckets/%c0%ae%c0%ae", 400],
    ["/buckets/a%2fb", 400],
    ["/buckets/abc%20", 400],
    ["/buckets/ABC", 400],
    ["/buckets/\u00e4bc", 400],
    ["/jobs%3fstatus=queued", 404],
    ["/JOBS", 404],
    ["/jobs/", 400],
    // The form of a request to a proxy, which a server has to take (RFC 9112, section 3.2.2).
    ["http://other.example.org/jobs", 200]
  ])("such as %s is not taken for another one", ([path, status]) =>
    Effect.gen(function*() {
      const received = yield* Effect.promise(() =>
        RawHttp.exchange(stack.gatewayUrl, get(String(path), "Connection: close"))
      )
      assert.deepStrictEqual(RawHttp.statusesOf(received), [status], received)
      assert.notMatch(received, /^X-Injected/m)
    }))
})

describe("a body", () => {
  it.live.each<readonly [string, () => string]>([
    ["nested 60,000 deep", () => `${"[".repeat(60_000)}${"]".repeat(60_000)}`],
    ["with objects nested 20,000 deep", () => `${"{\"a\":".repeat(20_000)}1${"}".repeat(20_000)}`],
    ["with a prototype", () => `{"__proto__":{"name":"${name}"}}`],
    ["with a constructor", () => `{"constructor":{"prototype":{"name":"${name}"}},"name":"${name}"}`],
    ["with a NUL", () => `{"name":"${name}\\u0000"}`],
    ["with a lone surrogate", () => `{"name":"${name}\\ud800"}`],
    ["that is no UTF-8", () => `{"name":"${name}\xff"}`],
    ["with a number for a name", () => "{\"name\":1e999}"],
    ["with an array for a name", () => `{"name":["${name}"]}`],
    ["with two documents", () => `${json()}${json()}`],
    ["with a comment", () => `{"name":"${name}"/**/}`],
    ["with a further field", () => `{"name":"${name}","owner":"0x0000000000000000000000000000000000000000"}`]
  ])("%s is refused", ([, body]) =>
    Effect.gen(function*() {
      const text = body()
      const received = yield* Effect.promise(() =>
        RawHttp.exchange(
          stack.gatewayUrl,
          post([`Content-Length: ${text.length}`, "Content-Type: application/json", "Connection: close"], text)
        )
      )
      assert.deepStrictEqual(RawHttp.statusesOf(received), [400], received)
    }))

  it.live("of more than its limit is refused, however it comes", () =>
    Effect.gen(function*() {
      const large = "a".repeat(1024 * 1024)
      for (
        const bytes of [
          post([`Content-Length: ${large.length}`], large),
          post(["Transfer-Encoding: chunked"], `${chunk(large)}0\r\n\r\n`),
          post(["Content-Length: 99999999999999"], "")
        ]
      ) {
        const received = yield* Effect.promise(() => RawHttp.exchange(stack.gatewayUrl, bytes))
        assert.deepStrictEqual(RawHttp.statusesOf(received), [413], received)
      }
    }))

  it.live("with a name twice means its last one, as JSON.parse has it", () =>
    Effect.gen(function*() {
      const text = `{"name":"No","name":"${name}"}`
      const { body, status } = yield* request(`${stack.gatewayUrl}/buckets`, { method: "POST", body: text })
      assert.deepStrictEqual([status, body.bucket_name], [202, name])
    }))
})

it.live("no answer names the server or its version", () =>
  Effect.gen(function*() {
    for (const path of ["/jobs", "/nothing", "/docs", "/health", "/"]) {
      const { headers } = yield* request(`${stack.gatewayUrl}${path}`)
      for (const header of ["server", "x-powered-by", "via"]) assert.isNull(headers.get(header), path)
    }
  }))
