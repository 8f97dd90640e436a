import * as Ports from "@akave-async/local/Ports"
import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect, Fiber } from "effect"
import { createServer as createHttpServer } from "node:http"
import { connect, createServer, type Socket } from "node:net"
import { rewriteMessages } from "../../faults/src/NatsProxy.ts"
import * as Proxy from "../../faults/src/Proxy.ts"
import * as RpcProxy from "../../faults/src/RpcProxy.ts"

/** Listens on a free port; gives back what it is sent. */
const echo = Effect.gen(function*() {
  const port = yield* Ports.free
  yield* Effect.acquireRelease(
    Effect.callback<ReturnType<typeof createServer>>((resume) => {
      const server = createServer((socket) => {
        socket.on("error", () => {})
        socket.pipe(socket)
      })
      server.listen(port, Ports.host, () => resume(Effect.succeed(server)))
    }),
    (server) => Effect.sync(() => server.close())
  )
  return port
})

const dial = (port: number) =>
  Effect.acquireRelease(
    Effect.callback<Socket, Error>((resume) => {
      const socket = connect(port, Ports.host, () => resume(Effect.succeed(socket)))
      socket.on("error", (error) => resume(Effect.fail(error)))
    }),
    (socket) => Effect.sync(() => socket.destroy())
  )

/** Sends a text and waits until as much has come back. */
const say = (socket: Socket, text: string) =>
  Effect.callback<string, Error>((resume) => {
    let heard = ""
    const listen = (bytes: Buffer) => {
      heard += bytes
      if (heard.length >= text.length) resume(Effect.succeed(heard))
    }
    socket.on("data", listen)
    socket.once("close", () => resume(Effect.fail(new Error("closed"))))
    socket.write(text)
    return Effect.sync(() => socket.off("data", listen))
  })

const proxied = (random: () => number = () => 0.5) =>
  Effect.gen(function*() {
    return yield* Proxy.make({ to: yield* echo, random })
  })

describe("a network that is", () => {
  it.live("sound passes everything on, in order", () =>
    Effect.gen(function*() {
      const proxy = yield* proxied()
      const text = "0123456789".repeat(50_000)
      assert.strictEqual(yield* say(yield* dial(proxy.port), text), text)
    }))

  it.live("cut resets connections and refuses new ones, until it is sound", () =>
    Effect.gen(function*() {
      const proxy = yield* proxied()
      const socket = yield* dial(proxy.port)
      yield* say(socket, "a")
      const reset = yield* Effect.forkChild(
        Effect.callback<Error>((resume) => {
          socket.once("error", (error) => resume(Effect.succeed(error)))
        }),
        { startImmediately: true }
      )
      yield* proxy.become(Proxy.cut)
      assert.include(String(yield* Fiber.join(reset)), "ECONNRESET")
      assert.include(String(yield* Effect.flip(dial(proxy.port))), "ECONNREFUSED")
      yield* proxy.become(Proxy.sound)
      assert.strictEqual(yield* say(yield* dial(proxy.port), "b"), "b")
    }))

  it.live("silent swallows nothing: what was said comes when it is sound", () =>
    Effect.gen(function*() {
      const proxy = yield* proxied()
      const socket = yield* dial(proxy.port)
      yield* say(socket, "a")
      yield* proxy.become(Proxy.blackHole)
      const fiber = yield* Effect.forkChild(say(socket, "b"), { startImmediately: true })
      assert.isUndefined(fiber.pollUnsafe())
      const late = yield* dial(proxy.port)
      yield* proxy.become(Proxy.sound)
      assert.strictEqual(yield* Fiber.join(fiber), "b")
      assert.strictEqual(yield* say(late, "c"), "c")
    }))

  it.live("slow takes as long there and back as it says", () =>
    Effect.gen(function*() {
      const proxy = yield* proxied()
      const socket = yield* dial(proxy.port)
      yield* proxy.become(Proxy.slow(300))
      const begun = yield* Clock.currentTimeMillis
      yield* say(socket, "a")
      assert.isAtLeast((yield* Clock.currentTimeMillis) - begun, 295)
    }))

  it.live("lossy stalls, and keeps the order", () =>
    Effect.gen(function*() {
      // The first segment is lost once, and everything after it is not.
      const numbers = [0.1, 0.9, 0.9]
      const proxy = yield* proxied(() => numbers.shift() ?? 0.9)
      const socket = yield* dial(proxy.port)
      yield* proxy.become(Proxy.lossy(0.2))
      const begun = yield* Clock.currentTimeMillis
      assert.strictEqual(yield* say(socket, "a"), "a")
      assert.isAtLeast((yield* Clock.currentTimeMillis) - begun, 195)
    }))

  it.live("lossy breaks a connection now and then", () =>
    Effect.gen(function*() {
      const proxy = yield* proxied(() => 0.01)
      const socket = yield* dial(proxy.port)
      yield* proxy.become(Proxy.lossy(0.2))
      assert.include(String(yield* Effect.flip(say(socket, "a"))), "closed")
    }))
})

describe("what a NATS server sends", () => {
  const text = "INFO {}\r\nMSG events.a 1 $JS.ACK.stream.1 5\r\nhe\r\no\r\nPING\r\n"
    + "HMSG _INBOX.x 2 12 14\r\nNATS/1.0\r\n\r\nok\r\n+OK\r\n"

  it("is understood however it is cut into pieces, and passes unchanged", () => {
    for (let size = 1; size <= text.length; size++) {
      const seen: Array<string> = []
      const rewrite = rewriteMessages((message) => {
        seen.push(`${message.subject} ${message.reply ?? "-"} ${message.payload}`)
        return [message.bytes]
      })
      let out = ""
      for (let from = 0; from < text.length; from += size) out += rewrite(Buffer.from(text.slice(from, from + size)))
      assert.strictEqual(out, text)
      assert.deepStrictEqual(seen, ["events.a $JS.ACK.stream.1 he\r\no", "_INBOX.x - ok"])
    }
  })

  it("can come twice, or not at all", () => {
    const rewrite = rewriteMessages(({ bytes, reply }) => reply === undefined ? [] : [bytes, bytes])
    const message = "MSG events.a 1 $JS.ACK.stream.1 5\r\nhe\r\no\r\n"
    assert.strictEqual(`${rewrite(Buffer.from(text))}`, `INFO {}\r\n${message}${message}PING\r\n+OK\r\n`)
  })
})

/** A chain's node at block 20, which has a receipt of block 19 and repeats the parameters of everything else. */
const node = Effect.gen(function*() {
  const port = yield* Ports.free
  const heard: Array<string> = []
  yield* Effect.acquireRelease(
    Effect.callback<ReturnType<typeof createHttpServer>>((resume) => {
      const server = createHttpServer(async (request, response) => {
        let body = ""
        for await (const piece of request) body += piece
        const answer = ({ id, method, params }: { id: number; method: string; params: ReadonlyArray<unknown> }) => {
          heard.push(method)
          const base = { jsonrpc: "2.0", id }
          if (method === "eth_blockNumber") return { ...base, result: "0x14" }
          if (method === "eth_getTransactionReceipt") return { ...base, result: { blockNumber: "0x13" } }
          if (method === "eth_refuse") return { ...base, error: { code: -32_003, message: "nonce too low" } }
          return { ...base, result: params }
        }
        const asked = JSON.parse(body)
        response.end(JSON.stringify(Array.isArray(asked) ? asked.map(answer) : answer(asked)))
      })
      server.listen(port, Ports.host, () => resume(Effect.succeed(server)))
    }),
    (server) =>
      Effect.sync(() => {
        server.close()
        server.closeAllConnections()
      })
  )
  return { port, heard }
})

const rpc = (port: number, ...requests: ReadonlyArray<readonly [method: string, ...params: ReadonlyArray<unknown>]>) =>
  Effect.tryPromise({
    try: async () => {
      const body = JSON.stringify(requests.map(([method, ...params], id) => ({ jsonrpc: "2.0", id, method, params })))
      const response = await fetch(`http://${Ports.host}:${port}`, { method: "POST", body })
      const answers: ReadonlyArray<{ readonly result?: unknown; readonly error?: unknown }> = JSON.parse(
        await response.text()
      )
      return answers.map(({ error, result }) => error ?? result)
    },
    catch: () => "no answer"
  })

describe("a chain's RPC that", () => {
  const proxied = Effect.gen(function*() {
    const { heard, port } = yield* node
    return { heard, proxy: yield* RpcProxy.make({ to: port, random: () => 0.4 }) }
  })

  it.live("is honest answers as the node", () =>
    Effect.gen(function*() {
      const { proxy } = yield* proxied
      assert.deepStrictEqual(
        yield* rpc(proxy.port, ["eth_blockNumber"], ["eth_getTransactionCount", "0x1", "latest"]),
        [
          "0x14",
          ["0x1", "latest"]
        ]
      )
      assert.strictEqual(proxy.misbehaved(), 0)
    }))

  it.live("is stale asks about an older block and hides newer receipts", () =>
    Effect.gen(function*() {
      const { proxy } = yield* proxied
      yield* proxy.behave(RpcProxy.stale(3, 1))
      const answers = yield* rpc(
        proxy.port,
        ["eth_blockNumber"],
        ["eth_getTransactionCount", "0x1", "pending"],
        ["eth_getTransactionReceipt", "0x2"],
        ["eth_call", { to: "0x1" }, "latest"],
        ["eth_call", { to: "0x1" }, "0x5"],
        ["eth_getBlockReceipts", "0x12"],
        ["eth_getBlockReceipts", "0x11"],
        ["eth_getLogs", { fromBlock: "0x0", toBlock: "latest" }]
      )
      assert.deepStrictEqual(answers, [
        "0x11",
        ["0x1", "0x11"],
        null,
        [{ to: "0x1" }, "0x11"],
        [{ to: "0x1" }, "0x5"],
        null,
        ["0x11"],
        [{ fromBlock: "0x0", toBlock: "0x11" }]
      ])
    }))

  it.live("loses answers has handed the transaction on", () =>
    Effect.gen(function*() {
      const { heard, proxy } = yield* proxied
      yield* proxy.behave(RpcProxy.loseSendAnswers(1))
      assert.strictEqual(yield* Effect.flip(rpc(proxy.port, ["eth_sendRawTransaction", "0x1"])), "no answer")
      assert.deepStrictEqual(heard, ["eth_sendRawTransaction"])
      assert.deepStrictEqual(yield* rpc(proxy.port, ["eth_blockNumber"]), ["0x14"])
    }))

  it.live("reports errors in other words", () =>
    Effect.gen(function*() {
      const { proxy } = yield* proxied
      yield* proxy.behave(RpcProxy.rewriteErrors(0))
      assert.deepStrictEqual(yield* rpc(proxy.port, ["eth_refuse"], ["eth_blockNumber"]), [
        { code: -32_603, message: "internal error: nonce too low" },
        "0x14"
      ])
    }))
})
