/** What the contracts report of an operation that was done. */
import type * as Job from "@akave-async/domain/Job"
import type { Name } from "@akave-async/domain/Operations"
import { commitFileTopic, createBucketTopic, deleteBucketTopic, deleteFileTopic } from "@akave-async/sdk/Abi"
import { bucketId } from "@akave-async/sdk/BucketId"
import { fileId } from "@akave-async/sdk/FileId"

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

/** The id of the file that a job works on. */
export const fileIdOf = ({ owner, request }: Job.Job): string =>
  fileId(bucketId(String(request["bucketName"]), owner), String(request["nameOnWire"] ?? request["name"]))

const ofFile = (topic: string): Effect => ({ topic, idOf: fileIdOf })

/** A row for each operation; of those without one the contract leaves no log, or there is no transaction. */
const effects: Readonly<Record<Name, Effect | undefined>> = {
  "bucket.create": ofBucket(createBucketTopic),
  "bucket.delete": ofBucket(deleteBucketTopic),
  // By its last transaction: those before it add to a file that does not count yet.
  "file.upload": ofFile(commitFileTopic),
  "file.delete": ofFile(deleteFileTopic),
  "file.access": undefined,
  "file.download": undefined
}

export const effectOf = ({ operation }: Job.Job): Effect | undefined =>
  (effects as Readonly<Record<string, Effect | undefined>>)[operation]
