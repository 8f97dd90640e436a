/** The routes of files. A file's name may have slashes: in a path they may be sent as they are. */
import { BucketName } from "@akave-async/domain/BucketName"
import { FileName } from "@akave-async/domain/FileName"
import * as Job from "@akave-async/domain/Job"
import { Effect, Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, HttpApiSchema, OpenApi } from "effect/http-api"
import { Identification } from "./Caller.ts"
import { accepted, asking, bodyErrors, created, notModified, page, Validation } from "./Conventions.ts"
import { AccessRequest, DownloadRequest, FilePage, FileResource } from "./FileResources.ts"
import * as Problems from "./Problems.ts"

const bucketParams = { name: BucketName }
const fileParams = { ...bucketParams, file_name: FileName }
const tag = Schema.optionalKey(Schema.String)
const content = HttpApiSchema.StreamUint8Array().annotate({ description: "The file, as it is" })
const part = HttpApiSchema.Empty(206).annotate({ description: "The bytes that `Range` asks for" })

/** The key that a client encrypts and decrypts its files with: 32 bytes in base64. It is used for this request, and stored nowhere. */
const clientKey = {
  "x-encryption-key": Schema.optionalKey(
    Schema.String.check(
      Schema.isPattern(/^[A-Za-z0-9+/]{43}=$/u, {
        message: "32 bytes in base64: 44 characters, of which the last is ="
      })
    ).annotate({ description: "A key of the client's own, 32 bytes in base64: used for this request, stored nowhere" })
  )
}
/** How a file is stored. */
const uploadQuery = {
  /** Of the 32 blocks of a chunk, those from which lost ones are restored; with 0 the file is stored as it is. */
  parity_blocks: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 16 })).annotate({
    description: "Of the 32 blocks of a chunk, how many may be lost; with 0 the file is stored as it is"
  }).pipe(Schema.withDecodingDefaultKey(Effect.succeed(16))),
  encryption: Schema.Literals(["none", "account"]).annotate({
    description: "`account`: with the account's key, which follows from the gateway's secret"
  }).pipe(Schema.withDecodingDefaultKey(Effect.succeed("none" as const))),
  encrypt_name: Schema.Literals(["true", "false"]).annotate({
    description: "Whether the network gets the name encrypted too, with the same key"
  }).pipe(Schema.withDecodingDefaultKey(Effect.succeed("false" as const))),
  overwrite: Schema.Literals(["true", "false"]).annotate({
    description:
      "Whether a file that is there is replaced: deleted first, by the same job. `If-Match` says so too, of one file"
  }).pipe(Schema.withDecodingDefaultKey(Effect.succeed("false" as const)))
}
const uploadErrors = [
  Problems.BucketNotFound,
  Problems.BucketBeingDeleted,
  Problems.FileExists,
  Problems.FileBusy,
  Problems.FileNameTaken,
  Problems.PreconditionFailed,
  Problems.EmptyFile,
  Problems.IncompleteBody,
  Problems.DigestMismatch,
  Problems.FileTooLarge,
  Problems.TooManyStagedBytes,
  Problems.StagingFull,
  Problems.StagingUnavailable,
  Problems.EncryptionNotConfigured,
  Problems.UnsupportedMediaType,
  Problems.RequestTimeout,
  Problems.IdempotencyKeyReused,
  Problems.Overloaded,
  Problems.TooManyJobs,
  Problems.EventLogUnavailable
] as const
const changeErrors = [
  Problems.FileNotFound,
  Problems.FileBusy,
  Problems.PreconditionFailed,
  Problems.IdempotencyKeyReused,
  Problems.Overloaded,
  Problems.TooManyJobs,
  ...bodyErrors,
  Problems.EventLogUnavailable
] as const
const readErrors = [
  Problems.FileNotFound,
  Problems.RangeNotSatisfiable,
  Problems.EncryptionKeyRequired,
  Problems.WrongEncryptionKey,
  Problems.NetworkUnavailable,
  Problems.ReadModelUnavailable,
  Problems.EventLogUnavailable
] as const

export class FilesGroup extends HttpApiGroup.make("files").add(
  HttpApiEndpoint.put("upload", "/buckets/:name/files/:file_name", {
    params: fileParams,
    query: uploadQuery,
    headers: {
      ...asking,
      ...clientKey,
      "content-type": tag,
      "content-digest": tag,
      "repr-digest": tag,
      "if-match": tag,
      "if-none-match": tag
    },
    success: [...accepted, created],
    error: uploadErrors
  }).annotate(OpenApi.Summary, "Upload a file; answers with the job that stores it on the network")
    .annotate(
      OpenApi.Description,
      "The body is the file, as it is. It is answered once its bytes and the request are stored durably; executors then store them on the network. With a `Content-Digest` or `Repr-Digest` (RFC 9530, `sha-256`) bytes that are not those are refused. A file that is there is refused with 409, unless `overwrite` or `If-Match` say that it is replaced."
    ),
  HttpApiEndpoint.post("uploadForm", "/buckets/:name/files", {
    params: bucketParams,
    query: uploadQuery,
    headers: { ...asking, ...clientKey },
    success: [...accepted, created],
    error: uploadErrors
  }).annotate(OpenApi.Summary, "Upload a file by a form")
    .annotate(
      OpenApi.Description,
      "As `multipart/form-data` with one part that is a file, as browsers send it. A field `file_name` before it names it, else the file's own name."
    ),
  HttpApiEndpoint.get("list", "/buckets/:name/files", {
    params: bucketParams,
    query: {
      ...page,
      prefix: Schema.optionalKey(Schema.String.check(Schema.isMaxLength(1_024), Schema.isPattern(/^[^\0]*$/u))),
      source: Schema.Literals(["read_model", "network"]).annotate({
        description: "Who is asked: the gateway's read model or, in the chain's order, the network"
      }).pipe(Schema.withDecodingDefaultKey(Effect.succeed("read_model" as const)))
    },
    success: FilePage,
    error: [Problems.NetworkUnavailable, Problems.ReadModelUnavailable, Problems.EventLogUnavailable]
  }).annotate(OpenApi.Summary, "The files of a bucket, by name")
    .annotate(
      OpenApi.Description,
      "Files of the bucket that a job has uploaded, in pages; with `source=network` those that the network has."
    ),
  HttpApiEndpoint.get("get", "/buckets/:name/files/:file_name", {
    params: fileParams,
    query: {
      metadata: Schema.optionalKey(Schema.Literals(["", "true", "network"])).annotate({
        description: "What is known of the file in place of its bytes; `network` asks the network"
      }),
      download: Schema.optionalKey(Schema.String.check(Schema.isMaxLength(255))).annotate({
        description: "The name that a browser saves it under (`Content-Disposition`); empty for the file's own"
      })
    },
    headers: { ...clientKey, range: tag, "if-range": tag, "if-match": tag, "if-none-match": tag },
    success: [
      HttpApiSchema.WithHeaders(FileResource, { etag: tag }),
      content,
      part,
      notModified
    ] as const,
    error: [...readErrors, Problems.PreconditionFailed]
  }).annotate(OpenApi.Summary, "A file's bytes, or what is known of it")
    .annotate(
      OpenApi.Description,
      "From the network, each block verified before a byte of it is sent. `Range` with one range; several are refused. The `ETag` is the file's root CID. With `metadata` the answer is JSON."
    ),
  HttpApiEndpoint.delete("delete", "/buckets/:name/files/:file_name", {
    params: fileParams,
    headers: { ...asking, "if-match": tag },
    success: accepted,
    error: changeErrors
  }).annotate(OpenApi.Summary, "Ask for a file's deletion; answers at once with the job that deletes it")
    .annotate(OpenApi.Description, "With `If-Match` only if the file is that one."),
  HttpApiEndpoint.patch("setAccess", "/buckets/:name/files/:file_name", {
    params: fileParams,
    headers: { ...asking, "if-match": tag },
    payload: AccessRequest,
    success: accepted,
    error: changeErrors
  }).annotate(OpenApi.Summary, "Ask for a change of who may read a file; answers at once with the job that does it")
    .annotate(OpenApi.Description, "A public file can be read by everybody, from the network."),
  HttpApiEndpoint.post("requestDownload", "/buckets/:name/files/:file_name/downloads", {
    params: fileParams,
    headers: asking,
    payload: DownloadRequest,
    success: accepted,
    error: [...changeErrors, Problems.StagingUnavailable]
  }).annotate(OpenApi.Summary, "Have a file fetched, as a job whose result is kept for a time")
    .annotate(
      OpenApi.Description,
      "The job fetches the file to the gateway's staging store; its result has a `url` from which the bytes come until `expires_at`."
    )
).annotate(OpenApi.Description, "Files of buckets, and requests for them").middleware(Validation).middleware(
  Identification
) {}

export class DownloadsGroup extends HttpApiGroup.make("downloads").add(
  HttpApiEndpoint.get("get", "/downloads/:job_id", {
    params: { job_id: Job.Id },
    query: { expires: Schema.optionalKey(Schema.String), signature: Schema.optionalKey(Schema.String) },
    headers: { ...clientKey, range: tag, "if-range": tag, "if-none-match": tag },
    success: [content, part, notModified] as const,
    error: [
      Problems.DownloadNotFound,
      Problems.DownloadNotReady,
      Problems.DownloadExpired,
      Problems.RangeNotSatisfiable,
      Problems.EncryptionKeyRequired,
      Problems.WrongEncryptionKey,
      Problems.StagingUnavailable,
      Problems.ReadModelUnavailable,
      Problems.EventLogUnavailable
    ]
  }).annotate(OpenApi.Summary, "The bytes that a download has fetched")
    .annotate(
      OpenApi.Description,
      "By the `url` of the job's result: its signature stands for credentials, until it expires."
    )
).annotate(OpenApi.Description, "What jobs have downloaded").middleware(Validation) {}
