/** What becomes of requests and of the subscription when the connection to a real chain does not last. */
import { assert, layer } from "@effect/vitest"
import { Effect, Exit, Fiber, Scope } from "effect"
import { connect, createServer, type Socket } from "node:net"
import * as JsonRpc from "../src/JsonRpc.ts"
import { Devnet } from "./devnet.ts"

/** A TCP proxy before the devnet's chain, whose connections can fall silent or be cut. */
const proxy = Effect.gen(function*() {
  const { rpcUrl } = yield* Devnet
  const { hostname, port } = new URL(rpcUrl)
  const clients = new Set<Socket>()
  let isSilent = false
  let opened = 0
  const server = createServer((client) => {
    opened += 1
    clients.add(client)
    const chain = connect(Number(port), hostname)
    const end = () => {
      clients.delete(client)
      client.destroy()
      chain.destroy()
    }
    client.on("close", end).on("error", end).pipe(chain)
    chain.on("close", end).on("error", end).on("data", (bytes) => isSilent || client.write(bytes))
  })
  const cut = Effect.sync(() => {
    for (const client of clients) client.resetAndDestroy()
  })
  yield* Effect.acquireRelease(
    Effect.promise(() => new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))),
    () => Effect.andThen(cut, Effect.sync(() => server.close()))
  )
  const address = server.address()
  return {
    url: `ws://127.0.0.1:${typeof address === "object" ? address?.port : ""}`,
    opened: () => opened,
    connections: () => clients.size,
    cut,
    become: (network: "sound" | "silent") => Effect.sync(() => isSilent = network === "silent")
  }
})

const until = (isTrue: () => boolean) =>
  Effect.yieldNow.pipe(Effect.delay("10 millis"), Effect.repeat({ until: isTrue }))

layer(Devnet.layer, { timeout: 120_000, excludeTestServices: true })("over a WebSocket", (it) => {
  it.effect("reports each new head, to all who wait", () =>
    Effect.gen(function*() {
      const { url } = yield* proxy
      const rpc = yield* JsonRpc.make(url, "10 seconds")
      const blockNumber = Effect.map(rpc.request("eth_blockNumber", []), Number)
      const first = yield* blockNumber
      // The first time that it completes may be the beginning of the subscription.
      yield* rpc.newHead
      for (const n of [1, 2, 3]) {
        yield* Effect.all([rpc.newHead, rpc.newHead], { concurrency: 2 })
        assert.isAtLeast(yield* blockNumber, first + n)
      }
    }))

  it.effect("answers many requests over one connection", () =>
    Effect.gen(function*() {
      const { opened, url } = yield* proxy
      const rpc = yield* JsonRpc.make(url, "10 seconds")
      const numbers = Array.from({ length: 500 }, (_, n) => n)
      const missing = `0x${"ab".repeat(20)}`
      const counts = yield* Effect.forEach(
        numbers,
        () => rpc.request("eth_getTransactionCount", [missing, "latest"]),
        { concurrency: "unbounded" }
      )
      assert.deepStrictEqual([...new Set(counts)], ["0x0"])
      assert.lengthOf(counts, 500)
      assert.strictEqual(opened(), 1)
    }))

  it.effect("a cut fails what is under way so that it may be asked again, and heads are reported again after it", () =>
    Effect.gen(function*() {
      const { become, cut, opened, url } = yield* proxy
      const rpc = yield* JsonRpc.make(url, "10 seconds")
      const ask = rpc.request("eth_chainId", [])
      yield* ask
      yield* rpc.newHead

      yield* become("silent")
      const asking = yield* Effect.forkChild(Effect.all([ask, ask].map(Effect.flip), { concurrency: 2 }), {
        startImmediately: true
      })
      const head = yield* Effect.forkChild(rpc.newHead, { startImmediately: true })
      yield* cut
      for (const error of yield* Fiber.join(asking)) {
        assert.include(error, { _tag: "RpcError", method: "eth_chainId", isRetryable: true })
        assert.notInclude(JSON.stringify(error) + error.message + error.stack, url)
      }
      // Heads may be missed from now on.
      yield* Fiber.join(head)

      yield* become("sound")
      const next = yield* Effect.forkChild(rpc.newHead, { startImmediately: true })
      assert.strictEqual(yield* ask, "0x7a69")
      yield* Fiber.join(next)
      yield* Effect.repeat(rpc.newHead, { times: 1 })
      assert.strictEqual(opened(), 2)
    }))

  it.effect("a connection that is silent past a deadline is replaced", () =>
    Effect.gen(function*() {
      const { become, connections, opened, url } = yield* proxy
      const rpc = yield* JsonRpc.make(url, "500 millis")
      const ask = rpc.request("eth_chainId", [])
      yield* ask
      yield* become("silent")
      assert.include(yield* Effect.flip(ask), { code: "TIMEOUT", isRetryable: true })
      yield* become("sound")
      assert.strictEqual(yield* ask, "0x7a69")
      assert.strictEqual(opened(), 2)
      yield* until(() => connections() === 1)
    }))

  it.effect("the connection goes with its scope, and none is opened after it", () =>
    Effect.gen(function*() {
      const { connections, opened, url } = yield* proxy
      const scope = yield* Scope.make()
      const rpc = yield* Scope.provide(JsonRpc.make(url, "10 seconds"), scope)
      yield* rpc.request("eth_chainId", [])
      yield* Scope.close(scope, Exit.void)
      yield* until(() => connections() === 0)
      assert.include(yield* Effect.flip(rpc.request("eth_chainId", [])), { code: "CLOSED" })
      assert.strictEqual(opened(), 1)
    }))
})
