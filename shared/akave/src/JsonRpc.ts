/** JSON-RPC to a chain's node: how requests travel, and what their errors mean. */
import { type Duration, Effect, Predicate } from "effect"
import { unescape } from "node:querystring"
import { InvalidArgument, RpcError } from "./Errors.ts"

export interface JsonRpc {
  /** Makes a request once. It ends with the node's result or error, or at the deadline. */
  request(method: string, params: ReadonlyArray<unknown>): Effect.Effect<unknown, RpcError>
}

/**
 * Requests as HTTP posts, each with this deadline. Those made within 5 ms travel as one batch of at most 100.
 *
 * Nothing is sent until the first request. No error names the URL: it may hold an API key.
 */
export const make = Effect.fnUntraced(function*(url: string, timeout: Duration.Input) {
  const parsed = URL.parse(url)
  if (parsed?.protocol !== "http:" && parsed?.protocol !== "https:") {
    return yield* new InvalidArgument({
      field: "rpc url",
      reason: "the chain's JSON-RPC must be an http or https URL; set AKAVE_RPC_URL if the node tells another kind"
    })
  }
  const begin = overHttp(parsed)

  const request: JsonRpc["request"] = (method, params) =>
    Effect.callback<unknown, RpcError>((resume) => {
      const cancel = begin({ method, params, settle: resume })
      return Effect.sync(cancel)
    }).pipe(
      Effect.timeoutOrElse({
        duration: timeout,
        orElse: () => Effect.fail(new RpcError({ method, code: "TIMEOUT", details: "no answer in time" }))
      })
    )

  return { request } satisfies JsonRpc
})

/** A request under way. */
interface Call {
  readonly method: string
  readonly params: ReadonlyArray<unknown>
  readonly settle: (outcome: Effect.Effect<unknown, RpcError>) => void
}

/** Begins a call and gives what ends it early. */
type Begin = (call: Call) => () => void

/** Why calls have no answer, in the words of {@link RpcError}. */
type Trouble = Pick<RpcError, "code" | "details">

/** The most requests in one batch. */
const batchSize = 100
/** How long a batch waits for further requests, in milliseconds. */
const batchDelay = 5

interface Batch {
  /** By the ids of their requests. */
  readonly calls: Map<number, Call>
  readonly abort: AbortController
  readonly timer: NodeJS.Timeout
}

const overHttp = (url: URL): Begin => {
  const post = poster(url)
  let open: Batch | undefined

  const close = (batch: Batch) => {
    clearTimeout(batch.timer)
    open = undefined
    if (batch.calls.size > 0) void post(batch)
  }
  const newBatch = (): Batch => {
    const batch: Batch = {
      calls: new Map(),
      abort: new AbortController(),
      timer: setTimeout(() => close(batch), batchDelay)
    }
    return batch
  }

  let lastId = 0
  return (call) => {
    const batch = open ??= newBatch()
    const id = ++lastId
    batch.calls.set(id, call)
    if (batch.calls.size === batchSize) close(batch)
    return () => {
      batch.calls.delete(id)
      // Once nobody waits for it, its socket is of no use.
      if (batch.calls.size === 0) batch.abort.abort()
    }
  }
}

const poster = (url: URL) => {
  const headers = { "content-type": "application/json", ...authorization(url) }
  const bare = new URL(url)
  bare.username = bare.password = ""

  return async ({ abort: { signal }, calls }: Batch): Promise<void> => {
    const requests = Array.from(calls, ([id, call]) => requestOf(id, call))
    const body = JSON.stringify(requests.length === 1 ? requests[0] : requests)
    try {
      const response = await fetch(bare, { method: "POST", headers, body, signal })
      if (response.ok) {
        deliver(await response.json(), calls)
        fail(calls, { code: "BAD_DATA", details: "the request was left out of the answer" })
      } else {
        const details = `server response ${response.status} ${response.statusText}`.trimEnd()
        fail(calls, { code: "SERVER_ERROR", details })
        await response.body?.cancel()
      }
    } catch (error) {
      fail(calls, troubleOf(error))
    }
  }
}

/** fetch refuses a URL with a user, and tells it in its error. */
const authorization = ({ password, username }: URL): { readonly authorization?: string } => {
  if (username === "" && password === "") return {}
  const user = [username, password].map((part) => unescape(part)).join(":")
  return { authorization: `Basic ${Buffer.from(user).toString("base64")}` }
}

const requestOf = (id: number, { method, params }: Call) => ({ jsonrpc: "2.0", id, method, params })

/** Settles the calls that are answered here, by one answer or an array of them. */
const deliver = (json: unknown, calls: Map<number, Call>): void => {
  for (const answer of Array.isArray(json) ? json : [json]) {
    const call = Predicate.hasProperty(answer, "id") ? calls.get(Number(answer.id)) : undefined
    if (call === undefined) continue
    calls.delete(Number(answer.id))
    call.settle(outcomeOf(call.method, answer))
  }
}

const outcomeOf = (method: string, answer: object): Effect.Effect<unknown, RpcError> => {
  const error = Predicate.hasProperty(answer, "error") ? answer.error : undefined
  if (error === undefined || error === null) {
    return Effect.succeed(Predicate.hasProperty(answer, "result") ? answer.result : undefined)
  }
  const code = Predicate.hasProperty(error, "code") && Number.isInteger(error.code) ? Number(error.code) : "UNKNOWN"
  return Effect.fail(
    new RpcError({ method, code, details: textIn(error, "message") ?? "no reason given", cause: error })
  )
}

const fail = (calls: Map<number, Call>, { code, details }: Trouble): void => {
  const failed = Array.from(calls.values())
  calls.clear()
  for (const { method, settle } of failed) settle(Effect.fail(new RpcError({ method, code, details })))
}

const troubleOf = (error: unknown): Trouble => {
  if (error instanceof SyntaxError) return { code: "BAD_DATA", details: "the answer is not JSON" }
  const root = Predicate.hasProperty(error, "cause") && error.cause !== undefined ? error.cause : error
  return {
    code: textIn(root, "code") ?? "UNKNOWN",
    details: textIn(root, "message") ?? "the request failed"
  }
}

const textIn = (value: unknown, key: string): string | undefined => {
  const text = Predicate.hasProperty(value, key) ? value[key] : undefined
  return typeof text === "string" && text !== "" ? text : undefined
}
