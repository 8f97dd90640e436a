import { WebhookUrl } from "@akave-async/domain/WebhookUrl"
import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect } from "effect"
import { createServer } from "node:net"
import type { AddressInfo } from "node:net"
import * as Sender from "../src/Sender.ts"
import * as Receiver from "./Receiver.ts"

const options = { allowsPrivate: true, timeout: Duration.millis(400) }
const message = (url: string) => ({ url: WebhookUrl.make(url), headers: { "x-test": "yes" }, body: "{\"ü\":1}" })

describe("an attempt", () => {
  it.live("sends what it is given, and reports the beginning of the answer without control characters", () =>
    Effect.gen(function*() {
      const receiver = yield* Receiver.start
      receiver.answer = Receiver.status(200, {}, `a\r\n\u001b[31mb\u0000${"c".repeat(2_000)}`)
      const answer = yield* Sender.send(message(receiver.url), options)
      assert.deepInclude(answer, { isTaken: true, statusCode: 200 })
      assert.match(answer.text, /^a\[31mbc+$/)
      assert.isAtMost(answer.text.length, 1_024)
      const [received] = receiver.received
      assert.deepInclude(received?.headers, { "x-test": "yes", "content-length": "8" })
      assert.strictEqual(received?.body, "{\"ü\":1}")
    }))

  it.live.each<readonly [number, Readonly<Record<string, string>>, string]>([
    [500, {}, "The endpoint has answered 500"],
    [404, {}, "The endpoint has answered 404"],
    [302, { location: "http://127.0.0.1:1/" }, "The endpoint has answered 302: redirects are not followed"]
  ])("has failed with an answer of %d", ([code, headers, error]) =>
    Effect.gen(function*() {
      const receiver = yield* Receiver.start
      receiver.answer = Receiver.status(code, headers)
      const answer = yield* Sender.send(message(receiver.url), options)
      assert.deepInclude(answer, { isTaken: false, statusCode: code, error })
      assert.lengthOf(receiver.received, 1)
    }))

  it.live.each<readonly [number, number | undefined]>([[429, 30], [503, 30], [500, undefined]])(
    "with an answer of %d that asks to wait gives %s s",
    ([code, seconds]) =>
      Effect.gen(function*() {
        const receiver = yield* Receiver.start
        receiver.answer = Receiver.status(code, { "retry-after": "30" })
        const { retryAfter } = yield* Sender.send(message(receiver.url), options)
        assert.deepStrictEqual(retryAfter, seconds === undefined ? undefined : Duration.seconds(seconds))
      })
  )

  it.live("ends in its time where nothing is answered, or the answer does not end", () =>
    Effect.gen(function*() {
      const receiver = yield* Receiver.start
      receiver.answer = () => {}
      const silent = yield* Sender.send(message(receiver.url), options)
      assert.deepInclude(silent, { isTaken: false, error: "The endpoint has not answered within 0.4 s" })
      receiver.answer = (response) => void response.writeHead(200).write("partly")
      assert.deepInclude(yield* Sender.send(message(receiver.url), options), { isTaken: true, text: "partly" })
    }))

  it.live("reads 64 KiB of an answer at most", () =>
    Effect.gen(function*() {
      const receiver = yield* Receiver.start
      receiver.answer = (response) => {
        response.writeHead(200)
        const more = () => {
          while (!response.destroyed && response.write("x".repeat(10_000)));
          if (!response.destroyed) response.once("drain", more)
        }
        more()
      }
      const begun = Date.now()
      const answer = yield* Sender.send(message(receiver.url), { ...options, timeout: Duration.seconds(10) })
      assert.deepInclude(answer, { isTaken: true, statusCode: 200 })
      assert.isBelow(Date.now() - begun, 5_000)
    }))

  it.live("says why an endpoint can't be reached, or speaks no HTTP", () =>
    Effect.gen(function*() {
      const refused = yield* Sender.send(message("http://127.0.0.1:1/"), options)
      assert.deepInclude(refused, { isTaken: false, error: "The endpoint can't be reached: ECONNREFUSED" })
      const server = createServer((socket) => void socket.end("no HTTP"))
      yield* Effect.callback<void>((resume) => void server.listen(0, "127.0.0.1", () => resume(Effect.void)))
      const { port } = server.address() as AddressInfo
      const garbled = yield* Sender.send(message(`http://127.0.0.1:${port}/`), options)
      server.close()
      assert.isFalse(garbled.isTaken)
      assert.match(garbled.error ?? "", /can't be reached/)
    }))
})

describe("where private addresses are not allowed", () => {
  const strict = { ...options, allowsPrivate: false }

  it.live("nothing goes to an address that is none on the internet, or by http", () =>
    Effect.gen(function*() {
      const receiver = yield* Receiver.start
      for (const url of [receiver.url, receiver.url.replace("http:", "https:"), "https://[::1]:9/"]) {
        const answer = yield* Sender.send(message(url), strict)
        assert.deepInclude(answer, { isTaken: false }, url)
        assert.isUndefined(answer.statusCode)
      }
      assert.lengthOf(receiver.received, 0)
    }))

  it.live("nothing goes to a name that leads to such an address, and the address is not told", () =>
    Effect.gen(function*() {
      // The system knows this name without a resolver, and the text of the URL says nothing.
      const { error } = yield* Sender.send(message("https://ip6-localhost:9/"), strict)
      assert.match(
        error ?? "",
        /leads to an address that is none on the internet|can't be reached: (ENOTFOUND|EAI_AGAIN)/
      )
      assert.notInclude(error, "::1")
    }))
})

it.each([
  ["5", 5_000],
  [" 7 ", 7_000],
  ["Thu, 01 Jan 1970 00:01:00 GMT", 50_000],
  ["Thu, 01 Jan 1970 00:00:01 GMT", 0],
  ["soon", undefined],
  ["-1", undefined],
  [undefined, undefined]
])("a Retry-After of %s, ten seconds after the epoch, is a wait of %s ms", (text, millis) => {
  const wait = Sender.waitOf(text, 10_000)
  assert.strictEqual(wait === undefined ? undefined : Duration.toMillis(wait), millis)
})
