/**
 * One attempt to send a message to an endpoint. It goes to an address that was checked, over a connection of its own and never
 * through a proxy, follows no redirect, and ends within its time.
 */
import * as WebhookUrl from "@akave-async/domain/WebhookUrl"
import { Clock, Duration, Effect, Result } from "effect"
import { lookup as resolve, type LookupAddress } from "node:dns"
import type { IncomingMessage } from "node:http"
import * as http from "node:http"
import * as https from "node:https"
import type { LookupFunction } from "node:net"

export interface Message {
  readonly url: WebhookUrl.WebhookUrl
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

/** How an endpoint has answered, or why it has not. */
export interface Answer {
  readonly isTaken: boolean
  /** Absent where no answer came. */
  readonly statusCode?: number
  /** Why the attempt has failed. */
  readonly error?: string
  /** How long it asks to wait for the next attempt. */
  readonly retryAfter?: Duration.Duration
  /** What the answer begins with, as text. */
  readonly text: string
}

export interface Options {
  readonly allowsPrivate: boolean
  readonly timeout: Duration.Duration
}

/** Bytes of an answer that are read, and of those that are kept. */
const maxRead = 64 * 1024
const maxKept = 1024
/** The answers that may say by `Retry-After` when to come again (RFC 9110, section 10.2.3). */
const mayAskToWait = new Set([429, 503])

const failed = (error: string): Answer => ({ isTaken: false, error, text: "" })

/** Addresses of a name that were checked: the connection is made to one of these, whatever the name resolves to afterwards. */
const checkedLookup: LookupFunction = (hostname, options, callback) =>
  resolve(hostname, { ...options, all: true }, (error, addresses) => {
    const [first] = addresses ?? []
    if (error !== null || first === undefined) return callback(error ?? new AddressRefused("has no address"), "", 0)
    if (!addresses.every(({ address }) => WebhookUrl.isPublic(address))) {
      return callback(new AddressRefused("leads to an address that is none on the internet"), "", 0)
    }
    return options.all === true
      ? callback(null, addresses as Array<LookupAddress>)
      : callback(null, first.address, first.family)
  })

class AddressRefused extends Error {}

/** Why nothing came: the endpoint's name and address are for nobody else to know. */
const reasonOf = (error: NodeJS.ErrnoException): string =>
  error instanceof AddressRefused
    ? `The name of the endpoint ${error.message}`
    : `The endpoint can't be reached: ${error.code ?? error.message}`

/** How long a `Retry-After` asks to wait: seconds, or until a date. */
export const waitOf = (retryAfter: string | undefined, now: number): Duration.Duration | undefined => {
  if (retryAfter === undefined) return undefined
  if (/^\d{1,9}$/.test(retryAfter.trim())) return Duration.seconds(Number(retryAfter))
  const until = retryAfter.endsWith(" GMT") ? Date.parse(retryAfter) : Number.NaN
  return Number.isNaN(until) ? undefined : Duration.millis(Math.max(0, until - now))
}

/** The beginning of an answer as text without control characters. */
export const textOf = (bytes: Uint8Array): string =>
  // oxlint-disable-next-line no-control-regex -- they are what is removed
  new TextDecoder().decode(bytes.subarray(0, maxKept)).replaceAll(/[\u0000-\u001f\u007f-\u009f]/g, "")

const answerOf = ({ headers, statusCode = 0 }: IncomingMessage, bytes: Uint8Array, now: number): Answer => {
  const text = textOf(bytes)
  if (statusCode >= 200 && statusCode < 300) return { isTaken: true, statusCode, text }
  const retryAfter = mayAskToWait.has(statusCode) ? waitOf(headers["retry-after"], now) : undefined
  const isRedirect = statusCode >= 300 && statusCode < 400
  return {
    isTaken: false,
    statusCode,
    error: `The endpoint has answered ${statusCode}${isRedirect ? ": redirects are not followed" : ""}`,
    ...(retryAfter === undefined ? {} : { retryAfter }),
    text
  }
}

/** Sends a message, and gives how it was answered. */
export const send = (message: Message, options: Options): Effect.Effect<Answer> =>
  Result.match(WebhookUrl.check(message.url, options.allowsPrivate), {
    onFailure: ({ message: reason }) => Effect.succeed(failed(reason)),
    onSuccess: (url) => Effect.flatMap(Clock.currentTimeMillis, (now) => attempt(url, message, options, now))
  })

/** @param now When it is made, in milliseconds since 1970. */
const attempt = (
  url: URL,
  { body, headers }: Message,
  { allowsPrivate, timeout }: Options,
  now: number
): Effect.Effect<Answer> =>
  Effect.callback((resume) => {
    const { request } = url.protocol === "https:" ? https : http
    let response: IncomingMessage | undefined
    let read = Buffer.alloc(0)
    const sent = request(url, {
      method: "POST",
      agent: false,
      headers: { ...headers, "content-length": `${Buffer.byteLength(body)}` },
      ...(allowsPrivate ? {} : { lookup: checkedLookup })
    })
    /** Ends the attempt. What has come by now is the answer, where it has a status; else there is none, for this reason. */
    const end = (reason: string) => {
      clearTimeout(timer)
      sent.destroy()
      resume(Effect.succeed(response === undefined ? failed(reason) : answerOf(response, read, now)))
    }
    const timer = setTimeout(
      () => end(`The endpoint has not answered within ${Duration.toSeconds(timeout)} s`),
      Duration.toMillis(timeout)
    )
    sent.on("error", (error) => end(reasonOf(error)))
    sent.on("response", (incoming) => {
      response = incoming
      incoming.on("data", (chunk: Buffer) => {
        read = Buffer.concat([read, chunk])
        if (read.length >= maxRead) end("")
      })
      incoming.on("error", (error) => end(reasonOf(error)))
      incoming.on("end", () => end(""))
    })
    sent.end(body)
    return Effect.sync(() => {
      clearTimeout(timer)
      sent.destroy()
    })
  })
