/**
 * A staging store in a folder. A put writes a temporary file, whose name says when it began, brings it to the disk, and gives it its
 * name: so what has its name is whole.
 */
import { Clock, DateTime, Effect, Option, Stream } from "effect"
import { type FileHandle, link, mkdir, open, readdir, rm, stat } from "node:fs/promises"
import { dirname, join } from "node:path"
import {
  ObjectId,
  StagedMissing,
  type StagedObject,
  StagingFull,
  type StagingShape,
  StagingUnavailable
} from "./StagedObject.ts"

/** What the system says where there is no room: on the disk, in the quota, in what a process may write. */
const full = new Set(["ENOSPC", "EDQUOT", "EFBIG"])
/** Bytes that are read at once. */
const pieceSize = 1_048_576

const codeOf = (cause: unknown): unknown => Object(cause).code

const attempt = <A>(operation: string, run: () => Promise<A>) =>
  Effect.tryPromise({
    try: run,
    catch: (cause) =>
      full.has(String(codeOf(cause))) ? new StagingFull({ cause }) : new StagingUnavailable({ operation, cause })
  })
/** What takes no room. */
const question = <A>(operation: string, run: () => Promise<A>) =>
  Effect.tryPromise({ try: run, catch: (cause) => new StagingUnavailable({ operation, cause }) })

/** Brings what a folder has to the disk. */
const syncFolder = async (folder: string) => {
  const handle = await open(folder, "r")
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

const writeAll = async (file: FileHandle, bytes: Uint8Array) => {
  for (let at = 0; at < bytes.length;) at += (await file.write(bytes, at)).bytesWritten
}

/** Temporary files are `<id>.<milliseconds since 1970>.part`. */
const partOf = /^([0-9a-f-]{36})\.(\d+)\.part$/
const isId = (name: string): boolean => /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(name)

const isMissing = (cause: unknown): boolean => codeOf(cause) === "ENOENT"

// oxlint-disable-next-line max-lines-per-function -- its operations share the folder
export const make = (folder: string): StagingShape => {
  // Many in one folder are slow to list.
  const pathOf = (id: ObjectId) => join(folder, id.slice(-2), id)

  const stated = Effect.fnUntraced(function*(id: ObjectId) {
    const found = yield* question("look for an object", () =>
      stat(pathOf(id)).catch((cause: unknown) => {
        if (isMissing(cause)) return undefined
        throw cause
      }))
    return Option.map(Option.fromUndefinedOr(found), ({ mtimeMs, size }): StagedObject => ({
      id,
      size,
      storedAt: DateTime.makeUnsafe(Math.floor(mtimeMs))
    }))
  })

  /** The names of all files, by their folders. */
  const names = question("list its folder", async () => {
    const folders = await readdir(folder).catch((cause: unknown) => {
      if (isMissing(cause)) return []
      throw cause
    })
    const all = await Promise.all(
      folders.filter((name) => /^[0-9a-f]{2}$/.test(name)).map(async (name) =>
        (await readdir(join(folder, name))).map((file) => ({ path: join(folder, name, file), file }))
      )
    )
    return all.flat()
  })

  const put: StagingShape["put"] = (id, bytes) =>
    Effect.gen(function*() {
      const path = pathOf(id)
      const part = `${path}.${yield* Clock.currentTimeMillis}.part`
      yield* attempt("make its folder", () => mkdir(dirname(path), { recursive: true }))
      yield* Effect.acquireUseRelease(
        attempt("open a file", () => open(part, "wx")),
        (file) =>
          Stream.runForEach(bytes, (piece) => attempt("write", () => writeAll(file, piece))).pipe(
            Effect.andThen(attempt("bring a file to the disk", () => file.sync())),
            // It has no other name yet: a second use of the id fails here.
            Effect.andThen(attempt("name a file", () => link(part, path)))
          ),
        (file) => Effect.promise(() => file.close().catch(() => {}).then(() => rm(part, { force: true })))
      )
      yield* attempt("bring its folder to the disk", () => syncFolder(dirname(path)))
      return yield* Effect.flatMap(
        stated(id),
        Option.match({
          onNone: () => Effect.die(new Error(`${path} is gone`)),
          onSome: Effect.succeed
        })
      )
    })

  const read: StagingShape["read"] = (id, range) => {
    const bytes = Effect.gen(function*() {
      const file = yield* Effect.acquireRelease(
        Effect.tryPromise({
          try: () => open(pathOf(id), "r"),
          catch: (cause) =>
            isMissing(cause)
              ? new StagedMissing({ id })
              : new StagingUnavailable({ operation: "open an object", cause })
        }),
        (file) => Effect.promise(() => file.close())
      )
      const end = range?.end ?? Infinity
      return Stream.paginate(range?.start ?? 0, (at) =>
        Effect.map(
          question("read an object", async () => {
            const buffer = Buffer.allocUnsafe(Math.min(pieceSize, end - at))
            const { bytesRead } = await file.read(buffer, 0, buffer.length, at)
            return new Uint8Array(buffer.buffer, buffer.byteOffset, bytesRead)
          }),
          (piece) => {
            const next = at + piece.length
            return [
              piece.length === 0 ? [] : [piece],
              piece.length === 0 || next >= end ? Option.none() : Option.some(next)
            ]
          }
        ))
    })
    return range !== undefined && range.end <= range.start ? Stream.empty : Stream.unwrap(bytes)
  }

  return {
    description: `the folder ${folder}`,
    check: Effect.asVoid(question("make its folder", () => mkdir(folder, { recursive: true }))),
    put,
    read,
    stat: stated,
    remove: (id) => question("remove an object", () => rm(pathOf(id), { force: true })),
    list: Stream.unwrap(
      Effect.map(names, (all) =>
        Stream.fromIterable(all.filter(({ file }) => isId(file))).pipe(
          Stream.mapEffect(({ file }) => stated(ObjectId.make(file))),
          Stream.flatMap((found) => Stream.fromIterable(Option.toArray(found)))
        ))
    ),
    sweepUnfinished: Effect.fnUntraced(function*(before) {
      const left = (yield* names).filter(({ file }) => {
        const [, , begun] = partOf.exec(file) ?? []
        return begun !== undefined && Number(begun) < DateTime.toEpochMillis(before)
      })
      yield* Effect.forEach(left, ({ path }) => question("remove a file", () => rm(path, { force: true })))
      return left.length
    })
  }
}
