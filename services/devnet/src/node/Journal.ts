/**
 * An append-only file of records. Each line is `CRC-32, space, JSON`, so that what a crash cut short is seen and left out.
 * Records that come while others are being written share the next write and its fsync.
 */
import { Effect, Schema } from "effect"
import { type FileHandle, open as openFile, rename } from "node:fs/promises"
import { dirname } from "node:path"
import { crc32 } from "node:zlib"

export class JournalDamaged extends Schema.TaggedError<JournalDamaged>()("JournalDamaged", {
  path: Schema.String,
  line: Schema.Int
}) {
  override readonly message =
    `The node's state ${this.path} is damaged in line ${this.line}: move the file away to begin without it`
}
export class JournalFailed extends Schema.TaggedError<JournalFailed>()("JournalFailed", {
  cause: Schema.Defect()
}) {
  override readonly message = "The node cannot write its state"
}

export interface Journal {
  /** Ends when the record is on the disk. */
  append(record: unknown): Effect.Effect<void, JournalFailed>
  /**
   * Replaces the whole file by these records. They are asked for when the file is written, and must tell all that was
   * appended until then; what of that is still on its way to the disk is written once more behind them.
   */
  rewrite(records: () => Iterable<unknown>): Effect.Effect<void, JournalFailed>
  /** Lines in the file, those under way too. */
  readonly lines: () => number
}

/** Writes beyond this size, in bytes, are cut in two. */
const largestWrite = 4_000_000

/** Reads all records in order, leaves out a last one that was cut short, and goes on behind them. */
export const open = (path: string, onRecord: (record: unknown) => void) =>
  Effect.gen(function*() {
    const attempt = <A>(run: () => Promise<A>) =>
      Effect.tryPromise({ try: run, catch: (cause) => new JournalFailed({ cause }) })
    const { damagedLine, writer } = yield* Effect.acquireRelease(
      attempt(async () => {
        const file = await openFile(path, "r+").catch(() => openFile(path, "w+", 0o600))
        try {
          const { damagedLine, length, lines } = await read(file, onRecord)
          if (damagedLine === undefined) await file.truncate(length)
          return { damagedLine, writer: makeWriter(path, file, length, lines) }
        } catch (error) {
          await file.close()
          throw error
        }
      }),
      ({ writer }) => Effect.promise(writer.end)
    )
    if (damagedLine !== undefined) return yield* new JournalDamaged({ path, line: damagedLine })
    return {
      append: (record) => attempt(() => writer.append(record)),
      rewrite: (records) => attempt(() => writer.rewrite(records)),
      lines: writer.lines
    } satisfies Journal
  })

const lineOf = (record: unknown): string => {
  const json = JSON.stringify(record)
  return `${checksum(json)} ${json}\n`
}
const checksum = (json: string) => crc32(json).toString(16).padStart(8, "0")

/** A damaged line with good ones behind it is no crash's doing. */
const read = async (file: FileHandle, onRecord: (record: unknown) => void) => {
  // What stands behind the last line feed was cut short.
  const texts = (await file.readFile("utf8")).split("\n").slice(0, -1)
  let length = 0
  let lines = 0
  let firstBad: number | undefined
  for (const [index, text] of texts.entries()) {
    const json = text.slice(9)
    if (text[8] === " " && text.slice(0, 8) === checksum(json)) {
      if (firstBad !== undefined) return { length, lines, damagedLine: firstBad }
      onRecord(JSON.parse(json))
      lines++
      length += Buffer.byteLength(text) + 1
    } else firstBad ??= index + 1
  }
  return { length, lines, damagedLine: undefined }
}

interface Waiting {
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

const makeWriter = (path: string, first: FileHandle, firstLength: number, firstLines: number) => {
  let file = first
  let length = firstLength
  let lines = firstLines
  let texts: Array<string> = []
  let waiting: Array<Waiting> = []
  /** What runs on the file, one after the other. */
  let last: Promise<unknown> = Promise.resolve()
  const next = <A>(run: () => Promise<A>): Promise<A> => {
    const result = last.then(run)
    last = result.catch(() => undefined)
    return result
  }

  const flush = async () => {
    const [text, answered] = [texts.join(""), waiting]
    texts = []
    waiting = []
    try {
      const bytes = Buffer.from(text)
      for (let start = 0; start < bytes.length;) {
        const { bytesWritten } = await file.write(
          bytes,
          start,
          Math.min(largestWrite, bytes.length - start),
          length + start
        )
        start += bytesWritten
      }
      await file.datasync()
      length += bytes.length
      for (const one of answered) one.resolve()
    } catch (error) {
      // What follows must not come behind half a line.
      await file.truncate(length).catch(() => undefined)
      for (const one of answered) one.reject(error)
    }
  }

  const append = (record: unknown) => {
    texts.push(lineOf(record))
    lines++
    const { promise, reject, resolve } = Promise.withResolvers<void>()
    waiting.push({ resolve, reject })
    if (waiting.length === 1) void next(flush)
    return promise
  }

  const rewrite = (records: () => Iterable<unknown>) =>
    next(async () => {
      const whole = Array.from(records(), lineOf)
      const other = await openFile(`${path}.next`, "w+", 0o600)
      try {
        await other.writeFile(whole.join(""))
        await other.sync()
        await rename(`${path}.next`, path)
      } catch (error) {
        await other.close()
        throw error
      }
      await file.close()
      file = other
      length = (await other.stat()).size
      lines = whole.length + waiting.length
      await syncFolder(dirname(path))
    })

  return { append, rewrite, lines: () => lines, end: () => next(() => file.close()) }
}

/** Brings the names in a folder to the disk. */
export const syncFolder = async (path: string) => {
  const folder = await openFile(path, "r")
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}
