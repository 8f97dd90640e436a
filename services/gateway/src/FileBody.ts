/** The bytes of a file as they come: counted, hashed, encrypted where they are to be, and staged, all of it as they pass. */
import * as Problems from "@akave-async/api/Problems"
import * as Measure from "@akave-async/platform/Measure"
import { chunkSealer } from "@akave-async/sdk/encoding/Encryption"
import { ObjectId } from "@akave-async/staging/StagedObject"
import { Staging } from "@akave-async/staging/Staging"
import { Cause, Config, Duration, Effect, Metric, Pull, Schema, Stream } from "effect"
import { createHash, randomUUID } from "node:crypto"
import { tooManyStagedBytes } from "./FileProblems.ts"
import type { Counted } from "./StagedBytes.ts"

const underWay = Metric.gauge("akave.gateway.uploads", { description: "Files that are being taken in" })
const received = Measure.counter("akave.gateway.uploads.bytes", "Bytes of files that have come")
const durations = Measure.labelled(
  Measure.seconds("akave.gateway.uploads.duration", "From a file's first byte until it is staged, or refused"),
  ["outcome"]
)

const bytes = (name: string, standard: number) =>
  Config.schema(Schema.Int.check(Schema.isGreaterThan(0)), name).pipe(Config.withDefault(standard))

export const FileBodyConfig = Config.all({
  /** The largest file, in bytes. */
  maxBytes: bytes("MAX_FILE_BYTES", 107_374_182_400),
  /** A body of which no byte comes for this long is given up. */
  idleTimeout: Config.Duration("UPLOAD_IDLE_TIMEOUT").pipe(Config.withDefault(Duration.seconds(30)))
})
export type FileBodyConfig = Config.Success<typeof FileBodyConfig>

/** A file that is staged. */
export interface Staged {
  readonly id: ObjectId
  /** Bytes, before encryption. */
  readonly size: number
  /** Of these, in 64 hex digits. */
  readonly sha256: string
}

/** How a body is taken. */
export interface Expected {
  /** By `Content-Length`; undefined where the length is not known before. */
  readonly length: number | undefined
  /** The SHA-256 that the client says it has, in hex digits. */
  readonly sha256: string | undefined
  /** The key of the file, and the plaintext bytes of its full chunks; undefined where it is stored in plain. */
  readonly encryption: { readonly fileKey: Uint8Array; readonly chunkLength: number } | undefined
  /** Where bytes are counted whose number is not known before. */
  readonly counted: Pick<Counted, "add">
}

export const tooLarge = (limit: number) =>
  new Problems.FileTooLarge({ detail: `This gateway takes files of at most ${limit} bytes`, limit })
export const emptyFile = new Problems.EmptyFile({
  detail: "The network stores no file without content: send at least 1 byte"
})
export const tooSlow = (idleTimeout: Duration.Duration) =>
  new Problems.RequestTimeout({ detail: `No byte of the body came for ${Duration.format(idleTimeout)}: send it again` })
const incomplete = (detail: string) => new Problems.IncompleteBody({ detail: `${detail}: send it again` })

export const stagingFailures = {
  StagingFull: () =>
    new Problems.StagingFull({ detail: "There is no room for the file: ask again when some uploads have ended" }),
  StagingUnavailable: ({ message }: { readonly message: string }) =>
    Effect.andThen(
      Effect.logWarning(message),
      new Problems.StagingUnavailable({ detail: "The staging store does not answer; ask again" })
    )
}

/** Bytes that are handed on at a time: a store takes many small pieces slowly. */
const batchSize = 1_048_576

/** Stages a body. Of one that is refused nothing stays. */
export const stage = Effect.fnUntraced(
  function*<E>(
    { idleTimeout, maxBytes }: FileBodyConfig,
    source: Stream.Stream<Uint8Array, E>,
    { counted, encryption, length, sha256: expected }: Expected
  ) {
    const staging = yield* Staging
    const id = ObjectId.make(randomUUID())
    const hash = createHash("sha256")
    const sealer = encryption === undefined ? undefined : chunkSealer(encryption.fileKey, encryption.chunkLength)
    let size = 0
    let found: Staged | undefined
    const hasEnded = () => found !== undefined
    /** Since when the next bytes are waited for; undefined while they are not. */
    let waitingSince: number | undefined

    const take = Effect.fnUntraced(function*(piece: Uint8Array) {
      size += piece.length
      if (size > maxBytes) return yield* tooLarge(maxBytes)
      if (length === undefined) yield* Effect.mapError(counted.add(piece.length), tooManyStagedBytes)
      hash.update(piece)
      return sealer === undefined ? [piece] : sealer.update(piece)
    })
    /** What is not as it should be is found out before its bytes are durable. */
    const end = Effect.gen(function*() {
      if (size === 0) return yield* emptyFile
      if (length !== undefined && size !== length) return yield* incomplete(`Of ${length} bytes ${size} have come`)
      const sha256 = hash.digest("hex")
      if (expected !== undefined && expected !== sha256) {
        return yield* new Problems.DigestMismatch({
          detail: "The body that has come is not the one that the digest is of: send it again",
          expected,
          actual: sha256
        })
      }
      found = { id, size, sha256 }
      return sealer?.end() ?? []
    })
    const bytes = Stream.fromPull(Effect.map(Stream.toPull(source), (pull) =>
      Effect.gen(function*() {
        if (hasEnded()) return yield* Cause.done()
        const batch: Array<Uint8Array> = []
        for (let taken = 0; taken < batchSize && !hasEnded();) {
          waitingSince = performance.now()
          const pieces = yield* pull.pipe(
            Pull.catchDone(() => Effect.succeed([])),
            Effect.mapError(() => incomplete(`Of ${length ?? "its"} bytes ${size} have come`))
          )
          waitingSince = undefined
          for (const piece of pieces) {
            batch.push(...yield* take(piece))
            taken += piece.length
          }
          if (pieces.length === 0) batch.push(...yield* end)
        }
        return [Buffer.concat(batch)] as const
      })))

    const watch = Effect.gen(function*() {
      const patience = Duration.toMillis(idleTimeout)
      while (true) {
        const waited = waitingSince === undefined ? 0 : performance.now() - waitingSince
        if (waited >= patience) return yield* tooSlow(idleTimeout)
        yield* Effect.sleep(patience - waited)
      }
    })
    const put = Effect.raceFirst(staging.put(id, bytes), watch)
    yield* Effect.acquireUseRelease(
      Metric.modify(underWay, 1),
      () => put.pipe(Measure.timed(({ _tag }) => durations(_tag === "Success" ? "staged" : "refused"))),
      () => Effect.andThen(Metric.modify(underWay, -1), Metric.update(received, size))
    )
    return yield* Effect.orDie(Effect.fromNullishOr(found))
  },
  Effect.scoped,
  Effect.catchTags(stagingFailures)
)

/** What removes a file that is not needed; where that fails, it is swept later. */
export const discard = ({ id }: Staged) => Effect.map(Staging, (staging) => Effect.ignore(staging.remove(id)))
