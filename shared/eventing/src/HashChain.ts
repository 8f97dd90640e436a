/**
 * The hash chain over the log: h(n) = sha256(h(n-1) ‖ event n), h(0) = 32 zero bytes.
 *
 * An event is its sequence (8 bytes big-endian), and then subject, headers and data, each preceded by its length in bytes (4 bytes
 * big-endian), so that no two events have one encoding. Headers are the JSON of [name, value] pairs sorted by name.
 */
import { hash as createHash } from "node:crypto"
import type { StoredEvent } from "./EventLog.ts"

export const genesis: Uint8Array = new Uint8Array(32)

const sequenceBytes = 8
const lengthBytes = 4

/** Canonical text of an event's headers. */
const canonicalHeaders = ({ headers }: StoredEvent): string =>
  JSON.stringify(Object.keys(headers).toSorted().map((name) => [name, headers[name]]))

/** UTF-8 has no more bytes than this for a unit of text. */
const mostBytes = 3

/** Writes the event as it goes into the chain, and gives where it ends. The bytes have room for {@link mostOf} it. */
const write = (bytes: Buffer, start: number, { data, sequence, subject }: StoredEvent, headers: string): number => {
  let at = bytes.writeBigUInt64BE(BigInt(sequence), start)
  for (const text of [subject, headers]) {
    const length = bytes.write(text, at + lengthBytes)
    at = bytes.writeUInt32BE(length, at) + length
  }
  at = bytes.writeUInt32BE(data.length, at)
  bytes.set(data, at)
  return at + data.length
}
const mostOf = ({ data, subject }: StoredEvent, headers: string): number =>
  sequenceBytes + 3 * lengthBytes + mostBytes * (subject.length + headers.length) + data.length

/** The event as it goes into the chain. */
export const encode = (event: StoredEvent): Buffer => {
  const headers = canonicalHeaders(event)
  const bytes = Buffer.allocUnsafe(mostOf(event, headers))
  return bytes.subarray(0, write(bytes, 0, event, headers))
}

/** Encodes events one behind the other, each as {@link encode} does, and takes the chain along. */
export const encodeAll = (
  previous: Uint8Array,
  events: ReadonlyArray<StoredEvent>
): { readonly encoded: Buffer; readonly hash: Uint8Array } => {
  let hash = previous
  // The hash before an event is put in front of it, where the end of the event before stands meanwhile.
  const front = previous.length
  const aside = Buffer.alloc(front)
  let bytes = Buffer.allocUnsafeSlow(front + usualBytes * events.length)
  let end = front
  for (const event of events) {
    const headers = canonicalHeaders(event)
    const most = end + mostOf(event, headers)
    if (most > bytes.length) bytes = Buffer.concat([bytes.subarray(0, end)], 2 * most)
    const start = end
    end = write(bytes, start, event, headers)
    bytes.copy(aside, 0, start - front, start)
    bytes.set(hash, start - front)
    hash = sha256(bytes.subarray(start - front, end))
    bytes.set(aside, start - front)
  }
  return { encoded: bytes.subarray(front, end), hash }
}
/** What there is room for at first, of an event. */
const usualBytes = 1_500

const sha256 = (bytes: Uint8Array): Buffer => createHash("sha256", bytes, "buffer")

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
export const next = (previous: Uint8Array, encoded: Uint8Array): Buffer => sha256(Buffer.concat([previous, encoded]))

/** The chain's hash after an event. */
export const after = (previous: Uint8Array, event: StoredEvent): Uint8Array => next(previous, encode(event))

/** The chain's hash after these events. */
export const over = (events: Iterable<StoredEvent>, previous: Uint8Array = genesis): Uint8Array => {
  let last = previous
  for (const event of events) last = next(last, encode(event))
  return last
}
