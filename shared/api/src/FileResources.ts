/** What the HTTP API shows of files. */
import { Address, FileId, RootCid } from "@akave-async/domain/Ethereum"
import * as File from "@akave-async/domain/File"
import * as Job from "@akave-async/domain/Job"
import { Effect, Schema } from "effect"

/** What only the gateway that has uploaded a file knows of it is null where the network alone was asked. */
export const FileResource = Schema.Struct({
  bucket_name: Schema.String,
  file_name: Schema.String,
  file_id: FileId,
  /** Of the whole file; it is its `ETag` too. Null while an upload to the network is not finished. */
  root_cid: Schema.NullOr(RootCid),
  /** Bytes of the file, and of all its blocks on the network. */
  size: Schema.Natural,
  encoded_size: Schema.Natural,
  /** Of the file's bytes, in 64 hex digits. */
  sha256: Schema.NullOr(Schema.String),
  content_type: Schema.NullOr(Schema.String),
  encryption: Schema.NullOr(File.Encryption),
  /** Of the 32 blocks of a chunk, those that may be lost. */
  parity_blocks: Schema.NullOr(Schema.Natural),
  is_public: Schema.NullOr(Schema.Boolean),
  owner: Address,
  /** The job that uploaded it. */
  job_id: Schema.NullOr(Job.Id),
  created_at: Schema.DateTimeUtc
}).annotate({ identifier: "File", description: "A file on the network" })
export type FileResource = typeof FileResource.Type

export const FilePage = Schema.Struct({
  files: Schema.Array(FileResource),
  /** Give it as `after` to get the next page; null on the last one. */
  next: Schema.NullOr(Schema.String)
}).annotate({ identifier: "FilePage" })

export const AccessRequest = Schema.Struct({
  /** Whether everybody may read the file from the network. */
  is_public: Schema.Boolean
}).annotate({ identifier: "AccessRequest" })

/** The longest that a download is kept, in seconds: a week. */
export const maxKeep = 604_800
export const DownloadRequest = Schema.Struct({
  /** For how long the bytes are kept once they are there, in seconds. */
  keep_seconds: Schema.Int.check(Schema.isBetween({ minimum: 60, maximum: maxKeep })).pipe(
    Schema.withDecodingDefaultKey(Effect.succeed(3_600))
  )
}).annotate({ identifier: "DownloadRequest" })
