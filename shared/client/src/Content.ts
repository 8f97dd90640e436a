/** The bytes of files that are sent: where they come from, and what they are to be. */
import { ArgumentInvalid } from "./Errors.ts"
import type { Platform } from "./Platform.ts"
import { sleep } from "./Timing.ts"

/** What can be uploaded. A function is called each time that the bytes are read from their beginning, so that they can be sent again. */
export type Uploadable =
  | Uint8Array
  | Blob
  | ReadableStream<Uint8Array>
  | AsyncIterable<Uint8Array>
  | (() => ReadableStream<Uint8Array> | AsyncIterable<Uint8Array>)

export interface Source {
  /** Bytes, where that is known. */
  readonly size: number | undefined
  /** Whether it can be opened more than once. */
  readonly isRepeatable: boolean
  /** What it says of its own content type. */
  readonly contentType?: string
  readonly open: () => AsyncIterable<Uint8Array>
}

const isIterable = (value: unknown): value is AsyncIterable<Uint8Array> =>
  typeof Object(value)[Symbol.asyncIterator] === "function"

/** The pieces of a stream; those of browsers can't always be iterated. */
async function* piecesOf(stream: ReadableStream<Uint8Array>): AsyncGenerator<Uint8Array> {
  const reader = stream.getReader()
  try {
    for (let next = await reader.read(); !next.done; next = await reader.read()) yield next.value
  } finally {
    await reader.cancel().catch(() => {})
  }
}

const iterableOf = (from: ReadableStream<Uint8Array> | AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> =>
  from instanceof ReadableStream ? piecesOf(from) : from

/** Bytes that are given out at once at most. */
const pieceSize = 65_536

async function* slicesOf(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += pieceSize) yield bytes.subarray(at, at + pieceSize)
}

/**
 * What is to be uploaded, as its bytes come.
 * @param size Its bytes, where the caller knows them.
 * @throws ArgumentInvalid for what can't be uploaded.
 */
export const sourceOf = async (what: unknown, size: number | undefined, platform: Platform): Promise<Source> => {
  if (what instanceof Uint8Array) return { size: what.length, isRepeatable: true, open: () => slicesOf(what) }
  if (what instanceof Blob) {
    return {
      size: what.size,
      isRepeatable: true,
      ...(what.type === "" ? {} : { contentType: what.type }),
      open: () => piecesOf(what.stream())
    }
  }
  if (typeof what === "string" && platform.fileAt !== undefined) {
    return { isRepeatable: true, ...await platform.fileAt(what) }
  }
  if (typeof what === "function") return { size, isRepeatable: true, open: () => iterableOf(what()) }
  if (what instanceof ReadableStream || isIterable(what)) {
    return { size, isRepeatable: false, open: () => iterableOf(what) }
  }
  const path = platform.fileAt === undefined ? "" : "a path, "
  throw new ArgumentInvalid(`give the file as ${path}bytes, a Blob, a stream, or a function that gives a stream`)
}

/** Bytes in base64. */
export const toBase64 = (bytes: Uint8Array): string => btoa(String.fromCharCode(...bytes))

/** The bytes of a source in order; fails with what is wrong with one that gives something else. */
export async function* checked({ open, size }: Source): AsyncGenerator<Uint8Array> {
  let bytes = 0
  for await (const piece of open()) {
    if (!(piece instanceof Uint8Array)) {
      throw new ArgumentInvalid(
        `the file's stream gives ${typeof piece} in place of bytes: give a Uint8Array each time`
      )
    }
    bytes += piece.length
    if (size !== undefined && bytes > size) break
    yield piece
  }
  if (size === undefined || bytes === size) return
  const what = bytes > size ? "more than" : `${bytes} of`
  throw new ArgumentInvalid(
    `the file has ${what} the ${size} bytes that it was to have: it has changed, or the size is wrong`
  )
}

/** Small pieces are not held back for longer than this, in milliseconds. */
const holdTime = 100

/** A source that computes its bytes lets the program do something else after so many milliseconds. */
const workTime = 50

/**
 * The same bytes in pieces that are not small; what is held back goes with the next piece once its time is over. A gateway that
 * refuses an upload closes the connection soon: its answer is read in time, however the pieces are made.
 */
export async function* gathered(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let buffer = new Uint8Array(pieceSize)
  let [filled, last, rested] = [0, performance.now(), performance.now()]
  const taken = () => {
    const full = buffer.subarray(0, filled)
    buffer = new Uint8Array(pieceSize)
    filled = 0
    last = performance.now()
    return full
  }
  for await (const piece of pieces) {
    if (performance.now() - rested > workTime) {
      await sleep(0)
      rested = performance.now()
    }
    if (filled > 0 && filled + piece.length > pieceSize) yield taken()
    if (piece.length >= pieceSize) {
      yield piece
      continue
    }
    buffer.set(piece, filled)
    filled += piece.length
    if (performance.now() - last > holdTime) yield taken()
  }
  if (filled > 0) yield taken()
}

/** A `Content-Digest` (RFC 9530) by a SHA-256. */
const fieldOf = (sha256: Uint8Array): string => `sha-256=:${toBase64(sha256)}:`

/** The same of a SHA-256 that the caller knows, as its 32 bytes or in 64 hex digits. */
export const digestField = (sha256: string | Uint8Array): string => {
  const bytes = typeof sha256 !== "string"
    ? sha256
    : /^[0-9a-fA-F]{64}$/.test(sha256)
    ? Uint8Array.from(sha256.match(/../g) ?? [], (byte) => Number.parseInt(byte, 16))
    : new Uint8Array()
  if (bytes.length !== 32) throw new ArgumentInvalid("give the SHA-256 of the file as 64 hex digits, or its 32 bytes")
  return fieldOf(bytes)
}

/** The `Content-Digest` of a source, which is read for it; undefined where it can be read only once. */
export const digestOf = async (source: Source, platform: Platform): Promise<string | undefined> => {
  if (!source.isRepeatable) return undefined
  const hash = platform.sha256()
  for await (const piece of checked(source)) hash.update(piece)
  return fieldOf(hash.digest())
}

/**
 * Pieces as a stream that asks for the next one when there is room for it, and breaks when the signal is aborted. Node 18 has no
 * `ReadableStream.from`.
 */
export const streamOf = (pieces: AsyncIterator<Uint8Array>, signal: AbortSignal): ReadableStream<Uint8Array> => {
  let abort = () => {}
  const end = () => signal.removeEventListener("abort", abort)
  return new ReadableStream<Uint8Array>({
    start: (controller) => {
      abort = () => controller.error(signal.reason)
      signal.addEventListener("abort", abort, { once: true })
    },
    pull: async (controller) => {
      try {
        const next = await pieces.next()
        if (signal.aborted) return
        if (next.done !== true) return controller.enqueue(next.value)
        end()
        controller.close()
      } catch (error) {
        end()
        throw error
      }
    },
    cancel: async () => {
      end()
      await pieces.return?.()
    }
  }, { highWaterMark: 0 })
}
