/** How bucket events stand in the log, and how a bucket is read from it and changed in it. */
import * as Bucket from "@akave-async/domain/Bucket"
import * as Aggregate from "./Aggregate.ts"
import * as CloudEvent from "./CloudEvent.ts"

export type { Origin } from "./Aggregate.ts"

export const codec = CloudEvent.make(Bucket.Event)

export type Loaded = Aggregate.Loaded<Bucket.State>

/** The id of an event: one step of one job has one id, whoever takes the step and however often. */
export const idOf = (event: Bucket.Event): string => {
  const { jobId } = event
  const told = Bucket.stepOf(event)
  switch (told.step) {
    case "started":
      return `${jobId}.attempt.${told.event.attempt}.started`
    case "submitted":
      return `${jobId}.submitted.${told.event.transactionHash}`
    case "attemptFailed":
      return `${jobId}.attempt.${told.event.attempt}.failed`
    default:
      return `${jobId}.${told.step}`
  }
}

export const { execute, load } = Aggregate.make<Bucket.State, Bucket.Event, Bucket.Command, Bucket.Rejection>({
  ...Bucket,
  codec,
  idOf,
  jobOf: ({ jobId }) => jobId
})
