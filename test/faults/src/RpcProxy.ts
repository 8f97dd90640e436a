/** A JSON-RPC endpoint before a chain's node that answers as endpoints do on bad days. */
import * as Ports from "@akave-async/local/Ports"
import { Effect, type Scope } from "effect"
import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import type { Answer, Provider, Refusal, Request } from "./RpcProvider.ts"

export type Behaviour =
  | { readonly _tag: "Honest" }
  /** This share of the requests is answered as of so many blocks ago, as by a node that lags behind its fellows. */
  | { readonly _tag: "Stale"; readonly blocks: number; readonly share: number }
  /** This share of the transactions reaches the node, and the sender hears nothing or loses the connection. */
  | { readonly _tag: "LoseSendAnswers"; readonly share: number }
  /** As that, and errors come with another code or in other words than the node's. */
  | { readonly _tag: "RewriteErrors"; readonly share: number }
  /** As an endpoint of this family. */
  | { readonly _tag: "As"; readonly provider: Provider }

export const honest: Behaviour = { _tag: "Honest" }
export const stale = (blocks: number, share: number): Behaviour => ({ _tag: "Stale", blocks, share })
export const loseSendAnswers = (share: number): Behaviour => ({ _tag: "LoseSendAnswers", share })
export const rewriteErrors = (share: number): Behaviour => ({ _tag: "RewriteErrors", share })

export const as = (provider: Provider): Behaviour => ({ _tag: "As", provider })

export interface RpcProxy {
  readonly port: number
  behave(behaviour: Behaviour): Effect.Effect<void>
  /** How many answers were falsified or withheld, and requests refused, so far. */
  readonly misbehaved: () => number
}

export const make = Effect.fnUntraced(function*(
  { random, to }: { readonly to: number; readonly random: () => number }
): Effect.fn.Return<RpcProxy, Ports.NoFreePort, Scope.Scope> {
  const port = yield* Ports.free
  let behaviour: Behaviour = honest
  let misbehaved = 0

  const forward = async (body: string): Promise<string> => {
    const headers = { "content-type": "application/json" }
    return (await fetch(`http://${Ports.host}:${to}`, { method: "POST", headers, body })).text()
  }
  const ask = async (method: string, params: ReadonlyArray<unknown>) =>
    JSON.parse(await forward(JSON.stringify({ jsonrpc: "2.0", id: 1, method, params })))["result"]

  const answerStale = async (requests: ReadonlyArray<Request>, blocks: number): Promise<ReadonlyArray<Answer>> => {
    const head = Math.max(0, Number(await ask("eth_blockNumber", [])) - blocks)
    const answers: ReadonlyArray<Answer> = JSON.parse(
      await forward(JSON.stringify(requests.map((request) => asOf(head, request))))
    )
    const byId = new Map(answers.map((answer) => [answer.id, answer]))
    return requests.map((request) => hideNewer(head, request, byId.get(request.id) ?? { id: request.id }))
  }

  let [second, requestsInIt] = [0, 0]
  /** Counts requests, and reports whether they are more than so many in this second. */
  const isBeyond = (count: number, perSecond: number) => {
    const now = Math.floor(Date.now() / 1_000)
    if (now !== second) [second, requestsInIt] = [now, 0]
    if (requestsInIt + count > perSecond) return true
    requestsInIt += count
    return false
  }
  let turn = 0
  const answerAs = async (provider: Provider, requests: ReadonlyArray<Request>, isBatch: boolean): Promise<Refusal> => {
    const refusal = provider.refuse?.(requests, (perSecond) => isBeyond(requests.length, perSecond))
    if (refusal !== undefined) {
      misbehaved++
      return refusal
    }
    const denied = new Map(requests.map((request) => [request.id, provider.deny?.(request)]))
    const passed = requests.filter(({ id }) => denied.get(id) === undefined)
    const blocks = provider.behind?.[turn++ % provider.behind.length] ?? 0
    const reported: ReadonlyArray<Answer> = passed.length === 0
      ? []
      : blocks > 0 && passed.every(({ method }) => !method.startsWith("eth_send"))
      ? await answerStale(passed, blocks)
      : JSON.parse(await forward(JSON.stringify(passed)))
    const byId = new Map(reported.map((answer) => [answer.id, answer]))
    misbehaved += blocks > 0 ? reported.length : requests.length - passed.length
    const answers = requests.map((request): Answer => {
      const error = denied.get(request.id)
      if (error !== undefined) return { jsonrpc: "2.0", id: request.id, error }
      const answer = byId.get(request.id) ?? { id: request.id }
      return provider.reword?.(request, answer) ?? answer
    })
    const status = !isBatch && answers[0]?.error !== undefined ? provider.errorStatus ?? 200 : 200
    return { status, headers: { "content-type": "application/json" }, body: isBatch ? answers : answers[0] }
  }

  const handle = async (request: IncomingMessage, response: ServerResponse) => {
    const now = behaviour
    const pieces: Array<Buffer> = []
    for await (const piece of request) pieces.push(piece)
    const text = Buffer.concat(pieces).toString()
    const body: Request | ReadonlyArray<Request> = JSON.parse(text)
    const requests = [body].flat() as ReadonlyArray<Request>
    const reply = (answers: ReadonlyArray<Answer>) => {
      response.setHeader("content-type", "application/json")
      response.end(JSON.stringify(Array.isArray(body) ? answers : answers[0]))
    }

    if (now._tag === "As") {
      const { body: answer, headers, status } = await answerAs(now.provider, requests, Array.isArray(body))
      if (answer === undefined) return response.socket?.resetAndDestroy()
      response.writeHead(status, { ...headers })
      return response.end(typeof answer === "string" ? answer : JSON.stringify(answer))
    }
    if (
      now._tag === "Stale" && random() < now.share && requests.every(({ method }) => !method.startsWith("eth_send"))
    ) {
      misbehaved++
      return reply(await answerStale(requests, now.blocks))
    }
    const answer = await forward(text)
    const isSend = requests.some(({ method }) => method === "eth_sendRawTransaction")
    const lostShare = now._tag === "LoseSendAnswers" || now._tag === "RewriteErrors" ? now.share : 0
    if (isSend && random() < lostShare) {
      if (now._tag === "LoseSendAnswers") misbehaved++
      // One sender in two waits for its own deadline.
      if (random() < 0.5) response.socket?.resetAndDestroy()
      return
    }
    if (now._tag === "RewriteErrors") {
      return reply(([JSON.parse(answer)].flat() as ReadonlyArray<Answer>).map((one) => {
        if (one.error === undefined) return one
        misbehaved++
        return { ...one, error: rewriteError(one.error) }
      }))
    }
    response.setHeader("content-type", "application/json")
    response.end(answer)
  }

  yield* Effect.acquireRelease(
    Effect.callback<ReturnType<typeof createServer>>((resume) => {
      const server = createServer((request, response) => {
        // A chain that is away is a connection that breaks.
        handle(request, response).catch(() => response.socket?.resetAndDestroy())
      })
      server.listen(port, Ports.host, () => resume(Effect.succeed(server)))
    }),
    (server) =>
      Effect.sync(() => {
        server.close()
        server.closeAllConnections()
      })
  )
  return {
    port,
    behave: (next) => Effect.sync(() => void (behaviour = next)),
    misbehaved: () => misbehaved
  }
})

const hex = (number: number) => `0x${number.toString(16)}`

/** Where each method names the block that it asks about. */
const blockParameter: Readonly<Record<string, number>> = {
  eth_getTransactionCount: 1,
  eth_getBalance: 1,
  eth_call: 1,
  eth_estimateGas: 1,
  eth_getBlockByNumber: 0
}

/** The same question to the chain as it was when this block was the last one. */
export const asOf = (head: number, request: Request): Request => {
  const { method, params = [] } = request
  const place = blockParameter[method]
  if (place !== undefined) {
    const asked = params[place]
    const isNow = asked === undefined || asked === null || (typeof asked === "string" && !asked.startsWith("0x"))
    return isNow ? { ...request, params: params.toSpliced(place, 1, hex(head)) } : request
  }
  if (method === "eth_getLogs") return { ...request, params: [{ ...Object(params[0]), toBlock: hex(head) }] }
  return request
}

/** What a node that has not seen later blocks would answer. */
export const hideNewer = (head: number, { method, params = [] }: Request, answer: Answer): Answer => {
  const isNewer = (block: unknown) => typeof block === "string" && Number(block) > head
  const place = blockParameter[method]
  if (place !== undefined && method !== "eth_getBlockByNumber" && isNewer(params[place])) {
    return { id: answer.id, error: { code: -32_000, message: "header not found" } }
  }
  switch (method) {
    case "eth_blockNumber":
      return { ...answer, result: hex(head) }
    case "eth_getTransactionReceipt":
    case "eth_getTransactionByHash":
      return isNewer(answer.result?.blockNumber) ? { ...answer, result: null } : answer
    case "eth_getBlockByNumber":
    case "eth_getBlockReceipts":
      return isNewer(params[0]) ? { ...answer, result: null } : answer
    default:
      return answer
  }
}

/** Nodes have no common words for errors, and hosted ones no common codes. */
const rewriteError = (error: NonNullable<Answer["error"]>): NonNullable<Answer["error"]> =>
  /nonce too low/i.test(error.message)
    ? { code: -32_603, message: `internal error: ${error.message}` }
    : error.data === undefined
    ? { code: -32_000, message: "could not process the request" }
    : error
