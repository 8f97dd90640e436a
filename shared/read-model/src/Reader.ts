/**
 * Reads runs of the log one after the other, ahead of the transactions that write them: while one is written, the next is read. What
 * it remembers of jobs follows from the log alone, whoever writes it.
 */
import type { StoredEvent } from "@akave-async/eventing/EventLog"
import { Registry } from "@akave-async/eventing/Registry"
import * as Segment from "@akave-async/eventing/Segment"
import type { DateTime } from "effect"
import { Effect } from "effect"
import * as Batch from "./Batch.ts"
import * as Projections from "./Projections.ts"
import * as Jobs from "./projections/Jobs.ts"

/** A run is closed once it has so many events; the log hands over some at a time, so that it may have a few more. */
export const runSize = 10_000
/**
 * Jobs that are remembered. Those that are read and not written yet have to be among them: they are of the run that is being
 * written, and of the one that waits for it.
 */
const keep = 4 * runSize

export interface Run {
  readonly firstSequence: number
  readonly lastSequence: number
  readonly lastHash: Uint8Array
  /** When the last event that was projected had happened. */
  readonly occurredAt: DateTime.Utc | undefined
  /** Why events of known kinds can't be read. */
  readonly unreadable: ReadonlyArray<string>
  /** The types of events that only a newer release knows. */
  readonly newer: ReadonlyArray<string>
  /** All events, as they are archived. */
  readonly segment: Promise<Uint8Array>
  readonly folded: Projections.Folded
  /** How each event has changed its job, where that was asked for. */
  readonly changes: ReadonlyArray<Jobs.Change>
}

/** What is read of a run that is not closed yet. */
interface Open {
  readonly batches: Array<Batch.Batch>
  readonly folded: Projections.Folded & { readonly events: Array<Batch.Placed>; readonly asked: Set<string> }
  readonly changes: Array<Jobs.Change>
}

const opened = (): Open => ({
  batches: [],
  folded: { events: [], ...Jobs.folding(), asked: new Set() },
  changes: []
})

/**
 * Begins behind the checkpoint with this hash. A run is read bit by bit, each of which follows on the one before, and then closed:
 * nothing is held of events that nothing more follows from.
 */
export const make = Effect.fnUntraced(function*(
  hash: Uint8Array,
  { hasChanges = false }: { readonly hasChanges?: boolean } = {}
) {
  const registry = yield* Registry
  let last = hash
  const remembered = new Map<string, Jobs.Folded>()
  let open = opened()

  const remember = (jobs: Iterable<Jobs.Folded>) => {
    for (const folded of jobs) {
      remembered.delete(folded.job.id)
      remembered.set(folded.job.id, folded)
    }
    for (const id of remembered.keys()) {
      if (remembered.size <= keep) return
      remembered.delete(id)
    }
  }

  const add = Effect.fnUntraced(function*(stored: ReadonlyArray<StoredEvent>) {
    const { batches, changes, folded } = open
    const batch = Batch.read(registry, last, stored)
    last = batch.lastHash
    const unknown = new Set<string>()
    const find = (jobs: Jobs.Folded) => folded.jobs.set(jobs.job.id, jobs)
    for (const { step } of batch.events) {
      if (step === undefined || folded.jobs.has(step.jobId) || folded.asked.has(step.jobId)) continue
      const job = remembered.get(step.jobId)
      if (job !== undefined) find(job)
      // A request makes a job what it is, whatever was there before.
      else if (step.step === "requested" && !unknown.has(step.jobId)) folded.asked.add(step.jobId)
      else unknown.add(step.jobId)
    }
    for (const job of yield* Jobs.find([...unknown])) find(job)
    Jobs.fold(folded, batch.events, hasChanges ? (change) => changes.push(change) : undefined)
    for (const event of batch.events) if (Projections.concernsKinds(event)) folded.events.push(event)
    batches.push({ ...batch, events: [] })
  })

  /** The run that was read; there must be one. It is compressed while the next one is read. */
  const close = Effect.sync((): Run => {
    const { batches, changes, folded } = open
    open = opened()
    remember(folded.jobs.values())
    const segment = Segment.pack(batches.map(({ encoded }) => encoded))
    // Whoever writes the run is told.
    segment.catch(() => {})
    return {
      firstSequence: batches[0]?.firstSequence ?? 0,
      lastSequence: batches.at(-1)?.lastSequence ?? 0,
      lastHash: last,
      occurredAt: batches.findLast(({ occurredAt }) => occurredAt !== undefined)?.occurredAt,
      unreadable: batches.flatMap(({ unreadable }) => unreadable),
      newer: batches.flatMap(({ newer }) => newer),
      segment,
      folded,
      changes
    }
  })

  return { add, close }
})
