/** The routes of files: requests for jobs on them. */
import { Api } from "@akave-async/api/Api"
import { Caller } from "@akave-async/api/Caller"
import * as Problems from "@akave-async/api/Problems"
import type * as Bucket from "@akave-async/domain/Bucket"
import type { BucketName } from "@akave-async/domain/BucketName"
import * as File from "@akave-async/domain/File"
import type { FileName } from "@akave-async/domain/FileName"
import { encryptFileName, fileKey } from "@akave-async/sdk/encoding/Encryption"
import type { Staging } from "@akave-async/staging/Staging"
import { Array, Effect, type Stream } from "effect"
import { HttpServerRequest } from "effect/http"
import { HttpApiBuilder } from "effect/http-api"
import { Admission } from "./Admission.ts"
import { accepted, refusals } from "./Asking.ts"
import { bucketNotFound } from "./BucketsHttp.ts"
import * as FileBody from "./FileBody.ts"
import { digestOf, tagsOf } from "./FileHeaders.ts"
import * as FileKeys from "./FileKeys.ts"
import { pathOf } from "./FilePaths.ts"
import * as FileReads from "./FileReads.ts"
import { type BucketBeingDeleted, Files, type Place } from "./Files.ts"
import * as FormFile from "./FormFile.ts"
import { IdempotencyKeys } from "./IdempotencyKeys.ts"
import type { Jobs } from "./Jobs.ts"
import type { Network } from "./Network.ts"
import type { ReadModel } from "./ReadModel.ts"

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

const uploadRefusals = {
  LogUnavailable: refusals.LogUnavailable,
  FileBusy: fileBusy,
  FileNameTaken: nameTaken,
  FileChanged: changed,
  BucketMissing: (error: Bucket.BucketMissing) => bucketNotFound(error),
  BucketBeingDeleted: beingDeleted
}
const changeRefusals = { ...refusals, FileBusy: fileBusy, FileChanged: changed, FileMissing: fileNotFound }

interface Conditions {
  readonly "if-match"?: string
  readonly "if-none-match"?: string
}

/** Which file a request is for, by its headers. */
const preconditionOf = Effect.fnUntraced(function*(
  { "if-match": match, "if-none-match": noneMatch }: Conditions,
  overwrite: boolean
) {
  if (match !== undefined && noneMatch !== undefined) {
    return yield* invalid("Send If-Match or If-None-Match, not both")
  }
  if (noneMatch !== undefined) {
    if (noneMatch.trim() !== "*") return yield* invalid("If-None-Match of a request that changes a file can only be *")
    if (overwrite) {
      return yield* invalid(
        "overwrite=true says that a file that is there is replaced, and If-None-Match that it is not"
      )
    }
    return "none" as const
  }
  if (match === undefined) return overwrite ? "any" as const : "none" as const
  const tags = yield* Effect.mapError(Effect.fromResult(tagsOf(match)), (reason) => invalid(`If-Match: ${reason}`))
  return tags === "any" ? "any" as const : tags
})

/** Where a file exists, though `If-None-Match: *` or `If-Match: *` says that it must not, or must (RFC 9110, section 13). */
const unmet =
  ({ "if-none-match": noneMatch }: Conditions) =>
  (error: File.FileExists): Effect.Effect<never, Problems.FileExists | Problems.PreconditionFailed> =>
    Effect.fail(
      noneMatch === undefined
        ? fileExists(error)
        : new Problems.PreconditionFailed({ detail: error.message, root_cid: error.rootCid })
    )

/** The SHA-256 that the client says the body has. */
const expectedDigest = Effect.fnUntraced(function*(headers: Readonly<Record<string, string | undefined>>) {
  const named = [["Content-Digest", headers["content-digest"]], ["Repr-Digest", headers["repr-digest"]]] as const
  const found: globalThis.Array<string> = []
  for (const [name, header] of named) {
    if (header !== undefined) found.push(yield* Effect.mapError(Effect.fromResult(digestOf(name, header)), invalid))
  }
  if (new Set(found).size > 1) return yield* invalid("Content-Digest and Repr-Digest are of different bytes")
  return found[0]
})

interface UploadQuery {
  readonly parity_blocks: number
  readonly encryption: "none" | "account"
  readonly encrypt_name: "true" | "false"
  readonly overwrite: "true" | "false"
}

/** How the file is stored, and the key that it is encrypted with. */
const storageOf = Effect.fnUntraced(function*(
  { bucketName, name }: Place,
  query: UploadQuery,
  clientKey: string | undefined
) {
  const keys = yield* FileKeys.FileKeys
  const { account } = yield* Caller
  const parityBlocks = query.parity_blocks
  const stored = { dataBlocks: 32 - parityBlocks, parityBlocks }
  const encryptsName = query.encrypt_name === "true"
  if (clientKey === undefined && query.encryption === "none") {
    if (encryptsName) return yield* invalid("encrypt_name=true needs a key: encryption=account, or X-Encryption-Key")
    return { ...stored, encryption: "none" as const, body: undefined }
  }
  if (clientKey !== undefined && query.encryption === "account") {
    return yield* invalid("Send encryption=account or X-Encryption-Key, not both")
  }
  const own = clientKey === undefined ? keys.current(account) : undefined
  const master = clientKey === undefined ? own?.key : FileKeys.ofClient(clientKey)
  if (master === undefined) {
    return yield* new Problems.EncryptionNotConfigured({
      detail: "Set FILE_ENCRYPTION_SECRET of the gateway, or send a key of your own in X-Encryption-Key"
    })
  }
  const encryption = clientKey === undefined ? "account" as const : "client" as const
  const onWire = encryptsName ? encryptFileName(master, bucketName, name) : name
  return {
    ...stored,
    encryption,
    ...(own === undefined ? {} : { keyId: own.keyId }),
    ...(encryptsName ? { nameOnWire: onWire } : {}),
    body: {
      fileKey: fileKey(master, bucketName, onWire),
      chunkLength: File.plaintextLength({ ...stored, encryption })
    }
  }
})

interface UploadAsked {
  readonly place: Place
  readonly query: UploadQuery
  readonly headers: Conditions & {
    readonly "idempotency-key"?: string
    readonly prefer?: string
    readonly "x-encryption-key"?: string
  }
  readonly contentType: string | undefined
  readonly length: number | undefined
  readonly sha256: string | undefined
  readonly bytes: Stream.Stream<Uint8Array, unknown>
}

/** Content types are kept as they are sent, as far as a header can have them. */
const maxContentType = 255

/** Takes a file in: checks what can be checked, and stages it. Gives the request for its upload, which is to be run or discarded. */
const take = Effect.fnUntraced(function*(config: FileBody.FileBodyConfig, asked: UploadAsked) {
  const caller = yield* Caller
  const files = yield* Files
  const admission = yield* Admission
  const idempotencyKeys = yield* IdempotencyKeys
  const { bytes, headers, length, place, query, sha256 } = asked
  const key = headers["idempotency-key"]
  const refused = { ...uploadRefusals, FileExists: unmet(headers) }
  const precondition = yield* preconditionOf(headers, query.overwrite === "true")
  if (asked.contentType !== undefined && asked.contentType.length > maxContentType) {
    return yield* invalid(`Content-Type has at most ${maxContentType} characters`)
  }
  if (length !== undefined && length > config.maxBytes) return yield* FileBody.tooLarge(config.maxBytes)
  if (length === 0) return yield* FileBody.emptyFile
  const { body, ...storage } = yield* storageOf(place, query, headers["x-encryption-key"])
  // What was asked for before is not refused for what it has done.
  yield* files.checkUpload(caller, place, precondition).pipe(
    Effect.catch((refusal) =>
      Effect.flatMap(
        idempotencyKeys.isRepeat(caller, key, 1),
        (isRepeat) => isRepeat ? Effect.void : Effect.fail(refusal)
      )
    ),
    Effect.catchTags(refused)
  )
  const staged = yield* FileBody.stage(config, bytes, { length, sha256, encryption: body })
  const discarded = FileBody.discard(staged)
  const contentType = asked.contentType === undefined ? {} : { contentType: asked.contentType }
  const request = { ...place, ...storage, ...contentType, size: staged.size, sha256: staged.sha256, staged: staged.id }
  const upload = files.upload(caller, request, precondition, key)
  const stored = Effect.gen(function*() {
    const current = yield* Effect.onError(admission.admit(caller, { jobs: 1, key }, upload, Array.of), () => discarded)
    const { job } = current
    // The first use of the key has staged bytes of its own.
    if (job.operation !== "file.upload" || job.request.staged !== staged.id) yield* discarded
    return yield* accepted(current, headers.prefer, pathOf(place.bucketName, place.name))
  })
  return { stored: Effect.catchTags(stored, { ...refusals, ...refused }), discarded }
})

export const FilesHttp = HttpApiBuilder.group(
  Api,
  "files",
  // oxlint-disable-next-line max-lines-per-function -- its routes share the context
  Effect.fnUntraced(function*(handlers) {
    const files = yield* Files
    const admission = yield* Admission
    const config = yield* FileBody.FileBodyConfig
    const context = yield* Effect.context<
      Admission | FileKeys.FileKeys | Files | IdempotencyKeys | Jobs | Network | ReadModel | Staging
    >()
    const placeOf = (params: { readonly name: BucketName; readonly file_name: FileName }): Place => ({
      bucketName: params.name,
      name: params.file_name
    })

    return handlers.handleAll({
      upload: Effect.fnUntraced(
        function*({ headers, params, query }) {
          const request = yield* HttpServerRequest.HttpServerRequest
          const { "content-encoding": coding, "content-length": length } = request.headers
          if (coding !== undefined && coding !== "identity") {
            return yield* new Problems.UnsupportedMediaType({ detail: "Send the file without a Content-Encoding" })
          }
          const asked = {
            place: placeOf(params),
            query,
            headers,
            contentType: headers["content-type"] === "" ? undefined : headers["content-type"],
            length: length === undefined ? undefined : Number(length),
            sha256: yield* expectedDigest(headers),
            bytes: request.stream
          }
          const taken = take(config, asked)
          return yield* Effect.provideContext(Effect.flatMap(taken, ({ stored }) => stored), context)
        }
      ),
      uploadForm: Effect.fnUntraced(
        function*({ headers, params, query }) {
          const taken = FormFile.taken(({ bytes, contentType, name }) =>
            take(config, {
              place: { bucketName: params.name, name },
              query,
              headers,
              contentType,
              length: undefined,
              sha256: undefined,
              bytes
            })
          )
          return yield* Effect.provideContext(Effect.flatMap(taken, ({ stored }) => stored), context)
        }
      ),
      list: ({ params, query }) => Effect.provideContext(FileReads.list(params.name, query), context),
      get: ({ headers, params, query }) =>
        Effect.provideContext(FileReads.get(placeOf(params), headers, query), context),
      delete: Effect.fnUntraced(
        function*({ headers, params }) {
          const caller = yield* Caller
          const key = headers["idempotency-key"]
          const precondition = yield* preconditionOf(headers, true)
          const request = files.requestDeletion(caller, placeOf(params), precondition, key)
          const asked = yield* admission.admit(caller, { jobs: 1, key }, request, Array.of)
          return yield* Effect.provideContext(accepted(asked, headers.prefer), context)
        },
        Effect.catchTags(changeRefusals)
      ),
      setAccess: Effect.fnUntraced(
        function*({ headers, params, payload: { is_public: isPublic } }) {
          const caller = yield* Caller
          const key = headers["idempotency-key"]
          const precondition = yield* preconditionOf(headers, true)
          const request = files.requestAccess(caller, { ...placeOf(params), isPublic }, precondition, key)
          const asked = yield* admission.admit(caller, { jobs: 1, key }, request, Array.of)
          return yield* Effect.provideContext(accepted(asked, headers.prefer), context)
        },
        Effect.catchTags(changeRefusals)
      ),
      requestDownload: Effect.fnUntraced(
        function*({ headers, params, payload: { keep_seconds: keepSeconds } }) {
          const caller = yield* Caller
          const key = headers["idempotency-key"]
          const request = files.requestDownload(caller, placeOf(params), keepSeconds, key)
          const asked = yield* admission.admit(caller, { jobs: 1, key }, request, Array.of)
          return yield* Effect.provideContext(accepted(asked, headers.prefer), context)
        },
        Effect.catchTags({ ...refusals, FileMissing: fileNotFound })
      )
    })
  })
)
