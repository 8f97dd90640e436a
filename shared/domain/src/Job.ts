// oxlint-disable max-lines -- the whole life of a job: states, steps, decisions
/**
 * The job machine. A job is one accepted request, and its life is the same for every operation: requested, started (attempt
 * n), submitted (a transaction), then completed, failed or cancelled. A job of several parts also advances from part to part, and one
 * that does not go on may be abandoned: it takes back what it has put on chain before it ends. An operation gives the events of that
 * life their names, and adds what its request and its result hold.
 */
import { DateTime, Result, Schema, Struct } from "effect"
import { Address, TransactionHash, Wei } from "./Ethereum.ts"

/** A UUID version 7, so that ids sort by the time they were given. */
export const Id = Schema.String.check(Schema.isUUID(7)).pipe(Schema.brand("JobId"))
export type Id = typeof Id.Type

export const Status = Schema.Literals(["queued", "processing", "completed", "failed", "cancelled"])
export type Status = typeof Status.Type

/** The statuses that a job never leaves, and the steps that lead to them, which have the same names. */
export const isTerminal = (status: Status | StepName): boolean =>
  status === "completed" || status === "failed" || status === "cancelled"

export const ErrorCategory = Schema.Literals([
  "invalid_request",
  "conflict",
  "insufficient_funds",
  "chain_timeout",
  "network",
  "reverted",
  "cancelled",
  "internal"
])
export type ErrorCategory = typeof ErrorCategory.Type

/** Why a job, or one attempt at it, failed. The code is the contract's own error name where there is one. */
export const Failure = Schema.Struct({
  category: ErrorCategory,
  code: Schema.NonEmptyString,
  message: Schema.String
})
export type Failure = typeof Failure.Type

/** A part of a job: one transaction at most. The parts of a job are done in order. */
export const Part = Schema.String.check(
  Schema.isPattern(/^[a-z0-9]+([.-][a-z0-9]+)*$/u, {
    message: "a part is named by lower-case letters and digits, with single dots or hyphens between them"
  })
)
export type Part = typeof Part.Type
/** The part of a job that has only one. It is not stored: events without a part speak of it. */
export const whole: Part = "whole"
/** The part by which an abandoned job takes back what its other parts have put on chain. */
export const undo: Part = "undo"

// ---------------------------------------------------------------------------------------------------------------------
// Events

const common = { jobId: Id, occurredAt: Schema.DateTimeUtc }
const receipt = {
  /** Absent where the chain no longer gives the transaction of what was adopted. */
  transactionHash: Schema.optionalKey(TransactionHash),
  blockNumber: Schema.optionalKey(Schema.Natural),
  /** Gas units that the transaction used. */
  gasUsed: Schema.optionalKey(Schema.Natural),
  /** What a gas unit was paid with; absent in events of before it was recorded, and where no transaction of this job did it. */
  effectiveGasPrice: Schema.optionalKey(Wei),
  /** True where what the job asks for was so already, and no transaction of this job did it. */
  adopted: Schema.Boolean
}
// Fields are the stored format of every operation: add an optional one, never rename, retype or remove one.
const fields = {
  requested: {
    ...common,
    owner: Address,
    tenant: Schema.optionalKey(Schema.NonEmptyString),
    idempotencyKeyHash: Schema.optionalKey(Schema.NonEmptyString)
  },
  started: { ...common, attempt: Schema.Natural },
  submitted: {
    ...common,
    /** Absent for a job that has only one. */
    part: Schema.optionalKey(Part),
    transactionHash: TransactionHash,
    nonce: Schema.Natural,
    signer: Address,
    maxFeePerGas: Wei,
    maxPriorityFeePerGas: Wei
  },
  attemptFailed: { ...common, attempt: Schema.Natural, error: Failure, retryAt: Schema.DateTimeUtc },
  /** A part is done, and another one follows. */
  advanced: { ...common, part: Part, ...receipt },
  /** The job does not go on, for this reason, and ends once it has taken back what it has put on chain. */
  abandoned: { ...common, error: Failure, cancelledBy: Schema.optionalKey(Schema.NonEmptyString) },
  completed: { ...common, ...receipt },
  failed: { ...common, error: Failure, attempts: Schema.Natural },
  cancelled: { ...common, cancelledBy: Schema.NonEmptyString, reason: Schema.String }
}
type StepFields = typeof fields
export type StepName = keyof StepFields

/** The steps that only jobs with transactions have, or with several. */
type StepOfParts = "submitted" | "advanced" | "abandoned"

/** An operation's row: the tag of its event for each step, and what its request and its result hold of their own. */
export interface Operation {
  readonly events:
    & Readonly<Record<Exclude<StepName, StepOfParts>, string>>
    & { readonly [Name in StepOfParts]?: string }
  readonly request: Schema.Struct.Fields
  readonly result: Schema.Struct.Fields
}
type Operations = Readonly<Record<string, Operation>>
type Data = { readonly [field: string]: unknown }

type OwnFields<Row extends Operation, Name extends StepName> = Name extends "requested" ? Row["request"]
  : Name extends "completed" ? Row["result"]
  : {}
type CasesOf<Row extends Operation> = {
  readonly [Name in StepName as TagOf<Row, Name>]: StepFields[Name] & OwnFields<Row, Name>
}
type TagOf<Row extends Operation, Name extends StepName> = Row["events"] extends
  { readonly [N in Name]: infer Tag extends string } ? Tag
  : never
type Both<Union> = (Union extends unknown ? (member: Union) => void : never) extends (all: infer All) => void ? All
  : never
type Cases<Rows extends Operations> = Both<{ [Name in keyof Rows]: CasesOf<Rows[Name]> }[keyof Rows]>

/** The fields of all events of these operations, by tag: what `Schema.TaggedUnion` takes. */
export const cases = <const Rows extends Operations>(rows: Rows): Struct.Simplify<Cases<Rows>> =>
  Object.fromEntries(
    Object.values(rows).flatMap(({ events, request, result }) => [
      [events.requested, { ...fields.requested, ...request }],
      [events.started, fields.started],
      ...(events.submitted === undefined ? [] : [[events.submitted, fields.submitted]]),
      [events.attemptFailed, fields.attemptFailed],
      ...(events.advanced === undefined ? [] : [[events.advanced, fields.advanced]]),
      ...(events.abandoned === undefined ? [] : [[events.abandoned, fields.abandoned]]),
      [events.completed, { ...fields.completed, ...result }],
      [events.failed, fields.failed],
      [events.cancelled, fields.cancelled]
    ])
  ) as Struct.Simplify<Cases<Rows>>

// ---------------------------------------------------------------------------------------------------------------------
// Steps: events without their names

type Fields<Name extends StepName> = Schema.Struct.Type<StepFields[Name]>
/** A step of a job, whatever the operation: what the machine works on. */
export type Step<Request = Data, Own = Data> = {
  readonly [Name in StepName]:
    & { readonly step: Name; readonly operation: string }
    & Fields<Name>
    & (Name extends "requested" ? { readonly request: Request } : Name extends "completed" ? { readonly own: Own } : {})
}[StepName]
export type StepOf<Name extends StepName> = Extract<Step, { readonly step: Name }>

/** From the events of these operations to the steps of the machine, and back. */
export const naming = <const Rows extends Operations, Event extends { readonly _tag: string }>(rows: Rows) => {
  const stepOfTag = new Map(
    Object.entries(rows).flatMap(([operation, { events }]) =>
      Object.entries(events).map(([step, tag]) => [tag, { operation, step: step as StepName }] as const)
    )
  )
  /** The fields of an event that only this operation has, apart from those that every operation has. */
  const split = (operation: string, of: "request" | "result", event: Data): readonly [own: Data, shared: Data] => {
    const own = Object.keys(rows[operation]?.[of] ?? {})
    return [Struct.pick(event, own), Struct.omit(event, own)]
  }

  const stepOf = ({ _tag, ...event }: Event): Step => {
    const named = stepOfTag.get(_tag)
    if (named === undefined) throw new Error(`${_tag} is the event of no operation`)
    if (named.step === "requested") {
      const [request, shared] = split(named.operation, "request", event)
      return { ...named, ...shared, request } as Step
    }
    if (named.step === "completed") {
      const [own, shared] = split(named.operation, "result", event)
      return { ...named, ...shared, own } as Step
    }
    return { ...named, ...event } as unknown as Step
  }

  const eventOf = ({ operation, step, ...data }: Step): Event => {
    const { own, request, ...shared } = data as Data & { readonly own?: Data; readonly request?: Data }
    const _tag = rows[operation]?.events[step]
    // An event without a type could be read by nobody.
    if (_tag === undefined) throw new Error(`${operation} has no event for the step "${step}"`)
    return { _tag, ...shared, ...request, ...own } as unknown as Event
  }

  /** Whether a job of this operation can take back what it has done. */
  const canUndo = (operation: string): boolean => rows[operation]?.events.abandoned !== undefined

  /** A decision of the machine, in the events of these operations. */
  const onJob = <Name extends StepName, Rejection>(decide: Decision<Name, Rejection>) =>
  (
    jobs: Jobs,
    occurredAt: DateTime.Utc
  ): Result.Result<ReadonlyArray<Event>, Rejection> =>
    Result.map(decide(jobs, occurredAt), (steps) => steps.map(eventOf))

  /** Ends a job that no executor has started; one of several parts, which has begun, is abandoned. */
  const cancel = (command: Cancellation) =>
    onJob<"cancelled" | "abandoned", JobOver | TooLateToCancel>(cancelWith(command, canUndo))

  return { stepOf, eventOf, onJob, cancel }
}

// ---------------------------------------------------------------------------------------------------------------------
// State

interface Asked<Operation, Request> {
  readonly id: Id
  readonly operation: Operation
  readonly owner: Address
  readonly tenant?: string
  readonly idempotencyKeyHash?: string
  readonly request: Request
  readonly createdAt: DateTime.Utc
  readonly updatedAt: DateTime.Utc
}
interface Begun {
  /** How many attempts were started. */
  readonly attempts: number
  /** When the first attempt was started. */
  readonly startedAt: DateTime.Utc
  /** The latest transaction that was reported, and the part that it is for. */
  readonly transactionHash?: TransactionHash
  readonly part?: Part
  /** The last of its parts that is done, while another one follows. */
  readonly done?: Part
  /** Why the job does not go on, and who has cancelled it, where somebody has. */
  readonly abandoned?: Abandoned
}
export interface Abandoned {
  readonly error: Failure
  readonly cancelledBy?: string
}
/** What a completed job did on chain. */
export type Receipt = Schema.Struct.Type<typeof receipt>

export interface Queued {
  readonly status: "queued"
}
export interface Attempting extends Begun {
  readonly status: "processing"
  readonly attemptFailed: false
}
export interface AttemptFailed extends Begun {
  readonly status: "processing"
  readonly attemptFailed: true
  readonly error: Failure
  /** No attempt is to be made before this time. */
  readonly retryAt: DateTime.Utc
}
export interface Completed<Own> extends Begun {
  readonly status: "completed"
  readonly result: Receipt & Own
}
export interface Failed extends Begun {
  readonly status: "failed"
  readonly error: Failure
}
/** What it had begun it has taken back. */
export interface Cancelled extends Partial<Begun> {
  readonly status: "cancelled"
  readonly error: Failure
}

/** A job as the fold of its events. */
export type Job<Operation = string, Request = Data, Own = Data> =
  & Asked<Operation, Request>
  & (Queued | Attempting | AttemptFailed | Completed<Own> | Failed | Cancelled)

/** A job of one of these operations. */
export type JobOf<Rows extends Operations> = {
  [Name in keyof Rows]: Job<
    Name,
    Schema.Struct.Type<Rows[Name]["request"]>,
    Schema.Struct.Type<Rows[Name]["result"]>
  >
}[keyof Rows]

/** The schema of the jobs of these operations. */
export const schema = <const Rows extends Operations>(rows: Rows): Schema.Codec<JobOf<Rows>, unknown> => {
  const begun = {
    attempts: Schema.Natural,
    startedAt: Schema.DateTimeUtc,
    transactionHash: Schema.optionalKey(TransactionHash),
    part: Schema.optionalKey(Part),
    done: Schema.optionalKey(Part),
    abandoned: Schema.optionalKey(Schema.Struct(Struct.pick(fields.abandoned, ["error", "cancelledBy"])))
  }
  return Schema.Union(
    Object.entries(rows).flatMap(([operation, { request, result }]) => {
      const asked = {
        ...Struct.omit(fields.requested, ["jobId", "occurredAt"]),
        id: Id,
        operation: Schema.Literal(operation),
        request: Schema.Struct(request),
        createdAt: Schema.DateTimeUtc,
        updatedAt: Schema.DateTimeUtc
      }
      const processing = { ...asked, ...begun, status: Schema.Literal("processing") }
      return [
        Schema.Struct({ ...asked, status: Schema.Literal("queued") }),
        Schema.Struct({ ...processing, attemptFailed: Schema.Literal(false) }),
        Schema.Struct({
          ...processing,
          attemptFailed: Schema.Literal(true),
          error: Failure,
          retryAt: Schema.DateTimeUtc
        }),
        Schema.Struct({
          ...asked,
          ...begun,
          status: Schema.Literal("completed"),
          result: Schema.Struct({ ...receipt, ...result })
        }),
        Schema.Struct({ ...asked, ...begun, status: Schema.Literal("failed"), error: Failure }),
        Schema.Struct({
          ...asked,
          ...begun,
          attempts: Schema.optionalKey(begun.attempts),
          startedAt: Schema.optionalKey(begun.startedAt),
          status: Schema.Literal("cancelled"),
          error: Failure
        })
      ]
    })
  ) as unknown as Schema.Codec<JobOf<Rows>, unknown>
}

/** How many attempts at a job were started. */
export const attemptsOf = (job: Job): number => "attempts" in job ? job.attempts ?? 0 : 0
/** Why a job, or its last attempt, failed. */
export const errorOf = (job: Job): Failure | undefined => "error" in job ? job.error : undefined
/** The last part of a job that is done, while another one follows; undefined where there is none. */
export const doneOf = (job: Job): Part | undefined => "done" in job ? job.done : undefined
/** Why a job that has not ended does not go on; undefined where it does. */
export const abandonedOf = (job: Job): Abandoned | undefined => "abandoned" in job ? job.abandoned : undefined
/** The latest transaction of a job. */
export const transactionOf = (job: Job): TransactionHash | undefined =>
  "transactionHash" in job ? job.transactionHash : undefined

/** The job after this step; `job` is the one that the step belongs to. A step that can't follow changes nothing. */
export const evolve = (job: Job | undefined, step: Step): Job | undefined => {
  if (step.step === "requested") {
    const { jobId, occurredAt, step: _, ...asked } = step
    return { ...asked, id: jobId, status: "queued", createdAt: occurredAt, updatedAt: occurredAt }
  }
  if (job === undefined || isTerminal(job.status)) return job
  const asked = { ...askedOf(job), updatedAt: step.occurredAt }
  if (step.step === "cancelled") {
    const begun = job.status === "processing" ? begunOf(job) : {}
    return {
      ...asked,
      ...begun,
      status: "cancelled",
      error: { category: "cancelled", code: "Cancelled", message: step.reason }
    }
  }
  if (step.step === "started") {
    const begun = job.status === "processing" ? begunOf(job) : { startedAt: step.occurredAt }
    return { ...asked, ...begun, status: "processing", attempts: step.attempt, attemptFailed: false }
  }
  if (job.status !== "processing") return job
  const begun = begunOf(job)
  switch (step.step) {
    case "submitted": {
      const { part, transactionHash } = step
      return { ...job, updatedAt: step.occurredAt, transactionHash, ...(part === undefined ? {} : { part }) }
    }
    case "attemptFailed": {
      const { error, retryAt } = step
      return { ...asked, ...begun, status: "processing", attemptFailed: true, error, retryAt }
    }
    case "advanced":
      return { ...job, updatedAt: step.occurredAt, done: step.part }
    case "abandoned": {
      const { cancelledBy, error } = step
      const abandoned = { error, ...(cancelledBy === undefined ? {} : { cancelledBy }) }
      return { ...job, updatedAt: step.occurredAt, abandoned }
    }
    case "completed": {
      const { jobId: _, occurredAt: __, operation: ___, own, step: ____, ...result } = step
      const hash = result.transactionHash === undefined ? {} : { transactionHash: result.transactionHash }
      return { ...asked, ...begun, ...hash, status: "completed", result: { ...result, ...own } }
    }
    case "failed":
      return { ...asked, ...begun, status: "failed", error: step.error }
  }
}

const askedOf = ({ createdAt, id, idempotencyKeyHash, operation, owner, request, tenant, updatedAt }: Job) => ({
  id,
  operation,
  owner,
  ...(tenant === undefined ? {} : { tenant }),
  ...(idempotencyKeyHash === undefined ? {} : { idempotencyKeyHash }),
  request,
  createdAt,
  updatedAt
})
const begunOf = ({ abandoned, attempts, done, part, startedAt, transactionHash }: Begun): Begun => ({
  attempts,
  startedAt,
  ...(transactionHash === undefined ? {} : { transactionHash }),
  ...(part === undefined ? {} : { part }),
  ...(done === undefined ? {} : { done }),
  ...(abandoned === undefined ? {} : { abandoned })
})

/** What an aggregate keeps of its jobs, of which one at most is live. */
export interface Jobs<AJob extends Job = Job> {
  /** The latest one. */
  readonly job: AJob | undefined
  /** Those before it, in order. */
  readonly earlier: ReadonlyArray<Id>
  /** The transactions that it has reported, in any order. */
  readonly submitted: ReadonlyArray<TransactionHash>
  /** Its parts that are recorded as done, while another one follows. */
  readonly advanced?: ReadonlyArray<Part>
  /** The block of the last change on chain that a job of the aggregate has reported; 0 for none. */
  readonly blockNumber: number
}
export const noJobs: Jobs<never> = { job: undefined, earlier: [], submitted: [], blockNumber: 0 }

const mined = <AJob extends Job>(jobs: Jobs<AJob>, { blockNumber = 0 }: { readonly blockNumber?: number }) => ({
  ...jobs,
  blockNumber: Math.max(jobs.blockNumber, blockNumber)
})

/** What an aggregate keeps of its jobs after this step of the latest one, which is of an operation of the aggregate. */
export const evolveJobs = <AJob extends Job>(jobs: Jobs<AJob>, step: Step): Jobs<AJob> => {
  const job = evolve(jobs.job, step) as AJob | undefined
  switch (step.step) {
    case "requested": {
      const { advanced: _, ...others } = jobs
      const earlier = jobs.job === undefined ? jobs.earlier : [...jobs.earlier, jobs.job.id]
      return { ...others, job, earlier, submitted: [] }
    }
    case "submitted":
      return { ...jobs, job, submitted: [...jobs.submitted, step.transactionHash] }
    case "advanced":
      return { ...mined(jobs, step), job, advanced: [...jobs.advanced ?? [], step.part] }
    case "completed":
      return { ...mined(jobs, step), job }
    default:
      return { ...jobs, job }
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// Decisions: what a command does at a time, or why it is refused. No steps: it was done before, as a repetition finds it.

/** The job has ended, or another job has followed it: whoever still works on it must stop. */
export class JobOver extends Schema.TaggedError<JobOver>()("JobOver", { jobId: Id }) {
  override readonly message = `Job ${this.jobId} is over`
}
/** Work on the job has begun, or it has ended. */
export class TooLateToCancel extends Schema.TaggedError<TooLateToCancel>()("TooLateToCancel", {
  jobId: Id,
  status: Status
}) {
  override readonly message = `Job ${this.jobId} is ${this.status}; only a queued job can be cancelled`
}
/** The step does not follow from where the job is. */
export class OutOfOrder extends Schema.TaggedError<OutOfOrder>()("OutOfOrder", {
  jobId: Id,
  step: Schema.String,
  status: Status
}) {
  override readonly message = `"${this.step}" does not follow from where job ${this.jobId} is, which is ${this.status}`
}

/** What a command leads to: steps of one kind, or a rejection. */
export type Decision<Name extends StepName, Rejection> = (
  jobs: Jobs,
  occurredAt: DateTime.Utc
) => Result.Result<ReadonlyArray<StepOf<Name>>, Rejection>

type Command<Name extends StepName> = Omit<StepOf<Name>, "step" | "operation" | "occurredAt">

const none = Result.succeed([])

/** Whether no attempt may be made yet. A clock that reads earlier than the job's last event is wrong and is ignored. */
export const mustWait = (job: Job, now: DateTime.Utc): boolean =>
  "retryAt" in job && DateTime.isLessThan(now, job.retryAt) && !DateTime.isLessThan(now, job.updatedAt)

/** Whether the job of this id is the latest one and has not ended. */
export const isLive = ({ job }: Jobs, jobId: Id): boolean => job?.id === jobId && !isTerminal(job.status)

/** The job of this id, if it can still go on. */
const live = ({ job }: Jobs, jobId: Id) =>
  job?.id !== jobId || isTerminal(job.status) ? Result.fail(new JobOver({ jobId })) : Result.succeed(job)

const isAttempting = (job: Job): job is Job & Attempting => job.status === "processing" && !job.attemptFailed

/** Begins the next attempt; the one that is under way goes on. */
export const startAttempt = (jobId: Id): Decision<"started", JobOver | OutOfOrder> => (jobs, occurredAt) =>
  Result.flatMap(live(jobs, jobId), (job) => {
    if (isAttempting(job)) return none
    if (mustWait(job, occurredAt)) return outOfOrder(job, "started")
    const { operation } = job
    return Result.succeed([{ step: "started", operation, jobId, occurredAt, attempt: attemptsOf(job) + 1 }])
  })

export const recordSubmission =
  (command: Command<"submitted">): Decision<"submitted", JobOver | OutOfOrder> => (jobs, occurredAt) =>
    Result.flatMap(live(jobs, command.jobId), (job) => {
      if (!isAttempting(job)) return outOfOrder(job, "submitted")
      // Also one that another has taken the place of since: its executor comes late.
      if (jobs.submitted.includes(command.transactionHash)) return none
      return Result.succeed([{ ...command, step: "submitted", operation: job.operation, occurredAt }])
    })

export const failAttempt = (
  command: Omit<Command<"attemptFailed">, "attempt">
): Decision<"attemptFailed", JobOver | OutOfOrder> =>
(jobs, occurredAt) =>
  Result.flatMap(live(jobs, command.jobId), (job) => {
    if (!isAttempting(job)) return outOfOrder(job, "attemptFailed")
    const { attempts: attempt, operation } = job
    return Result.succeed([{ ...command, step: "attemptFailed", operation, attempt, occurredAt }])
  })

export const complete =
  (command: Command<"completed">): Decision<"completed", JobOver | OutOfOrder> => (jobs, occurredAt) => {
    if (jobs.job?.id === command.jobId && jobs.job.status === "completed") return none
    return Result.flatMap(
      live(jobs, command.jobId),
      (job) =>
        job.status === "queued"
          ? outOfOrder(job, "completed")
          : Result.succeed([{ ...command, step: "completed", operation: job.operation, occurredAt }])
    )
  }

export const fail =
  (command: Omit<Command<"failed">, "attempts">): Decision<"failed", JobOver | OutOfOrder> => (jobs, occurredAt) => {
    if (jobs.job?.id === command.jobId && jobs.job.status === "failed") return none
    return Result.flatMap(live(jobs, command.jobId), (job) => {
      if (job.status !== "processing") return outOfOrder(job, "failed")
      const { attempts, operation } = job
      return Result.succeed([{ ...command, step: "failed", operation, attempts, occurredAt }])
    })
  }

/** Records that a part is done which another one follows. */
export const advance =
  (command: Command<"advanced">): Decision<"advanced", JobOver | OutOfOrder> => (jobs, occurredAt) =>
    Result.flatMap(live(jobs, command.jobId), (job) => {
      if (job.status !== "processing") return outOfOrder(job, "advanced")
      // Also one that others have followed since: its executor comes late.
      if (jobs.advanced?.includes(command.part)) return none
      return Result.succeed([{ ...command, step: "advanced", operation: job.operation, occurredAt }])
    })

/** Has a job of several parts take back what it has done. */
export const abandon =
  (command: Command<"abandoned">): Decision<"abandoned", JobOver | OutOfOrder> => (jobs, occurredAt) =>
    Result.flatMap(live(jobs, command.jobId), (job) => {
      if (job.status !== "processing") return outOfOrder(job, "abandoned")
      if (job.abandoned !== undefined) return none
      return Result.succeed([{ ...command, step: "abandoned", operation: job.operation, occurredAt }])
    })

/** Ends an abandoned job, which has taken back what it had done: as cancelled where somebody has cancelled it, else as failed. */
export const endAbandoned = (jobId: Id): Decision<"cancelled" | "failed", JobOver | OutOfOrder> => (jobs, occurredAt) =>
  Result.flatMap(live(jobs, jobId), (job) => {
    if (job.status !== "processing" || job.abandoned === undefined) return outOfOrder(job, "failed")
    const { abandoned: { cancelledBy, error }, attempts, operation } = job
    return Result.succeed([
      cancelledBy === undefined
        ? { step: "failed", operation, jobId, occurredAt, error, attempts }
        : { step: "cancelled", operation, jobId, occurredAt, cancelledBy, reason: error.message }
    ])
  })

/** Which job is cancelled, by whom and why. */
export type Cancellation = Command<"cancelled">

/** Ends a job that no executor has started. */
export const cancel = (command: Cancellation): Decision<"cancelled", JobOver | TooLateToCancel> => (jobs, occurredAt) =>
  Result.map(
    cancelWith(command, () => false)(jobs, occurredAt),
    (steps) => steps.filter((step) => step.step === "cancelled")
  )

const cancelWith = (
  command: Cancellation,
  canUndo: (operation: string) => boolean
): Decision<"cancelled" | "abandoned", JobOver | TooLateToCancel> =>
({ job }, occurredAt) => {
  const { cancelledBy, jobId, reason } = command
  if (job?.id !== jobId) return Result.fail(new JobOver({ jobId }))
  const { operation, status } = job
  if (status === "cancelled") return none
  if (status === "queued") return Result.succeed([{ ...command, step: "cancelled", operation, occurredAt }])
  if (status !== "processing" || !canUndo(operation)) return Result.fail(new TooLateToCancel({ jobId, status }))
  if (job.abandoned !== undefined) return none
  const error: Failure = { category: "cancelled", code: "Cancelled", message: reason }
  return Result.succeed([{ step: "abandoned", operation, jobId, occurredAt, error, cancelledBy }])
}

const outOfOrder = ({ id: jobId, status }: Job, step: StepName) => Result.fail(new OutOfOrder({ jobId, step, status }))
