/**
 * The hash chain over the log: h(n) = sha256(h(n-1) ‖ event n), h(0) = 32 zero bytes.
 *
 * An event is its sequence (8 bytes big-endian), and then subject, headers and data, each preceded by its length in bytes (4 bytes
 * big-endian), so that no two events have one encoding. Headers are the JSON of [name, value] pairs sorted by name.
 */
import { hash } from "node:crypto"
import type { StoredEvent } from "./EventLog.ts"

export const genesis: Uint8Array = new Uint8Array(32)

const sequenceBytes = 8
const lengthBytes = 4

/** Canonical text of an event's headers. */
const canonicalHeaders = ({ headers }: StoredEvent): string =>
  JSON.stringify(Object.keys(headers).toSorted().map((name) => [name, headers[name]]))

/** The event as it goes into the chain. */
export const encode = (event: StoredEvent): Buffer => {
  const parts = [Buffer.from(event.subject), Buffer.from(canonicalHeaders(event)), event.data]
  const size = parts.reduce((sum, { length }) => sum + lengthBytes + length, sequenceBytes)
  const bytes = Buffer.allocUnsafe(size)
  bytes.writeBigUInt64BE(BigInt(event.sequence))
  let at = sequenceBytes
  for (const part of parts) {
    at = bytes.writeUInt32BE(part.length, at)
    bytes.set(part, at)
    at += part.length
  }
  return bytes
}

/** The events that these bytes hold, one behind the other as {@link encode} writes them. */
export const decode = (bytes: Buffer): ReadonlyArray<StoredEvent> => {
  const events: Array<StoredEvent> = []
  let at = 0
  const part = () => {
    const start = at + lengthBytes
    at = start + bytes.readUInt32BE(at)
    return bytes.subarray(start, at)
  }
  while (at < bytes.length) {
    const sequence = Number(bytes.readBigUInt64BE(at))
    at += sequenceBytes
    const [subject, headers, data] = [part(), part(), part()]
    events.push({
      sequence,
      subject: subject.toString(),
      headers: Object.fromEntries(JSON.parse(headers.toString())),
      data
    })
  }
  return events
}

/** The chain's hash after an event, as {@link encode} writes it. */
export const next = (previous: Uint8Array, encoded: Uint8Array): Buffer =>
  hash("sha256", Buffer.concat([previous, encoded]), "buffer")

/** The chain's hash after an event. */
export const after = (previous: Uint8Array, event: StoredEvent): Uint8Array => next(previous, encode(event))

/** The chain's hash after these events. */
export const over = (events: Iterable<StoredEvent>, previous: Uint8Array = genesis): Uint8Array => {
  let last = previous
  for (const event of events) last = next(last, encode(event))
  return last
}
