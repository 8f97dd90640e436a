/** What the log says of jobs and buckets, read from the raw messages and not by the product's own code. */
import { kinds, type Operation, operations, readEvent, type Step } from "./Vocabulary.ts"
import type { Message } from "./World.ts"

export interface Job {
  readonly id: string
  readonly operation: Operation
  readonly bucketName: string
  readonly owner: string
  /** Where all events of it must lie, by what was requested. */
  readonly subject: string
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
  readonly subject: string
  readonly storedAt: number
  readonly type: string
  readonly jobId: string
  readonly operation: Operation
  readonly step: Step
  // oxlint-disable-next-line typescript/no-explicit-any -- fields of any event
  readonly data: any
}

/** An event that was set aside because no executor could process it. */
export interface DeadLetter {
  /** Of the event that reports it. */
  readonly sequence: number
  /** The job that the event set aside belongs to, where it is known. */
  readonly jobId: string | undefined
}

/** An endpoint that is sent events. */
export interface Webhook {
  readonly id: string
  readonly owner: string
  readonly tenant: string | null
  readonly status: string
  readonly revision: number
  /** The sequence of its registration. */
  readonly since: number
}
/** What was tried to bring an event to a webhook. */
export interface Delivery {
  readonly key: string
  readonly outcome: string
  readonly attempts: number
  readonly revision: number
}

export interface Folded {
  /** Those of jobs. */
  readonly events: ReadonlyArray<Event>
  readonly deadLetters: ReadonlyArray<DeadLetter>
  /** What the log holds and the checker does not know, or would look for elsewhere, in words. */
  readonly unknown: ReadonlyArray<string>
  readonly jobs: ReadonlyMap<string, Job>
  /** By owner and name. */
  readonly buckets: ReadonlyMap<string, Bucket>
  readonly webhooks: ReadonlyMap<string, Webhook>
  /** By webhook and sequence. */
  readonly deliveries: ReadonlyMap<string, Delivery>
  /** Steps that do not follow from what was before them. */
  readonly misplaced: ReadonlyArray<Event>
}

export const isTerminal = ({ status }: Job): boolean =>
  status === "completed" || status === "failed" || status === "cancelled"

export const keyOf = (owner: string, name: string): string => `${owner.toLowerCase()} ${name}`

export const fold = (log: ReadonlyArray<Message>): Folded => {
  const events: Array<Event> = []
  const deadLetters: Array<DeadLetter> = []
  const unknown: Array<string> = []
  const jobs = new Map<string, Job>()
  const buckets = new Map<string, Bucket>()
  const webhooks = new Map<string, Webhook>()
  const deliveries = new Map<string, Delivery>()
  const misplaced: Array<Event> = []
  for (const message of log) {
    const { sequence, storedAt, subject } = message
    const read = readEvent(message)
    if (read._tag === "Unknown") unknown.push(read.reason)
    if (read._tag === "Other" && read.type === "DeadLettered") deadLetters.push({ sequence, jobId: read.data.jobId })
    if (read._tag === "Other" && read.type.startsWith("Webhook")) {
      const { webhookId: id } = read.data
      const webhook = evolveWebhook(webhooks.get(id), read.type, read.data, sequence)
      if (webhook === undefined) unknown.push(`event ${sequence} (${read.type}) is of a webhook that is not registered`)
      else webhooks.set(id, webhook)
    }
    if (read._tag === "Other" && read.type === "DeliveryAttempted") {
      const { attempt: attempts, outcome, webhookId } = read.data
      const key = `${webhookId} ${read.data.sequence}`
      deliveries.set(key, { key, outcome, attempts, revision: sequence })
    }
    if (read._tag !== "OfJob") continue
    const { _tag, ...reported } = read
    const event: Event = { ...reported, sequence, subject, storedAt }
    events.push(event)
    const before = jobs.get(event.jobId)
    if (!follows(before, event)) misplaced.push(event)
    const job = evolve(before, event)
    if (job === undefined) continue
    jobs.set(job.id, job)
    if (job.subject !== subject) {
      unknown.push(`event ${sequence} (${event.type}) of job ${job.id} is on ${subject}, and not on ${job.subject}`)
    }
    const { effect, kind } = operations[event.operation]
    if (event.step !== "completed" || kind !== "bucket") continue
    const key = keyOf(job.owner, job.bucketName)
    if (effect === "deleted") buckets.delete(key)
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
  return { events, deadLetters, unknown, jobs, buckets, webhooks, deliveries, misplaced }
}

const evolveWebhook = (
  webhook: Webhook | undefined,
  type: string,
  data: { readonly webhookId: string; readonly owner: string; readonly tenant?: string },
  revision: number
): Webhook | undefined => {
  if (type === "WebhookRegistered") {
    const { owner, tenant = null, webhookId: id } = data
    return { id, owner, tenant, status: "enabled", revision, since: revision }
  }
  const status = { WebhookEnabled: "enabled", WebhookDisabled: "disabled", WebhookRemoved: "removed" }[type]
  return webhook && { ...webhook, revision, status: status ?? webhook.status }
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
      subject: kinds[operations[operation].kind].subjectOf(data),
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
