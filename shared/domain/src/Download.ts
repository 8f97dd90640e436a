/**
 * The download aggregate: one job that fetches a file to the staging store, where it is kept for a time. Downloads of one file don't
 * exclude each other, so each is an aggregate of its own.
 */
import { type DateTime, Result, Schema } from "effect"
import { Address, RootCid } from "./Ethereum.ts"
import * as File from "./File.ts"
import * as Job from "./Job.ts"

// Tags and fields are the stored format: add an operation or an optional field, never rename, retype or remove one.
export const operations = {
  "file.download": {
    events: {
      requested: "FileDownloadRequested",
      started: "FileDownloadStarted",
      attemptFailed: "FileDownloadAttemptFailed",
      completed: "FileDownloaded",
      failed: "FileDownloadFailed",
      cancelled: "FileDownloadCancelled"
    },
    request: {
      ...File.fields,
      rootCid: RootCid,
      /** What the staging store calls the bytes once they are there: encrypted, chunk by chunk, where the file is. */
      staged: Schema.NonEmptyString,
      /** For how long the bytes are kept, once they are there, in seconds. */
      keepSeconds: Schema.Int.check(Schema.isGreaterThan(0))
    },
    result: {
      /** Until when the bytes are kept. */
      expiresAt: Schema.DateTimeUtc
    }
  }
} as const satisfies Readonly<Record<string, Job.Operation>>

export const Event = Schema.TaggedUnion(Job.cases(operations))
export type Event = typeof Event.Type
export const { FileDownloadRequested } = Event.cases

/** A job that downloads a file. */
export type DownloadJob = Job.JobOf<typeof operations>
export const DownloadJob = Job.schema(operations)

export const { cancel, eventOf, onJob, stepOf } = Job.naming<typeof operations, Event>(operations)

/** What the subjects of all downloads begin with. */
export const kind = "download"
/** The subject, below the log's prefix, that holds all events of one download. */
export const subject = (owner: Address, jobId: Job.Id): string => `${kind}.${owner.toLowerCase()}.${jobId}`

/** The owner (in lower case) and the job that {@link subject} made into this subject. */
export const partsOf = (subject: string): { readonly owner: Address; readonly jobId: Job.Id } => {
  const [, owner = "", jobId = ""] = subject.split(".")
  return { owner: Address.make(owner), jobId: Job.Id.make(jobId) }
}

export type State = Job.Jobs<DownloadJob>
export const initial: State = Job.noJobs
export const evolve = (state: State, event: Event): State => Job.evolveJobs(state, stepOf(event))

/** Whether its job has ended: nothing is asked of it any more. */
export const hasEnded = ({ job }: State): boolean => job !== undefined && Job.isTerminal(job.status)

export type Request = File.Request & Omit<DownloadJob["request"], "bucketName" | "name">

/** Asks for a download; nothing where this very job was asked for before. */
export const request =
  (asked: Request) =>
  (state: State, occurredAt: DateTime.Utc): Result.Result<ReadonlyArray<typeof FileDownloadRequested.Type>, never> =>
    Result.succeed(state.job === undefined ? [FileDownloadRequested.make({ ...asked, occurredAt })] : [])
