/**
 * The bucket aggregate: one bucket name of one owner, and the jobs on it. At most one job is live at a time.
 */
import { DateTime, Result, Schema, Struct } from "effect"
import { BucketName, fromToken, toToken } from "./BucketName.ts"
import { Address, BucketId, TransactionHash, Wei } from "./Chain.ts"
import * as Job from "./Job.ts"

// Tags and fields are the stored format: add an event or an optional field, never rename, retype or remove one.
const common = { jobId: Job.Id, occurredAt: Schema.DateTimeUtc }
const requested = {
  ...common,
  name: BucketName,
  owner: Address,
  tenant: Schema.optionalKey(Schema.NonEmptyString),
  idempotencyKeyHash: Schema.optionalKey(Schema.NonEmptyString)
}
const started = { ...common, attempt: Schema.Natural }
const submitted = {
  ...common,
  transactionHash: TransactionHash,
  nonce: Schema.Natural,
  signer: Address,
  maxFeePerGas: Wei,
  maxPriorityFeePerGas: Wei
}
const attemptFailed = { ...common, attempt: Schema.Natural, error: Job.Failure, retryAt: Schema.DateTimeUtc }
const completed = { ...common, ...Job.Result.fields }
const failed = { ...common, error: Job.Failure, attempts: Schema.Natural }
const cancelled = { ...common, cancelledBy: Schema.NonEmptyString, reason: Schema.String }

export const Event = Schema.TaggedUnion({
  BucketRequested: requested,
  BucketStarted: started,
  BucketSubmitted: submitted,
  BucketAttemptFailed: attemptFailed,
  BucketCreated: completed,
  BucketFailed: failed,
  BucketCancelled: cancelled,
  BucketDeletionRequested: requested,
  BucketDeletionStarted: started,
  BucketDeletionSubmitted: submitted,
  BucketDeletionAttemptFailed: attemptFailed,
  BucketDeleted: completed,
  BucketDeletionFailed: failed,
  BucketDeletionCancelled: cancelled
})
export type Event = typeof Event.Type
export const {
  BucketAttemptFailed,
  BucketCancelled,
  BucketCreated,
  BucketDeleted,
  BucketDeletionAttemptFailed,
  BucketDeletionCancelled,
  BucketDeletionFailed,
  BucketDeletionRequested,
  BucketDeletionStarted,
  BucketDeletionSubmitted,
  BucketFailed,
  BucketRequested,
  BucketStarted,
  BucketSubmitted
} = Event.cases

/** The event by which each operation tells that a step of its jobs was taken. */
const tags = {
  "bucket.create": {
    requested: "BucketRequested",
    started: "BucketStarted",
    submitted: "BucketSubmitted",
    attemptFailed: "BucketAttemptFailed",
    completed: "BucketCreated",
    failed: "BucketFailed",
    cancelled: "BucketCancelled"
  },
  "bucket.delete": {
    requested: "BucketDeletionRequested",
    started: "BucketDeletionStarted",
    submitted: "BucketDeletionSubmitted",
    attemptFailed: "BucketDeletionAttemptFailed",
    completed: "BucketDeleted",
    failed: "BucketDeletionFailed",
    cancelled: "BucketDeletionCancelled"
  }
} as const satisfies Record<Job.Operation, Record<string, Event["_tag"]>>
type StepName = keyof (typeof tags)[Job.Operation]

/** An event as the step that it tells of, whatever the operation. */
export type Step = {
  readonly [Name in StepName]: {
    readonly step: Name
    readonly operation: Job.Operation
    readonly event: Extract<Event, { readonly _tag: (typeof tags)[Job.Operation][Name] }>
  }
}[StepName]

const stepOfTag = new Map(
  Object.entries(tags).flatMap(([operation, ofSteps]) =>
    Object.entries(ofSteps).map(([step, tag]) => [tag, { operation, step }] as const)
  )
)

/** What step of a job, of whichever operation, an event tells of. */
export const stepOf = (event: Event): Step => ({ ...stepOfTag.get(event._tag), event }) as Step

/** The subject, below the log's prefix, that holds all events of one bucket name of one owner. */
export const subject = (owner: Address, name: BucketName): string => `${ownerTokens(owner)}.${toToken(name)}`

/** What the subjects of all buckets of one owner begin with. */
export const ownerTokens = (owner: Address): string => `bucket.${owner.toLowerCase()}`

/** The owner (in lower case) and the bucket name that {@link subject} made into this subject. */
export const partsOf = (subject: string): { readonly owner: Address; readonly name: BucketName } => {
  const [, owner = "", token = ""] = subject.split(".")
  return { owner: Address.make(owner), name: BucketName.make(fromToken(token)) }
}

export interface State {
  /** The latest job on this name. */
  readonly job: Job.Job | undefined
  /** The bucket, while it exists. */
  readonly bucket: { readonly id: BucketId; readonly jobId: Job.Id } | undefined
  /** The block of the last change on chain that a job of this name told of; 0 for none. */
  readonly blockNumber: number
  /** The transactions that the latest job has told of, in any order. */
  readonly submitted: ReadonlyArray<TransactionHash>
}
export const initial: State = { job: undefined, bucket: undefined, blockNumber: 0, submitted: [] }

/** The job after this event; `job` is the one the event speaks of, or undefined before its first event. */
export const evolveJob = (job: Job.Job | undefined, event: Event): Job.Job | undefined => {
  const told = stepOf(event)
  if (told.step === "requested") {
    const { _tag, jobId, name, occurredAt, ...request } = told.event
    return {
      ...request,
      id: jobId,
      operation: told.operation,
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
  switch (told.step) {
    case "started":
      return {
        ...settled,
        ...at,
        status: "processing",
        attempts: told.event.attempt,
        attemptFailed: false,
        startedAt: job.startedAt ?? event.occurredAt
      }
    case "submitted":
      return { ...job, ...at, transactionHash: told.event.transactionHash }
    case "attemptFailed":
      return { ...job, ...at, attemptFailed: true, error: told.event.error, retryAt: told.event.retryAt }
    case "completed": {
      const result = Struct.omit(told.event, ["_tag", "jobId", "occurredAt"])
      const hash = result.transactionHash === undefined ? {} : { transactionHash: result.transactionHash }
      return { ...settled, ...at, ...hash, status: "completed", result }
    }
    case "failed":
      return { ...settled, ...at, status: "failed", error: told.event.error }
    case "cancelled":
      return {
        ...settled,
        ...at,
        status: "cancelled",
        error: { category: "cancelled", code: "Cancelled", message: told.event.reason }
      }
  }
}

/**
 * The job as it is right after this submission, if nothing has gone wrong so far, as a rule: for a first look at what became
 * of the transaction. What is decided on it may be refused by the log.
 */
export const jobAfter = (subject: string, { event, operation }: Extract<Step, { step: "submitted" }>): Job.Job => {
  const { name, owner } = partsOf(subject)
  return {
    id: event.jobId,
    operation,
    bucketName: name,
    owner,
    status: "processing",
    attempts: 1,
    attemptFailed: false,
    transactionHash: event.transactionHash,
    createdAt: event.occurredAt,
    updatedAt: event.occurredAt
  }
}

export const evolve = (state: State, event: Event): State => {
  const job = evolveJob(state.job, event)
  const { step } = stepOf(event)
  if (step === "requested") return { ...state, job, submitted: [] }
  if (step === "submitted" && job?.transactionHash !== undefined) {
    return { ...state, job, submitted: [...state.submitted, job.transactionHash] }
  }
  if (event._tag !== "BucketCreated" && event._tag !== "BucketDeleted") return { ...state, job }
  const bucket = event._tag === "BucketCreated" ? { id: event.bucketId, jobId: event.jobId } : undefined
  return { ...state, job, bucket, blockNumber: Math.max(state.blockNumber, event.blockNumber ?? 0) }
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
export const rejections = [BucketExists, BucketMissing, BucketBusy, JobOver, TooLateToCancel, OutOfOrder] as const
export type Rejection = InstanceType<typeof rejections[number]>

const request = Struct.omit(requested, ["occurredAt"])
export const Command = Schema.TaggedUnion({
  RequestBucket: request,
  RequestBucketDeletion: request,
  StartAttempt: { jobId: Job.Id },
  RecordSubmission: Struct.omit(submitted, ["occurredAt"]),
  FailAttempt: { jobId: Job.Id, error: Job.Failure, retryAt: Schema.DateTimeUtc },
  Complete: Struct.omit(completed, ["occurredAt"]),
  Fail: { jobId: Job.Id, error: Job.Failure },
  Cancel: Struct.omit(cancelled, ["occurredAt"])
})
export type Command = typeof Command.Type
export const {
  Cancel,
  Complete,
  Fail,
  FailAttempt,
  RecordSubmission,
  RequestBucket,
  RequestBucketDeletion,
  StartAttempt
} = Command.cases

/** Whether the job may not be tried again yet. A clock that stands before the job's last event is wrong, and has no say. */
export const mustWait = (job: Job.Job, now: DateTime.Utc): boolean =>
  job.retryAt !== undefined && DateTime.isLessThan(now, job.retryAt) && !DateTime.isLessThan(now, job.updatedAt)

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

  if (command._tag === "RequestBucket" || command._tag === "RequestBucketDeletion") {
    if (job?.id === jobId) return accept()
    if (job !== undefined && !Job.isTerminal(job.status)) return Result.fail(new BucketBusy({ jobId: job.id }))
    const { _tag, ...request } = command
    if (_tag === "RequestBucketDeletion") {
      if (state.bucket === undefined) return Result.fail(new BucketMissing({ name: request.name }))
      return accept(BucketDeletionRequested.make({ ...request, occurredAt }))
    }
    if (state.bucket !== undefined) {
      return Result.fail(new BucketExists({ jobId: state.bucket.jobId, bucketId: state.bucket.id }))
    }
    return accept(BucketRequested.make({ ...request, occurredAt }))
  }

  if (job?.id !== jobId) return Result.fail(new JobOver({ jobId }))
  const common = { jobId, occurredAt }
  const tag = tags[job.operation]
  const isAttempting = job.status === "processing" && !job.attemptFailed
  const outOfOrder = Result.fail(new OutOfOrder({ jobId, command: command._tag }))
  switch (command._tag) {
    case "StartAttempt":
      if (Job.isTerminal(job.status)) return Result.fail(new JobOver({ jobId }))
      if (isAttempting) return accept()
      if (mustWait(job, occurredAt)) return outOfOrder
      return accept(Event.cases[tag.started].make({ ...common, attempt: job.attempts + 1 }))
    case "RecordSubmission": {
      if (Job.isTerminal(job.status)) return Result.fail(new JobOver({ jobId }))
      if (!isAttempting) return outOfOrder
      // Also one that another has taken the place of since: its executor comes late.
      if (state.submitted.includes(command.transactionHash)) return accept()
      const { _tag, ...submission } = command
      return accept(Event.cases[tag.submitted].make({ ...submission, occurredAt }))
    }
    case "FailAttempt": {
      if (Job.isTerminal(job.status)) return Result.fail(new JobOver({ jobId }))
      if (!isAttempting) return outOfOrder
      const { error, retryAt } = command
      return accept(Event.cases[tag.attemptFailed].make({ ...common, attempt: job.attempts, error, retryAt }))
    }
    case "Complete": {
      if (job.status === "completed") return accept()
      if (Job.isTerminal(job.status)) return Result.fail(new JobOver({ jobId }))
      if (job.status === "queued") return outOfOrder
      const { _tag, ...result } = command
      return accept(Event.cases[tag.completed].make({ ...result, occurredAt }))
    }
    case "Cancel": {
      if (job.status === "cancelled") return accept()
      if (job.status !== "queued") return Result.fail(new TooLateToCancel({ jobId, status: job.status }))
      const { cancelledBy, reason } = command
      return accept(Event.cases[tag.cancelled].make({ ...common, cancelledBy, reason }))
    }
    case "Fail":
      if (job.status === "failed") return accept()
      if (Job.isTerminal(job.status)) return Result.fail(new JobOver({ jobId }))
      if (job.status === "queued") return outOfOrder
      return accept(Event.cases[tag.failed].make({ ...common, error: command.error, attempts: job.attempts }))
  }
}
