/** What the HTTP API shows: JSON with snake_case names and every field always there, null where it has no value. */
import { BucketName } from "@akave-async/domain/BucketName"
import * as DeadLetter from "@akave-async/domain/DeadLetter"
import { Address, BucketId, FileId, RootCid, TransactionHash, Wei } from "@akave-async/domain/Ethereum"
import * as File from "@akave-async/domain/File"
import * as Job from "@akave-async/domain/Job"
import type { AnyJob, operations } from "@akave-async/domain/Operations"
import { type DateTime, Effect, Schema, Struct } from "effect"
import * as Problems from "./Problems.ts"

/** What the result of an operation on a bucket holds of its own, and how it is shown. */
const ofBucket = {
  fields: { bucket_id: BucketId },
  show: ({ bucketId }: { readonly bucketId: BucketId }) => ({ bucket_id: bucketId })
}
/** What is shown of the jobs of each operation: an operation is one row here. */
const results = {
  "bucket.create": ofBucket,
  "bucket.delete": ofBucket,
  "file.upload": {
    fields: { file_id: FileId, root_cid: RootCid, encoded_size: Schema.Natural },
    show: ({ encodedSize, fileId, rootCid }: Own<"file.upload">) => ({
      file_id: fileId,
      root_cid: rootCid,
      encoded_size: encodedSize
    })
  },
  "file.delete": {
    fields: { file_id: FileId },
    show: ({ fileId }: Own<"file.delete">) => ({ file_id: fileId })
  },
  "file.access": {
    fields: { file_id: FileId, is_public: Schema.Boolean },
    show: ({ fileId, isPublic }: Own<"file.access">) => ({ file_id: fileId, is_public: isPublic })
  },
  "file.download": {
    fields: {
      /** Where the bytes are, relative to the gateway, until `expires_at`. */
      url: Schema.String,
      expires_at: Schema.DateTimeUtc
    },
    show: ({ expiresAt }: Own<"file.download">, { id }: AnyJob, { signDownload }: Links) => ({
      url: `/downloads/${id}${signDownload(id, expiresAt)}`,
      expires_at: expiresAt
    })
  }
} as const satisfies Readonly<Record<keyof typeof operations, unknown>>
type Own<Name extends keyof typeof operations> = Schema.Struct.Type<(typeof operations)[Name]["result"]>

/** How links are made that need no other credentials. */
export interface Links {
  /** The query that is added to a download's path. */
  readonly signDownload: (jobId: Job.Id, expiresAt: DateTime.Utc) => string
}
/** Links without a signature: they need the credentials that every request needs. */
export const unsigned: Links = { signDownload: () => "" }

type Name = keyof typeof results
const names = Struct.keys(results)

const resultOf = <Of extends Name>(operation: Of) =>
  Schema.Struct({
    operation: Schema.Literal(operation),
    ...results[operation].fields,
    tx_hash: Schema.NullOr(TransactionHash),
    block_number: Schema.NullOr(Schema.Natural),
    gas_used: Schema.NullOr(Schema.Natural),
    /** Of a gas unit, in wei; null where it was not recorded, as it was not by earlier releases. */
    effective_gas_price: Schema.NullOr(Wei),
    adopted: Schema.Boolean
  })

export const Operation = Schema.Literals(names)

/** What a job on a file is at. */
export const Stage = Schema.Literals([
  /** No executor has begun it. */
  "waiting",
  /** The file that is there is deleted. */
  "deleting",
  "creating",
  "storing",
  "committing",
  /** What was stored is taken back: the job fails, or is cancelled. */
  "removing",
  "fetching",
  "changing",
  "done"
])
export const Progress = Schema.Struct({
  stage: Stage,
  /** Of the file; those done are stored on the network. */
  bytes_done: Schema.Natural,
  bytes_total: Schema.Natural,
  /** Transactions, of which a job on a file has one or more. */
  parts_done: Schema.Natural,
  parts_total: Schema.Natural
}).annotate({ identifier: "Progress", description: "How far a job on a file has come" })
export type Progress = typeof Progress.Type

const stageOf = (part: Job.Part): Progress["stage"] => {
  if (part === "delete") return "deleting"
  return part === "create" ? "creating" : part === "commit" ? "committing" : "storing"
}

const uploadProgress = (job: File.Upload): Progress => {
  const parts = File.uploadParts(job.request)
  const done = job.status === "completed" ? parts.length : parts.indexOf(Job.doneOf(job) ?? "") + 1
  const stage = Job.isTerminal(job.status) ? "done" : job.status === "queued" ? "waiting" : Job.abandonedOf(job)
    ? "removing"
    : stageOf(parts[done] ?? "commit")
  return {
    stage,
    bytes_done: File.bytesDone(job),
    bytes_total: job.request.size,
    parts_done: done,
    parts_total: parts.length
  }
}

/** How far a job has come; null where its operation has no progress to show. */
export const progressOf = (job: AnyJob): Progress | null => {
  switch (job.operation) {
    case "bucket.create":
    case "bucket.delete":
      return null
    case "file.upload":
      return uploadProgress(job)
    default: {
      const isDone = job.status === "completed"
      const [size, parts] = job.operation === "file.download" ? [job.request.size, 0] : [0, 1]
      const under = job.operation === "file.download"
        ? "fetching"
        : job.operation === "file.delete"
        ? "deleting"
        : "changing"
      return {
        stage: Job.isTerminal(job.status) ? "done" : job.status === "queued" ? "waiting" : under,
        bytes_done: isDone ? size : 0,
        bytes_total: size,
        parts_done: isDone ? parts : 0,
        parts_total: parts
      }
    }
  }
}

export const JobResource = Schema.Struct({
  job_id: Job.Id,
  operation: Operation,
  bucket_name: Schema.String,
  /** Null where the job is not on a file. */
  file_name: Schema.NullOr(Schema.String),
  owner: Address,
  status: Job.Status,
  /** Null where the job is not on a file. */
  progress: Schema.NullOr(Progress),
  /** The transaction that carries the job, as soon as one is sent. */
  tx_hash: Schema.NullOr(TransactionHash),
  result: Schema.NullOr(Schema.Union(names.map(resultOf))),
  error: Schema.NullOr(Job.Failure),
  attempts: Schema.Natural,
  created_at: Schema.DateTimeUtc,
  updated_at: Schema.DateTimeUtc
}).annotate({ identifier: "Job", description: "One accepted request and how far it has come" })
export type JobResource = typeof JobResource.Type

/** The names of what a job works on. */
export const namesOf = (job: AnyJob): { readonly bucket_name: string; readonly file_name: string | null } =>
  "bucketName" in job.request
    ? { bucket_name: job.request.bucketName, file_name: job.request.name }
    : { bucket_name: job.request.name, file_name: null }

/** What the result of a completed job holds of its own. */
const shown = (job: AnyJob & { readonly status: "completed" }, links: Links) => {
  const row: { readonly show: (result: never, job: AnyJob, links: Links) => object } = results[job.operation]
  return row.show(job.result as never, job, links) as object as Record<never, never>
}

export const jobResource = (job: AnyJob, links: Links = unsigned): JobResource => ({
  job_id: job.id,
  operation: job.operation,
  ...namesOf(job),
  owner: job.owner,
  status: job.status,
  progress: progressOf(job),
  tx_hash: Job.transactionOf(job) ?? null,
  result: job.status !== "completed" ? null : {
    operation: job.operation,
    ...shown(job, links),
    tx_hash: job.result.transactionHash ?? null,
    block_number: job.result.blockNumber ?? null,
    gas_used: job.result.gasUsed ?? null,
    effective_gas_price: job.result.effectiveGasPrice ?? null,
    adopted: job.result.adopted
  } as JobResource["result"],
  error: Job.errorOf(job) ?? null,
  attempts: Job.attemptsOf(job),
  created_at: job.createdAt,
  updated_at: job.updatedAt
})

export const JobPage = Schema.Struct({
  jobs: Schema.Array(JobResource),
  /** Give it as `after` to get the next page; null on the last one. */
  next: Schema.NullOr(Job.Id)
}).annotate({ identifier: "JobPage" })

/** Which jobs are meant; all that is given must hold. */
export const jobQuery = {
  status: Schema.optionalKey(Job.Status),
  operation: Schema.optionalKey(Operation),
  /** The name of the bucket that the job works on, or that has the file that it works on. */
  bucket: Schema.optionalKey(BucketName),
  /** What the name of that bucket begins with. */
  prefix: Schema.optionalKey(
    Schema.String.check(
      Schema.isPattern(/^[a-z0-9.-]{1,63}$/u, { message: "1 to 63 lower-case letters a-z, digits, dots and hyphens" })
    )
  ),
  /** When the job was created: from this time on, and before that one. */
  since: Schema.optionalKey(Schema.DateTimeUtc),
  until: Schema.optionalKey(Schema.DateTimeUtc)
}

/** Characters of the longest idempotency key. */
export const maxIdempotencyKey = 255
/** Names a request, so that it can be sent again without being done twice. */
export const IdempotencyKey = Schema.String.check(
  Schema.isPattern(new RegExp(`^[\\x21-\\x7e]([\\x20-\\x7e]{0,${maxIdempotencyKey - 2}}[\\x21-\\x7e])?$`, "u"), {
    message: `1 to ${maxIdempotencyKey} printable ASCII characters, without a space at either end`
  })
).annotate({
  description:
    "Names the request, a UUID for example: sent again with the same key and body it is the same request, and is answered with the same job, for ever"
})

export const BucketRequest = Schema.Struct({
  name: BucketName
}).annotate({ identifier: "BucketRequest" })

/** The most names that one batch asks for. */
export const maxBatch = 1_000

export const BatchRequest = Schema.Struct({
  /** Each is judged on its own: one that breaks a rule harms no other. */
  names: Schema.Array(Schema.String).check(
    Schema.isBetweenLength(1, maxBatch, { message: `1 to ${maxBatch} names` })
  )
}).annotate({ identifier: "BatchRequest" })

export const BatchAnswer = Schema.Struct({
  name: Schema.String,
  /** What a request for this bucket alone would have been answered with. */
  status: Schema.Literals([202, 400, 409, 503]),
  job: Schema.NullOr(JobResource),
  problem: Schema.NullOr(
    Schema.Union([
      Problems.InvalidRequest,
      Problems.BucketExists,
      Problems.BucketNameTaken,
      Problems.BucketBusy,
      Problems.EventLogUnavailable
    ])
  )
}).annotate({ identifier: "BatchAnswer" })

export const BatchResult = Schema.Struct({
  accepted: Schema.Natural,
  refused: Schema.Natural,
  /** One for each name, in their order. */
  answers: Schema.Array(BatchAnswer)
}).annotate({ identifier: "BatchResult" })
export type BatchResult = typeof BatchResult.Type

export const BucketResource = Schema.Struct({
  name: Schema.String,
  bucket_id: BucketId,
  owner: Address,
  tx_hash: Schema.NullOr(TransactionHash),
  job_id: Job.Id,
  created_at: Schema.DateTimeUtc
}).annotate({ identifier: "Bucket", description: "A bucket on chain" })
export type BucketResource = typeof BucketResource.Type

export const BucketPage = Schema.Struct({
  buckets: Schema.Array(BucketResource),
  /** Give it as `after` to get the next page; null on the last one. */
  next: Schema.NullOr(Schema.String)
}).annotate({ identifier: "BucketPage" })

export const DeadLetterResource = Schema.Struct({
  sequence: DeadLetter.Sequence,
  subject: Schema.String,
  type: Schema.String,
  reason: Schema.String,
  deliveries: Schema.Natural,
  job_id: Schema.NullOr(Job.Id),
  status: DeadLetter.Status,
  /** How often the event has died. */
  round: Schema.Int,
  died_at: Schema.DateTimeUtc,
  redriven_at: Schema.NullOr(Schema.DateTimeUtc),
  redriven_by: Schema.NullOr(Schema.String)
}).annotate({ identifier: "DeadLetter", description: "An event of the log that could not be processed" })
export type DeadLetterResource = typeof DeadLetterResource.Type

export const deadLetterResource = (letter: DeadLetter.DeadLetter): DeadLetterResource => ({
  sequence: letter.sequence,
  subject: letter.subject,
  type: letter.type,
  reason: letter.reason,
  deliveries: letter.deliveries,
  job_id: letter.jobId ?? null,
  status: letter.status,
  round: letter.round,
  died_at: letter.diedAt,
  redriven_at: letter.redrivenAt ?? null,
  redriven_by: letter.redrivenBy ?? null
})

/** A text that can be compared with what is stored: Postgres takes none with a NUL. */
export const Comparable = Schema.String.check(Schema.isPattern(/^[^\0]*$/u, { message: "a text without NUL" }))
const SearchText = Comparable.check(
  Schema.isNonEmpty({ message: "at least 1 character" }),
  Schema.isMaxLength(256, { message: "at most 256 characters" })
)
/** Which dead letters are meant; all that is given must hold. */
const filter = {
  /** The CloudEvents type of the event that died. */
  type: Schema.optionalKey(SearchText),
  /** What the subject begins with. */
  subject: Schema.optionalKey(SearchText),
  /** What stands somewhere in the reason. */
  reason: Schema.optionalKey(SearchText)
}
export const deadLetterQuery = {
  ...filter,
  status: DeadLetter.Status.pipe(Schema.withDecodingDefaultKey(Effect.succeed("dead" as const)))
}
export const DeadLetterFilter = Schema.Struct(filter)
export type DeadLetterFilter = typeof DeadLetterFilter.Type

/** An empty filter may be a slip: that all are meant must be said. */
export const RedriveRequest = Schema.Struct({ ...filter, all: Schema.optionalKey(Schema.Literal(true)) }).check(
  Schema.makeFilter(
    ({ all, ...filter }) =>
      (all === true) === (Object.keys(filter).length === 0) ||
      { path: ["all"], issue: "either a type, subject or reason, or true for all dead letters" },
    {
      toJsonSchema: () => ({
        oneOf: [
          { properties: { all: { const: true } }, required: ["all"], maxProperties: 1 },
          { properties: { all: { not: {} } }, minProperties: 1 }
        ]
      })
    }
  )
).annotate({ identifier: "RedriveRequest" })

export const DeadLetterPage = Schema.Struct({
  dead_letters: Schema.Array(DeadLetterResource),
  /** Give it as `after` to get the next page; null on the last one. */
  next: Schema.NullOr(DeadLetter.Sequence)
}).annotate({ identifier: "DeadLetterPage" })

export const Redriven = Schema.Struct({
  redriven: Schema.Natural,
  sequences: Schema.Array(DeadLetter.Sequence),
  /** Whether there are more than one request redrives; ask again for those. */
  more: Schema.Boolean
}).annotate({ identifier: "Redriven" })
export type Redriven = typeof Redriven.Type

export const Dependency = Schema.Struct({
  ready: Schema.Boolean,
  detail: Schema.String
})
export const Readiness = Schema.Struct({
  ready: Schema.Boolean,
  event_log: Dependency,
  read_model: Dependency,
  node: Dependency,
  chain: Dependency,
  /** Whether executors answer and get on with their work. Requests are taken all the same: it does not count for `ready`. */
  lanes: Dependency,
  /** Age of the oldest event that the read model has not applied, in milliseconds; null when it is not known. */
  projection_lag_ms: Schema.NullOr(Schema.Finite)
}).annotate({ identifier: "Readiness" })
export type Readiness = typeof Readiness.Type
