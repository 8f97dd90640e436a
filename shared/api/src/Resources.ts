/** What the HTTP API shows: JSON with snake_case names and every field always there, null where it has no value. */
import { BucketName } from "@akave-async/domain/BucketName"
import * as DeadLetter from "@akave-async/domain/DeadLetter"
import { Address, BucketId, TransactionHash } from "@akave-async/domain/Ethereum"
import * as Job from "@akave-async/domain/Job"
import type { AnyJob } from "@akave-async/domain/Operations"
import { Effect, Schema } from "effect"
import * as Problems from "./Problems.ts"
import { Progress, progressOf } from "./Progress.ts"
import { type Links, names, resultOf, shown, unsigned } from "./Results.ts"

export const Operation = Schema.Literals(names)

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
  /** Where files wait for their upload. */
  staging: Dependency,
  /** Whether executors answer and get on with their work. Requests are taken all the same: it does not count for `ready`. */
  lanes: Dependency,
  /** Age of the oldest event that the read model has not applied, in milliseconds; null when it is not known. */
  projection_lag_ms: Schema.NullOr(Schema.Finite)
}).annotate({ identifier: "Readiness" })
export type Readiness = typeof Readiness.Type
