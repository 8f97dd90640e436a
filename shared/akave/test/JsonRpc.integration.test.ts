import { assert, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import * as JsonRpc from "../src/JsonRpc.ts"

/** An HTTP server that does this with each request; gives its host and port. */
const serve = (respond: (request: IncomingMessage, response: ServerResponse) => void) =>
  Effect.gen(function*() {
    const server = createServer(respond)
    yield* Effect.acquireRelease(
      Effect.promise(() => new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))),
      () =>
        Effect.sync(() => {
          server.closeAllConnections()
          server.close()
        })
    )
    return `127.0.0.1:${(server.address() as AddressInfo).port}`
  })

const answer = (status: number, body: string) => (_: IncomingMessage, response: ServerResponse) => {
  response.writeHead(status, { "content-type": "application/json" })
  response.end(body)
}

it.live.each<[status: number, body: string, trouble: { code: string | number; details: string }]>([
  [503, "busy", { code: "SERVER_ERROR", details: "server response 503 Service Unavailable" }],
  [200, "busy", { code: "BAD_DATA", details: "the answer is not JSON" }],
  [200, "null", { code: "BAD_DATA", details: "the request was left out of the answer" }],
  [200, `{"id":7,"result":"0x1"}`, { code: "BAD_DATA", details: "the request was left out of the answer" }],
  [200, `{"id":1,"error":{"code":-32005,"message":"rate limit"}}`, { code: -32_005, details: "rate limit" }],
  [200, `{"id":1,"error":"busy"}`, { code: "UNKNOWN", details: "no reason given" }]
])("tells what is wrong with an answer of status %i: %s", ([status, body, trouble]) =>
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

it.live("sends the user of a url as fetch can't, and tells nobody of them", () =>
  Effect.gen(function*() {
    const host = yield* serve(({ headers }, response) => {
      const isKnown = headers.authorization === `Basic ${Buffer.from("me:s@cret").toString("base64")}`
      answer(isKnown ? 200 : 401, `{"id":1,"result":"0x9"}`)({} as IncomingMessage, response)
    })
    const known = yield* JsonRpc.make(`http://me:s%40cret@${host}`, "10 seconds")
    assert.strictEqual(yield* known.request("eth_blockNumber", []), "0x9")
    const unknown = yield* JsonRpc.make(`http://me:wrong@${host}`, "10 seconds")
    const error = yield* Effect.flip(unknown.request("eth_blockNumber", []))
    assert.strictEqual(error.message, "eth_blockNumber failed: server response 401 Unauthorized (SERVER_ERROR)")
    assert.notInclude(JSON.stringify(error) + error.stack, "wrong")
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
