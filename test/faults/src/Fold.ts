/** What the log says of jobs and buckets, read from the raw messages and not by the product's own code. */
import { fileIdOf, kinds, type Operation, operations, readEvent, rowOf, type Step } from "./Vocabulary.ts"
import type { Message } from "./World.ts"

export interface Job {
  readonly id: string
  readonly operation: Operation
  readonly bucketName: string
  /** Null where it is on none. */
  readonly fileName: string | null
  readonly owner: string
  // oxlint-disable-next-line typescript/no-explicit-any -- fields of any request
  readonly request: any
  /** Where all events of it must lie, by what was requested. */
  readonly subject: string
  readonly status: "queued" | "processing" | "completed" | "failed" | "cancelled"
  readonly attempts: number
  readonly transactionHash: string | null
  readonly error: unknown
  readonly result: Result | null
  /** What was reported of its parts that are done while another one follows. */
  readonly done: ReadonlyMap<string, Done>
  /** Whether it takes back what it has done. */
  readonly isAbandoned: boolean
  readonly createdAt: string
  readonly updatedAt: string
  /** The sequence of its last event. */
  readonly revision: number
  /** When its end was stored: Unix time in milliseconds. */
  readonly endedAt: number | undefined
}

/** How a part was done. */
export interface Done {
  readonly transactionHash?: string
  readonly blockNumber?: number
  readonly adopted: boolean
}
export interface Result extends Done {
  readonly bucketId?: string
  readonly fileId?: string
  readonly rootCid?: string
  /** Until when the bytes of a download are kept. */
  readonly expiresAt?: string
}

export interface Bucket {
  readonly owner: string
  readonly name: string
  readonly bucketId: string
  readonly transactionHash: string | null
  readonly jobId: string
}

/** A file on the network that a job has uploaded. */
export interface File {
  readonly owner: string
  readonly bucketName: string
  readonly name: string
  readonly fileId: string
  readonly rootCid: string
  readonly size: number
  readonly encodedSize: number
  readonly sha256: string
  readonly contentType: string | null
  readonly encryption: string
  readonly keyId: string | null
  readonly nameOnWire: string | null
  readonly parityBlocks: number
  readonly isPublic: boolean
  readonly tenant: string | null
  readonly jobId: string
  readonly createdAt: string
  readonly revision: number
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
  /** By the id that the contract gives them. */
  readonly files: ReadonlyMap<string, File>
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
  const files = new Map<string, File>()
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
    evolveBuckets(buckets, job, event)
    evolveFiles(files, job, event)
  }
  return { events, deadLetters, unknown, jobs, buckets, files, webhooks, deliveries, misplaced }
}

const evolveBuckets = (buckets: Map<string, Bucket>, job: Job, { data, operation, step }: Event): void => {
  if (step !== "completed" || operations[operation].kind !== "bucket") return
  const key = keyOf(job.owner, job.bucketName)
  if (operation === "bucket.delete") buckets.delete(key)
  else {
    buckets.set(key, {
      owner: job.owner,
      name: job.bucketName,
      bucketId: data.bucketId,
      transactionHash: data.transactionHash ?? null,
      jobId: job.id
    })
  }
}

const evolveFiles = (files: Map<string, File>, job: Job, { data, operation, sequence, step }: Event): void => {
  if (operations[operation].kind !== "file") return
  const { fileName: name, id: jobId, owner, request } = job
  const fileId = fileIdOf({ ...request, owner })
  const isDeleted = (operation === "file.delete" && step === "completed")
    || (operation === "file.upload" && step === "advanced" && data.part === "delete")
  if (isDeleted) files.delete(fileId)
  if (step !== "completed") return
  const file = files.get(fileId)
  if (operation === "file.access" && file !== undefined) {
    files.set(fileId, { ...file, isPublic: data.isPublic, revision: sequence })
  }
  if (operation !== "file.upload") return
  const { bucketName, contentType = null, encryption, keyId = null, nameOnWire = null, parityBlocks, sha256, size } =
    request
  const { encodedSize, occurredAt: createdAt, rootCid } = data
  const place = { owner, bucketName, name: name ?? "", nameOnWire, fileId, tenant: request.tenant ?? null, jobId }
  const stored = { size, sha256, contentType, encryption, keyId, parityBlocks }
  files.set(fileId, { ...place, ...stored, rootCid, encodedSize, isPublic: false, createdAt, revision: sequence })
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

/** A job begins with its request, is worked on only once started, part after part, and has one end. */
const follows = (before: Job | undefined, { data, step }: Event): boolean => {
  if (before === undefined) return step === "requested"
  if (step === "requested" || isTerminal(before)) return false
  if (step === "started") return true
  // One that was begun is cancelled once it has taken back what it had done.
  if (step === "cancelled") return before.status === "queued" || before.isAbandoned
  if (before.status !== "processing") return false
  if (step === "abandoned") return !before.isAbandoned
  // Each part follows on the one before it; of a job that was abandoned one may be under way.
  return step !== "advanced" || isNext(before, data.part)
}

const isNext = ({ done, operation, request }: Job, part: string): boolean => {
  const parts = rowOf(operation).parts?.(request)
  return parts === undefined ? !done.has(part) : parts[done.size] === part && done.size < parts.length - 1
}

const evolve = (job: Job | undefined, { data, jobId, operation, sequence, step, storedAt }: Event): Job | undefined => {
  if (step === "requested") {
    return {
      id: jobId,
      operation,
      bucketName: data.bucketName ?? data.name,
      fileName: data.bucketName === undefined ? null : data.name,
      owner: data.owner,
      request: data,
      subject: kinds[operations[operation].kind].subjectOf(data),
      status: "queued",
      attempts: 0,
      transactionHash: null,
      error: null,
      result: null,
      done: new Map(),
      isAbandoned: false,
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
    case "advanced": {
      const { adopted, blockNumber, part, transactionHash } = data
      return { ...job, ...at, done: new Map([...job.done, [part, { adopted, blockNumber, transactionHash }]]) }
    }
    case "abandoned":
      return { ...job, ...at, isAbandoned: true }
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
