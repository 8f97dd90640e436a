/** Sends requests to a gateway: signs them in, tries again what may be tried again, and reads what is answered. */
import type { CallOptions } from "./CallOptions.ts"
import { type AkaveError, ArgumentInvalid, CallTimeout, ConnectionFailed, Problem, UnexpectedAnswer } from "./Errors.ts"
import type { Platform } from "./Platform.ts"
import { wantedDelay } from "./Polling.ts"
import { ClockSkew, problems } from "./Problems.ts"
import { type Credentials, headersOf } from "./Signing.ts"
import { jittered, limiter, sleep, unlessAborted, whileHeard } from "./Timing.ts"

/** A body that is no JSON. The call ends when nothing of it is sent for as long as a call may take. */
export interface Content {
  /** Opens it anew for each try, until the signal ends it; `sent` is to be called whenever some of it goes. */
  readonly open: (signal: AbortSignal, sent: () => void) => Promise<ReadableStream<Uint8Array> | Blob>
  /** What is signed in its place. */
  readonly signed: string
  /** What was wrong with the content itself when it was last sent. */
  readonly failure: () => unknown
}

export interface Request {
  readonly method: string
  /** With its query. */
  readonly path: string
  readonly headers?: Readonly<Record<string, string>>
  /** JSON. */
  readonly body?: unknown
  readonly content?: Content
  /** Whether the same request may be sent again, though the gateway may have done what it asks for. */
  readonly isRepeatable: boolean
  /** Whether whoever asks tries again by itself. */
  readonly isTriedOnce?: boolean
}

export interface Answer {
  readonly status: number
  readonly headers: Headers
  /** What the JSON stands for; undefined where there is no body. */
  readonly body: unknown
}

export interface Settings {
  readonly url: string
  readonly credentials: Credentials | undefined
  /** Of a call with all its tries, in milliseconds. */
  readonly timeout: number
  readonly fetch: typeof fetch
  readonly userAgent: string | undefined
  readonly platform: Platform
  /** What times between tries and looks are multiplied by: 1, but for tests. */
  readonly pace?: number
  /** Gets a line for each request and answer, without secrets. */
  readonly debug: (line: string) => void
}

export interface Transport {
  readonly settings: Settings
  /** Asks, and asks again what may be asked again. Fails with what is not a success. */
  send(request: Request, options?: CallOptions): Promise<Answer>
  /** Asks once, and gives the answer with its body unread; fails with what is not a success. */
  open(request: Request, signal: AbortSignal): Promise<Response>
}

/** Requests that are under way at a time; more wait for their turn. */
const maxRequests = 50
/** How often a request is sent at most. */
const maxTries = 6
const [firstPause, longestPause] = [200, 5_000]

/** Statuses that say that it may be otherwise soon. */
const passing = new Set([408, 425, 429, 500, 502, 503, 504])
/** Codes that say that nothing was done of what was asked. */
const refused = new Set(["rate_limited", "too_many_jobs", "overloaded", "sign_in_unavailable"])

/** Whether a failure may pass by itself. */
export const mayPass = (error: unknown): boolean =>
  error instanceof ConnectionFailed || error instanceof CallTimeout ||
  (error instanceof Problem && passing.has(error.status)) ||
  (error instanceof UnexpectedAnswer && passing.has(error.status))

const isWorthAnother = (error: unknown, isRepeatable: boolean): boolean => {
  if (error instanceof CallTimeout || (error instanceof Problem && error.status === 500)) return false
  if (isRepeatable) return mayPass(error)
  if (error instanceof Problem) return refused.has(error.code)
  return error instanceof ConnectionFailed && Object(Object(error.cause).cause).code === "ECONNREFUSED"
}

/** In milliseconds; undefined where it says nothing that can be read. A date counts from now. */
const retryAfterOf = (headers: Headers): number | undefined => {
  const text = headers.get("retry-after")
  if (text === null) return undefined
  const millis = /^\d+$/.test(text) ? Number(text) * 1000 : Date.parse(text) - Date.now()
  return Number.isNaN(millis) ? undefined : Math.max(0, millis)
}

/** What an answer that is not a success reports. */
const failureOf = async (url: string, response: Response): Promise<AkaveError> => {
  const text = await response.text()
  const answer = { status: response.status, retryAfter: retryAfterOf(response.headers) }
  try {
    const body = JSON.parse(text)
    if (typeof body?.code === "string") {
      const known = Object.hasOwn(problems, body.code) ? problems[body.code as keyof typeof problems] : Problem
      return new known(body, answer)
    }
  } catch {
    // It is reported as it is.
  }
  return new UnexpectedAnswer(url, response.status, text.slice(0, 100))
}

/** What ends a request, and what is told that it goes on. */
interface Ends {
  readonly signal: AbortSignal
  readonly heard: () => void
}

// oxlint-disable-next-line max-lines-per-function -- its parts share the connection and the clock
export const make = (settings: Settings): Transport => {
  const { credentials, debug, url } = settings
  const { origin, pathname } = parsed(url)
  const base = pathname.replace(/\/$/, "")
  const limited = limiter(maxRequests)
  /** How far the gateway's clock is ahead of ours, in seconds. */
  let ahead = 0

  const headers = async ({ body, content, headers, method, path }: Request): Promise<Record<string, string>> => ({
    accept: "application/json",
    ...(settings.userAgent === undefined ? {} : { "user-agent": settings.userAgent }),
    ...(body === undefined ? {} : { "content-type": "application/json" }),
    ...headers,
    ...await headersOf(
      credentials,
      { method, path: `${base}${path}`, body: content?.signed ?? (body === undefined ? "" : JSON.stringify(body)) },
      Date.now() / 1000 + ahead
    )
  })

  const once = async (
    request: Request,
    sent: Record<string, string>,
    { heard, signal }: Ends
  ): Promise<Response> => {
    const { body, content, method, path } = request
    const target = `${origin}${base}${path}`
    const opened = await content?.open(signal, heard)
    let response: Response
    try {
      const answer = settings.fetch(target, {
        method,
        headers: sent,
        signal,
        redirect: "error",
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        ...(opened === undefined ? {} : { body: opened, duplex: "half" })
      })
      // One that comes too late keeps no connection.
      answer.then(async (late) => signal.aborted && await late.body?.cancel()).catch(() => {})
      response = await unlessAborted(signal, answer)
    } catch (cause) {
      if (signal.aborted) throw signal.reason
      const failure = content?.failure()
      if (failure !== undefined) throw failure
      throw new ConnectionFailed(`${origin}${base}`, cause)
    }
    debug(`${method} ${path} ${response.status}`)
    if (response.ok || response.status === 304) return response
    throw await failureOf(target, response)
  }

  /** Sends a request, and once more by the gateway's clock where ours is too far from it. */
  const signed = async (request: Request, ends: Ends, sent: Record<string, string>): Promise<Response> => {
    try {
      return await once(request, sent, ends)
    } catch (error) {
      if (!(error instanceof ClockSkew)) throw error
      ahead = error.server_time - Date.now() / 1000
      debug(`the gateway's clock is ${Math.round(ahead)} s ahead`)
      // What can be read only once has been.
      if (request.content !== undefined && request.isTriedOnce === true) throw error
      Object.assign(sent, await headers(request))
      return once(request, sent, ends)
    }
  }

  const send = (request: Request, { signal, timeout = settings.timeout }: CallOptions = {}): Promise<Answer> => {
    // The same signature makes it the same request, whatever it asks for.
    const isRepeatable = request.isRepeatable || (credentials !== undefined && "secretKey" in credentials)
    let last: unknown
    return whileHeard(timeout, signal, async (signal, heard) => {
      const sent = await headers(request)
      for (let tries = 1;; tries++) {
        try {
          return await limited(async () => readAnswer(await signed(request, { signal, heard }, sent), signal))
        } catch (error) {
          if (request.isTriedOnce || tries === maxTries || !isWorthAnother(error, isRepeatable)) throw error
          last = error
          const usual = jittered(Math.min(longestPause, firstPause * 2 ** (tries - 1))) * (settings.pace ?? 1)
          const pause = Math.max(usual, wantedDelay(error))
          debug(`again in ${Math.round(pause)} ms: ${error instanceof Error ? error.message : ""}`)
          await sleep(pause, signal)
        }
      }
    }).catch((error: unknown) => {
      throw error instanceof CallTimeout && last !== undefined ? new CallTimeout(timeout, last) : error
    })
  }

  const readAnswer = async (response: Response, signal: AbortSignal): Promise<Answer> => {
    const text = await unlessAborted(signal, response.text()).catch((cause: unknown) => {
      throw signal.aborted ? signal.reason : new ConnectionFailed(`${origin}${base}`, cause)
    })
    try {
      return {
        status: response.status,
        headers: response.headers,
        body: text === "" ? undefined : JSON.parse(text)
      }
    } catch {
      throw new UnexpectedAnswer(response.url, response.status, text.slice(0, 100))
    }
  }

  return {
    settings,
    send,
    open: async (request, signal) => signed(request, { signal, heard: () => {} }, await headers(request))
  }
}

const parsed = (url: string): URL => {
  const found = URL.canParse(url) ? new URL(url) : undefined
  if (found === undefined || !/^https?:$/.test(found.protocol)) {
    throw new ArgumentInvalid(`${JSON.stringify(url)} is no URL of a gateway: give it as http://host:port`)
  }
  if (found.username !== "" || found.password !== "" || found.search !== "" || found.hash !== "") {
    throw new ArgumentInvalid("the gateway's URL has no user, query or fragment: give credentials as such")
  }
  return found
}
