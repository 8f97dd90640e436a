/** How bucket events stand in the log, and how a bucket is read from it and changed in it. */
import * as Bucket from "@akave-async/domain/Bucket"
import type * as Job from "@akave-async/domain/Job"
import { Effect, Result } from "effect"
import * as Aggregate from "./Aggregate.ts"
import * as CloudEvent from "./CloudEvent.ts"
import type { EventLogShape } from "./EventLog.ts"
import * as Kind from "./Kind.ts"

export const codec = CloudEvent.make(Bucket.Event)

export type Loaded = Aggregate.Loaded<Bucket.State>

export const idOf = (event: Bucket.Event): string => Kind.idOfStep(Bucket.stepOf(event))

const aggregate: Aggregate.Aggregate<Bucket.State, Bucket.Event> = {
  ...Bucket,
  codec,
  idOf,
  jobIdOf: ({ jobId }) => jobId
}

export const { execute, load } = Aggregate.make(aggregate)

export const kind = Kind.withJobs(Bucket.kind, aggregate, {
  ...Bucket,
  schema: Bucket.BucketJob,
  about: ({ request }) => ({ bucketName: request.name })
})

/** A job on the bucket of this subject, by all its events that the log holds; undefined where it has none. */
export const findJob = Effect.fnUntraced(function*(log: EventLogShape, subject: string, jobId: Job.Id) {
  const { events } = yield* log.read(subject)
  let state = Bucket.initial
  let found: Bucket.BucketJob | undefined
  for (const stored of events) {
    const decoded = codec.decode(stored)
    if (Result.isFailure(decoded)) continue
    state = Bucket.evolve(state, decoded.success)
    if (state.job?.id === jobId) found = state.job
  }
  return found
})
