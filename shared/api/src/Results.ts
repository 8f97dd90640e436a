/** What completed jobs have done, as the HTTP API shows it: a row for each operation. */
import { BucketId, FileId, RootCid, TransactionHash, Wei } from "@akave-async/domain/Ethereum"
import type * as Job from "@akave-async/domain/Job"
import type { AnyJob, operations } from "@akave-async/domain/Operations"
import { type DateTime, Schema, Struct } from "effect"

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
/** All operations. */
export const names = Struct.keys(results)

/** The result of a completed job of one operation. */
export const resultOf = <Of extends Name>(operation: Of) =>
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

/** What the result of a completed job holds of its own. */
export const shown = (job: AnyJob & { readonly status: "completed" }, links: Links) => {
  const row: { readonly show: (result: never, job: AnyJob, links: Links) => object } = results[job.operation]
  return row.show(job.result as never, job, links) as object as Record<never, never>
}
