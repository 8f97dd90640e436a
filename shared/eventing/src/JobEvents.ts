/** Jobs of any kind, as readers of the log know them. */
import * as Job from "@akave-async/domain/Job"
import type { AnyJob } from "@akave-async/domain/Operations"
import type { Revision, StoredEvent } from "./EventLog.ts"
import type { JobsOf } from "./Kind.ts"
import * as Registry from "./Registry.ts"

/** A job, and the sequence of its last event. */
export interface Current<AJob extends Job.Job = AnyJob> {
  readonly job: AJob
  readonly revision: Revision
}

const registry = Registry.of(Registry.kinds)

/** How jobs of this operation are read and changed. */
export const kindOf = (operation: AnyJob["operation"]): JobsOf => {
  const kind = registry.jobsOf(operation)
  if (kind === undefined) throw new Error(`no kind has the operation ${operation}`)
  return kind
}

/** The subject that holds the events of a job. */
export const subjectOf = (job: AnyJob): string => kindOf(job.operation).subjectOf(job)

/** What a stored event is to its job; undefined where it is no event of one, or can't be read. */
export const stepOf = (stored: StoredEvent): Job.Step | undefined => {
  const read = registry.read(stored)
  return read._tag === "Known" ? read.step : undefined
}

/** A job after these events, which follow on what is known of it; undefined while it was not requested. */
export const evolveJob = (
  jobId: Job.Id,
  known: Current | undefined,
  events: ReadonlyArray<StoredEvent>
): Current | undefined => {
  let current = known
  for (const stored of events) {
    if (stored.headers["ce-correlationid"] !== jobId || stored.sequence <= (current?.revision ?? 0)) continue
    const step = stepOf(stored)
    // The use of a key names the job too.
    if (step === undefined) continue
    const job = Job.evolve(current?.job, step) as AnyJob | undefined
    if (job !== undefined) current = { job, revision: stored.sequence }
  }
  return current
}
