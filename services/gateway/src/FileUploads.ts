/** Files as they are taken in: checked as far as they can be, staged, and then asked for. */
import { Caller } from "@akave-async/api/Caller"
import * as Problems from "@akave-async/api/Problems"
import * as File from "@akave-async/domain/File"
import type { Current } from "@akave-async/eventing/JobEvents"
import { encryptFileName, fileKey } from "@akave-async/sdk/encoding/Encryption"
import { Effect, type Stream } from "effect"
import * as FileBody from "./FileBody.ts"
import { type Conditions, preconditionOf } from "./FileConditions.ts"
import * as FileKeys from "./FileKeys.ts"
import { invalid, tooManyStagedBytes, uploadRefusals } from "./FileProblems.ts"
import { Files, type Place } from "./Files.ts"
import { IdempotencyKeys } from "./IdempotencyKeys.ts"
import { StagedBytes } from "./StagedBytes.ts"

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

/** What an upload is asked for with. */
export interface UploadAsked {
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

/**
 * Takes a file in: checks what can be checked before its bytes are there, and stages it. Gives what then asks for its upload, or removes
 * it again.
 */
export const take = Effect.fnUntraced(function*(config: FileBody.FileBodyConfig, asked: UploadAsked) {
  const caller = yield* Caller
  const files = yield* Files
  const idempotencyKeys = yield* IdempotencyKeys
  const { bytes, headers, length, place, query, sha256 } = asked
  const key = headers["idempotency-key"]
  const refused = uploadRefusals(headers["if-none-match"] !== undefined)
  const condition = yield* preconditionOf(headers, query.overwrite === "true")
  if (asked.contentType !== undefined && asked.contentType.length > maxContentType) {
    return yield* invalid(`Content-Type has at most ${maxContentType} characters`)
  }
  if (length !== undefined && length > config.maxBytes) return yield* FileBody.tooLarge(config.maxBytes)
  if (length === 0) return yield* FileBody.emptyFile
  const { body, ...storage } = yield* storageOf(place, query, headers["x-encryption-key"])
  // What was asked for before is not refused for what it has done.
  yield* files.checkUpload(caller, place, condition).pipe(
    Effect.catch((refusal) =>
      Effect.flatMap(
        idempotencyKeys.isRepeat(caller, key, 1),
        (isRepeat) => isRepeat ? Effect.void : Effect.fail(refusal)
      )
    ),
    Effect.catchTags(refused)
  )
  const stagedBytes = yield* StagedBytes
  const counted = yield* Effect.mapError(stagedBytes.begin(caller, length ?? 0), tooManyStagedBytes)
  const expected = { length, sha256, encryption: body, counted }
  const staged = yield* Effect.onError(
    FileBody.stage(config, bytes, expected),
    () => Effect.sync(() => counted.settle(undefined))
  )
  const discard = yield* FileBody.discard(staged)
  const discarded = Effect.andThen(Effect.sync(() => counted.settle(undefined)), discard)
  const contentType = asked.contentType === undefined ? {} : { contentType: asked.contentType }
  const request = { ...place, ...storage, ...contentType, size: staged.size, sha256: staged.sha256, staged: staged.id }
  const upload = files.upload(caller, request, condition, key).pipe(
    // The first use of the key has staged bytes of its own.
    Effect.tap((current) => isOf(current, staged) ? Effect.sync(() => counted.settle(current)) : discarded),
    // Without an answer of the log the request may be stored, and then its bytes are needed. Else they are swept.
    Effect.tapError((error) => error._tag === "LogUnavailable" ? Effect.void : discarded),
    Effect.onExit(() => Effect.sync(() => counted.settle(undefined))),
    Effect.catchTags(refused)
  )
  return { place, upload, discarded }
})

/** A file that is staged. */
export type Taken = Effect.Success<ReturnType<typeof take>>

const isOf = ({ job }: Current, { id }: FileBody.Staged): boolean =>
  job.operation === "file.upload" && job.request.staged === id
