/** How bucket events stand in the log, and how a bucket is read from it and changed in it. */
import * as Bucket from "@akave-async/domain/Bucket"
import * as Aggregate from "./Aggregate.ts"
import * as CloudEvent from "./CloudEvent.ts"
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

export const kind = Kind.withJobs(Bucket.kind, ["owner", "bucket"], aggregate, {
  ...Bucket,
  schema: Bucket.BucketJob,
  about: ({ request }) => ({ bucketName: request.name }),
  subjectOf: ({ owner, request }) => Bucket.subject(owner, request.name)
})
