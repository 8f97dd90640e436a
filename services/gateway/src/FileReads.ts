/** Files as they are read: from the network, verified, or what is known of them. */
import { Caller } from "@akave-async/api/Caller"
import { FileResource } from "@akave-async/api/FileResources"
import * as Problems from "@akave-async/api/Problems"
import type { BucketName } from "@akave-async/domain/BucketName"
import { FileId, RootCid } from "@akave-async/domain/Ethereum"
import type * as File from "@akave-async/domain/File"
import { fileId } from "@akave-async/sdk/FileId"
import { named } from "@akave-async/sdk/files/FileContract"
import type { FileEntry } from "@akave-async/sdk/files/FileNode"
import { Effect, Pull, Schema, Stream } from "effect"
import { HttpServerRequest, HttpServerRespondable, HttpServerResponse } from "effect/http"
import * as Answers from "./Answers.ts"
import { baseName, digestField, disposition, type Range, rangeOf, tagsOf } from "./FileHeaders.ts"
import * as FileKeys from "./FileKeys.ts"
import { Files, type Place } from "./Files.ts"
import { FilesModel } from "./FilesModel.ts"
import { Network } from "./Network.ts"

import { eventsUnavailable, lookupFailures } from "./Unavailable.ts"

export interface ReadHeaders {
  readonly "x-encryption-key"?: string
  readonly range?: string
  readonly "if-range"?: string
  readonly "if-match"?: string
  readonly "if-none-match"?: string
}

const invalid = (detail: string) => new Problems.InvalidRequest({ detail, errors: [] })
const networkUnavailable = (reason: string) =>
  new Problems.NetworkUnavailable({ detail: `The storage network does not give it for now: ${reason}. Ask again` })

const encode = Schema.encodeSync(Schema.toCodecJson(FileResource))

/** What the log knows of a file. */
export const resourceOf = (owner: FileResource["owner"], file: File.File): FileResource => ({
  bucket_name: file.bucketName,
  file_name: file.name,
  file_id: file.id,
  root_cid: file.rootCid,
  size: file.size,
  encoded_size: file.encodedSize,
  sha256: file.sha256,
  content_type: file.contentType ?? null,
  encryption: file.encryption,
  parity_blocks: file.parityBlocks,
  is_public: file.isPublic,
  owner,
  job_id: file.jobId,
  created_at: file.createdAt
})

/** What the network itself knows of a file. */
const ofNetwork = (owner: FileResource["owner"], bucketName: BucketName, file: FileEntry): FileResource => ({
  bucket_name: bucketName,
  file_name: file.name,
  file_id: FileId.make(fileId(named(bucketName, owner, file.name).bucketId, file.name)),
  root_cid: file.rootCid === undefined ? null : RootCid.make(file.rootCid),
  size: file.actualSize,
  encoded_size: file.encodedSize,
  sha256: null,
  content_type: null,
  encryption: null,
  parity_blocks: null,
  is_public: null,
  owner,
  job_id: null,
  created_at: file.createdAt
})

/** The key that a file is decrypted with; none where it is not encrypted. */
export const keyOf = Effect.fnUntraced(
  function*(file: Pick<File.File, "encryption" | "keyId">, account: string, header: string | undefined) {
    const keys = yield* FileKeys.FileKeys
    if (file.encryption === "none") return undefined
    if (header !== undefined && file.encryption === "client") return FileKeys.ofClient(header)
    const own = file.encryption === "account" ? keys.find(account, file.keyId ?? "") : undefined
    return own ?? (yield* new Problems.EncryptionKeyRequired({
      detail: file.encryption === "client"
        ? "The file is encrypted with a key of its client: send it in X-Encryption-Key"
        : "The file is encrypted with a secret that the gateway does not have any more: set FILE_ENCRYPTION_SECRET_BEFORE"
    }))
  }
)

/** The part of a file that a request asks for. */
export const wanted = Effect.fnUntraced(function*(
  { "if-range": ifRange, range }: ReadHeaders,
  etag: string,
  size: number
): Effect.fn.Return<Range | "whole", Problems.RangeNotSatisfiable> {
  // Of another file than the client has a part of, it gets the whole.
  const asked = ifRange !== undefined && ifRange.trim() !== etag ? "whole" : rangeOf(range, size)
  if (asked === "several" || asked === "unsatisfiable") {
    return yield* new Problems.RangeNotSatisfiable({
      detail: asked === "several" ? "Ask for one range by each request" : `The file has ${size} bytes`,
      size
    })
  }
  return asked
})

/** What is said of a file whose bytes are sent, or would be. */
export const headersOf = (
  file: Pick<File.File, "contentType" | "name" | "sha256"> & { readonly rootCid: string },
  download: string | undefined
): Readonly<Record<string, string>> => ({
  etag: `"${file.rootCid}"`,
  "accept-ranges": "bytes",
  "repr-digest": digestField(file.sha256),
  "content-type": file.contentType ?? "application/octet-stream",
  "content-disposition": download === undefined
    ? disposition("inline", baseName(file.name))
    : disposition("attachment", download === "" ? baseName(file.name) : download),
  // What was uploaded is nobody's page on this origin.
  "x-content-type-options": "nosniff",
  "content-security-policy": "sandbox; default-src 'none'",
  "cache-control": "private, no-cache",
  vary: "range"
})

/** An answer with bytes: the first ones are there before it begins, so that what can't be had is still a problem. */
export const bytesAnswer = Effect.fnUntraced(function*<E>(
  headers: Readonly<Record<string, string>>,
  { range, size }: { readonly range: Range | "whole"; readonly size: number },
  bytes: Stream.Stream<Uint8Array, E>
) {
  const { method } = yield* HttpServerRequest.HttpServerRequest
  const { end, start } = range === "whole" ? { start: 0, end: size } : range
  const part = range === "whole" ? {} : { "content-range": `bytes ${start}-${end - 1}/${size}` }
  const options = { status: range === "whole" ? 200 : 206, headers: { ...headers, ...part } }
  const contentLength = end - start
  if (method === "HEAD") {
    return HttpServerResponse.empty({
      ...options,
      headers: { ...options.headers, "content-length": `${contentLength}` }
    })
  }
  const pull = yield* Stream.toPull(bytes)
  const first = yield* Pull.catchDone(pull, () => Effect.succeed([]))
  const body = Stream.concat(Stream.fromIterable(first), Stream.fromPull(Effect.succeed(pull)))
  return HttpServerResponse.stream(body, {
    ...options,
    contentLength,
    contentType: headers["content-type"] ?? "application/octet-stream"
  })
})

/** That a file does not have the bytes that are asked for, with its length (RFC 9110, section 15.5.17). */
export const notSatisfiable = (problem: Problems.RangeNotSatisfiable) =>
  Effect.map(
    HttpServerRespondable.toResponse(problem),
    (response) =>
      HttpServerResponse.setHeaders(response, { "content-range": `bytes */${problem.size}`, "accept-ranges": "bytes" })
  )

/** Why the network does not give the bytes of a file. */
const readFailure = ({ message }: { readonly message: string }) => networkUnavailable(message)
const notShown = ({ message }: { readonly message: string }) =>
  networkUnavailable(`it does not show the file that was uploaded (${message})`)
export const wrongKey = () => new Problems.WrongEncryptionKey({ detail: "The file was not encrypted with this key" })

/** The bytes of a file of the caller, or what is known of it. */
export const get = Effect.fnUntraced(
  function*(
    place: Place,
    headers: ReadHeaders,
    { download, metadata }: { readonly download?: string; readonly metadata?: "" | "true" | "network" }
  ) {
    const caller = yield* Caller
    const files = yield* Files
    const { reading } = yield* Network
    const { owner } = caller
    const file = yield* files.find(caller, place)
    const etag = `"${file.rootCid}"`
    if (headers["if-match"] !== undefined) {
      const tags = yield* Effect.mapError(
        Effect.fromResult(tagsOf(headers["if-match"])),
        (reason) => invalid(`If-Match: ${reason}`)
      )
      if (tags !== "any" && !tags.includes(file.rootCid)) {
        return yield* new Problems.PreconditionFailed({
          detail: `The file has the root ${file.rootCid}`,
          root_cid: file.rootCid
        })
      }
    }
    if (Answers.names(headers["if-none-match"], etag)) {
      return HttpServerResponse.empty({ status: 304, headers: { etag } })
    }
    const { bucketName, name, nameOnWire = name } = file
    const onWire = { bucketName, name: nameOnWire, owner }
    if (metadata === "network") {
      const { node } = yield* reading
      const found = yield* node.view(onWire)
      return HttpServerResponse.jsonUnsafe(
        encode({ ...ofNetwork(owner, bucketName, found), file_name: name, is_public: found.isPublic })
      )
    }
    if (metadata !== undefined) {
      return HttpServerResponse.jsonUnsafe(encode(resourceOf(owner, file)), { headers: { etag } })
    }
    const range = yield* wanted(headers, etag, file.size)
    const key = yield* keyOf(file, caller.account, headers["x-encryption-key"])
    const { open } = yield* reading
    const options = {
      coding: { dataBlocks: file.dataBlocks, parityBlocks: file.parityBlocks },
      isEncrypted: file.encryption !== "none",
      ...(key === undefined ? {} : { encryptionKey: key }),
      ...(range === "whole" ? {} : { range })
    }
    const opened = yield* open({ bucketName, name, onWire, options })
    if (`${opened.rootCid}` !== file.rootCid) {
      return yield* networkUnavailable(
        `it shows the file with the root ${opened.rootCid}, and ${file.rootCid} was uploaded`
      )
    }
    return yield* bytesAnswer(headersOf(file, download), { range, size: file.size }, opened.bytes)
  },
  Effect.catchTags({
    RangeNotSatisfiable: notSatisfiable,
    FileMissing: ({ message }) => new Problems.FileNotFound({ detail: message }),
    LogUnavailable: eventsUnavailable,
    NetworkAway: ({ message }) => networkUnavailable(message),
    NodeError: readFailure,
    RpcError: readFailure,
    ContractError: readFailure,
    UnknownRevert: readFailure,
    FileNotFound: notShown,
    FileNotCommitted: notShown,
    NotAuthentic: readFailure,
    KeyRequired: readFailure,
    BlocksUnavailable: readFailure,
    DecryptionFailed: wrongKey,
    NotErasureCoded: readFailure,
    TooFewShards: readFailure,
    InvalidArgument: readFailure
  })
)

interface ListQuery {
  readonly after?: string
  readonly limit: number
  readonly prefix?: string
  readonly source: "read_model" | "network"
}

/** A page of a bucket's files. */
export const list = Effect.fnUntraced(
  function*(bucketName: BucketName, { after, limit, prefix = "", source }: ListQuery) {
    const caller = yield* Caller
    const { owner } = caller
    if (source === "read_model") {
      const model = yield* FilesModel
      const files = yield* model.files(caller, bucketName, {
        prefix,
        limit,
        ...(after === undefined ? {} : { after })
      })
      return { files, next: files.length < limit ? null : files.at(-1)?.file_name ?? null }
    }
    const offset = Number(after ?? "0")
    if (!Number.isSafeInteger(offset) || offset < 0) {
      return yield* invalid("after: of a page from the network it is the `next` of the page before, a number")
    }
    const files = yield* Files
    if (!(yield* files.isOwn(caller, bucketName))) return { files: [], next: null }
    const { node } = yield* Effect.flatMap(Network, ({ reading }) => reading)
    const page = yield* node.list({ bucketName, owner, offset, limit })
    const found = page.filter(({ name }) => name.startsWith(prefix)).map((file) => ofNetwork(owner, bucketName, file))
    return { files: found, next: page.length < limit ? null : `${offset + limit}` }
  },
  Effect.catchTags({
    LogUnavailable: eventsUnavailable,
    NetworkAway: ({ message }) => networkUnavailable(message),
    NodeError: readFailure,
    SqlError: lookupFailures.SqlError
  })
)
