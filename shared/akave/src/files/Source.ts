/** Where the bytes of an upload come from. */
import { Effect, type Scope } from "effect"
import { open } from "node:fs/promises"
import { SourceFailed } from "./FileErrors.ts"

export interface Reader {
  /** Fills a buffer, and returns how many bytes it has: fewer than it could take only at the end. */
  read(into: Uint8Array): Effect.Effect<number, SourceFailed>
}

export interface Source {
  /** Bytes, where that is known. */
  readonly size?: number
  /** Whether it can be opened more than once, and then gives the same bytes. */
  readonly isRepeatable: boolean
  readonly open: Effect.Effect<Reader, SourceFailed, Scope.Scope>
}

/** What a program may upload. A text is the path of a file; a function is called each time that the bytes are read from their beginning. */
export type Uploadable =
  | string
  | Uint8Array
  | Blob
  | AsyncIterable<Uint8Array>
  | ReadableStream<Uint8Array>
  | (() => AsyncIterable<Uint8Array> | ReadableStream<Uint8Array>)

/** Resolves what is uploaded to a source; a file must be there and readable. */
export const from = (what: Uploadable): Effect.Effect<Source, SourceFailed> => {
  if (typeof what === "string") return fromPath(what)
  if (what instanceof Uint8Array) return Effect.succeed(fromBytes(what))
  if (what instanceof Blob) return Effect.succeed(fromIterables(() => iterableOf(what.stream()), true, what.size))
  if (typeof what === "function") return Effect.succeed(fromIterables(() => iterableOf(what()), true))
  return Effect.succeed(fromIterables(() => iterableOf(what), false))
}

const attempt = <A>(run: () => Promise<A>): Effect.Effect<A, SourceFailed> =>
  Effect.tryPromise({ try: run, catch: (cause) => new SourceFailed({ cause }) })

/** A file; its size is the one it has now. */
const fromPath = Effect.fnUntraced(function*(path: string) {
  const file = Effect.acquireRelease(attempt(() => open(path)), (file) => Effect.promise(() => file.close()))
  const { size } = yield* Effect.scoped(Effect.flatMap(file, (file) => attempt(() => file.stat())))
  const source: Source = {
    size,
    isRepeatable: true,
    open: Effect.map(file, (file): Reader => ({
      read: (into) =>
        attempt(async () => {
          let length = 0
          while (length < into.length) {
            const { bytesRead } = await file.read(into, length, into.length - length)
            if (bytesRead === 0) break
            length += bytesRead
          }
          return length
        })
    }))
  }
  return source
})

const fromBytes = (bytes: Uint8Array): Source => ({
  size: bytes.length,
  isRepeatable: true,
  open: Effect.sync((): Reader => {
    let at = 0
    return {
      read: (into) =>
        Effect.sync(() => {
          const part = bytes.subarray(at, at + into.length)
          into.set(part)
          at += part.length
          return part.length
        })
    }
  })
})

const iterableOf = (stream: AsyncIterable<Uint8Array> | ReadableStream<Uint8Array>): AsyncIterable<Uint8Array> =>
  Symbol.asyncIterator in stream ? stream : fromReadable(stream)

/** Not all runtimes iterate over a stream of the Web. */
async function* fromReadable(stream: ReadableStream<Uint8Array>): AsyncGenerator<Uint8Array> {
  const reader = stream.getReader()
  try {
    for (let part = await reader.read(); !part.done; part = await reader.read()) yield part.value
  } finally {
    await reader.cancel()
  }
}

const fromIterables = (begin: () => AsyncIterable<Uint8Array>, isRepeatable: boolean, size?: number): Source => ({
  ...(size === undefined ? {} : { size }),
  isRepeatable,
  open: Effect.acquireRelease(
    Effect.try({ try: () => begin()[Symbol.asyncIterator](), catch: (cause) => new SourceFailed({ cause }) }),
    (iterator) => Effect.ignore(attempt(async () => iterator.return?.()))
  ).pipe(Effect.map((iterator): Reader => {
    let rest: Uint8Array = new Uint8Array()
    return {
      read: (into) =>
        attempt(async () => {
          let length = 0
          while (length < into.length) {
            if (rest.length === 0) {
              const next = await iterator.next()
              if (next.done === true) break
              if (!(next.value instanceof Uint8Array)) throw new TypeError("the stream gives no bytes (Uint8Array)")
              rest = next.value
            }
            const part = rest.subarray(0, into.length - length)
            into.set(part, length)
            length += part.length
            rest = rest.subarray(part.length)
          }
          return length
        })
    }
  }))
})
