/** A kind of aggregate, as all who read the log see it: how its events are read, and how its jobs are read and changed. */
import type * as Job from "@akave-async/domain/Job"
import { type DateTime, type Effect, Result, Schema } from "effect"
import * as Aggregate from "./Aggregate.ts"
import * as CloudEvent from "./CloudEvent.ts"
import type { EventLogShape, LogUnavailable, StoredEvent } from "./EventLog.ts"

/** What every event has. */
export interface AnyEvent {
  readonly _tag: string
  readonly occurredAt: DateTime.Utc
}

/** An event that was read. */
export interface Known<Event extends AnyEvent = AnyEvent> {
  readonly _tag: "Known"
  readonly kind: Kind<Event>
  readonly event: Event
  /** What it is to its job, where it is an event of one. */
  readonly step: Job.Step | undefined
  /** The event with its tag, as plain JSON. */
  readonly toJson: () => Schema.JsonObject
}

export interface Kind<Event extends AnyEvent = AnyEvent> {
  /** The first token of its subjects. Those of a kind with jobs go on with the owner's address in lower case. */
  readonly name: string
  /** What the further tokens of its subjects are. */
  readonly tokens: ReadonlyArray<string>
  /** The CloudEvents types that are read. */
  readonly types: ReadonlyArray<string>
  /** Those that are written, each with the schema of its events. */
  readonly schemas: CloudEvent.CloudEvents<Event>["schemas"]
  readonly read: (stored: StoredEvent) => Result.Result<Known<Event>, CloudEvent.UndecodableEvent>
  /** What events of each of these types are to their jobs, where they are events of jobs. */
  readonly steps: ReadonlyMap<string, Job.StepName>
  /** The state of an aggregate after these events, which are all that it has; those that can't be read are passed over. */
  readonly fold: (stored: ReadonlyArray<StoredEvent>) => unknown
  /**
   * Whether an aggregate has ended whose events these are, so that they may be taken out of the log's stream; undefined where those of
   * this kind never do. One with an event that can't be read has not.
   */
  readonly hasEnded: ((stored: ReadonlyArray<StoredEvent>) => boolean) | undefined
  readonly jobs: JobsOf | undefined
}

/** What a job works on, by name. */
export interface About {
  readonly bucketName?: string
  readonly fileName?: string
}

type Loaded = Aggregate.Loaded<Job.Jobs>

/** The jobs of a kind. What is loaded of one aggregate may only be given back for the same one. */
export interface JobsOf {
  /** The names of the operations that its jobs have. */
  readonly operations: ReadonlyArray<string>
  readonly schema: Schema.Codec<Job.Job, unknown>
  /** A job of this kind as plain JSON. */
  readonly toJson: (job: Job.Job) => unknown
  readonly about: (job: Job.Job) => About
  /** The subject of the aggregate that a job works on. */
  readonly subjectOf: (job: Job.Job) => string
  readonly load: (log: EventLogShape, subject: string) => Effect.Effect<Loaded, LogUnavailable>
  /** The aggregate as it is if nothing but this event has happened to it. */
  readonly since: (first: StoredEvent) => Result.Result<Loaded, CloudEvent.UndecodableEvent>
  /** As {@link Aggregate.make}'s `execute`, for what every job has. */
  readonly execute: <Name extends Job.StepName, Rejection>(
    log: EventLogShape,
    subject: string,
    known: Loaded,
    decide: Job.Decision<Name, Rejection>,
    origin: Aggregate.Origin
  ) => Effect.Effect<Loaded, Rejection | LogUnavailable>
  /** Cancels a job, as far as one of its operation can be. */
  readonly cancel: (
    log: EventLogShape,
    subject: string,
    known: Loaded,
    command: Job.Cancellation,
    origin: Aggregate.Origin
  ) => Effect.Effect<Loaded, Job.JobOver | Job.TooLateToCancel | LogUnavailable>
}

/** Whether the event is one of this kind. */
export const isOf = <Event extends AnyEvent>(kind: Kind<Event>, known: Known): known is Known<Event> =>
  known.kind === kind

/** A kind without jobs. */
export const make = <State, Event extends AnyEvent>(
  name: string,
  tokens: ReadonlyArray<string>,
  aggregate: Aggregate.Aggregate<State, Event>
): Kind<Event> => build(name, tokens, aggregate, () => undefined, undefined)

/** A kind whose aggregates have jobs. */
export const withJobs = <State extends Job.Jobs, Event extends AnyEvent, AJob extends Job.Job>(
  name: string,
  tokens: ReadonlyArray<string>,
  aggregate: Aggregate.Aggregate<State, Event>,
  { about, cancel, onJob, operations, schema, stepOf, subjectOf }: {
    readonly operations: Readonly<Record<string, Job.Operation>>
    readonly stepOf: (event: Event) => Job.Step
    readonly onJob: <Name extends Job.StepName, Rejection>(
      decide: Job.Decision<Name, Rejection>
    ) => Aggregate.Decision<Job.Jobs, Event, Rejection>
    readonly cancel: (
      command: Job.Cancellation
    ) => Aggregate.Decision<Job.Jobs, Event, Job.JobOver | Job.TooLateToCancel>
    readonly schema: Schema.Codec<AJob, unknown>
    readonly about: (job: AJob) => About
    readonly subjectOf: (job: AJob) => string
  }
): Kind<Event> => {
  const { execute, load } = Aggregate.make(aggregate)
  const ofAnyJob = schema as unknown as Schema.Codec<Job.Job, unknown>
  return build(name, tokens, aggregate, stepOf, {
    operations: Object.keys(operations),
    schema: ofAnyJob,
    toJson: Schema.encodeSync(Schema.toCodecJson(ofAnyJob)),
    about: (job) => about(job as AJob),
    subjectOf: (job) => subjectOf(job as AJob),
    load,
    since: (first) =>
      Result.map(aggregate.codec.decode(first), (event) => ({
        state: aggregate.evolve(aggregate.initial, event),
        revision: first.sequence
      })),
    execute: (log, subject, known, decide, origin) =>
      execute(
        log,
        subject,
        // Whatever this kind has loaded is a state of its aggregates.
        known as Aggregate.Loaded<State>,
        onJob(decide),
        origin
      ),
    cancel: (log, subject, known, command, origin) =>
      execute(log, subject, known as Aggregate.Loaded<State>, cancel(command), origin)
  })
}

const build = <State, Event extends AnyEvent>(
  name: string,
  tokens: ReadonlyArray<string>,
  { codec, evolve, hasEnded, initial }: Aggregate.Aggregate<State, Event>,
  stepOf: (event: Event) => Job.Step | undefined,
  jobs: JobsOf | undefined
): Kind<Event> => {
  const fold = (stored: ReadonlyArray<StoredEvent>): State =>
    stored.map(codec.decode).filter(Result.isSuccess).map(({ success }) => success).reduce(evolve, initial)
  const kind: Kind<Event> = {
    name,
    tokens,
    types: codec.types,
    schemas: codec.schemas,
    // A step's name follows from the tag alone.
    steps: new Map(codec.types.flatMap((type) => {
      const step = stepOf({ _tag: CloudEvent.tagOf(type) } as Event)?.step
      return step === undefined ? [] : [[type, step] as const]
    })),
    jobs,
    fold,
    hasEnded: hasEnded &&
      ((stored) => stored.length > 0 && stored.map(codec.decode).every(Result.isSuccess) && hasEnded(fold(stored))),
    read: (stored) =>
      Result.map(codec.decode(stored), (event) => ({
        _tag: "Known",
        kind,
        event,
        step: stepOf(event),
        toJson: () => codec.toJson(event)
      }))
  }
  return kind
}

/** The id of the event that reports a step: one step of one job has one id, whoever takes it and however often. */
export const idOfStep = (step: Job.Step): string => {
  const { jobId } = step
  switch (step.step) {
    case "started":
      return `${jobId}.attempt.${step.attempt}.started`
    case "submitted":
      return idOfSubmission(jobId, step.transactionHash)
    case "attemptFailed":
      return `${jobId}.attempt.${step.attempt}.failed`
    case "advanced":
      return `${jobId}.${step.part}.advanced`
    default:
      return `${jobId}.${step.step}`
  }
}

/** The id of the event that reports this transaction of a job. */
export const idOfSubmission = (jobId: Job.Id, transactionHash: string): string =>
  `${jobId}.submitted.${transactionHash}`
