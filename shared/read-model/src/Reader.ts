/**
 * Reads runs of the log one after the other, ahead of the transactions that write them: while one is written, the next is read. What
 * it remembers of jobs follows from the log alone, whoever writes it.
 */
import type { StoredEvent } from "@akave-async/eventing/EventLog"
import { Registry } from "@akave-async/eventing/Registry"
import * as Segment from "@akave-async/eventing/Segment"
import { Effect } from "effect"
import * as Batch from "./Batch.ts"
import * as Jobs from "./projections/Jobs.ts"

/** A run is closed once it has so many events; the log hands over some at a time, so that it may have a few more. */
export const runSize = 10_000
/**
 * Jobs that are remembered. Those that are read and not written yet have to be among them: they are of the run that is being
 * written, and of the one that waits for it.
 */
const keep = 4 * runSize

export interface Run {
  readonly stored: ReadonlyArray<StoredEvent>
  readonly batch: Batch.Batch
  /** The batch as it is archived. */
  readonly segment: Uint8Array
  readonly jobs: ReturnType<typeof Jobs.rows>
}

/** Begins behind the checkpoint with this hash. Each run that it is given follows on the one before. */
export const make = Effect.fnUntraced(function*(hash: Uint8Array) {
  const registry = yield* Registry
  let last = hash
  const known = new Map<string, Jobs.Folded>()

  const remember = (jobs: Iterable<Jobs.Folded>) => {
    for (const folded of jobs) {
      known.delete(folded.job.id)
      known.set(folded.job.id, folded)
    }
    for (const id of known.keys()) {
      if (known.size <= keep) return
      known.delete(id)
    }
  }

  return Effect.fnUntraced(function*(stored: ReadonlyArray<StoredEvent>) {
    const batch = Batch.read(registry, last, stored)
    last = batch.lastHash
    const before = new Map<string, Jobs.Folded>()
    const unknown: Array<string> = []
    for (const id of Jobs.idsIn(batch.events)) {
      const folded = known.get(id)
      if (folded === undefined) unknown.push(id)
      else before.set(id, folded)
    }
    for (const folded of yield* Jobs.find(unknown)) before.set(folded.job.id, folded)
    const jobs = Jobs.rows(before, batch.events)
    remember(jobs.jobs.values())
    const segment = yield* Effect.promise(() => Segment.pack(batch.encoded))
    return { stored, batch, segment, jobs } satisfies Run
  })
})
