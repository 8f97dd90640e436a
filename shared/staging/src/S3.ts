/** A staging store in a bucket of an S3-compatible service: small objects by one request, larger ones by multipart uploads. */
import * as SecretSetting from "@akave-async/platform/SecretSetting"
import { Config, DateTime, Effect, Option, Redacted, Stream } from "effect"
import { S3mini } from "s3mini"
import {
  ObjectId,
  StagedMissing,
  type StagedObject,
  StagingFull,
  type StagingShape,
  StagingUnavailable
} from "./StagedObject.ts"

export interface Settings {
  /** The URL of the bucket: with its name as the path, or in the host. */
  readonly endpoint: string
  readonly region: string
  readonly accessKeyId: string
  readonly secretAccessKey: Redacted.Redacted
  /** What the keys of all objects begin with. */
  readonly prefix?: string
}

/** `STAGING_S3_…`. */
export const settings = Effect.gen(function*() {
  const endpoint = yield* Config.URL("STAGING_S3_ENDPOINT")
  const region = yield* Config.String("STAGING_S3_REGION").pipe(Config.withDefault("auto"))
  const prefix = yield* Config.String("STAGING_S3_PREFIX").pipe(Config.withDefault("akave-staging/"))
  const accessKeyId = yield* Config.NonEmptyString("STAGING_S3_ACCESS_KEY_ID")
  const secret = yield* SecretSetting.read("STAGING_S3_SECRET_ACCESS_KEY")
  const secretAccessKey = Option.getOrElse(secret, () => Redacted.make(""))
  return { endpoint: endpoint.href.replace(/\/$/, ""), region, prefix, accessKeyId, secretAccessKey } satisfies Settings
})

/** Bytes of a part: services take none below 5 MiB but the last one. */
const partSize = 8 * 1_048_576
/** Objects in a page. */
const pageSize = 1_000

/** What services say where there is no room. */
const isFull = (cause: unknown): boolean => {
  const { serviceCode, status } = Object(cause)
  return status === 507 || ["EntityTooLarge", "QuotaExceeded", "XMinioStorageFull"].includes(serviceCode)
}
const isMissing = (cause: unknown): boolean => Object(cause).status === 404

const question = <A>(operation: string, run: () => Promise<A>) =>
  Effect.tryPromise({ try: run, catch: (cause) => new StagingUnavailable({ operation, cause }) })
const attempt = <A>(operation: string, run: () => Promise<A>) =>
  Effect.tryPromise({
    try: run,
    catch: (cause) => isFull(cause) ? new StagingFull({ cause }) : new StagingUnavailable({ operation, cause })
  })

/** Pieces of a part's size, but for the last one. */
const inParts = <E, R>(bytes: Stream.Stream<Uint8Array, E, R>): Stream.Stream<Buffer, E, R> => {
  let waiting: Array<Uint8Array> = []
  let length = 0
  const take = (): Array<Buffer> => {
    const parts: Array<Buffer> = []
    while (length >= partSize) {
      const all = Buffer.concat(waiting)
      parts.push(all.subarray(0, partSize))
      waiting = [all.subarray(partSize)]
      length -= partSize
    }
    return parts
  }
  return bytes.pipe(
    Stream.map((piece) => {
      waiting.push(piece)
      length += piece.length
      return take()
    }),
    Stream.flattenIterable,
    Stream.concat(Stream.suspend(() => length === 0 ? Stream.empty : Stream.make(Buffer.concat(waiting))))
  )
}

/** So many bytes, after those that are passed over. */
const cut = <E>(bytes: Stream.Stream<Uint8Array, E>, skipped: number, taken: number): Stream.Stream<Uint8Array, E> => {
  let [skip, left] = [skipped, taken]
  return bytes.pipe(
    Stream.map((piece) => {
      const part = piece.subarray(skip, skip + left)
      skip = Math.max(0, skip - piece.length)
      left -= part.length
      return part
    }),
    Stream.takeUntil(() => left === 0)
  )
}

// oxlint-disable-next-line max-lines-per-function -- its operations share the client
export const make = ({ accessKeyId, endpoint, prefix = "", region, secretAccessKey }: Settings): StagingShape => {
  const s3 = new S3mini({
    endpoint,
    region,
    accessKeyId,
    secretAccessKey: Redacted.value(secretAccessKey),
    requestAbortTimeout: 60_000
  })
  const keyOf = (id: ObjectId) => `${prefix}${id}`
  const idOf = (key: string): ReadonlyArray<ObjectId> => {
    const name = key.slice(prefix.length)
    return /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(name) ? [ObjectId.make(name)] : []
  }

  const stated = Effect.fnUntraced(function*(id: ObjectId) {
    const page = yield* question("look for an object", () => s3.listObjectsPaged("/", keyOf(id), 1))
    const found = page?.objects?.find(({ Key }) => Key === keyOf(id))
    return Option.map(Option.fromUndefinedOr(found), ({ LastModified, Size }): StagedObject => ({
      id,
      size: Number(Size),
      storedAt: DateTime.makeUnsafe(new Date(LastModified))
    }))
  })

  /** One request where there is one part, else a multipart upload, of which one part is in memory. */
  const store = Effect.fnUntraced(function*<E, R>(key: string, parts: Stream.Stream<Buffer, E, R>) {
    let first: Buffer | undefined
    let uploadId: string | undefined
    const stored: Array<{ readonly partNumber: number; readonly etag: string }> = []
    const storePart = (upload: string, part: Buffer) =>
      Effect.map(
        attempt("store a part", () => s3.uploadPart(key, upload, part, stored.length + 1)),
        (one) => stored.push(one)
      )
    const take = Effect.fnUntraced(function*(part: Buffer) {
      if (first === undefined && uploadId === undefined) {
        first = part
        return
      }
      if (uploadId === undefined) {
        uploadId = yield* attempt("begin an object", () => s3.getMultipartUploadId(key))
        yield* storePart(uploadId, first ?? Buffer.alloc(0))
        first = undefined
      }
      yield* storePart(uploadId, part)
    })
    yield* Stream.runForEach(parts, take).pipe(
      Effect.andThen(Effect.suspend(() => {
        const upload = uploadId
        return upload === undefined
          ? Effect.asVoid(attempt("store an object", () => s3.putObject(key, first ?? Buffer.alloc(0))))
          : Effect.asVoid(attempt("complete an object", () => s3.completeMultipartUpload(key, upload, [...stored])))
      })),
      Effect.onError(() => {
        const upload = uploadId
        return upload === undefined
          ? Effect.void
          : Effect.promise(() => s3.abortMultipartUpload(key, upload).catch(() => undefined))
      })
    )
  })

  const missing = (id: ObjectId) => new StagedMissing({ id })

  return {
    description: `the S3 bucket at ${endpoint}`,
    check: Effect.asVoid(question("answer", () => s3.listObjectsPaged("/", prefix, 1))),
    put: (id, bytes) =>
      Effect.gen(function*() {
        if (Option.isSome(yield* stated(id))) {
          return yield* new StagingUnavailable({ operation: "store what is there", cause: new Error(`${id} is used`) })
        }
        yield* store(keyOf(id), inParts(bytes))
        return yield* Effect.flatMap(
          stated(id),
          Option.match({
            onNone: () => Effect.fail(new StagingUnavailable({ operation: "show an object", cause: new Error(id) })),
            onSome: Effect.succeed
          })
        )
      }),
    read: (id, range) => {
      if (range !== undefined && range.end <= range.start) return Stream.empty
      const opened = Effect.tryPromise({
        try: () => s3.getObjectRaw(keyOf(id), range === undefined, range?.start, range?.end),
        catch: (cause) =>
          isMissing(cause) ? missing(id) : new StagingUnavailable({ operation: "read an object", cause })
      })
      return Stream.unwrap(
        Effect.map(opened, (response): Stream.Stream<Uint8Array, StagedMissing | StagingUnavailable> => {
          if (response.status === 404) return Stream.fail(missing(id))
          const body: AsyncIterable<Uint8Array> = response.body ?? (new Blob([]).stream() as ReadableStream<Uint8Array>)
          const bytes = Stream.fromAsyncIterable(
            body,
            (cause) => new StagingUnavailable({ operation: "read an object", cause })
          )
          // A service may give the whole, or more than it was asked for.
          return range === undefined
            ? bytes
            : cut(bytes, response.status === 206 ? 0 : range.start, range.end - range.start)
        })
      )
    },
    stat: stated,
    remove: (id) => Effect.asVoid(question("remove an object", () => s3.deleteObject(keyOf(id)))),
    list: Stream.paginate(undefined as string | undefined, (token) =>
      Effect.map(
        question("list its objects", () => s3.listObjectsPaged("/", prefix, pageSize, token)),
        (page) => {
          const found = (page?.objects ?? []).flatMap(({ Key, LastModified, Size }) =>
            idOf(Key).map((id): StagedObject => ({
              id,
              size: Number(Size),
              storedAt: DateTime.makeUnsafe(new Date(LastModified))
            }))
          )
          const next = page?.nextContinuationToken
          return [found, next === undefined || next === "" ? Option.none() : Option.some(next)]
        }
      )),
    sweepUnfinished: Effect.fnUntraced(function*(before) {
      const answer = yield* question(
        "list its uploads",
        () =>
          s3.listMultipartUploads("/", prefix).catch((cause: unknown) => {
            // Not every service can list them; such ones have rules of their own for what was left.
            if (Object(cause).status === 501) return {}
            throw cause
          })
      )
      const uploads = uploadsOf(answer).filter(({ initiated, key }) =>
        key.startsWith(prefix) && initiated < DateTime.toEpochMillis(before)
      )
      yield* Effect.forEach(
        uploads,
        ({ key, uploadId }) => question("abort an upload", () => s3.abortMultipartUpload(key, uploadId))
      )
      return uploads.length
    })
  }
}

/** The uploads of a list, which may be one, several, or none. */
const uploadsOf = (answer: unknown) => {
  const { listMultipartUploadsResult, ListMultipartUploadsResult, Upload, upload, ...rest } = Object(answer)
  const inner = Object(ListMultipartUploadsResult ?? listMultipartUploadsResult ?? rest)
  const found = Upload ?? upload ?? inner.Upload ?? inner.upload ?? []
  return [found].flat().map((one: Record<string, string>) => ({
    key: one["Key"] ?? one["key"] ?? "",
    uploadId: one["UploadId"] ?? one["uploadId"] ?? "",
    initiated: Date.parse(one["Initiated"] ?? one["initiated"] ?? "")
  }))
}
