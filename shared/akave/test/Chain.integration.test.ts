import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Layer, Option, Schema, Scope } from "effect"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { WebSocketServer } from "ws"
import { AkaveNode } from "../src/AkaveNode.ts"
import { Chain } from "../src/Chain.ts"
import { answer, serve as serveHttp } from "./httpServer.ts"

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
 * A chain that answers each method as reported, and as if it were missing where nothing is reported; undefined leaves the caller
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
      const reported = (answers[method] ?? (() => missing))(params)
      return reported === undefined ? undefined : { jsonrpc: "2.0", id, ...reported }
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
  const node = Layer.mock(AkaveNode, { address: "127.0.0.1:5500", connectionParams: Effect.succeed(params) })
  return Effect.map(
    Layer.build(Chain.layer({ timeout }).pipe(Layer.provide(node))),
    (context) => Context.get(context, Chain)
  )
}

const refuse = (code: number, message: string) => () => ({ error: { code, message } })

describe.concurrent.each([
  { scheme: "http", away: "ECONNREFUSED" },
  { scheme: "ws", away: "UNREACHABLE" }
])("over $scheme", ({ away, scheme }) => {
  it.live("takes the contracts from the node and the id from the chain", () =>
    Effect.gen(function*() {
      const { host } = yield* serve({})
      const chain = yield* connected(`${scheme}://${host}`)
      assert.include(chain, { chainId: 31_337n, storageAddress: address, accessAddress: address })
    }))

  it.live("sees whether there is a contract at an address", () =>
    Effect.gen(function*() {
      const { host } = yield* serve({
        eth_getCode: ([at, block]) => ({ result: at === address && block === "latest" ? "0x60FF" : "0x" })
      })
      const chain = yield* connected(`${scheme}://${host}`)
      assert.isTrue(yield* chain.hasCode(address))
      assert.isFalse(yield* chain.hasCode(hash.slice(0, 42)))
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

  it.live("reports what became of a transaction that was sent", () =>
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

  it.live.each<[string, Record<string, () => Answer>, bigint]>([
    ["eth_feeHistory", { eth_feeHistory: () => ({ result: { reward: [["0x5"], ["0x9"], ["0x7"]] } }) }, 7n],
    ["eth_gasPrice", { eth_gasPrice: () => ({ result: "0x6b" }) }, 7n],
    ["eth_gasPrice below the base fee", { eth_gasPrice: () => ({ result: "0x1" }) }, 0n],
    ["nothing", {}, 1_000_000_000n]
  ])("takes the tip from %s where the node suggests none", ([, answers, tip]) =>
    Effect.gen(function*() {
      const { host } = yield* serve({
        eth_maxPriorityFeePerGas: refuse(-32_600, "Unsupported method: eth_maxPriorityFeePerGas"),
        eth_getBlockByNumber: () => ({ result: { baseFeePerGas: "0x64", timestamp: "0x1", transactions: [] } }),
        ...answers
      })
      const chain = yield* connected(`${scheme}://${host}`)
      assert.deepStrictEqual(yield* chain.fees, {
        baseFeePerGas: 100n,
        maxPriorityFeePerGas: tip,
        maxFeePerGas: tip + 200n
      })
    }))

  it.live.each([{}, { baseFeePerGas: null }])(
    "offers the gas price on a chain whose blocks have no base fee",
    (fee) =>
      Effect.gen(function*() {
        const { host } = yield* serve({
          eth_maxPriorityFeePerGas: () => ({ result: "0x3" }),
          eth_gasPrice: () => ({ result: "0x64" }),
          eth_getBlockByNumber: () => ({ result: { ...fee, timestamp: "0x1", transactions: [] } })
        })
        const chain = yield* connected(`${scheme}://${host}`)
        assert.deepStrictEqual(yield* chain.fees, { maxPriorityFeePerGas: 100n, maxFeePerGas: 100n, isLegacy: true })
      })
  )

  it.live.each<[number, string]>([
    [-32_601, "the method eth_getBlockReceipts does not exist/is not available"],
    [-32_600, "Unsupported method"],
    [-32_600, "The method 'eth_getBlockReceipts' is found but the namespace is disabled"],
    [-32_004, "Method not supported"],
    [-32_604, "Method not enabled"],
    [-32_000, "method handler crashed"],
    [-32_603, "internal error"],
    [-32_053, "API key is not allowed to access method"],
    [4_200, "The Provider does not support the requested method."],
    [35, "not on the free plan"]
  ])(
    "reads a block's receipts one by one where the node refuses to give them at once: %i %s",
    ([code, message]) =>
      Effect.gen(function*() {
        const { host, methods } = yield* serve({
          eth_getBlockReceipts: refuse(code, message),
          eth_getBlockByNumber: () => ({ result: { timestamp: "0x1", transactions: [hash] } }),
          eth_getTransactionReceipt: () => ({ result: receipt })
        })
        const chain = yield* connected(`${scheme}://${host}`)
        assert.lengthOf(yield* chain.blockReceipts(7), 1)
        assert.lengthOf(methods, 3)
      })
  )

  it.live("reads a block's receipts one by one where the node has null for all of them", () =>
    Effect.gen(function*() {
      const { host } = yield* serve({
        eth_getBlockReceipts: () => ({ result: null }),
        eth_getBlockByNumber: () => ({ result: { timestamp: "0x1", transactions: [{ hash }] } }),
        eth_getTransactionReceipt: () => ({ result: receipt })
      })
      const chain = yield* connected(`${scheme}://${host}`)
      assert.lengthOf(yield* chain.blockReceipts(7), 1)
    }))

  it.live("counts what is mined where the node reports nothing of its pool", () =>
    Effect.gen(function*() {
      const { host } = yield* serve({
        eth_getTransactionCount: ([, at]) =>
          at === "latest" ? { result: "0x4" } : refuse(-32_000, "pending block is not available")()
      })
      const chain = yield* connected(`${scheme}://${host}`)
      assert.strictEqual(yield* chain.transactionCount(address, "pending"), 4)
    }))

  it.live.each<["latest" | "pending", (block: unknown) => boolean, ReadonlyArray<unknown>]>([
    ["latest", () => true, ["latest", "latest"]],
    ["latest", (block) => block === undefined, ["latest", undefined, undefined]],
    ["pending", () => true, ["pending", "pending"]],
    ["pending", (block) => block !== "pending", ["pending", "latest", "latest"]],
    ["pending", (block) => block === undefined, ["pending", "latest", undefined, undefined]]
  ])("simulates on the %s block, or on what the node takes", ([at, isTaken, expected]) =>
    Effect.gen(function*() {
      const asked: Array<unknown> = []
      const { host } = yield* serve({
        eth_estimateGas: ([, block]) => {
          asked.push(block)
          return isTaken(block) ? { result: "0x64" } : refuse(-32_602, "too many arguments, want at most 1")()
        }
      })
      const chain = yield* connected(`${scheme}://${host}`)
      const simulate = chain.simulate({ from: address, to: address, data: "0x" }, at)
      assert.deepStrictEqual([yield* simulate, yield* simulate], [110n, 110n])
      assert.deepStrictEqual(asked, expected)
    }))

  it.live.each([10_000, 800, 10])(
    "finds the last log on a node that searches %i blocks at once",
    (most) =>
      Effect.gen(function*() {
        const found = { address, topics: [hash], data: "0x", transactionHash: hash, blockNumber: "0x4e20" }
        const { host } = yield* serve({
          eth_blockNumber: () => ({ result: "0x4e84" }),
          eth_getLogs: ([filter]) => {
            const { fromBlock, toBlock } = Object(filter)
            const [from, to] = [Number(fromBlock), toBlock === "latest" ? 20_100 : Number(toBlock)]
            if (to - from + 1 > most) return refuse(-32_614, `eth_getLogs is limited to a ${most} range`)()
            return { result: from <= 20_000 && 20_000 <= to ? [found] : [] }
          }
        })
        const chain = yield* connected(`${scheme}://${host}`)
        const logs = yield* chain.logs({ address, topics: [hash] })
        assert.deepStrictEqual(logs.map(({ blockNumber }) => blockNumber), [20_000])
      })
  )

  it.live("explains a revert on the latest state where the node has forgotten the older one", () =>
    Effect.gen(function*() {
      const { host } = yield* serve({
        eth_getTransactionByHash: () => ({ result: { from: address, to: address, data: "0x", gas: "0x5208" } }),
        eth_blockNumber: () => ({ result: "0x100" }),
        eth_call: ([, at]) =>
          at === "latest"
            ? { error: { code: 3, message: "execution reverted", data: "0x497ef2c2" } }
            : refuse(-32_000, "missing trie node")()
      })
      const chain = yield* connected(`${scheme}://${host}`)
      const why = yield* chain.explainRevert({ transactionHash: hash, blockNumber: 7 })
      assert.include(why, { _tag: "ContractError", name: "BucketAlreadyExists" })
    }))

  it.live("gives no reason for a revert that the node which answers has not seen", () =>
    Effect.gen(function*() {
      let sees: "nothing" | "the transaction" | "its block" = "nothing"
      const { host } = yield* serve({
        eth_getTransactionByHash: () => ({
          result: sees === "nothing" ? null : { from: address, to: address, data: "0x", gas: "0x5208" }
        }),
        eth_blockNumber: () => ({ result: "0x6" }),
        eth_call: ([, at]) =>
          sees === "its block" && at === "0x7"
            ? { error: { code: 3, message: "execution reverted", data: "0x497ef2c2" } }
            : at === "0x7"
            ? refuse(-32_000, "header not found")()
            : { result: "0x" }
      })
      const chain = yield* connected(`${scheme}://${host}`)
      const explained = chain.explainRevert({ transactionHash: hash, blockNumber: 7 })
      assert.include(yield* Effect.flip(explained), { _tag: "RpcError", method: "eth_getTransactionByHash" })
      sees = "the transaction"
      assert.include(yield* Effect.flip(explained), { _tag: "RpcError", method: "eth_call" })
      sees = "its block"
      assert.include(yield* explained, { _tag: "ContractError", name: "BucketAlreadyExists" })
    }))

  it.live.each<[string, object, object]>([
    ["leading zeros", { blockNumber: "0x007", gasUsed: "0x0000000000005208" }, {}],
    ["upper case", { blockNumber: "0X7", transactionHash: hash.toUpperCase(), gasUsed: "0X5208" }, {}],
    ["decimal digits", { blockNumber: "7", gasUsed: "21000", effectiveGasPrice: "1" }, {}],
    ["numbers", { blockNumber: 7, gasUsed: 21_000, effectiveGasPrice: 1, status: 0 }, {}],
    ["null for what is optional", { effectiveGasPrice: null, to: null }, { effectiveGasPrice: undefined, to: null }],
    ["no receiver", { to: undefined }, { to: null }],
    ["no logs", { logs: null }, {}],
    ["no status, a root, and all gas gone", { status: undefined, root: hash, gasUsed: "0x30d40" }, {
      gasUsed: 200_000
    }],
    ["no status, and gas of a transfer", { status: undefined }, { status: "success" }],
    ["null as status, and logs", {
      status: null,
      gasUsed: "0x30d40",
      logs: [{ address, topics: [hash], data: "0x", logIndex: null }]
    }, {
      status: "success",
      gasUsed: 200_000,
      logs: [{ address, topics: [hash], data: "0x", transactionHash: hash, blockNumber: 7 }]
    }],
    ["a status as a truth value", { status: true }, { status: "success" }]
  ])("reads a receipt with %s", ([, changed, expected]) =>
    Effect.gen(function*() {
      const { host } = yield* serve({ eth_getTransactionReceipt: () => ({ result: { ...receipt, ...changed } }) })
      const chain = yield* connected(`${scheme}://${host}`)
      const plain = {
        ...receipt,
        blockNumber: 7,
        gasUsed: 21_000,
        effectiveGasPrice: 1n,
        status: "reverted",
        ...expected
      }
      const read = yield* chain.receipt(hash)
      assert.deepStrictEqual<object>({ effectiveGasPrice: undefined, ...Option.getOrThrow(read) }, plain)
    }))

  it.live("takes a receipt of a transaction that waits for none", () =>
    Effect.gen(function*() {
      const waiting = { ...receipt, blockNumber: null, blockHash: null }
      const { host } = yield* serve({ eth_getTransactionReceipt: () => ({ result: waiting }) })
      const chain = yield* connected(`${scheme}://${host}`)
      assert.isTrue(Option.isNone(yield* chain.receipt(hash)))
    }))

  it.live("refuses an answer that is not what was asked for", () =>
    Effect.gen(function*() {
      const { host } = yield* serve({ eth_sendRawTransaction: () => ({ result: 7 }) })
      const chain = yield* connected(`${scheme}://${host}`)
      assert.strictEqual((yield* Effect.flip(chain.send("0x02")))._tag, "RpcError")
    }))

  it.live("reports a chain that is away without naming its url", () =>
    Effect.gen(function*() {
      const { host } = yield* Effect.scoped(serve({}))
      const error = yield* Effect.flip(connected(`${scheme}://${host}/secret`))
      assert.include(error, { _tag: "RpcError", method: "eth_chainId", code: away })
      assert.notInclude(JSON.stringify(error) + error.message + error.stack, "secret")
    }))

  it.live.each([[-32_603, "EVM error OutOfGas"], [-32_000, "out of gas"]] as const)(
    "reports that a transaction reverted for want of gas, though the node calls that an error (%i)",
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

describe.concurrent("an HTTP endpoint", () => {
  it.live.each([400, 403, 404, 405, 500, 501, 503])(
    "learns in another way what is refused with HTTP %i",
    (status) =>
      Effect.gen(function*() {
        const results: Record<string, unknown> = {
          eth_chainId: "0x7a69",
          eth_getBlockByNumber: { baseFeePerGas: "0x64", timestamp: "0x1", transactions: [hash] },
          eth_getTransactionReceipt: receipt,
          eth_gasPrice: "0x66"
        }
        const host = yield* serveHttp(async (request, response) => {
          const text = (await request.toArray()).join("")
          const asked: ReadonlyArray<{ readonly id: number; readonly method: string }> = [JSON.parse(text)].flat()
          const isAllowed = asked.every(({ method }) => method in results)
          const answers = asked.map(({ id, method }) => ({ id, result: results[method] }))
          const body = isAllowed ? JSON.stringify(text.startsWith("[") ? answers : answers[0]) : "<h1>no</h1>"
          answer(isAllowed ? 200 : status, body)(request, response)
        })
        const chain = yield* connected(`http://${host}`)
        assert.lengthOf(yield* chain.blockReceipts(7), 1)
        assert.include(yield* chain.fees, { maxPriorityFeePerGas: 2n })
      })
  )

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
})
