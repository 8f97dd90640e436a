/** One job that an executor works on, and what makes it do so. */
import type * as Job from "@akave-async/domain/Job"
import type { Loaded } from "@akave-async/eventing/Aggregate"
import type { StoredEvent } from "@akave-async/eventing/EventLog"
import type { JobsOf } from "@akave-async/eventing/Kind"
import type { Operation } from "./Operation.ts"

export interface Task {
  readonly jobId: Job.Id
  /** The request for the job; all of its events are on the same subject. */
  readonly cause: StoredEvent
  /** How jobs of its kind are read and changed. */
  readonly kind: JobsOf
  readonly operation: Operation
}

/** The job's aggregate as it was last read. */
export type Known = Loaded<Job.Jobs>

/** The job of the task. To be asked only where it is known to be there. */
export const jobOf = ({ state }: Known): Job.Job => {
  if (state.job === undefined) throw new Error("an aggregate with events of a job has a job")
  return state.job
}
