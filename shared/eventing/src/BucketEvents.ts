/** How bucket events stand in the log, and how a bucket is read from it and changed in it. */
import * as Bucket from "@akave-async/domain/Bucket"
import * as Job from "@akave-async/domain/Job"
import { Result } from "effect"
import * as Aggregate from "./Aggregate.ts"
import * as CloudEvent from "./CloudEvent.ts"
import type { Revision, StoredEvent } from "./EventLog.ts"
import * as Kind from "./Kind.ts"

export const codec = CloudEvent.make(Bucket.Event)

export type Loaded = Aggregate.Loaded<Bucket.State>

export const idOf = (event: Bucket.Event): string => Kind.idOfStep(Bucket.stepOf(event))

const aggregate: Aggregate.Aggregate<Bucket.State, Bucket.Event> = {
  ...Bucket,
  codec,
  idOf,
  jobIdOf: ({ jobId }) => jobId,
  accountOf: (event, { job }) => "owner" in event ? event.tenant : job?.tenant
}

export const { execute, load } = Aggregate.make(aggregate)

/** The subject that holds the events of a job. */
export const subjectOf = ({ owner, request }: Bucket.BucketJob): string => Bucket.subject(owner, request.name)

export const kind = Kind.withJobs(Bucket.kind, ["owner", "bucket"], aggregate, {
  ...Bucket,
  schema: Bucket.BucketJob,
  about: ({ request }) => ({ bucketName: request.name }),
  subjectOf
})

/** A job, and the sequence of its last event. */
export interface Current {
  readonly job: Bucket.BucketJob
  readonly revision: Revision
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
    const decoded = codec.decode(stored)
    if (Result.isFailure(decoded)) continue
    const job = Job.evolve(current?.job, Bucket.stepOf(decoded.success)) as Bucket.BucketJob | undefined
    if (job !== undefined) current = { job, revision: stored.sequence }
  }
  return current
}
