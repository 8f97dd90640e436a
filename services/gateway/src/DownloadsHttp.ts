/** The routes of downloads: what jobs have fetched to the staging store, decrypted as it is sent. */
import { Api } from "@akave-async/api/Api"
import * as Problems from "@akave-async/api/Problems"
import * as Account from "@akave-async/domain/Account"
import type * as Download from "@akave-async/domain/Download"
import * as File from "@akave-async/domain/File"
import * as Job from "@akave-async/domain/Job"
import { MasterSecret } from "@akave-async/platform/MasterSecret"
import { fileKey, openChunk } from "@akave-async/sdk/encoding/Encryption"
import { ObjectId } from "@akave-async/staging/StagedObject"
import { Staging } from "@akave-async/staging/Staging"
import { DateTime, Effect, Option, type Redacted, Stream } from "effect"
import { HttpServerResponse } from "effect/http"
import { HttpApiBuilder } from "effect/http-api"
import { Accounts } from "./Accounts.ts"
import * as Answers from "./Answers.ts"
import { isSigned } from "./DownloadLinks.ts"
import { stagingFailures } from "./FileBody.ts"
import type * as FileKeys from "./FileKeys.ts"
import * as FileReads from "./FileReads.ts"
import { FilesModel } from "./FilesModel.ts"

import { lookupFailures } from "./Unavailable.ts"

type Completed = Extract<Download.DownloadJob, { readonly status: "completed" }>

const notFound = new Problems.DownloadNotFound({ detail: "There is no such download; ask for the file again" })

/** The bytes of a file as it was before it was encrypted, from a range of its chunks. */
const decrypted = (
  { request }: Completed,
  master: Redacted.Redacted<Uint8Array>,
  { end, start }: { readonly start: number; readonly end: number }
) => {
  const staging = Staging.use((staging) => Effect.succeed(staging))
  const [sealed, plain] = [File.chunkLength(request), File.plaintextLength(request)]
  const key = fileKey(master, request.bucketName, request.nameOnWire ?? request.name)
  const chunk = Effect.fnUntraced(function*(index: number) {
    const from = index * sealed
    const range = { start: from, end: Math.min(from + sealed, File.stagedSize(request)) }
    const pieces = yield* Stream.runCollect((yield* staging).read(ObjectId.make(request.staged), range))
    const bytes = yield* Effect.fromResult(openChunk(key, index, Buffer.concat(pieces)))
    const offset = index * plain
    return bytes.subarray(Math.max(0, start - offset), Math.min(bytes.length, end - offset))
  })
  return Stream.range(Math.floor(start / plain), Math.ceil(end / plain) - 1).pipe(Stream.mapEffect(chunk))
}

export const DownloadsHttp = HttpApiBuilder.group(
  Api,
  "downloads",
  Effect.fnUntraced(function*(handlers) {
    const accounts = yield* Accounts
    const masters = yield* MasterSecret
    const filesModel = yield* FilesModel
    const staging = yield* Staging
    const context = yield* Effect.context<FileKeys.FileKeys | Staging>()

    /** A download that a link is of. Without accounts and a master secret, links have no signature. */
    const found = Effect.fnUntraced(
      function*(id: Job.Id, query: { readonly expires?: string; readonly signature?: string }) {
        const isOpen = accounts.isEmpty() && masters.current() === undefined
        if (!isOpen && !isSigned(masters.taken(), id, query)) return yield* notFound
        const job = yield* filesModel.download(id)
        if (Option.isNone(job)) return yield* notFound
        if (job.value.status !== "completed") {
          return yield* new Problems.DownloadNotReady({
            detail: Job.isTerminal(job.value.status)
              ? `Job ${id} is ${job.value.status}: ask for the file again`
              : `Job ${id} has not ended; follow it`
          })
        }
        const { expiresAt } = job.value.result
        if (DateTime.isLessThan(expiresAt, yield* DateTime.now)) {
          return yield* new Problems.DownloadExpired({
            detail: `The bytes were kept until ${DateTime.formatIso(expiresAt)}; ask for the file again`
          })
        }
        return job.value as Completed
      }
    )

    return handlers.handleAll({
      get: Effect.fnUntraced(
        function*({ headers, params, query }) {
          const job = yield* found(params.job_id, query)
          const { request, tenant } = job
          const etag = `"${request.rootCid}"`
          if (Answers.names(headers["if-none-match"], etag)) {
            return HttpServerResponse.empty({ status: 304, headers: { etag } })
          }
          const range = yield* FileReads.wanted(headers, etag, request.size)
          const key = yield* Effect.provideContext(
            FileReads.keyOf(request, tenant ?? Account.local, headers["x-encryption-key"]),
            context
          )
          const span = range === "whole" ? { start: 0, end: request.size } : range
          const bytes = key === undefined
            ? staging.read(ObjectId.make(request.staged), span)
            : Stream.provideContext(decrypted(job, key, span), context)
          return yield* FileReads.bytesAnswer(FileReads.headersOf(request, ""), { range, size: request.size }, bytes)
        },
        Effect.catchTags({
          RangeNotSatisfiable: FileReads.notSatisfiable,
          StagingUnavailable: stagingFailures.StagingUnavailable,
          StagedMissing: () => notFound,
          DecryptionFailed: () =>
            new Problems.WrongEncryptionKey({ detail: "The file was not encrypted with this key" }),
          LogUnavailable: lookupFailures.LogUnavailable,
          ReadModelBehind: lookupFailures.ReadModelBehind,
          SqlError: lookupFailures.SqlError
        })
      )
    })
  })
)
