/**
 * The hash chain over the log: h(n) = sha256(h(n-1) ‖ sequence ‖ subject ‖ headers ‖ data), h(0) = 32 zero bytes.
 *
 * The sequence is 8 bytes big-endian. Subject, headers and data are each preceded by their length in bytes (4 bytes
 * big-endian), so that no two events have one encoding. Headers are the JSON of [name, value] pairs sorted by name.
 */
import { createHash } from "node:crypto"
import type { StoredEvent } from "./EventLog.ts"

export const genesis: Uint8Array = new Uint8Array(32)

/** Canonical text of an event's headers, as it goes into the chain and the archive. */
export const canonicalHeaders = (event: StoredEvent): string =>
  JSON.stringify(Object.entries(event.headers).toSorted(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)))

export const next = (previous: Uint8Array, event: StoredEvent): Uint8Array => {
  const sequence = Buffer.alloc(8)
  sequence.writeBigUInt64BE(BigInt(event.sequence))
  const hash = createHash("sha256").update(previous).update(sequence)
  for (const part of [Buffer.from(event.subject), Buffer.from(canonicalHeaders(event)), event.data]) {
    const length = Buffer.alloc(4)
    length.writeUInt32BE(part.length)
    hash.update(length).update(part)
  }
  return hash.digest()
}
