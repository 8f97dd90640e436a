/**
 * How families of JSON-RPC endpoints refuse, limit and word what they answer. The facts are from their documentation, their
 * code and what their users report; numbers are smaller than theirs where a short test would not meet them.
 */

export interface Request {
  readonly jsonrpc: string
  readonly id: number | string
  readonly method: string
  readonly params?: ReadonlyArray<unknown>
}

export interface Answer {
  readonly jsonrpc?: string
  readonly id: number | string
  // oxlint-disable-next-line typescript/no-explicit-any -- answers of any method pass here
  readonly result?: any
  readonly error?: { readonly code: number; readonly message: string; readonly data?: unknown }
}

/** What is sent back in place of the node's answer. */
export interface Refusal {
  readonly status: number
  readonly headers?: Readonly<Record<string, string>>
  /** Undefined resets the connection. */
  readonly body: unknown
}

export interface Provider {
  readonly name: string
  /** Why a post is not taken as a whole. `rate` counts requests against so many in a second. */
  refuse?(requests: ReadonlyArray<Request>, rate: (perSecond: number) => boolean): Refusal | undefined
  /** Why a request is not passed on. */
  deny?(request: Request): Answer["error"]
  /** The node's answer in the provider's words. */
  reword?(request: Request, answer: Answer): Answer
  /** HTTP's status of a single request's error. */
  readonly errorStatus?: number
  /** The backends that answer in turn, by how many blocks they are behind. */
  readonly behind?: ReadonlyArray<number>
}

const whole = (code: number, message: string, status = 200, data?: unknown): Refusal => ({
  status,
  headers: { "content-type": "application/json" },
  body: { jsonrpc: "2.0", id: null, error: { code, message, ...(data === undefined ? {} : { data }) } }
})

/** Of `eth_getLogs`; undefined for other requests. */
const blocksSearched = ({ method, params = [] }: Request): number | undefined => {
  if (method !== "eth_getLogs") return undefined
  const { fromBlock, toBlock } = Object(params[0])
  return toBlock === "latest" ? Infinity : Number(toBlock) - Number(fromBlock) + 1
}

const errorsIn = (words: ReadonlyArray<readonly [RegExp, number, string]>) => (_: Request, answer: Answer): Answer => {
  const found = words.find(([pattern]) => pattern.test(answer.error?.message ?? ""))
  return answer.error === undefined || found === undefined
    ? answer
    : { ...answer, error: { ...answer.error, code: found[1], message: found[2] } }
}

/**
 * Alchemy: an unsupported method is -32600 with HTTP 400, and which ones are unsupported depends on the chain. The free plan
 * searches few blocks for logs. Errors of a request come with HTTP 400 too.
 */
const alchemy: Provider = {
  name: "Alchemy",
  errorStatus: 400,
  deny: (request) => {
    const blocks = blocksSearched(request) ?? 0
    if (blocks > 10) {
      const message = "You can make eth_getLogs requests with up to a 10 block range. Based on your parameters, this " +
        "block range should work: [0x1, 0xa]"
      return { code: -32_600, message }
    }
    return ["eth_getBlockReceipts", "eth_maxPriorityFeePerGas"].includes(request.method)
      ? { code: -32_600, message: `Unsupported method: ${request.method}. See available methods in the documentation` }
      : undefined
  }
}

/**
 * Infura: methods that a chain's node does not have are -32601 in geth's words. Its limit on requests is HTTP 429 and -32005
 * with `backoff_seconds` in the data, which is 0 at times. Too many blocks to search are -32602.
 */
const infura: Provider = {
  name: "Infura",
  refuse: (_, rate) =>
    rate(150)
      ? whole(-32_005, "project ID request rate exceeded", 429, {
        rate: { allowed_rps: 150, backoff_seconds: 0, current_rps: 151.3 }
      })
      : undefined,
  deny: (request) => {
    const blocks = blocksSearched(request) ?? 0
    if (blocks > 20) return { code: -32_602, message: `range ${blocks} exceeds limit of 20` }
    return ["eth_getBlockReceipts", "eth_maxPriorityFeePerGas", "eth_feeHistory"].includes(request.method)
      ? { code: -32_601, message: `the method ${request.method} does not exist/is not available` }
      : undefined
  }
}

/**
 * Besu: a method of a namespace that is not enabled is -32604, and `--rpc-http-max-batch-size` limits batches. Each reason to
 * refuse a transaction has a code of its own. Many of its networks are private ones without a base fee.
 */
const besu: Provider = {
  name: "Besu",
  refuse: (requests) =>
    requests.length > 10
      ? whole(-32_602, "Number of requests in batch exceeds --rpc-max-batch-size.", 400)
      : undefined,
  deny: ({ method }) =>
    ["eth_getBlockReceipts", "eth_maxPriorityFeePerGas", "eth_feeHistory"].includes(method)
      ? { code: -32_604, message: "Method not enabled" }
      : undefined,
  reword: (request, answer) => {
    if (request.method === "eth_getBlockByNumber" && answer.result?.baseFeePerGas !== undefined) {
      const { baseFeePerGas: _, ...result } = answer.result
      return { ...answer, result }
    }
    return errorsIn([
      [/already (known|imported)/i, -32_000, "Known transaction"],
      [/nonce too low/i, -32_001, "Nonce too low"],
      [/replacement|replace existing/i, -32_000, "Replacement transaction underpriced"]
    ])(request, answer)
  }
}

/**
 * Erigon: one error object for a batch beyond `--rpc.batch.limit`; versions of 2025 cut the connection in its place. Known
 * transactions have words of their own.
 */
const erigon: Provider = {
  name: "Erigon",
  refuse: ({ length }) =>
    length > 20
      ? { status: 200, body: undefined }
      : length > 4
      ? whole(
        -32_000,
        `batch limit 4 exceeded (can increase by --rpc.batch.limit). Requested batch of size: ${length}`
      )
      : undefined,
  deny: ({ method, params = [] }) =>
    method === "eth_estimateGas" && params.length > 1
      ? { code: -32_602, message: "too many arguments, want at most 1" }
      : undefined,
  reword: errorsIn([
    [/already (known|imported)/i, -32_000, "existing txn with same hash"],
    [/nonce too low/i, -32_000, "nonce too low"]
  ])
}

/** Several nodes behind one address, of which one is blocks behind: whose answer comes is chance. */
const loadBalanced: Provider = { name: "load-balanced", behind: [0, 3] }

/** A proxy with a limit of its own, counted by request, that answers HTTP 429 in plain text and says when to come again. */
const rateLimited: Provider = {
  name: "rate-limited",
  refuse: (_, rate) =>
    rate(60)
      ? { status: 429, headers: { "content-type": "text/plain", "retry-after": "1" }, body: "Too Many Requests" }
      : undefined
}

/**
 * A free plan, as of dRPC: batches of three, refused with HTTP 500 and an error; and a proxy's list of methods, whose refusal
 * is HTTP 403 for all that came along.
 */
const freePlan: Provider = {
  name: "free plan",
  refuse: (requests) => {
    if (requests.length > 3) return whole(31, "Batch of more than 3 requests are not allowed on free plan", 500)
    const isListed = requests.every(({ method }) => !["eth_getBlockReceipts", "eth_feeHistory"].includes(method))
    return isListed ? undefined : { status: 403, headers: { "content-type": "text/html" }, body: "<h1>Forbidden</h1>" }
  }
}

export const all: ReadonlyArray<Provider> = [alchemy, infura, besu, erigon, loadBalanced, rateLimited, freePlan]
