// oxlint-disable max-lines -- one protocol with what nodes and proxies make of it
/** JSON-RPC to a chain's node: how requests travel, and what their errors mean. */
import { Duration, Effect, Predicate, Result } from "effect"
import { unescape } from "node:querystring"
import * as Calls from "./Calls.ts"
import * as Dispatch from "./Dispatch.ts"
import { InvalidArgument, type RpcError } from "./Errors.ts"
import { isBatchLimit } from "./Refusals.ts"

type Call = Dispatch.Call
type Trouble = Dispatch.Trouble

export interface JsonRpc {
  /** Makes a request. It ends with the node's result or error, or at the deadline. */
  request(method: string, params: ReadonlyArray<unknown>): Effect.Effect<unknown, RpcError>
  /**
   * Completes when the node announces a new head over a WebSocket, and when heads may have been missed because that
   * connection was lost or replaced. Waits for ever over HTTP, and where the node takes no subscription.
   */
  readonly newHead: Effect.Effect<void>
}

/**
 * Requests as HTTP posts or over one WebSocket, as the URL says, each with this deadline. HTTP requests that are made
 * within 5 ms travel as one batch of at most 100, or as many as the node has shown to take. What the node answers is read
 * whatever its HTTP status and content type. The WebSocket is opened by the first request, and again by the next one after
 * it was lost, which fails the requests that were on their way.
 *
 * A request that the node refuses for its limit on requests is made again, as late as the node asks for, and waits for up
 * to `patience` (a minute unless given) beside its deadline.
 *
 * No error names the URL, or a part of it that may be a key.
 */
export const make = Effect.fnUntraced(function*(
  url: string,
  timeout: Duration.Input,
  patience: Duration.Input = "1 minute"
) {
  const parsed = parse(url)
  if (parsed === undefined || !protocols.has(parsed.protocol)) {
    return yield* new InvalidArgument({
      field: "rpc url",
      reason:
        "the chain's JSON-RPC must be a URL of http, https, ws or wss; set AKAVE_RPC_URL if the node names another"
    })
  }
  if (parsed.protocol.startsWith("ws") && !("WebSocket" in globalThis)) {
    return yield* new InvalidArgument({
      field: "rpc url",
      reason: "this version of Node has no WebSocket: use a URL of http or https, or Node 22"
    })
  }
  // A WebSocket's URL must not have one.
  parsed.hash = ""
  const run = Effect.runForkWith(yield* Effect.context())
  const times: Times = {
    timeout: Duration.toMillis(timeout),
    patience: Duration.toMillis(patience),
    warn: (message) => run(Effect.logWarning(message))
  }
  const { begin, newHead } = yield* Effect.acquireRelease(
    Effect.sync(() => parsed.protocol.startsWith("ws") ? overWebSocket(parsed, times) : overHttp(parsed, times)),
    (transport) => Effect.sync(() => transport.close())
  )

  const request: JsonRpc["request"] = (method, params) =>
    Effect.callback<unknown, RpcError>((resume) => {
      const cancel = begin({ method, params, settle: (outcome) => resume(Effect.fromResult(outcome)) })
      return Effect.sync(cancel)
    }).pipe(Calls.measured("jsonrpc", method))

  return { request, newHead } satisfies JsonRpc
})

const protocols: ReadonlySet<string> = new Set(["http:", "https:", "ws:", "wss:"])

type Times = Pick<Dispatch.Options, "timeout" | "patience" | "warn">

interface Transport extends Dispatch.Dispatch {
  readonly newHead: Effect.Effect<void>
}

/** The most requests in one batch. */
const batchSize = 100
/** How long a batch waits for further requests, in milliseconds. */
const batchDelay = 5
/** HTTP posts at once at most: where a node takes no batches, that many requests. */
const httpPosts = 16
/** `URL.parse`, which Node 18 and 20 don't have. */
const parse = (url: string): URL | undefined => {
  try {
    return new URL(url)
  } catch {
    return undefined
  }
}

/** Requests on their way over a WebSocket at most. */
const socketRequests = 1_000
/** Bytes of an answer at most; a block with all its transactions has a few million. */
const longestAnswer = 64 * 1024 * 1024

const overHttp = (url: URL, times: Times): Transport => ({
  ...Dispatch.make({
    ...times,
    post: poster(url),
    size: batchSize,
    width: httpPosts,
    delay: batchDelay,
    onTimeout: () => {}
  }),
  newHead: Effect.never
})

const poster = (url: URL): Dispatch.Options["post"] => {
  const headers = { "content-type": "application/json", ...authorization(url) }
  const bare = new URL(url)
  bare.username = bare.password = ""
  const hide = hiding(url)
  let lastId = 0

  return async (calls, signal) => {
    const byId = new Map(calls.map((call) => [++lastId, call]))
    const requests = Array.from(byId, ([id, call]) => requestOf(id, call))
    const body = JSON.stringify(requests.length === 1 ? requests[0] : requests)
    try {
      const response = await fetch(bare, { method: "POST", headers, body, signal })
      return replyOf(byId, response, await textOf(response), hide)
    } catch (error) {
      if (error instanceof TooLong) return { _tag: "Refused", trouble: { code: "BAD_DATA", details: error.message } }
      return { _tag: "Lost", trouble: troubleOf(error) }
    }
  }
}

class TooLong extends Error {
  override readonly message = `the response is too large: it has more than ${longestAnswer} bytes`
}

const textOf = async ({ body }: Response): Promise<string> => {
  const pieces: Array<Uint8Array> = []
  let length = 0
  for await (const piece of body ?? []) {
    pieces.push(piece)
    length += piece.length
    // Leaving the loop gives the rest up.
    if (length > longestAnswer) throw new TooLong()
  }
  return Buffer.concat(pieces).toString()
}

/** What an HTTP response says of the calls. */
const replyOf = (
  calls: ReadonlyMap<number, Call>,
  { headers, ok, status, statusText }: Response,
  text: string,
  hide: Hide
): Dispatch.Reply => {
  const retryAfter = status === 429 || status === 503 ? waitOf(headers) : undefined
  const refused = (trouble: Trouble): Dispatch.Reply => ({ _tag: "Refused", trouble, retryAfter })
  const json = jsonIn(text)

  const outcomes = outcomesIn(json, calls, hide)
  const failures = Array.from(outcomes.values()).flatMap((one) => Result.isFailure(one) ? [one.failure] : [])
  const [failure] = failures
  if (status === 429 && failure !== undefined && failures.length === outcomes.size) {
    return refused({ ...failure, status })
  }
  if (outcomes.size > 0) return { _tag: "Answered", outcomes }

  // One error for all calls: it has no id, or one that nobody gave.
  const [whole] = Array.isArray(json) && json.length === 1 ? json : [json]
  const error = errorIn(whole)
  if (error !== undefined) return refused({ ...troubleIn(error, hide), ...(ok ? {} : { status }) })
  if (ok) {
    return json === undefined
      ? { _tag: "Lost", trouble: { code: "BAD_DATA", details: "the answer is not JSON" } }
      : { _tag: "Answered", outcomes }
  }
  const words = wordsIn(whole) ?? (/^[^<]{1,500}$/.test(text.trim()) ? text.trim() : "")
  const details = `server response ${`${status} ${statusText}`.trim()}${words === "" ? "" : `: ${hide(words)}`}`
  const trouble = { code: "SERVER_ERROR", details, status }
  const isTrouble = status === 401 || (status >= 500 && status !== 501 && retryAfter === undefined)
  return isTrouble && !isBatchLimit(details) ? { _tag: "Lost", trouble } : refused(trouble)
}

/** How long `Retry-After` asks to wait, in milliseconds: it holds seconds, or a time by the server's clock. */
const waitOf = (headers: Headers): number | undefined => {
  const asked = headers.get("retry-after")
  if (asked === null) return undefined
  const millis = /^\d+$/.test(asked.trim())
    ? Number(asked) * 1_000
    : Date.parse(asked) - (Date.parse(headers.get("date") ?? "") || Date.now())
  return millis > 0 ? millis : undefined
}

/** fetch refuses a URL with a user, and shows it in its error. */
const authorization = ({ password, username }: URL): { readonly authorization?: string } => {
  if (username === "" && password === "") return {}
  const user = [username, password].map((part) => unescape(part)).join(":")
  return { authorization: `Basic ${Buffer.from(user).toString("base64")}` }
}

/** Takes out of a text what may be a key. */
type Hide = (text: string) => string

/** Providers have the key in the URL's path or query, and some error pages repeat the URL. */
const hiding = ({ password, pathname, searchParams, username }: URL): Hide => {
  const parts = [username, password, ...pathname.split("/"), ...searchParams.values()]
  const secrets = parts.flatMap((part) => [part, unescape(part)]).filter((part) => part.length >= 6)
  return (text) => secrets.reduce((text, secret) => text.replaceAll(secret, "…"), text)
}

const overWebSocket = (url: URL, times: Times): Transport => {
  const hide = hiding(url)
  let line: Line | undefined
  /** Those who wait for a new head. From the first one on there is a subscription. */
  const waiting = new Set<() => void>()
  let isFollowed = false

  const report = () => {
    const reported = Array.from(waiting)
    waiting.clear()
    for (const one of reported) one()
  }
  const newLine = (): Line => {
    const opened: Line = openLine(url, hide, report, () => {
      if (line === opened) line = undefined
    })
    if (isFollowed) opened.follow()
    return opened
  }

  const { begin, close } = Dispatch.make({
    ...times,
    post: ([call], signal) =>
      new Promise((resolve) => {
        if (call === undefined) return resolve({ _tag: "Answered", outcomes: new Map() })
        const settle: Call["settle"] = (outcome) => resolve({ _tag: "Answered", outcomes: new Map([[call, outcome]]) })
        const cancel = (line ??= newLine()).begin({ ...call, settle })
        signal.addEventListener("abort", () => {
          cancel()
          resolve({ _tag: "Answered", outcomes: new Map() })
        })
      }),
    size: 1,
    width: socketRequests,
    delay: 0,
    onTimeout: (sentAt) => line?.onTimeout(sentAt)
  })
  return {
    begin,
    newHead: Effect.callback((resume) => {
      const one = () => resume(Effect.void)
      waiting.add(one)
      if (!isFollowed) line?.follow()
      isFollowed = true
      return Effect.sync(() => waiting.delete(one))
    }),
    close: () => {
      close()
      line?.close()
    }
  }
}

/** One WebSocket, from its opening until it is lost. */
interface Line extends Dispatch.Dispatch {
  /** A call that began at this time of `performance.now()` has had no answer in time. */
  onTimeout(begun: number): void
  /** Subscribes to new heads. A node that refuses is not asked again on this line. */
  follow(): void
}

const openLine = (url: URL, hide: Hide, onHead: () => void, onLost: () => void): Line => {
  const socket = new WebSocket(url)
  const calls = new Map<number, Call>()
  let isSubscribed = false
  /** When the node last sent something, by `performance.now()`. */
  let lastHeard = -Infinity

  const lose = (trouble: Trouble) => {
    onLost()
    socket.close()
    fail(calls, trouble)
    if (isSubscribed) onHead()
    isSubscribed = false
  }

  const send = (id: number, call: Call) => socket.send(JSON.stringify(requestOf(id, call)))
  let lastId = 0
  const begin = (call: Call) => {
    const id = ++lastId
    calls.set(id, call)
    if (socket.readyState === WebSocket.OPEN) send(id, call)
    return () => calls.delete(id)
  }

  socket.addEventListener("open", () => {
    for (const [id, call] of calls) send(id, call)
  })
  socket.addEventListener("message", ({ data }) => {
    lastHeard = performance.now()
    try {
      const json: unknown = JSON.parse(String(data))
      deliver(json, calls, hide)
      // There is one subscription on a line, so its id says nothing.
      if (Predicate.hasProperty(json, "method") && json.method === "eth_subscription") onHead()
    } catch (error) {
      lose(troubleOf(error))
    }
  })
  // What went wrong is not reported to programs.
  socket.addEventListener(
    "error",
    () => lose({ code: "UNREACHABLE", details: "the WebSocket can't be opened or broke" })
  )
  socket.addEventListener("close", () => lose({ code: "CLOSED", details: "the WebSocket was closed" }))

  const follow = () => {
    const settle = (outcome: Result.Result<unknown, RpcError>) => {
      isSubscribed = Result.isSuccess(outcome)
      // Heads may have come since the last line was lost.
      if (isSubscribed) onHead()
    }
    begin({ method: "eth_subscribe", params: ["newHeads"], settle })
  }

  return {
    begin,
    follow,
    // A peer that is gone without a word would keep the line for many minutes.
    onTimeout: (begun) => {
      if (lastHeard < begun) lose({ code: "CLOSED", details: "the WebSocket was silent for too long" })
    },
    close: () => lose({ code: "CLOSED", details: "the WebSocket is closed" })
  }
}

const requestOf = (id: number, { method, params }: Call) => ({ jsonrpc: "2.0", id, method, params })

/** What is answered here, by one answer or an array of them. */
const outcomesIn = (json: unknown, calls: ReadonlyMap<number, Call>, hide: Hide): Map<Call, Dispatch.Outcome> => {
  const outcomes = new Map<Call, Dispatch.Outcome>()
  for (const answer of Array.isArray(json) ? json : [json]) {
    const call = Predicate.hasProperty(answer, "id") && answer.id !== null ? calls.get(Number(answer.id)) : undefined
    if (call === undefined) continue
    const error = errorIn(answer)
    // Some leave out what is null.
    const result = Predicate.hasProperty(answer, "result") ? answer.result ?? null : null
    outcomes.set(
      call,
      error === undefined ? Result.succeed(result) : Dispatch.failureOf(call, troubleIn(error, hide))
    )
  }
  return outcomes
}

const deliver = (json: unknown, calls: Map<number, Call>, hide: Hide): void => {
  const outcomes = outcomesIn(json, calls, hide)
  for (const [id, call] of calls) {
    const outcome = outcomes.get(call)
    if (outcome === undefined) continue
    calls.delete(id)
    call.settle(outcome)
  }
}

const fail = (calls: Map<number, Call>, trouble: Trouble): void => {
  const failed = Array.from(calls.values())
  calls.clear()
  for (const call of failed) call.settle(Dispatch.failureOf(call, trouble))
}

const jsonIn = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

const errorIn = (answer: unknown): unknown =>
  Predicate.hasProperty(answer, "error") ? answer.error ?? undefined : undefined

/** What JSON-RPC's error says; some answer with a text in its place. */
const troubleIn = (error: unknown, hide: Hide): Trouble => ({
  code: Predicate.hasProperty(error, "code") && /^-?\d+$/.test(String(error.code)) ? Number(error.code) : "UNKNOWN",
  details: hide(wordsIn(error) ?? (typeof error === "string" && error !== "" ? error : "no reason given")),
  cause: jsonIn(hide(JSON.stringify(error)))
})

/** Where the answer of a server that is no node has its words, as far as it has some. */
const wordsIn = (value: unknown): string | undefined => textIn(value, "message") ?? textIn(value, "detail")

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
