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

/** Jobs that are remembered. All that are read and not written yet have to be among them. */
const keep = 20_000

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
    const ids = Jobs.idsIn(batch.events)
    remember(yield* Jobs.find([...ids].filter((id) => !known.has(id))))
    const before = new Map([...ids].flatMap((id) => {
      const folded = known.get(id)
      return folded === undefined ? [] : [[id, folded] as const]
    }))
    const jobs = Jobs.rows(before, batch.events)
    remember(jobs.jobs.values())
    const segment = yield* Effect.promise(() => Segment.pack(batch.encoded))
    return { stored, batch, segment, jobs } satisfies Run
  })
})
