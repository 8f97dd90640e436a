import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Layer, Schema, Scope } from "effect"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { WebSocketServer } from "ws"
import { AkaveNode } from "../src/AkaveNode.ts"
import { Chain } from "../src/Chain.ts"

const Request = Schema.Struct({ id: Schema.Int, method: Schema.String, params: Schema.Array(Schema.Unknown) })
const Body = Schema.fromJsonString(Schema.Union([Request, Schema.Array(Request)]))
type Answer = { readonly result: unknown } | { readonly error: { readonly code: number; readonly message: string } }

const address = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"
const hash = `0x${"ab".repeat(32)}`
const receipt = {
  transactionHash: hash,
  blockNumber: "0x7",
  blockHash: hash,
  status: "0x0",
  gasUsed: "0x5208",
  effectiveGasPrice: "0x1",
  from: address,
  to: address,
  logs: []
}

/**
 * A chain that answers each method as told, and as if it were missing where nothing is told; undefined leaves the caller
 * waiting. Gives the sizes of the batches that came in and the methods that were called.
 */
const serve = (answers: Record<string, (params: ReadonlyArray<unknown>) => Answer | undefined>, port = 0) =>
  Effect.gen(function*() {
    const batches: Array<number> = []
    const methods: Array<string> = []
    const answer = ({ id, method, params }: typeof Request.Type) => {
      if (method === "eth_chainId") return { jsonrpc: "2.0", id, result: "0x7a69" }
      methods.push(method)
      const missing = { error: { code: -32601, message: "the method does not exist/is not available" } }
      const told = (answers[method] ?? (() => missing))(params)
      return told === undefined ? undefined : { jsonrpc: "2.0", id, ...told }
    }
    const respond = (text: string, reply: (text: string) => void) => {
      const body = Schema.decodeSync(Body)(text)
      if (Array.isArray(body)) batches.push(body.length)
      const answered = "id" in body ? answer(body) : body.map(answer)
      if (answered !== undefined) reply(JSON.stringify(answered))
    }
    const server = createServer(async (request, response) => {
      response.setHeader("content-type", "application/json")
      respond((await request.toArray()).join(""), (text) => response.end(text))
    })
    const sockets = new WebSocketServer({ server })
    sockets.on(
      "connection",
      (socket) => socket.on("message", (data) => respond(String(data), (text) => socket.send(text)))
    )
    yield* Effect.acquireRelease(
      Effect.promise(() => new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve))),
      () =>
        Effect.sync(() => {
          for (const socket of sockets.clients) socket.terminate()
          server.closeAllConnections()
          server.close()
        })
    )
    const { port: bound } = server.address() as AddressInfo
    return { host: `127.0.0.1:${bound}`, port: bound, batches, methods }
  })

const connected = (rpcUrl: string, timeout = 10_000) => {
  const params = { rpcUrl, storageAddress: address, accessAddress: address }
  const node = Layer.mock(AkaveNode, { connectionParams: Effect.succeed(params) })
  return Effect.map(
    Layer.build(Chain.layer({ timeout }).pipe(Layer.provide(node))),
    (context) => Context.get(context, Chain)
  )
}

const refuse = (code: number, message: string) => () => ({ error: { code, message } })

describe.each([
  { scheme: "http", away: "ECONNREFUSED" },
  { scheme: "ws", away: "UNREACHABLE" }
])("over $scheme", ({ away, scheme }) => {
  it.live("takes the contracts from the node and the id from the chain", () =>
    Effect.gen(function*() {
      const { host } = yield* serve({})
      const chain = yield* connected(`${scheme}://${host}`)
      assert.include(chain, { chainId: 31_337n, storageAddress: address, accessAddress: address })
    }))

  it.live("offers a cap of the tip and twice the base fee", () =>
    Effect.gen(function*() {
      const { host } = yield* serve({
        eth_maxPriorityFeePerGas: () => ({ result: "0x3" }),
        eth_getBlockByNumber: () => ({ result: { baseFeePerGas: "0x64", timestamp: "0x1", transactions: [] } })
      })
      const chain = yield* connected(`${scheme}://${host}`)
      assert.deepStrictEqual(yield* chain.fees, { baseFeePerGas: 100n, maxPriorityFeePerGas: 3n, maxFeePerGas: 203n })
    }))

  it.live("asks again while the chain is busy, and once where that can't help", () =>
    Effect.gen(function*() {
      let busy = 2
      const { methods, host } = yield* serve({
        eth_blockNumber: () => busy-- > 0 ? { error: { code: -32005, message: "rate limit" } } : { result: "0x9" }
      })
      const chain = yield* connected(`${scheme}://${host}`)
      assert.strictEqual(yield* chain.blockNumber, 9)
      assert.lengthOf(methods, 3)

      const error = yield* Effect.flip(chain.balance(address))
      assert.include(error, { _tag: "RpcError", method: "eth_getBalance", code: -32601, isRetryable: false })
      assert.lengthOf(methods, 4)
    }))

  it.live("goes on with a chain that was restarted", () =>
    Effect.gen(function*() {
      const answers = { eth_blockNumber: () => ({ result: "0x9" }) }
      const test = yield* Effect.scope
      const { chain, port } = yield* Effect.scoped(Effect.gen(function*() {
        const { port, host } = yield* serve(answers)
        return { port, chain: yield* Scope.provide(connected(`${scheme}://${host}`), test) }
      }))
      yield* Effect.exit(chain.blockNumber)
      yield* serve(answers, port)
      assert.strictEqual(yield* chain.blockNumber, 9)
    }))

  it.live("gives up on an answer at the deadline, and sends a transaction only once", () =>
    Effect.gen(function*() {
      const { methods, host } = yield* serve({ eth_sendRawTransaction: () => undefined })
      const chain = yield* connected(`${scheme}://${host}`, 100)
      const error = yield* Effect.flip(chain.send("0x02"))
      assert.include(error, { _tag: "RpcError", code: "TIMEOUT", isRetryable: true })
      assert.deepStrictEqual(methods, ["eth_sendRawTransaction"])
    }))

  it.live("tells what became of a transaction that was sent", () =>
    Effect.gen(function*() {
      const answers: Array<Answer> = [
        { result: hash },
        refuse(-32000, "already known")(),
        refuse(-32000, "nonce too low")(),
        refuse(-32000, "txpool is full")()
      ]
      const { host } = yield* serve({ eth_sendRawTransaction: () => answers.shift() })
      const chain = yield* connected(`${scheme}://${host}`)
      assert.strictEqual(yield* chain.send("0x02"), "accepted")
      assert.strictEqual(yield* chain.send("0x02"), "already_known")
      assert.include(yield* Effect.flip(chain.send("0x02")), {
        _tag: "TransactionRefused",
        reason: "nonce_too_low",
        message: "nonce too low"
      })
      assert.include(yield* Effect.flip(chain.send("0x02")), { _tag: "RpcError", code: -32000, isRetryable: true })
    }))

  it.live("reads a block's receipts at once", () =>
    Effect.gen(function*() {
      const { methods, host } = yield* serve({ eth_getBlockReceipts: () => ({ result: [receipt, receipt] }) })
      const chain = yield* connected(`${scheme}://${host}`)
      const [first, ...rest] = yield* chain.blockReceipts(7)
      assert.include(first, { status: "reverted", blockNumber: 7, gasUsed: 21_000, effectiveGasPrice: 1n })
      assert.lengthOf(rest, 1)
      assert.deepStrictEqual(methods, ["eth_getBlockReceipts"])
    }))

  it.live("reads a block's receipts one by one where the chain can't give them at once", () =>
    Effect.gen(function*() {
      const { host } = yield* serve({
        eth_getBlockByNumber: () => ({ result: { timestamp: "0x1", transactions: [hash, hash, hash] } }),
        eth_getTransactionReceipt: () => ({ result: receipt })
      })
      const chain = yield* connected(`${scheme}://${host}`)
      assert.lengthOf(yield* chain.blockReceipts(7), 3)
    }))

  it.live.each<{ readonly eth_getBlockReceipts?: () => Answer; readonly eth_getBlockByNumber: () => Answer }>([
    { eth_getBlockReceipts: () => ({ result: null }), eth_getBlockByNumber: () => ({ result: null }) },
    { eth_getBlockByNumber: () => ({ result: null }) }
  ])("does not take a block that the chain does not have for an empty one", (answers) =>
    Effect.gen(function*() {
      const { host } = yield* serve({ ...answers })
      const chain = yield* connected(`${scheme}://${host}`)
      const error = yield* Effect.flip(chain.blockReceipts(7))
      assert.include(error, { _tag: "RpcError", code: "NOT_FOUND", isRetryable: true })
    }))

  it.live("refuses an answer that is not what was asked for", () =>
    Effect.gen(function*() {
      const { host } = yield* serve({ eth_sendRawTransaction: () => ({ result: 7 }) })
      const chain = yield* connected(`${scheme}://${host}`)
      assert.strictEqual((yield* Effect.flip(chain.send("0x02")))._tag, "RpcError")
    }))

  it.live("tells of a chain that is away without telling its url", () =>
    Effect.gen(function*() {
      const { host } = yield* Effect.scoped(serve({}))
      const error = yield* Effect.flip(connected(`${scheme}://${host}/secret`))
      assert.include(error, { _tag: "RpcError", method: "eth_chainId", code: away })
      assert.notInclude(JSON.stringify(error) + error.message + error.stack, "secret")
    }))

  it.live.each([[-32_603, "EVM error OutOfGas"], [-32_000, "out of gas"]] as const)(
    "tells that a transaction reverted for want of gas, though the node calls that an error (%i)",
    ([code, message]) =>
      Effect.gen(function*() {
        const { host } = yield* serve({
          eth_getTransactionByHash: () => ({
            result: { from: address, to: address, input: "0x", value: "0x0", gas: "0x5208" }
          }),
          eth_call: refuse(code, message)
        })
        const chain = yield* connected(`${scheme}://${host}`)
        const why = yield* chain.explainRevert({ transactionHash: hash, blockNumber: 7 })
        assert.deepInclude(why, { _tag: "UnknownRevert", data: "0x" })
      })
  )
})

it.live("sends requests that are made together as batches of at most 100", () =>
  Effect.gen(function*() {
    const { batches, methods, host } = yield* serve({ eth_getTransactionCount: () => ({ result: "0x10" }) })
    const chain = yield* connected(`http://${host}`)
    const counts = yield* Effect.forEach(
      Array.from({ length: 250 }),
      () => chain.transactionCount(address, "pending"),
      { concurrency: "unbounded" }
    )
    assert.deepStrictEqual([...new Set(counts)], [16])
    assert.lengthOf(methods, 250)
    assert.isAtMost(Math.max(...batches), 100)
    assert.isAtMost(batches.length, 10)
  }))

it.live.each(["secret", "ftp://secret", "file:///secret"])(
  "refuses a url that is of neither HTTP nor WebSocket",
  (rpcUrl) =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(connected(rpcUrl))
      assert.strictEqual(error._tag, "InvalidArgument")
      assert.notInclude(error.message, "secret")
    })
)
