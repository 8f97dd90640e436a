/** What the HTTP API shows: JSON with snake_case names and every field always there, null where it has no value. */
import type * as Bucket from "@akave-async/domain/Bucket"
import { BucketName } from "@akave-async/domain/BucketName"
import * as DeadLetter from "@akave-async/domain/DeadLetter"
import { Address, BucketId, TransactionHash } from "@akave-async/domain/Ethereum"
import * as Job from "@akave-async/domain/Job"
import { Effect, Schema, Struct } from "effect"

/** What the result of an operation on a bucket holds of its own, and how it is shown. */
const ofBucket = {
  fields: { bucket_id: BucketId },
  show: ({ bucketId }: { readonly bucketId: BucketId }) => ({ bucket_id: bucketId })
}
/** What is shown of the jobs of each operation: an operation is one row here. */
const results = {
  "bucket.create": ofBucket,
  "bucket.delete": ofBucket
} as const satisfies Readonly<Record<keyof typeof Bucket.operations, unknown>>
type Name = keyof typeof results
const names = Struct.keys(results)

const resultOf = <Of extends Name>(operation: Of) =>
  Schema.Struct({
    operation: Schema.Literal(operation),
    ...results[operation].fields,
    tx_hash: Schema.NullOr(TransactionHash),
    block_number: Schema.NullOr(Schema.Natural),
    gas_used: Schema.NullOr(Schema.Natural),
    adopted: Schema.Boolean
  })

export const JobResource = Schema.Struct({
  job_id: Job.Id,
  operation: Schema.Literals(names),
  bucket_name: Schema.String,
  owner: Address,
  status: Job.Status,
  /** The transaction that carries the job, as soon as one is sent. */
  tx_hash: Schema.NullOr(TransactionHash),
  result: Schema.NullOr(Schema.Union(names.map(resultOf))),
  error: Schema.NullOr(Job.Failure),
  attempts: Schema.Natural,
  created_at: Schema.DateTimeUtc,
  updated_at: Schema.DateTimeUtc
}).annotate({ identifier: "Job", description: "One accepted request and how far it has come" })
export type JobResource = typeof JobResource.Type

export const jobResource = (job: Bucket.BucketJob): JobResource => ({
  job_id: job.id,
  operation: job.operation,
  bucket_name: job.request.name,
  owner: job.owner,
  status: job.status,
  tx_hash: Job.transactionOf(job) ?? null,
  result: job.status !== "completed" ? null : {
    operation: job.operation,
    ...results[job.operation].show(job.result),
    tx_hash: job.result.transactionHash ?? null,
    block_number: job.result.blockNumber ?? null,
    gas_used: job.result.gasUsed ?? null,
    adopted: job.result.adopted
  },
  error: Job.errorOf(job) ?? null,
  attempts: Job.attemptsOf(job),
  created_at: job.createdAt,
  updated_at: job.updatedAt
})

/** Names a request, so that it can be sent again without being done twice. */
export const IdempotencyKey = Schema.String.check(
  Schema.isPattern(/^[\x21-\x7e]([\x20-\x7e]{0,253}[\x21-\x7e])?$/, {
    message: "1 to 255 printable ASCII characters, without a space at either end"
  })
).annotate({
  description:
    "Names the request, a UUID for example: sent again with the same key and body it is the same request, and is answered with the same job, for ever"
})

export const BucketRequest = Schema.Struct({
  name: BucketName
}).annotate({ identifier: "BucketRequest" })

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
export const Comparable = Schema.String.check(Schema.isPattern(/^[^\0]*$/, { message: "a text without NUL" }))
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
  Schema.makeFilter(({ all, ...filter }) =>
    (all === true) === (Object.keys(filter).length === 0) ||
    { path: ["all"], issue: "either a type, subject or reason, or true for all dead letters" }
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

const Dependency = Schema.Struct({
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
