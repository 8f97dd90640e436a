/**
 * The bucket aggregate: one bucket name of one owner, and the jobs on it. At most one job is live at a time.
 */
import { type DateTime, Result, Schema } from "effect"
import { BucketName, fromToken, toToken } from "./BucketName.ts"
import { Address, BucketId } from "./Ethereum.ts"
import * as Job from "./Job.ts"

const request = { name: BucketName }
const result = { bucketId: BucketId }

// Tags and fields are the stored format: add an operation or an optional field, never rename, retype or remove one.
export const operations = {
  "bucket.create": {
    events: {
      requested: "BucketRequested",
      started: "BucketStarted",
      submitted: "BucketSubmitted",
      attemptFailed: "BucketAttemptFailed",
      completed: "BucketCreated",
      failed: "BucketFailed",
      cancelled: "BucketCancelled"
    },
    request,
    result
  },
  "bucket.delete": {
    events: {
      requested: "BucketDeletionRequested",
      started: "BucketDeletionStarted",
      submitted: "BucketDeletionSubmitted",
      attemptFailed: "BucketDeletionAttemptFailed",
      completed: "BucketDeleted",
      failed: "BucketDeletionFailed",
      cancelled: "BucketDeletionCancelled"
    },
    request,
    result
  }
} as const satisfies Readonly<Record<string, Job.Operation>>

export const Event = Schema.TaggedUnion(Job.cases(operations))
export type Event = typeof Event.Type
export const { BucketDeletionRequested, BucketRequested } = Event.cases

/** A job on a bucket. */
export type BucketJob = Job.JobOf<typeof operations>
export const BucketJob = Job.schema(operations)

export const { cancel, eventOf, onJob, stepOf } = Job.naming<typeof operations, Event>(operations)

/** What the subjects of all buckets begin with. */
export const kind = "bucket"
/** The subject, below the log's prefix, that holds all events of one bucket name of one owner. */
export const subject = (owner: Address, name: BucketName): string => `${kind}.${owner.toLowerCase()}.${toToken(name)}`

/** The owner (in lower case) and the bucket name that {@link subject} made into this subject. */
export const partsOf = (subject: string): { readonly owner: Address; readonly name: BucketName } => {
  const [, owner = "", token = ""] = subject.split(".")
  return { owner: Address.make(owner), name: BucketName.make(fromToken(token)) }
}

export interface State extends Job.Jobs<BucketJob> {
  /** The bucket, while it exists. */
  readonly bucket: { readonly id: BucketId; readonly jobId: Job.Id; readonly tenant?: string } | undefined
}
export const initial: State = { ...Job.noJobs, bucket: undefined }

export const evolve = (state: State, event: Event): State => {
  const jobs = Job.evolveJobs(state, stepOf(event))
  switch (event._tag) {
    case "BucketCreated":
      return { ...jobs, bucket: { id: event.bucketId, jobId: event.jobId, ...tenantOf(jobs.job) } }
    case "BucketDeleted":
      return { ...jobs, bucket: undefined }
    default:
      return { ...state, ...jobs }
  }
}

/** Whether there is no such bucket, and none is asked for: the next request is decided as the first one was. */
export const hasEnded = ({ bucket, job }: State): boolean =>
  bucket === undefined && job !== undefined && Job.isTerminal(job.status)

const tenantOf = (job: { readonly tenant?: string } | undefined) =>
  job?.tenant === undefined ? {} : { tenant: job.tenant }

/** Another account of the same wallet has the name, or has asked for it. */
export class NameTaken extends Schema.TaggedError<NameTaken>()("NameTaken", { name: BucketName }) {
  override readonly message = `The name ${this.name} is taken by another account of the same wallet`
}
export class BucketExists extends Schema.TaggedError<BucketExists>()("BucketExists", {
  jobId: Job.Id,
  bucketId: BucketId
}) {
  override readonly message = `The bucket exists already; job ${this.jobId} created it`
}
/** No bucket of this name was created, or it was deleted. */
export class BucketMissing extends Schema.TaggedError<BucketMissing>()("BucketMissing", { name: BucketName }) {
  override readonly message = `There is no bucket ${this.name}`
}
export class BucketBusy extends Schema.TaggedError<BucketBusy>()("BucketBusy", { jobId: Job.Id }) {
  override readonly message = `Job ${this.jobId} on this bucket name has not ended; follow that job`
}

/** What is asked for, and as which job. */
export interface Request {
  readonly jobId: Job.Id
  readonly name: BucketName
  readonly owner: Address
  readonly tenant?: string
  readonly idempotencyKeyHash?: string
}
type Requested = typeof BucketRequested.Type | typeof BucketDeletionRequested.Type
type Decision<Event extends Requested, Rejection> = (
  state: State,
  occurredAt: DateTime.Utc
) => Result.Result<ReadonlyArray<Event>, Rejection>

/** Whether the name is free for another job; false where this very job was asked for before, and is the latest one. */
const free = (
  { bucket, earlier, job }: State,
  { jobId, name, tenant }: Request
): Result.Result<boolean, BucketBusy | NameTaken | Job.JobOver> => {
  if (earlier.includes(jobId)) return Result.fail(new Job.JobOver({ jobId }))
  if (job?.id === jobId) return Result.succeed(false)
  const isLive = job !== undefined && !Job.isTerminal(job.status)
  if ((isLive && job.tenant !== tenant) || (bucket !== undefined && bucket.tenant !== tenant)) {
    return Result.fail(new NameTaken({ name }))
  }
  return isLive ? Result.fail(new BucketBusy({ jobId: job.id })) : Result.succeed(true)
}

/** The same for who may not know of what others have: to such a one there is no bucket. */
const visible = (state: State, request: Request): Result.Result<boolean, BucketBusy | BucketMissing | Job.JobOver> =>
  Result.mapError(
    free(state, request),
    (error) => error instanceof NameTaken ? new BucketMissing({ name: request.name }) : error
  )

/** Asks for a bucket. */
export const requestCreation =
  (request: Request): Decision<typeof BucketRequested.Type, BucketBusy | BucketExists | NameTaken | Job.JobOver> =>
  (state, occurredAt) =>
    Result.flatMap(free(state, request), (isNew) => {
      if (!isNew) return Result.succeed([])
      const { bucket } = state
      if (bucket !== undefined) return Result.fail(new BucketExists({ jobId: bucket.jobId, bucketId: bucket.id }))
      return Result.succeed([BucketRequested.make({ ...request, occurredAt })])
    })

/** Asks for the deletion of a bucket. */
export const requestDeletion =
  (request: Request): Decision<typeof BucketDeletionRequested.Type, BucketBusy | BucketMissing | Job.JobOver> =>
  (state, occurredAt) =>
    Result.flatMap(visible(state, request), (isNew) => {
      if (!isNew) return Result.succeed([])
      if (state.bucket === undefined) return Result.fail(new BucketMissing({ name: request.name }))
      return Result.succeed([BucketDeletionRequested.make({ ...request, occurredAt })])
    })
