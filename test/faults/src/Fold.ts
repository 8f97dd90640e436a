/** What the log says of jobs and buckets, read from the raw messages and not by the product's own code. */
import type { Message } from "./World.ts"

export interface Job {
  readonly id: string
  readonly operation: "bucket.create" | "bucket.delete"
  readonly bucketName: string
  readonly owner: string
  readonly status: "queued" | "processing" | "completed" | "failed" | "cancelled"
  readonly attempts: number
  readonly transactionHash: string | null
  readonly error: unknown
  readonly result: Result | null
  readonly createdAt: string
  readonly updatedAt: string
  /** The sequence of its last event. */
  readonly revision: number
  /** When its end was stored: Unix time in milliseconds. */
  readonly endedAt: number | undefined
}

export interface Result {
  readonly bucketId: string
  readonly transactionHash?: string
  readonly blockNumber?: number
  readonly adopted: boolean
}

export interface Bucket {
  readonly owner: string
  readonly name: string
  readonly bucketId: string
  readonly transactionHash: string | null
  readonly jobId: string
}

export interface Event {
  readonly sequence: number
  readonly storedAt: number
  readonly type: string
  readonly jobId: string
  readonly operation: Job["operation"]
  readonly step: Step
  // oxlint-disable-next-line typescript/no-explicit-any -- fields of any event
  readonly data: any
}

export interface Folded {
  readonly events: ReadonlyArray<Event>
  readonly jobs: ReadonlyMap<string, Job>
  /** By owner and name. */
  readonly buckets: ReadonlyMap<string, Bucket>
  /** Steps that do not follow from what was before them. */
  readonly misplaced: ReadonlyArray<Event>
}

const steps = {
  Requested: "requested",
  Started: "started",
  Submitted: "submitted",
  AttemptFailed: "attemptFailed",
  Failed: "failed",
  Cancelled: "cancelled"
} as const
type Step = typeof steps[keyof typeof steps] | "completed"

/** `akave.BucketDeletionStarted.v1` to what it says; undefined for events that are not about jobs. */
const kindOf = (type: string): Pick<Event, "type" | "operation" | "step"> | undefined => {
  const [, tag = ""] = /^akave\.(\w+)\.v1$/.exec(type) ?? []
  if (tag === "BucketCreated") return { type: tag, operation: "bucket.create", step: "completed" }
  if (tag === "BucketDeleted") return { type: tag, operation: "bucket.delete", step: "completed" }
  const [, deletion, name = ""] = /^Bucket(Deletion)?(\w+)$/.exec(tag) ?? []
  if (!Object.hasOwn(steps, name)) return undefined
  return {
    type: tag,
    operation: deletion === undefined ? "bucket.create" : "bucket.delete",
    step: steps[name as keyof typeof steps]
  }
}

export const headerOf = (message: Message, name: string): string =>
  message.headers.find(([one]) => one.toLowerCase() === name)?.[1] ?? ""

export const jsonOf = (message: Message) => JSON.parse(Buffer.from(message.data).toString())

export const eventsOf = (log: ReadonlyArray<Message>): ReadonlyArray<Event> =>
  log.flatMap((message) => {
    const kind = kindOf(headerOf(message, "ce-type"))
    if (kind === undefined) return []
    const data = jsonOf(message)
    return [{ ...kind, sequence: message.sequence, storedAt: message.storedAt, jobId: data.jobId, data }]
  })

export const isTerminal = ({ status }: Job): boolean =>
  status === "completed" || status === "failed" || status === "cancelled"

export const keyOf = (owner: string, name: string): string => `${owner.toLowerCase()} ${name}`

export const fold = (log: ReadonlyArray<Message>): Folded => {
  const events = eventsOf(log)
  const jobs = new Map<string, Job>()
  const buckets = new Map<string, Bucket>()
  const misplaced: Array<Event> = []
  for (const event of events) {
    const before = jobs.get(event.jobId)
    if (!follows(before, event)) misplaced.push(event)
    const job = evolve(before, event)
    if (job === undefined) continue
    jobs.set(job.id, job)
    if (event.step !== "completed") continue
    const key = keyOf(job.owner, job.bucketName)
    if (event.operation === "bucket.delete") buckets.delete(key)
    else {
      buckets.set(key, {
        owner: job.owner,
        name: job.bucketName,
        bucketId: event.data.bucketId,
        transactionHash: event.data.transactionHash ?? null,
        jobId: job.id
      })
    }
  }
  return { events, jobs, buckets, misplaced }
}

/** A job begins with its request, is worked on only once started, and has one end. */
const follows = (before: Job | undefined, { step }: Event): boolean => {
  if (before === undefined) return step === "requested"
  if (step === "requested" || isTerminal(before)) return false
  if (step === "started") return true
  return step === "cancelled" ? before.status === "queued" : before.status === "processing"
}

const evolve = (job: Job | undefined, { data, jobId, operation, sequence, step, storedAt }: Event): Job | undefined => {
  if (step === "requested") {
    return {
      id: jobId,
      operation,
      bucketName: data.name,
      owner: data.owner,
      status: "queued",
      attempts: 0,
      transactionHash: null,
      error: null,
      result: null,
      createdAt: data.occurredAt,
      updatedAt: data.occurredAt,
      revision: sequence,
      endedAt: undefined
    }
  }
  if (job === undefined) return undefined
  const at = { updatedAt: data.occurredAt, revision: sequence }
  switch (step) {
    case "started":
      return { ...job, ...at, status: "processing", attempts: data.attempt, error: null }
    case "submitted":
      return { ...job, ...at, transactionHash: data.transactionHash }
    case "attemptFailed":
      return { ...job, ...at, error: data.error }
    case "completed": {
      const { jobId: _, occurredAt: __, ...result } = data
      const transactionHash = result.transactionHash ?? job.transactionHash
      return { ...job, ...at, status: "completed", transactionHash, error: null, result, endedAt: storedAt }
    }
    case "failed":
      return { ...job, ...at, status: "failed", error: data.error, endedAt: storedAt }
    case "cancelled":
      return {
        ...job,
        ...at,
        status: "cancelled",
        error: { category: "cancelled", code: "Cancelled", message: data.reason },
        endedAt: storedAt
      }
  }
}
