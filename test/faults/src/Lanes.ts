/**
 * What has begun is finished before more is begun, as far as the log reports: how many jobs of an owner are begun and not
 * ended, and which begin before their turn.
 *
 * Why both rules hold, whatever is killed, for a limit L: executors take the requests of an owner's jobs from one consumer
 * that hands out each for the first time in the order of the log, and has at most L handed out and not settled. A request is
 * settled when the end of its job is in the log, and not before; also one whose executor is dead, or that waits for its next
 * attempt, is not settled. So when a job begins, its request and all before it were handed out; those of them that have not
 * ended are not settled, and are L at most, this one among them: L - 1 others. Of the jobs that are begun and not ended,
 * let J be the one that was asked for last. When J began, the others were among its L - 1. So the first rule follows from
 * the second.
 *
 * How old those L - 1 are has no bound: an executor that was frozen may have held one of them since long ago.
 *
 * What is set aside as a dead letter is settled without an end, and is not counted from then on.
 */
import type { Folded } from "./Fold.ts"

export interface Lane {
  /** In lower case. */
  readonly owner: string
  /** The most jobs that were begun and not ended, and the first event at which they were so many. */
  readonly most: { readonly count: number; readonly sequence: number }
  /** Jobs that began when too many of those asked for before them had not ended, in the order of the log. */
  readonly early: ReadonlyArray<{
    readonly jobId: string
    /** Of the event by which it began. */
    readonly sequence: number
    /** The one of those before it that was asked for first. */
    readonly first: string
  }>
}

export const lanesOf = (
  { deadLetters, events, jobs }: Pick<Folded, "deadLetters" | "events" | "jobs">,
  limit: number
): ReadonlyArray<Lane> => {
  const happenings = [...events, ...deadLetters.map((one) => ({ ...one, step: "setAside" as const }))]
    .toSorted((a, b) => a.sequence - b.sequence)
  const byOwner = Map.groupBy(happenings, ({ jobId = "" }) => jobs.get(jobId)?.owner.toLowerCase())
  return Array.from(byOwner, ([owner, all]) => ({ owner, all })).flatMap(({ all, owner }) => {
    // What has no request, or is of nobody, breaks other rules.
    if (owner === undefined) return []
    /** Jobs without an end, in the order in which they were asked for. */
    const open = new Set<string>()
    const begun = new Set<string>()
    const over = new Set<string>()
    let most: Lane["most"] = { count: 0, sequence: 0 }
    const early: Array<Lane["early"][number]> = []
    for (const { jobId = "", sequence, step } of all) {
      switch (step) {
        case "requested":
          if (!over.has(jobId)) open.add(jobId)
          break
        case "started": {
          // Each further attempt keeps the job's place.
          if (!open.has(jobId) || begun.has(jobId)) break
          begun.add(jobId)
          if (begun.size > most.count) most = { count: begun.size, sequence }
          const first = firstOf(open, jobId, limit)
          if (first !== undefined) early.push({ jobId, sequence, first })
          break
        }
        case "completed":
        case "failed":
        case "cancelled":
        case "setAside":
          over.add(jobId)
          open.delete(jobId)
          begun.delete(jobId)
      }
    }
    return [{ owner, most, early }]
  })
}

/** The first of those before this one, if they are so many or more. */
const firstOf = (open: ReadonlySet<string>, jobId: string, limit: number): string | undefined => {
  let count = 0
  let first: string | undefined
  for (const other of open) {
    if (other === jobId) return undefined
    first ??= other
    if (++count >= limit) return first
  }
  return undefined
}
