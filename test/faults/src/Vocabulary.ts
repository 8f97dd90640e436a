/**
 * What the log, the wallet's ledger and the contract may report, as the checker knows it; anything else breaks a rule. It is
 * written by hand and shares nothing with the product: who adds an event there says here what it means.
 */
import { concat, getBytes, keccak256, toUtf8Bytes } from "ethers"
import type { Message } from "./World.ts"

/** What an event reports its job. */
export type Step =
  | "requested"
  | "started"
  | "submitted"
  | "attemptFailed"
  | "advanced"
  | "abandoned"
  | "completed"
  | "failed"
  | "cancelled"

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
  file: {
    subjectOf: ({ bucketName, name, owner }: Fields) =>
      `file.${String(owner).toLowerCase()}.${String(bucketName).replaceAll(".", "_")}.${
        Buffer.from(String(name)).toString("base64url")
      }`,
    events: []
  },
  download: {
    subjectOf: ({ jobId, owner }: Fields) => `download.${String(owner).toLowerCase()}.${jobId}`,
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
  /** The parts of a job by its request, in their order; undefined where its transactions tell, none where it takes none. */
  readonly parts?: (request: Fields) => ReadonlyArray<string>
  /** What the transaction of a part does, as {@link contractEvents} names it; undefined where it takes none. */
  readonly effect: (part: string) => string | undefined
  /** The id that the contract gives what a job works on, by its request; undefined where only its result tells. */
  readonly idOf?: (request: Fields) => string
  /** The events of its jobs, without what all types have around them. */
  readonly events: Readonly<Partial<Record<Step, string>>>
}

/** The name of a job's part that has none: such a job has only this one. */
export const whole = ""
/** The part by which a job takes back what its other parts have done. */
export const undo = "undo"

/** The ids that the contracts give: keccak256 of a bucket's name and its owner, and of that and a file's name. */
export const bucketIdOf = (name: string, owner: string): string =>
  keccak256(concat([toUtf8Bytes(name), getBytes(owner.toLowerCase())]))
export const fileIdOf = ({ bucketName, name, nameOnWire = name, owner }: Fields): string =>
  keccak256(concat([bucketIdOf(bucketName, owner), toUtf8Bytes(nameOnWire)]))

/** Bytes that a block holds of a chunk, and that encryption adds to a chunk: constants of the network. */
const [blockPayload, encryptionOverhead] = [1_000_000, 28]

/** The parts of an upload: each chunk has as many blocks of data as the request says. */
const uploadParts = ({ dataBlocks, encryption, replaces, size }: Fields): ReadonlyArray<string> => {
  const perChunk = dataBlocks * blockPayload - (encryption === "none" ? 0 : encryptionOverhead)
  const chunks = Array.from({ length: Math.ceil(size / perChunk) }, (_, n) => `chunk.${n}`)
  return [...(replaces ? ["delete"] : []), "create", ...chunks, "commit"]
}
const uploadEffect = (part: string): string =>
  part === "delete" || part === undo
    ? "fileDeleted"
    : part === "create"
    ? "fileCreated"
    : part === "commit"
    ? "fileCommitted"
    : "chunkAdded"

/** An operation that the product learns is one row here. */
export const operations = {
  "bucket.create": {
    kind: "bucket",
    effect: () => "created",
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
    effect: () => "deleted",
    events: {
      requested: "BucketDeletionRequested",
      started: "BucketDeletionStarted",
      submitted: "BucketDeletionSubmitted",
      attemptFailed: "BucketDeletionAttemptFailed",
      completed: "BucketDeleted",
      failed: "BucketDeletionFailed",
      cancelled: "BucketDeletionCancelled"
    }
  },
  "file.upload": {
    kind: "file",
    parts: uploadParts,
    effect: uploadEffect,
    idOf: fileIdOf,
    events: {
      requested: "FileUploadRequested",
      started: "FileUploadStarted",
      submitted: "FileUploadSubmitted",
      attemptFailed: "FileUploadAttemptFailed",
      advanced: "FileUploadAdvanced",
      abandoned: "FileUploadAbandoned",
      completed: "FileUploaded",
      failed: "FileUploadFailed",
      cancelled: "FileUploadCancelled"
    }
  },
  "file.delete": {
    kind: "file",
    parts: () => [whole],
    effect: () => "fileDeleted",
    idOf: fileIdOf,
    events: {
      requested: "FileDeletionRequested",
      started: "FileDeletionStarted",
      submitted: "FileDeletionSubmitted",
      attemptFailed: "FileDeletionAttemptFailed",
      completed: "FileDeleted",
      failed: "FileDeletionFailed",
      cancelled: "FileDeletionCancelled"
    }
  },
  "file.access": {
    kind: "file",
    parts: () => [whole],
    effect: () => "accessChanged",
    idOf: fileIdOf,
    events: {
      requested: "FileAccessRequested",
      started: "FileAccessStarted",
      submitted: "FileAccessSubmitted",
      attemptFailed: "FileAccessAttemptFailed",
      completed: "FileAccessChanged",
      failed: "FileAccessFailed",
      cancelled: "FileAccessCancelled"
    }
  },
  "file.download": {
    kind: "download",
    parts: () => [],
    effect: () => undefined,
    events: {
      requested: "FileDownloadRequested",
      started: "FileDownloadStarted",
      attemptFailed: "FileDownloadAttemptFailed",
      completed: "FileDownloaded",
      failed: "FileDownloadFailed",
      cancelled: "FileDownloadCancelled"
    }
  }
} as const satisfies Readonly<Record<string, OperationRow>>
export type Operation = keyof typeof operations

/** The row of an operation, as all have it. */
export const rowOf = (operation: Operation): OperationRow => operations[operation]

/** The entries of the ledger, and what each holds. */
const entries: Readonly<Record<string, "transaction of a job" | "transaction" | "no transaction">> = {
  WalletOpened: "no transaction",
  NonceClaimed: "transaction of a job",
  TransactionReplaced: "transaction",
  ClaimForgone: "no transaction"
}

interface ContractEvent {
  readonly signature: string
  /** Which contract reports it. */
  readonly by: "storage" | "access"
  readonly about: "bucket" | "file"
  /** Where the owner is: among the topics, in the data, or only the sender of the transaction. */
  readonly owner: "topic" | "data" | "sender"
}

/** What the contracts report. The first topic after the event's own is the id of the bucket or file that it is about. */
export const contractEvents: Readonly<Record<string, ContractEvent>> = {
  created: { signature: "CreateBucket(bytes32,string,address)", by: "storage", about: "bucket", owner: "topic" },
  deleted: { signature: "DeleteBucket(bytes32,string,address)", by: "storage", about: "bucket", owner: "topic" },
  fileCreated: { signature: "CreateFile(bytes32,bytes32,string,address)", by: "storage", about: "file", owner: "data" },
  chunkAdded: {
    signature: "AddFileChunk(bytes32,bytes32,string,address)",
    by: "storage",
    about: "file",
    owner: "data"
  },
  fileCommitted: {
    signature: "CommitFile(bytes32,bytes32,string,address)",
    by: "storage",
    about: "file",
    owner: "data"
  },
  fileDeleted: { signature: "DeleteFile(bytes32,bytes32,string,address)", by: "storage", about: "file", owner: "data" },
  accessChanged: { signature: "PublicAccessChanged(bytes32,bool)", by: "access", about: "file", owner: "sender" }
}

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
