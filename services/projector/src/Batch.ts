/** A run of the log, read once: what is archived of it, and the events that are projected. */
import type { StoredEvent } from "@akave-async/eventing/EventLog"
import * as HashChain from "@akave-async/eventing/HashChain"
import type { Known } from "@akave-async/eventing/Kind"
import type { Registered } from "@akave-async/eventing/Registry"
import { DateTime } from "effect"

/** An event with its place in the log. */
export interface Placed extends Known {
  readonly sequence: number
}

export interface Batch {
  readonly archive: ReadonlyArray<{
    readonly sequence: number
    readonly subject: string
    readonly headers: string
    readonly data: string
    readonly hash: string
  }>
  readonly events: ReadonlyArray<Placed>
  /** Why events of known kinds can't be read. */
  readonly unreadable: ReadonlyArray<string>
  /** The types of events that only a newer release knows. */
  readonly newer: ReadonlyArray<string>
  readonly lastSequence: number
  readonly lastHash: string
  readonly occurredAt: string | null
}

/** Reads a run of stored events that follows on the checkpoint with this hash (hex). Events of unknown kinds are archived only. */
export const read = (
  registry: Registered,
  previousHash: string,
  stored: ReadonlyArray<StoredEvent>
): Batch => {
  let hash: Uint8Array = Buffer.from(previousHash, "hex")
  const archive: Array<Batch["archive"][number]> = []
  const events: Array<Placed> = []
  const unreadable: Array<string> = []
  const newer: Array<string> = []
  for (const one of stored) {
    hash = HashChain.next(hash, one)
    archive.push({
      sequence: one.sequence,
      subject: one.subject,
      headers: HashChain.canonicalHeaders(one),
      data: hex(one.data),
      hash: hex(hash)
    })
    const found = registry.read(one)
    if (found._tag === "Known") events.push({ ...found, sequence: one.sequence })
    if (found._tag === "Unreadable") unreadable.push(found.error.message)
    if (found._tag === "Newer") newer.push(found.error.type)
  }
  const last = events.at(-1)?.event.occurredAt
  return {
    archive,
    events,
    unreadable,
    newer,
    lastSequence: stored.at(-1)?.sequence ?? 0,
    lastHash: hex(hash),
    occurredAt: last === undefined ? null : DateTime.formatIso(last)
  }
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex")
