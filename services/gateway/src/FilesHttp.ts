/** The routes of files: requests for jobs on them. */
import { Api } from "@akave-async/api/Api"
import { Caller } from "@akave-async/api/Caller"
import * as Problems from "@akave-async/api/Problems"
import type { BucketName } from "@akave-async/domain/BucketName"
import type { FileName } from "@akave-async/domain/FileName"
import type { Staging } from "@akave-async/staging/Staging"
import { Array, Effect } from "effect"
import { HttpServerRequest } from "effect/http"
import { HttpApiBuilder } from "effect/http-api"
import { Admission } from "./Admission.ts"
import { accepted, refusals } from "./Asking.ts"
import * as FileBody from "./FileBody.ts"
import { expectedDigest, preconditionOf } from "./FileConditions.ts"
import type { FileKeys } from "./FileKeys.ts"
import { pathOf } from "./FilePaths.ts"
import { changeRefusals, fileNotFound } from "./FileProblems.ts"
import * as FileReads from "./FileReads.ts"
import { Files, type Place } from "./Files.ts"
import type { FilesModel } from "./FilesModel.ts"
import { take, type Taken, type UploadAsked } from "./FileUploads.ts"
import * as FormFile from "./FormFile.ts"
import type { IdempotencyKeys } from "./IdempotencyKeys.ts"
import type { Jobs } from "./Jobs.ts"
import type { Network } from "./Network.ts"
import type { StagedBytes } from "./StagedBytes.ts"

export const FilesHttp = HttpApiBuilder.group(
  Api,
  "files",
  // oxlint-disable-next-line max-lines-per-function -- its routes share the context
  Effect.fnUntraced(function*(handlers) {
    const files = yield* Files
    const admission = yield* Admission
    const config = yield* FileBody.FileBodyConfig
    const context = yield* Effect.context<
      FileKeys | Files | IdempotencyKeys | Jobs | Network | FilesModel | StagedBytes | Staging
    >()
    const placeOf = (params: { readonly name: BucketName; readonly file_name: FileName }): Place => ({
      bucketName: params.name,
      name: params.file_name
    })

    /** Takes a file in, if more jobs are accepted, and asks for its upload. */
    const uploaded = Effect.fnUntraced(function*<E, R>(
      { "idempotency-key": key, prefer }: UploadAsked["headers"],
      taken: Effect.Effect<Taken, E, R>
    ) {
      const asked = Effect.flatMap(taken, ({ place, upload }) => Effect.map(upload, (current) => ({ current, place })))
      const { current, place } = yield* admission.admit(
        yield* Caller,
        { jobs: 1, key },
        asked,
        ({ current }) => [current]
      )
      return yield* accepted(current, prefer, pathOf(place.bucketName, place.name))
    })

    return handlers.handleAll({
      upload: Effect.fnUntraced(
        function*({ headers, params, query }) {
          const request = yield* HttpServerRequest.HttpServerRequest
          const { "content-encoding": coding, "content-length": length } = request.headers
          if (coding !== undefined && coding !== "identity") {
            return yield* new Problems.UnsupportedMediaType({ detail: "Send the file without a Content-Encoding" })
          }
          const taken = take(config, {
            place: placeOf(params),
            query,
            headers,
            contentType: headers["content-type"] === "" ? undefined : headers["content-type"],
            length: length === undefined ? undefined : Number(length),
            sha256: yield* expectedDigest(headers),
            bytes: request.stream
          })
          return yield* Effect.provideContext(uploaded(headers, taken), context)
        },
        Effect.catchTags(refusals)
      ),
      uploadForm: Effect.fnUntraced(
        function*({ headers, params, query }) {
          const taken = FormFile.taken(config.idleTimeout, ({ bytes, contentType, name }) => {
            const place = { bucketName: params.name, name }
            return take(config, { place, query, headers, contentType, length: undefined, sha256: undefined, bytes })
          })
          return yield* Effect.provideContext(uploaded(headers, taken), context)
        },
        Effect.catchTags(refusals)
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
