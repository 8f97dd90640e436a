/** What a thread that codes chunks is asked, and answers. */
import type * as ChunkCodec from "./ChunkCodec.ts"

export type Question =
  | {
    readonly id: number
    readonly _tag: "Encode"
    readonly plaintext: Uint8Array
    readonly options: ChunkCodec.EncodeOptions
    /** Where the blocks go. */
    readonly buffer: Uint8Array
  }
  | {
    readonly id: number
    readonly _tag: "Decode"
    readonly payloads: ReadonlyArray<Uint8Array | undefined>
    readonly options: ChunkCodec.DecodeOptions
  }

/** With the buffers of the question, which come back. An error travels by its fields, as its class does not. */
export type Answer =
  & { readonly id: number; readonly spare: ReadonlyArray<ArrayBufferLike> }
  & (
    | { readonly _tag: "Encoded"; readonly chunk: ChunkCodec.EncodedChunk }
    | { readonly _tag: "Decoded"; readonly plaintext: Uint8Array }
    | { readonly _tag: "Failed"; readonly error: { readonly _tag: string } }
  )

/** The buffers behind these bytes, each once. */
export const buffersOf = (parts: ReadonlyArray<Uint8Array | undefined>): ReadonlyArray<ArrayBuffer> =>
  Array.from(new Set(parts.map((part) => part?.buffer))).filter((buffer) => buffer instanceof ArrayBuffer)

/** The same bytes in a buffer that can be moved: Node lends small buffers from a common one, which can't, so small ones are copied. */
export const unpooled = (bytes: Uint8Array): Uint8Array =>
  bytes.buffer.byteLength > Buffer.poolSize ? bytes : new Uint8Array(bytes)
