/** JSON-RPC to a chain's node: how requests travel, and what their errors mean. */
import { type Duration, Effect, Predicate, Result } from "effect"
import { unescape } from "node:querystring"
import { InvalidArgument, RpcError } from "./Errors.ts"

export interface JsonRpc {
  /** Makes a request once. It ends with the node's result or error, or at the deadline. */
  request(method: string, params: ReadonlyArray<unknown>): Effect.Effect<unknown, RpcError>
  /**
   * Completes when the node tells of a new head over a WebSocket, and when heads may have been missed because that
   * connection was lost or replaced. Waits for ever over HTTP, and where the node takes no subscription.
   */
  readonly newHead: Effect.Effect<void>
}

/**
 * Requests as HTTP posts or over one WebSocket, as the URL says, each with this deadline. HTTP requests that are made
 * within 5 ms travel as one batch of at most 100. The WebSocket is opened by the first request, and again by the next
 * one after it was lost, which fails the requests that were on their way.
 *
 * No error names the URL: it may hold an API key.
 */
export const make = Effect.fnUntraced(function*(url: string, timeout: Duration.Input) {
  const parsed = URL.parse(url)
  if (parsed === null || !protocols.has(parsed.protocol)) {
    return yield* new InvalidArgument({
      field: "rpc url",
      reason:
        "the chain's JSON-RPC must be a URL of http, https, ws or wss; set AKAVE_RPC_URL if the node tells another"
    })
  }
  // A WebSocket's URL must not have one.
  parsed.hash = ""
  const { begin, newHead, onTimeout } = yield* Effect.acquireRelease(
    Effect.sync(() => parsed.protocol.startsWith("ws") ? overWebSocket(parsed) : overHttp(parsed)),
    (transport) => Effect.sync(() => transport.close())
  )

  const request: JsonRpc["request"] = (method, params) =>
    Effect.suspend(() => {
      const begun = performance.now()
      return Effect.callback<unknown, RpcError>((resume) => {
        const cancel = begin({ method, params, settle: (outcome) => resume(Effect.fromResult(outcome)) })
        return Effect.sync(cancel)
      }).pipe(
        Effect.timeoutOrElse({
          duration: timeout,
          orElse: () => {
            onTimeout(begun)
            return Effect.fail(new RpcError({ method, code: "TIMEOUT", details: "no answer in time" }))
          }
        })
      )
    })

  return { request, newHead } satisfies JsonRpc
})

const protocols: ReadonlySet<string> = new Set(["http:", "https:", "ws:", "wss:"])

/** A request under way. */
interface Call {
  readonly method: string
  readonly params: ReadonlyArray<unknown>
  readonly settle: (outcome: Result.Result<unknown, RpcError>) => void
}

interface Transport {
  /** Begins a call and gives what ends it early. */
  begin(call: Call): () => void
  /** A call that began at this time of `performance.now()` has had no answer in time. */
  onTimeout(begun: number): void
  readonly newHead: Effect.Effect<void>
  close(): void
}

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

const overHttp = (url: URL): Transport => {
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
  const begin = (call: Call) => {
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
  return { begin, onTimeout: () => {}, newHead: Effect.never, close: () => open && clearTimeout(open.timer) }
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

const overWebSocket = (url: URL): Transport => {
  let line: Line | undefined
  /** Those who wait for a new head. From the first one on there is a subscription. */
  const waiting = new Set<() => void>()
  let isFollowed = false
  let isClosed = false

  const tell = () => {
    const told = Array.from(waiting)
    waiting.clear()
    for (const one of told) one()
  }
  const newLine = (): Line => {
    const opened: Line = openLine(url, tell, () => {
      if (line === opened) line = undefined
    })
    if (isFollowed) opened.follow()
    return opened
  }

  return {
    begin: (call) => {
      if (!isClosed) return (line ??= newLine()).begin(call)
      call.settle(Result.fail(new RpcError({ method: call.method, ...closed })))
      return () => {}
    },
    onTimeout: (begun) => line?.onTimeout(begun),
    newHead: Effect.callback((resume) => {
      const one = () => resume(Effect.void)
      waiting.add(one)
      if (!isFollowed) line?.follow()
      isFollowed = true
      return Effect.sync(() => waiting.delete(one))
    }),
    close: () => {
      isClosed = true
      line?.close()
    }
  }
}

const closed: Trouble = { code: "CLOSED", details: "the WebSocket is closed" }

/** One WebSocket, from its opening until it is lost. */
interface Line extends Omit<Transport, "newHead"> {
  /** Subscribes to new heads. A node that refuses is not asked again on this line. */
  follow(): void
}

const openLine = (url: URL, onHead: () => void, onLost: () => void): Line => {
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
      deliver(json, calls)
      // There is one subscription on a line, so its id tells nothing.
      if (Predicate.hasProperty(json, "method") && json.method === "eth_subscription") onHead()
    } catch (error) {
      lose(troubleOf(error))
    }
  })
  // What went wrong is not told to programs.
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
    close: () => lose(closed)
  }
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

const outcomeOf = (method: string, answer: object): Result.Result<unknown, RpcError> => {
  const error = Predicate.hasProperty(answer, "error") ? answer.error : undefined
  if (error === undefined || error === null) {
    return Result.succeed(Predicate.hasProperty(answer, "result") ? answer.result : undefined)
  }
  const code = Predicate.hasProperty(error, "code") && Number.isInteger(error.code) ? Number(error.code) : "UNKNOWN"
  return Result.fail(
    new RpcError({ method, code, details: textIn(error, "message") ?? "no reason given", cause: error })
  )
}

const fail = (calls: Map<number, Call>, { code, details }: Trouble): void => {
  const failed = Array.from(calls.values())
  calls.clear()
  for (const { method, settle } of failed) settle(Result.fail(new RpcError({ method, code, details })))
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
