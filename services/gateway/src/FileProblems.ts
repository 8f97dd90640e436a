/** Why requests for jobs on files are refused, as problems of the HTTP API. */
import * as Problems from "@akave-async/api/Problems"
import type * as Bucket from "@akave-async/domain/Bucket"
import type * as File from "@akave-async/domain/File"
import { Effect } from "effect"
import { refusals } from "./Asking.ts"
import { bucketNotFound } from "./BucketsHttp.ts"
import type { BucketBeingDeleted } from "./Files.ts"
import type { TooManyStagedBytes } from "./StagedBytes.ts"

/** A request that is not valid, for a reason in words. */
export const invalid = (detail: string) => new Problems.InvalidRequest({ detail, errors: [] })

const fileExists = ({ jobId, message, rootCid }: File.FileExists) =>
  new Problems.FileExists({
    detail: `${message}. Send overwrite=true, or If-Match with its ETag, to replace it`,
    job_id: jobId,
    root_cid: rootCid
  })
const fileBusy = ({ jobId, message }: File.FileBusy) => new Problems.FileBusy({ detail: message, job_id: jobId })
const nameTaken = ({ message }: File.FileNameTaken) => new Problems.FileNameTaken({ detail: message })
const changed = ({ message, rootCid }: File.FileChanged) =>
  new Problems.PreconditionFailed({ detail: message, root_cid: rootCid ?? null })
export const fileNotFound = ({ message }: { readonly message: string }) =>
  new Problems.FileNotFound({ detail: `${message}. GET /buckets/{name}/files lists those that are there` })
const beingDeleted = ({ jobId, message }: BucketBeingDeleted) =>
  new Problems.BucketBeingDeleted({ detail: message, job_id: jobId })

export const tooManyStagedBytes = ({ limit, message }: TooManyStagedBytes) =>
  new Problems.TooManyStagedBytes({ detail: `${message}. Ask again when some of them have ended`, limit })

/** Where a file exists, though `If-None-Match: *` says that it must not (RFC 9110, section 13), or nothing says that it may. */
const unmet =
  (mustBeNew: boolean) =>
  (error: File.FileExists): Effect.Effect<never, Problems.FileExists | Problems.PreconditionFailed> =>
    Effect.fail(
      mustBeNew
        ? new Problems.PreconditionFailed({ detail: error.message, root_cid: error.rootCid })
        : fileExists(error)
    )

/** Of an upload, beside what any request is refused for. */
export const uploadRefusals = (mustBeNew: boolean) => ({
  FileBusy: fileBusy,
  FileNameTaken: nameTaken,
  FileChanged: changed,
  BucketMissing: (error: Bucket.BucketMissing) => bucketNotFound(error),
  BucketBeingDeleted: beingDeleted,
  FileExists: unmet(mustBeNew)
})
/** Of a deletion, or a change of who may read a file. */
export const changeRefusals = { ...refusals, FileBusy: fileBusy, FileChanged: changed, FileMissing: fileNotFound }
