/** The bytes of files on their way: where they come from, and whether they have come whole. */
import { ArgumentInvalid, ContentDamaged } from "./Errors.ts"
import { webCrypto } from "./Signing.ts"

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
  readonly isRepeatable: boolean
  readonly open: () => ReadableStream<Uint8Array>
}

const isIterable = (value: unknown): value is AsyncIterable<Uint8Array> =>
  typeof Object(value)[Symbol.asyncIterator] === "function"

/** Node 18 has no `ReadableStream.from`. */
const streamOf = (from: ReadableStream<Uint8Array> | AsyncIterable<Uint8Array>): ReadableStream<Uint8Array> => {
  if (from instanceof ReadableStream) return from
  const iterator = from[Symbol.asyncIterator]()
  return new ReadableStream<Uint8Array>({
    pull: async (controller) => {
      const next = await iterator.next()
      if (next.done === true) controller.close()
      else controller.enqueue(next.value)
    },
    cancel: async () => void await iterator.return?.()
  }, { highWaterMark: 0 })
}

/** Bytes that are given out at once at most. */
const pieceSize = 65_536

async function* pieces(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += pieceSize) yield bytes.subarray(at, at + pieceSize)
}

/** @throws ArgumentInvalid for what can't be uploaded. */
export const sourceOf = (what: Uploadable, size?: number): Source => {
  if (what instanceof Uint8Array) {
    return { size: what.length, isRepeatable: true, open: () => streamOf(pieces(what)) }
  }
  if (what instanceof Blob) return { size: what.size, isRepeatable: true, open: () => streamOf(what.stream()) }
  if (typeof what === "function") return { size, isRepeatable: true, open: () => streamOf(what()) }
  if (what instanceof ReadableStream || isIterable(what)) {
    return { size, isRepeatable: false, open: () => streamOf(what) }
  }
  throw new ArgumentInvalid("give the file as bytes, a Blob, a stream, or a function that gives a stream")
}

/** A stream that reports how many bytes have passed. */
export const counted = (
  stream: ReadableStream<Uint8Array>,
  onBytes: (bytes: number) => void
): ReadableStream<Uint8Array> => {
  let bytes = 0
  return stream.pipeThrough(
    new TransformStream<Uint8Array, Uint8Array>({
      transform: (piece, controller) => {
        bytes += piece.length
        onBytes(bytes)
        controller.enqueue(piece)
      }
    })
  )
}

interface Hash {
  readonly update: (bytes: Uint8Array) => unknown
  readonly digest: () => Uint8Array
}

/** SHA-256 of bytes as they come, where the runtime has one: browsers have not. */
const streamingHash = async (): Promise<Hash | undefined> => {
  if (Object(Object(globalThis)["process"]).versions === undefined) return undefined
  try {
    const { createHash } = await import("node:crypto")
    const hash = createHash("sha256")
    return { update: (bytes) => hash.update(bytes), digest: () => hash.digest() }
  } catch {
    return undefined
  }
}

const toBase64 = (bytes: Uint8Array): string => btoa(String.fromCharCode(...bytes))

/** Bytes that are hashed in one go at most, where nothing else can be done. */
const mostAtOnce = 67_108_864

/** The `Content-Digest` (RFC 9530) of what can be read twice; undefined where it can't be had. */
export const digestOf = async ({ isRepeatable, open, size }: Source): Promise<string | undefined> => {
  if (!isRepeatable) return undefined
  const hash = await streamingHash()
  if (hash === undefined && (size === undefined || size > mostAtOnce)) return undefined
  if (hash === undefined) {
    const bytes = new Uint8Array(await new Response(open()).arrayBuffer())
    const { subtle } = await webCrypto()
    return `sha-256=:${toBase64(new Uint8Array(await subtle.digest("SHA-256", bytes)))}:`
  }
  const reader = open().getReader()
  for (let next = await reader.read(); !next.done; next = await reader.read()) hash.update(next.value)
  return `sha-256=:${toBase64(hash.digest())}:`
}

/** A stream that fails at its end where not all bytes have come, or others than its digest is of. */
export const verified = async (
  stream: ReadableStream<Uint8Array>,
  { digest, size }: { readonly size: number; readonly digest: string | undefined }
): Promise<ReadableStream<Uint8Array>> => {
  const expected = /sha-256=:([A-Za-z0-9+/=]+):/.exec(digest ?? "")?.[1]
  const hash = expected === undefined ? undefined : await streamingHash()
  let bytes = 0
  return stream.pipeThrough(
    new TransformStream<Uint8Array, Uint8Array>({
      transform: (piece, controller) => {
        bytes += piece.length
        hash?.update(piece)
        controller.enqueue(piece)
      },
      flush: (controller) => {
        if (bytes !== size) controller.error(new ContentDamaged(`of ${size} bytes ${bytes} have come`))
        else if (hash !== undefined && toBase64(hash.digest()) !== expected) {
          controller.error(new ContentDamaged("the bytes that have come are not those of the file"))
        }
      }
    })
  )
}
