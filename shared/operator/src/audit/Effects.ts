/** What the contract reports of an operation that was done. */
import type * as Bucket from "@akave-async/domain/Bucket"
import type * as Job from "@akave-async/domain/Job"
import { createBucketTopic, deleteBucketTopic } from "@akave-async/sdk/Abi"
import { bucketId } from "@akave-async/sdk/BucketId"

export interface Effect {
  /** The first topic of the log that the contract leaves. */
  readonly topic: string
  /** Its second topic, for a job: the id of what it works on. */
  readonly idOf: (job: Job.Job) => string
}

const ofBucket = (topic: string): Effect => ({
  topic,
  idOf: ({ owner, request }) => bucketId(String(request["name"]), owner)
})

/** A row for each operation. */
export const effects: Readonly<Record<keyof typeof Bucket.operations, Effect>> = {
  "bucket.create": ofBucket(createBucketTopic),
  "bucket.delete": ofBucket(deleteBucketTopic)
}

export const effectOf = ({ operation }: Job.Job): Effect | undefined =>
  (effects as Readonly<Record<string, Effect | undefined>>)[operation]
