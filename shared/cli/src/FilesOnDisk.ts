/** Files of this machine: what is uploaded of a folder, and how a download is saved. */
import { type ClientError, ContentDamaged } from "@akave-async/client/effect"
import { Data, Effect, Stream } from "effect"
import { createHash } from "node:crypto"
import { createReadStream, existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync } from "node:fs"
import { type FileHandle, open } from "node:fs/promises"
import { dirname, join, relative, resolve, sep } from "node:path"
import * as process from "node:process"
import { ArgumentsInvalid } from "./Failures.ts"

/** This machine does not take the bytes of a file. */
export class NotSaved extends Data.TaggedError("NotSaved")<{ readonly message: string }> {}

/** A file on disk, or `-`, and its name in the bucket. */
export interface Local {
  readonly path: string
  readonly name: string
}

/** The paths of all files in a folder and in those in it. Node's own walk goes through links to folders. */
const pathsIn = (folder: string): ReadonlyArray<string> =>
  readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name)
    return entry.isDirectory() ? pathsIn(path) : entry.isFile() ? [path] : []
  })

/** All files of a folder and of those in it, without links, and their names in a bucket: their paths, behind a prefix. */
export const filesIn = Effect.fnUntraced(function*(folder: string, prefix: string) {
  if (statSync(folder, { throwIfNoEntry: false })?.isDirectory() !== true) {
    return yield* new ArgumentsInvalid({ message: `${folder} is no folder` })
  }
  const files = pathsIn(folder).map((path): Local => ({
    path,
    name: `${prefix}${relative(folder, path).split(sep).join("/")}`.normalize("NFC")
  }))
  if (files.length === 0) return yield* new ArgumentsInvalid({ message: `${folder} has no files` })
  return files.toSorted((a, b) => a.name < b.name ? -1 : 1)
})

/** Where a file of a bucket is saved below a folder. Fails where its name leads out of it. */
export const placeIn = (folder: string, name: string): Effect.Effect<string, ArgumentsInvalid> => {
  const path = join(folder, ...name.split("/"))
  return resolve(path).startsWith(join(resolve(folder), sep))
    ? Effect.succeed(path)
    : Effect.fail(new ArgumentsInvalid({ message: `${name} would be saved outside of ${folder}` }))
}

const attempt = <A>(what: string, run: () => Promise<A>): Effect.Effect<A, NotSaved> =>
  Effect.tryPromise({
    try: run,
    catch: (cause) => new NotSaved({ message: `${what} can't be written: ${Object(cause).message ?? cause}` })
  })

/** Writes bytes to standard output, as fast as they are read there. */
export const toStandardOutput = (bytes: Stream.Stream<Uint8Array, ClientError>) =>
  Stream.runForEach(bytes, (piece) =>
    attempt("standard output", () =>
      new Promise<void>((done, failed) => {
        process.stdout.write(piece, (error) => error == null ? done() : failed(error))
      })))

/** Writes bytes behind those that a file has. */
const append = (path: string, bytes: Stream.Stream<Uint8Array, ClientError>, isNew: boolean) =>
  Effect.acquireUseRelease(
    attempt(path, () => open(path, isNew ? "w" : "a")),
    (file: FileHandle) => Stream.runForEach(bytes, (piece) => attempt(path, () => file.writeFile(piece))),
    (file) => Effect.promise(() => file.close())
  )

/** A download's place, and how it gets there. */
export interface Place {
  readonly path: string
  /** What its bytes are collected in until all are there. */
  readonly part: string
  /** Whether that stays where not all have come. */
  readonly keepsPart: boolean
}

/** Where a file is saved. With the root CID that it has, what has come of it stays for another command to go on. */
export const placeOf = (path: string, rootCid: string | undefined): Place => ({
  path,
  part: rootCid === undefined ? `${path}.part-${process.pid}` : `${path}.${rootCid.slice(-16)}.part`,
  keepsPart: rootCid !== undefined
})

/** Bytes of the part that has come before. */
export const partSize = ({ part }: Place): number => statSync(part, { throwIfNoEntry: false })?.size ?? 0

/** Saves bytes; those of a file that is gone on with come behind its part. */
export const saveAt = (
  { keepsPart, part, path }: Place,
  bytes: Stream.Stream<Uint8Array, ClientError>,
  { isNew, sha256 }: { readonly isNew: boolean; readonly sha256: string | null }
) =>
  Effect.gen(function*() {
    yield* Effect.try({
      try: () => mkdirSync(dirname(resolve(path)), { recursive: true }),
      catch: (cause) => new NotSaved({ message: `${path} can't be written: ${Object(cause).message}` })
    })
    yield* append(part, bytes, isNew)
    // The client has verified what has come at once.
    if (!isNew && sha256 !== null && (yield* hashOf(part)) !== sha256) {
      rmSync(part)
      return yield* Effect.fail(new ContentDamaged("its first part was not of this file, and is removed"))
    }
    yield* Effect.try({
      try: () => renameSync(part, path),
      catch: (cause) => new NotSaved({ message: `${path} can't be written: ${Object(cause).message}` })
    })
  }).pipe(Effect.onError(() => Effect.sync(() => keepsPart || rmSync(part, { force: true }))))

/** The SHA-256 of a file, in hex digits. */
const hashOf = (path: string) =>
  attempt(path, async () => {
    const hash = createHash("sha256")
    for await (const piece of createReadStream(path, { highWaterMark: 1_048_576 })) hash.update(piece)
    return hash.digest("hex")
  })

/** That nothing is there that would be lost. */
export const isFree = (path: string, overwrite: boolean): Effect.Effect<void, ArgumentsInvalid> =>
  overwrite || !existsSync(path)
    ? Effect.void
    : Effect.fail(
      new ArgumentsInvalid({ message: `${path} is there already: give --overwrite, or another place by -o` })
    )
