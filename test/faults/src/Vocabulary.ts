/**
 * What the log, the wallet's ledger and the contract may report, as the checker knows it; anything else breaks a rule. It is
 * written by hand and shares nothing with the product: who adds an event there says here what it means.
 */
import type { Message } from "./World.ts"

/** What an event reports its job. */
export type Step = "requested" | "started" | "submitted" | "attemptFailed" | "completed" | "failed" | "cancelled"

// oxlint-disable-next-line typescript/no-explicit-any -- fields of any event
type Fields = any

interface KindRow {
  /** The subject of an aggregate, from the fields of a request for a job on it, or of any event where it has no jobs. */
  readonly subjectOf: (fields: Fields) => string
  /** Its events that are none of a job. */
  readonly events: ReadonlyArray<string>
}

/** The kinds of aggregates, by the first token of their subjects. */
export const kinds = {
  bucket: {
    subjectOf: ({ name, owner }: Fields) =>
      `bucket.${String(owner).toLowerCase()}.${String(name).replaceAll(".", "_")}`,
    events: []
  },
  "dead-letter": {
    subjectOf: ({ sequence }: Fields) => `dead-letter.${sequence}`,
    events: ["DeadLettered", "DeadLetterRedriven"]
  },
  account: {
    subjectOf: ({ accountId }: Fields) => `account.${accountId}`,
    events: ["AccountOpened", "AccountLimitsChanged", "KeyIssued", "KeyRotated", "KeyRevoked"]
  },
  webhook: {
    subjectOf: ({ owner, webhookId }: Fields) => `webhook.${String(owner).toLowerCase()}.${webhookId}`,
    events: [
      "WebhookRegistered",
      "WebhookChanged",
      "WebhookEnabled",
      "WebhookDisabled",
      "WebhookSecretRotated",
      "WebhookFailing",
      "WebhookRecovered",
      "WebhookTestAsked",
      "WebhookResendAsked",
      "WebhookRemoved"
    ]
  },
  delivery: {
    subjectOf: ({ sequence, tenant, webhookId }: Fields) => `delivery.${tenant ?? "local"}.${webhookId}.${sequence}`,
    events: ["DeliveryAttempted"]
  },
  key: {
    subjectOf: ({ account, keyHash }: Fields) => `key.${account}.${keyHash}`,
    events: ["IdempotencyKeyUsed"]
  },
  log: {
    subjectOf: ({ restoration, signature }: Fields) =>
      `log.${signature !== undefined ? "checkpoints" : restoration !== undefined ? "restorations" : "archivals"}`,
    events: ["CheckpointSigned", "LogRestored", "EventsArchived"]
  }
} as const satisfies Readonly<Record<string, KindRow>>
type Kind = keyof typeof kinds

interface OperationRow {
  /** Of the aggregates that its jobs work on. */
  readonly kind: Kind
  /** What each of its transactions does, as {@link contractEvents} names it. */
  readonly effect: string
  /** The events of its jobs, without what all types have around them. */
  readonly events: Readonly<Record<Step, string>>
}

/** An operation that the product learns is one row here. */
export const operations = {
  "bucket.create": {
    kind: "bucket",
    effect: "created",
    events: {
      requested: "BucketRequested",
      started: "BucketStarted",
      submitted: "BucketSubmitted",
      attemptFailed: "BucketAttemptFailed",
      completed: "BucketCreated",
      failed: "BucketFailed",
      cancelled: "BucketCancelled"
    }
  },
  "bucket.delete": {
    kind: "bucket",
    effect: "deleted",
    events: {
      requested: "BucketDeletionRequested",
      started: "BucketDeletionStarted",
      submitted: "BucketDeletionSubmitted",
      attemptFailed: "BucketDeletionAttemptFailed",
      completed: "BucketDeleted",
      failed: "BucketDeletionFailed",
      cancelled: "BucketDeletionCancelled"
    }
  }
} as const satisfies Readonly<Record<string, OperationRow>>
export type Operation = keyof typeof operations

/** The entries of the ledger, and what each holds. */
const entries: Readonly<Record<string, "transaction of a job" | "transaction" | "no transaction">> = {
  WalletOpened: "no transaction",
  NonceClaimed: "transaction of a job",
  TransactionReplaced: "transaction",
  ClaimForgone: "no transaction"
}

/** What the contract reports a bucket: the id, the name and the owner are the topics after the first. */
export const contractEvents: Readonly<Record<string, string>> = {
  created: "CreateBucket(bytes32,string,address)",
  deleted: "DeleteBucket(bytes32,string,address)"
}

/** The name of a job's part that has none: such a job has only this one. */
export const whole = ""

export interface JobEvent {
  readonly _tag: "OfJob"
  /** Without what all types have around them. */
  readonly type: string
  readonly operation: Operation
  readonly step: Step
  readonly jobId: string
  readonly data: Fields
}
export interface OtherEvent {
  readonly _tag: "Other"
  readonly type: string
  readonly data: Fields
}
export interface Claim {
  readonly _tag: "Claim"
  readonly nonce: number
  readonly transactionHash: string
  /** Undefined for a transaction that is nobody's. */
  readonly jobId: string | undefined
  readonly part: string
  readonly storedAt: number
}
/** What can't be understood, and why. */
export interface Unknown {
  readonly _tag: "Unknown"
  readonly reason: string
}

export const headerOf = (message: Message, name: string): string =>
  message.headers.find(([one]) => one.toLowerCase() === name)?.[1] ?? ""

const typeOf = (name: string) => `akave.${name}.v1`

const eventTypes: ReadonlyMap<string, Pick<JobEvent, "type" | "operation" | "step"> & { readonly kind: string }> =
  new Map(
    Object.entries(operations).flatMap(([operation, { events, kind }]) =>
      Object.entries(events).map(([step, type]) => [
        typeOf(type),
        { type, kind, operation: operation as Operation, step: step as Step }
      ])
    )
  )
const otherTypes: ReadonlyMap<string, { readonly type: string; readonly kind: string }> = new Map(
  Object.entries(kinds).flatMap(([kind, { events }]) => events.map((type) => [typeOf(type), { type, kind }]))
)
const entryTypes = new Map(Object.entries(entries).map(([name, holds]) => [typeOf(name), holds]))

/** A message of the event log. That an event of a job lies where its job does is for those to say who know the job. */
export const readEvent = (message: Message): JobEvent | OtherEvent | Unknown => {
  const type = headerOf(message, "ce-type")
  const [kind = ""] = message.subject.split(".", 1)
  const unknown = unknownAs(`event ${message.sequence} ("${type}") on ${message.subject}`)
  if (!isKind(kind)) return unknown("is of no known kind")
  const [ofJob, other] = [eventTypes.get(type), otherTypes.get(type)]
  if (ofJob?.kind !== kind && other?.kind !== kind) return unknown("is of no known type of its kind")
  const data = jsonOf(message)
  if (data === undefined) return unknown("holds no JSON object")
  if (ofJob !== undefined) {
    if (typeof data.jobId !== "string") return unknown("names no job")
    if (!isPart(data.part)) return unknown("has a part without a name")
    const { operation, step } = ofJob
    return { _tag: "OfJob", type: ofJob.type, operation, step, jobId: data.jobId, data }
  }
  const wanted = kinds[kind].subjectOf(data)
  return message.subject === wanted
    ? { _tag: "Other", type: other?.type ?? "", data }
    : unknown(`is about ${wanted}`)
}

/** A message of the wallet's ledger; undefined for one that is known and holds no transaction. */
export const readEntry = (message: Message): Claim | Unknown | undefined => {
  const type = headerOf(message, "ce-type")
  const unknown = unknownAs(`entry ${message.sequence} ("${type}") of the ledger`)
  const holds = entryTypes.get(type)
  if (holds === undefined) return unknown("is of no known type")
  const data = jsonOf(message)
  if (data === undefined) return unknown("holds no JSON object")
  if (holds === "no transaction") return undefined
  const { jobId, nonce, part, transactionHash } = data
  const hasJob = typeof jobId === "string" || (jobId === undefined && holds === "transaction")
  if (typeof nonce !== "number" || typeof transactionHash !== "string" || !hasJob) return unknown(`holds no ${holds}`)
  if (!isPart(part)) return unknown("has a part without a name")
  return {
    _tag: "Claim",
    nonce,
    transactionHash: transactionHash.toLowerCase(),
    jobId,
    part: part ?? whole,
    storedAt: message.storedAt
  }
}

const isKind = (name: string): name is Kind => Object.hasOwn(kinds, name)

const unknownAs = (what: string) => (why: string): Unknown => ({ _tag: "Unknown", reason: `${what} ${why}` })

const isPart = (part: unknown): part is string | undefined =>
  part === undefined || (typeof part === "string" && part !== whole)

const jsonOf = ({ data }: Message): Fields | undefined => {
  try {
    const json: unknown = JSON.parse(Buffer.from(data).toString())
    return typeof json === "object" && json !== null && !Array.isArray(json) ? json : undefined
  } catch {
    return undefined
  }
}
