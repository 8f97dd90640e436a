/** What must be known of an upload after a restart, and that the chain does not hold. */
import { Context, Effect, Layer, Option, Schema } from "effect"
import { createHash } from "node:crypto"
import { mkdir, open, readFile, rename, rm } from "node:fs/promises"
import { join } from "node:path"
import { JournalFailed } from "./FileErrors.ts"

/** Stored as JSON: add optional fields, never rename, retype or remove one. It holds no key, and no byte of the file. */
export const Entry = Schema.Struct({
  version: Schema.Literal(1),
  /** The nonces of the file's encryption follow from it, so that an upload made again gives the same bytes. */
  uploadId: Schema.NonEmptyString,
  dataBlocks: Schema.Int,
  parityBlocks: Schema.Int,
  isEncrypted: Schema.Boolean,
  /** That this upload has been begun: the file on chain is its own. */
  startedAt: Schema.DateTimeUtc
})
export type Entry = typeof Entry.Type
const EntryJson = Schema.fromJsonString(Schema.toCodecJson(Entry))

/** Which upload: a file of a Storage contract on a chain. */
export interface Key {
  readonly chainId: bigint
  readonly storageAddress: string
  readonly fileId: string
}

export class UploadJournal extends Context.Service<UploadJournal, {
  get(key: Key): Effect.Effect<Option.Option<Entry>, JournalFailed>
  /** Returns once it is kept durably. */
  put(key: Key, entry: Entry): Effect.Effect<void, JournalFailed>
  remove(key: Key): Effect.Effect<void, JournalFailed>
}>()("@akave-async/sdk/UploadJournal") {
  /** A file for each upload in a folder, which is made when it is needed. */
  static readonly layerFolder = (folder: string): Layer.Layer<UploadJournal> =>
    Layer.sync(UploadJournal, () => inFolder(folder))

  /** Uploads can be carried on while the layer lives. */
  static readonly layerMemory: Layer.Layer<UploadJournal> = Layer.sync(UploadJournal, () => {
    const entries = new Map<string, Entry>()
    return UploadJournal.of({
      get: (key) => Effect.sync(() => Option.fromUndefinedOr(entries.get(nameOf(key)))),
      put: (key, entry) => Effect.sync(() => void entries.set(nameOf(key), entry)),
      remove: (key) => Effect.sync(() => void entries.delete(nameOf(key)))
    })
  })
}

const nameOf = ({ chainId, fileId, storageAddress }: Key): string =>
  createHash("sha256").update(`${chainId} ${storageAddress.toLowerCase()} ${fileId}`).digest("hex")

const isMissing = (cause: unknown): boolean => cause instanceof Error && "code" in cause && cause.code === "ENOENT"

const inFolder = (folder: string): UploadJournal["Service"] => {
  const pathOf = (key: Key) => join(folder, `${nameOf(key)}.json`)
  const attempt = <A>(path: string, run: () => Promise<A>): Effect.Effect<A, JournalFailed> =>
    Effect.tryPromise({ try: run, catch: (cause) => new JournalFailed({ path, cause }) })

  return UploadJournal.of({
    get: Effect.fn("UploadJournal.get")(function*(key) {
      const path = pathOf(key)
      const text = yield* attempt(path, () =>
        readFile(path, "utf8").catch((cause) => {
          if (isMissing(cause)) return undefined
          throw cause
        }))
      if (text === undefined) return Option.none()
      return Option.some(
        yield* Effect.mapError(
          Schema.decodeEffect(EntryJson)(text),
          (cause) => new JournalFailed({ path, cause })
        )
      )
    }),
    put: Effect.fn("UploadJournal.put")(function*(key, entry) {
      const path = pathOf(key)
      const text = yield* Effect.orDie(Schema.encodeEffect(EntryJson)(entry))
      yield* attempt(path, async () => {
        await mkdir(folder, { recursive: true, mode: 0o700 })
        const written = `${path}.${process.pid}`
        const file = await open(written, "w", 0o600)
        try {
          await file.writeFile(text)
          await file.sync()
        } finally {
          await file.close()
        }
        await rename(written, path)
      })
    }),
    remove: (key) => attempt(pathOf(key), () => rm(pathOf(key), { force: true }))
  })
}
