/**
 * The headers of messages that are read by the million. The library keeps them as they came and, when they are asked for, looks for each
 * among those before it; here they are read at once, where they are what the library would make of them.
 */
import { DirectMsgHeaders, type JsMsg } from "@nats-io/jetstream"
import type { MsgHdrs } from "@nats-io/nats-core"

type Headers = Readonly<Record<string, string>>

/** What the server adds to the headers of a message that is asked of it directly. */
const added = new Set<string>(Object.values(DirectMsgHeaders).map((name) => name.toLowerCase()))

/** What a message was stored with: names in lower case, values of one name joined by commas. */
export const ofLibrary = (headers: MsgHdrs | undefined): Headers =>
  Object.fromEntries(
    Array.from(headers ?? [], ([name, values]) => [name.toLowerCase(), values.join(",")] as const)
      .filter(([name]) => !added.has(name))
  )

const preamble = "NATS/1.0\r\n"
const lineEnd = "\r\n"
const utf8 = new TextDecoder()

/** Names that the library has taken, each with itself in lower case. A server's clients have a few dozen. */
const names = new Map<string, string>()
const mostNames = 1_000

/** The same as {@link ofLibrary}, of a message. */
export const of = (message: JsMsg): Headers => {
  const text = textOf(message)
  const read = text === undefined ? undefined : parse(text)
  if (read !== undefined) return read
  const headers = ofLibrary(message.headers)
  for (const [name] of message.headers ?? []) {
    if (names.size < mostNames && name.toLowerCase() in headers) names.set(name, name.toLowerCase())
  }
  return headers
}

/** The headers as they came; undefined where the library has them elsewhere. */
const textOf = (message: JsMsg): string | undefined => {
  const { _msg, _rdata } = Object(Object(message).msg)
  return _rdata instanceof Uint8Array && Object(_msg).hdr > 0 ? utf8.decode(_rdata.subarray(0, _msg.hdr)) : undefined
}

/** Undefined for anything that is not plain: a status, names that were not seen before or come twice, line breaks within a value. */
export const parse = (text: string, known: ReadonlyMap<string, string> = names): Headers | undefined => {
  if (!text.startsWith(preamble) || /[^\r]\n|\r[^\n]/.test(text)) return undefined
  const headers: Record<string, string> = {}
  let at = preamble.length
  while (at < text.length) {
    const end = text.indexOf(lineEnd, at)
    if (end === at) break
    const colon = text.indexOf(":", at)
    const name = known.get(text.slice(at, colon))
    if (end < 0 || colon > end || name === undefined || name in headers) return undefined
    headers[name] = text.slice(colon + 1, end).trim()
    at = end + lineEnd.length
  }
  return headers
}
