/**
 * The bucket aggregate: one bucket name of one owner, and the jobs on it. At most one job is live at a time.
 */
import { DateTime, Result, Schema, Struct } from "effect"
import { BucketName, toToken } from "./BucketName.ts"
import { Address, BucketId, TransactionHash, Wei } from "./Chain.ts"
import * as Job from "./Job.ts"

// Tags and fields are the stored format: add an event or an optional field, never rename, retype or remove one.
const common = { jobId: Job.Id, occurredAt: Schema.DateTimeUtc }
export const Event = Schema.TaggedUnion({
  BucketRequested: {
    ...common,
    name: BucketName,
    owner: Address,
    tenant: Schema.optionalKey(Schema.NonEmptyString),
    idempotencyKeyHash: Schema.optionalKey(Schema.NonEmptyString)
  },
  BucketStarted: { ...common, attempt: Schema.Natural },
  BucketSubmitted: {
    ...common,
    transactionHash: TransactionHash,
    nonce: Schema.Natural,
    signer: Address,
    maxFeePerGas: Wei,
    maxPriorityFeePerGas: Wei
  },
  BucketAttemptFailed: { ...common, attempt: Schema.Natural, error: Job.Failure, retryAt: Schema.DateTimeUtc },
  BucketCreated: { ...common, ...Job.Result.fields },
  BucketFailed: { ...common, error: Job.Failure, attempts: Schema.Natural },
  BucketCancelled: { ...common, cancelledBy: Schema.NonEmptyString, reason: Schema.String }
})
export type Event = typeof Event.Type
export const {
  BucketAttemptFailed,
  BucketCancelled,
  BucketCreated,
  BucketFailed,
  BucketRequested,
  BucketStarted,
  BucketSubmitted
} = Event.cases

/** The subject, below the log's prefix, that holds all events of one bucket name of one owner. */
export const subject = (owner: Address, name: BucketName): string => `bucket.${owner.toLowerCase()}.${toToken(name)}`

export interface State {
  /** The latest job on this name. */
  readonly job: Job.Job | undefined
  /** The bucket, while it exists. */
  readonly bucket: { readonly id: BucketId; readonly jobId: Job.Id } | undefined
}
export const initial: State = { job: undefined, bucket: undefined }

/** The job after this event; `job` is the one the event speaks of, or undefined before its first event. */
export const evolveJob = (job: Job.Job | undefined, event: Event): Job.Job | undefined => {
  if (event._tag === "BucketRequested") {
    const { _tag, jobId, name, occurredAt, ...request } = event
    return {
      ...request,
      id: jobId,
      operation: "bucket.create",
      bucketName: name,
      status: "queued",
      attempts: 0,
      attemptFailed: false,
      createdAt: occurredAt,
      updatedAt: occurredAt
    }
  }
  if (job === undefined) return undefined
  const at = { updatedAt: event.occurredAt }
  const { error: _error, retryAt: _retryAt, ...settled } = job
  switch (event._tag) {
    case "BucketStarted":
      return { ...settled, ...at, status: "processing", attempts: event.attempt, attemptFailed: false }
    case "BucketSubmitted":
      return { ...job, ...at, transactionHash: event.transactionHash }
    case "BucketAttemptFailed":
      return { ...job, ...at, attemptFailed: true, error: event.error, retryAt: event.retryAt }
    case "BucketCreated": {
      const result = Struct.omit(event, ["_tag", "jobId", "occurredAt"])
      const hash = result.transactionHash === undefined ? {} : { transactionHash: result.transactionHash }
      return { ...settled, ...at, ...hash, status: "completed", result }
    }
    case "BucketFailed":
      return { ...settled, ...at, status: "failed", error: event.error }
    case "BucketCancelled":
      return {
        ...settled,
        ...at,
        status: "cancelled",
        error: { category: "cancelled", code: "Cancelled", message: event.reason }
      }
  }
}

export const evolve = (state: State, event: Event): State => ({
  job: evolveJob(state.job, event),
  bucket: event._tag === "BucketCreated" ? { id: event.bucketId, jobId: event.jobId } : state.bucket
})

export class BucketExists extends Schema.TaggedError<BucketExists>()("BucketExists", {
  jobId: Job.Id,
  bucketId: BucketId
}) {
  override readonly message = `The bucket exists already; job ${this.jobId} created it`
}
export class BucketBusy extends Schema.TaggedError<BucketBusy>()("BucketBusy", { jobId: Job.Id }) {
  override readonly message = `Job ${this.jobId} on this bucket name has not ended; follow that job`
}
/** The job has ended, or another job has followed it: whoever still works on it must stop. */
export class JobOver extends Schema.TaggedError<JobOver>()("JobOver", { jobId: Job.Id }) {
  override readonly message = `Job ${this.jobId} is over`
}
/** Work on the job has begun, or it has ended. */
export class TooLateToCancel extends Schema.TaggedError<TooLateToCancel>()("TooLateToCancel", {
  jobId: Job.Id,
  status: Job.Status
}) {
  override readonly message = `Job ${this.jobId} is ${this.status}; only a queued job can be cancelled`
}
/** The step does not follow from where the job is. */
export class OutOfOrder
  extends Schema.TaggedError<OutOfOrder>()("OutOfOrder", { jobId: Job.Id, command: Schema.String })
{
  override readonly message = `${this.command} does not follow from the state of job ${this.jobId}`
}
export const rejections = [BucketExists, BucketBusy, JobOver, TooLateToCancel, OutOfOrder] as const
export type Rejection = InstanceType<typeof rejections[number]>

export const Command = Schema.TaggedUnion({
  RequestBucket: {
    jobId: Job.Id,
    name: BucketName,
    owner: Address,
    tenant: Schema.optionalKey(Schema.NonEmptyString),
    idempotencyKeyHash: Schema.optionalKey(Schema.NonEmptyString)
  },
  StartAttempt: { jobId: Job.Id },
  RecordSubmission: {
    jobId: Job.Id,
    transactionHash: TransactionHash,
    nonce: Schema.Natural,
    signer: Address,
    maxFeePerGas: Wei,
    maxPriorityFeePerGas: Wei
  },
  FailAttempt: { jobId: Job.Id, error: Job.Failure, retryAt: Schema.DateTimeUtc },
  Complete: { jobId: Job.Id, ...Job.Result.fields },
  Fail: { jobId: Job.Id, error: Job.Failure },
  Cancel: { jobId: Job.Id, cancelledBy: Schema.NonEmptyString, reason: Schema.String }
})
export type Command = typeof Command.Type
export const { Cancel, Complete, Fail, FailAttempt, RecordSubmission, RequestBucket, StartAttempt } = Command.cases

/**
 * The events that this command makes happen at `occurredAt`, or why it is refused. No events: it has happened already,
 * as a repeated step after a crash finds it.
 */
export const decide = (
  state: State,
  command: Command,
  occurredAt: DateTime.Utc
): Result.Result<ReadonlyArray<Event>, Rejection> => {
  const { job } = state
  const { jobId } = command
  const accept = (...events: ReadonlyArray<Event>) => Result.succeed(events)

  if (command._tag === "RequestBucket") {
    if (job?.id === jobId) return accept()
    if (job !== undefined && !Job.isTerminal(job.status)) return Result.fail(new BucketBusy({ jobId: job.id }))
    if (state.bucket !== undefined) {
      return Result.fail(new BucketExists({ jobId: state.bucket.jobId, bucketId: state.bucket.id }))
    }
    const { _tag, ...request } = command
    return accept(BucketRequested.make({ ...request, occurredAt }))
  }

  if (job?.id !== jobId) return Result.fail(new JobOver({ jobId }))
  const common = { jobId, occurredAt }
  const isAttempting = job.status === "processing" && !job.attemptFailed
  const outOfOrder = Result.fail(new OutOfOrder({ jobId, command: command._tag }))
  switch (command._tag) {
    case "StartAttempt":
      if (Job.isTerminal(job.status)) return Result.fail(new JobOver({ jobId }))
      if (isAttempting) return accept()
      if (job.retryAt !== undefined && DateTime.isLessThan(occurredAt, job.retryAt)) return outOfOrder
      return accept(BucketStarted.make({ ...common, attempt: job.attempts + 1 }))
    case "RecordSubmission": {
      if (Job.isTerminal(job.status)) return Result.fail(new JobOver({ jobId }))
      if (!isAttempting) return outOfOrder
      if (job.transactionHash === command.transactionHash) return accept()
      const { _tag, ...submission } = command
      return accept(BucketSubmitted.make({ ...submission, occurredAt }))
    }
    case "FailAttempt": {
      if (Job.isTerminal(job.status)) return Result.fail(new JobOver({ jobId }))
      if (!isAttempting) return outOfOrder
      const { error, retryAt } = command
      return accept(BucketAttemptFailed.make({ ...common, attempt: job.attempts, error, retryAt }))
    }
    case "Complete": {
      if (job.status === "completed") return accept()
      if (Job.isTerminal(job.status)) return Result.fail(new JobOver({ jobId }))
      if (job.status === "queued") return outOfOrder
      const { _tag, ...result } = command
      return accept(BucketCreated.make({ ...result, occurredAt }))
    }
    case "Cancel":
      if (job.status === "cancelled") return accept()
      if (job.status !== "queued") return Result.fail(new TooLateToCancel({ jobId, status: job.status }))
      return accept(BucketCancelled.make({ ...common, cancelledBy: command.cancelledBy, reason: command.reason }))
    case "Fail":
      if (job.status === "failed") return accept()
      if (Job.isTerminal(job.status)) return Result.fail(new JobOver({ jobId }))
      if (job.status === "queued") return outOfOrder
      return accept(BucketFailed.make({ ...common, error: command.error, attempts: job.attempts }))
  }
}
