/** How bucket events stand in the log, and how a bucket is read from it. */
import * as Bucket from "@akave-async/domain/Bucket"
import { Effect, Result } from "effect"
import * as CloudEvent from "./CloudEvent.ts"
import type { EventLogShape, LogUnavailable, Revision } from "./EventLog.ts"

export const codec = CloudEvent.make(Bucket.Event)

export interface Loaded {
  readonly state: Bucket.State
  readonly revision: Revision
}

/** The bucket behind a subject. What can't be decoded states no fact that is known here, and is passed over. */
export const load = (log: EventLogShape, subject: string): Effect.Effect<Loaded, LogUnavailable> =>
  Effect.map(log.read(subject), ({ events, revision }) => ({
    revision,
    state: events.map(codec.decode).filter(Result.isSuccess).map(({ success }) => success)
      .reduce(Bucket.evolve, Bucket.initial)
  }))

/** The id of an event: one step of one job has one id, whoever takes the step and however often. */
export const idOf = (event: Bucket.Event): string => {
  const { jobId } = event
  switch (event._tag) {
    case "BucketRequested":
      return `${jobId}.requested`
    case "BucketStarted":
      return `${jobId}.attempt.${event.attempt}.started`
    case "BucketSubmitted":
      return `${jobId}.submitted.${event.transactionHash}`
    case "BucketAttemptFailed":
      return `${jobId}.attempt.${event.attempt}.failed`
    case "BucketCreated":
      return `${jobId}.completed`
    case "BucketFailed":
      return `${jobId}.failed`
    case "BucketCancelled":
      return `${jobId}.cancelled`
  }
}
