/** A run of the log, read once: what is archived of it, and the events that are projected. */
import type { StoredEvent } from "@akave-async/eventing/EventLog"
import * as HashChain from "@akave-async/eventing/HashChain"
import type { Known } from "@akave-async/eventing/Kind"
import type { Registered } from "@akave-async/eventing/Registry"
import type { DateTime } from "effect"

/** An event with its place in the log. */
export interface Placed extends Known {
  readonly sequence: number
}

export interface Batch {
  /** All events, as they are archived, one behind the other. */
  readonly encoded: Uint8Array
  readonly events: ReadonlyArray<Placed>
  /** Why events of known kinds can't be read. */
  readonly unreadable: ReadonlyArray<string>
  /** The types of events that only a newer release knows. */
  readonly newer: ReadonlyArray<string>
  readonly firstSequence: number
  readonly lastSequence: number
  readonly lastHash: Uint8Array
  readonly occurredAt: DateTime.Utc | undefined
}

/** Reads a run of stored events that follows on the checkpoint with this hash. Events of unknown kinds are archived only. */
export const read = (
  registry: Registered,
  previousHash: Uint8Array,
  stored: ReadonlyArray<StoredEvent>
): Batch => {
  const { encoded, hash: lastHash } = HashChain.encodeAll(previousHash, stored)
  const events: Array<Placed> = []
  const unreadable: Array<string> = []
  const newer: Array<string> = []
  for (const one of stored) {
    const found = registry.read(one)
    if (found._tag === "Known") events.push({ ...found, sequence: one.sequence })
    if (found._tag === "Unreadable") unreadable.push(found.error.message)
    if (found._tag === "Newer") newer.push(found.error.type)
  }
  return {
    encoded,
    events,
    unreadable,
    newer,
    firstSequence: stored[0]?.sequence ?? 0,
    lastSequence: stored.at(-1)?.sequence ?? 0,
    lastHash,
    occurredAt: events.at(-1)?.event.occurredAt
  }
}
