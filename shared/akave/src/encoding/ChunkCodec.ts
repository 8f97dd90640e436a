/** One chunk of a file: from its plaintext to its blocks, and back. Encrypted, then erasure coded, then cut into blocks, each where asked for. */
import { Result } from "effect"
import * as Cid from "./Cid.ts"
import * as Dag from "./Dag.ts"
import { chunkNonce, type DecryptionFailed, encryptionOverhead, openChunk, sealChunk } from "./Encryption.ts"
import * as ErasureCoding from "./ErasureCoding.ts"

export { encryptionOverhead } from "./Encryption.ts"

/** Payload bytes of a full block where nothing is coded. */
export const blockPayload = 1_000_000
/** Blocks of a full chunk. */
export const blocksPerChunk = 32

export interface Coding {
  readonly dataBlocks: number
  /** 0 where nothing is coded. */
  readonly parityBlocks: number
}

/** How a file is stored. */
export interface Layout {
  readonly coding: Coding
  readonly isEncrypted: boolean
}

/** Plaintext bytes of a full chunk. */
export const plaintextPerChunk = ({ coding, isEncrypted }: Layout): number =>
  coding.dataBlocks * blockPayload - (isEncrypted ? encryptionOverhead : 0)

export interface EncodeOptions {
  /** The chunk's place in the file. */
  readonly index: number
  readonly coding: Coding
  readonly encryption?: { readonly fileKey: Uint8Array; readonly uploadId: string }
}

export interface EncodedBlock {
  readonly cid: Cid.Cid
  readonly size: number
  readonly data: Uint8Array
}

export interface EncodedChunk {
  readonly index: number
  readonly cid: Cid.Cid
  /** Plaintext bytes. */
  readonly actualSize: number
  /** Payload bytes of all blocks. */
  readonly rawSize: number
  /** Bytes of all blocks. */
  readonly encodedSize: number
  /** Views of one buffer. */
  readonly blocks: ReadonlyArray<EncodedBlock>
}

/** The blocks that a chunk of so many plaintext bytes has: all have the same payload, but for the last one where nothing is coded. */
const blocksOf = (plaintext: number, { coding: { dataBlocks, parityBlocks }, encryption }: EncodeOptions) => {
  const length = plaintext + (encryption === undefined ? 0 : encryptionOverhead)
  if (parityBlocks > 0) {
    const payload = ErasureCoding.shardLength(length, dataBlocks)
    return { length, count: dataBlocks + parityBlocks, payload, last: payload }
  }
  const count = Math.ceil(length / blockPayload)
  return { length, count, payload: blockPayload, last: length - (count - 1) * blockPayload }
}

/** Bytes that the blocks of a chunk with so many plaintext bytes carry. */
export const rawLength = (plaintext: number, options: EncodeOptions): number => {
  const { count, last, payload } = blocksOf(plaintext, options)
  return (count - 1) * payload + last
}

/** Bytes of all blocks of a chunk with so many plaintext bytes. */
export const encodedLength = (plaintext: number, options: EncodeOptions): number => {
  const { count, last, payload } = blocksOf(plaintext, options)
  return (count - 1) * Dag.leafLength(payload) + Dag.leafLength(last)
}

/**
 * Encodes at most {@link plaintextPerChunk} bytes, and at least one. The blocks are written into `buffer`, which has {@link encodedLength}
 * bytes; what it held doesn't matter.
 */
export const encodeChunk = (
  plaintext: Uint8Array,
  options: EncodeOptions,
  buffer: Uint8Array = new Uint8Array(encodedLength(plaintext.length, options))
): EncodedChunk => {
  const { coding: { dataBlocks, parityBlocks }, encryption, index } = options
  const { count, last, length, payload } = blocksOf(plaintext.length, options)
  const size = Dag.leafLength(payload)
  const blocks = Array.from({ length: count }, (_, n) => {
    const bytes = n < count - 1 ? payload : last
    const frame = Dag.leafFrame(bytes)
    const data = buffer.subarray(n * size, n * size + Dag.leafLength(bytes))
    data.set(frame.before)
    data.set(frame.after, data.length - frame.after.length)
    return { data, payload: data.subarray(frame.before.length, data.length - frame.after.length) }
  })
  const payloads = blocks.map(({ payload }) => payload)
  const sealed = encryption === undefined ? [plaintext] : sealChunk(
    encryption.fileKey,
    index,
    plaintext,
    chunkNonce(encryption.fileKey, encryption.uploadId, index, plaintext)
  )
  if (parityBlocks === 0) {
    scatter(sealed, payloads)
  } else {
    const shards = payloads.slice(0, dataBlocks)
    scatter(wrapped(sealed, length), shards)
    ErasureCoding.encode(shards, payloads.slice(dataBlocks))
  }

  const encoded = blocks.map(({ data }): EncodedBlock => ({ cid: Cid.ofBlock(data), size: data.length, data }))
  return {
    index,
    cid: Dag.chunkRoot(encoded),
    actualSize: plaintext.length,
    rawSize: payloads.reduce((sum, { length }) => sum + length, 0),
    encodedSize: buffer.length,
    blocks: encoded
  }
}

function* wrapped(parts: Iterable<Uint8Array>, length: number): Generator<Uint8Array> {
  const { after, before } = ErasureCoding.wrapping(length)
  yield before
  yield* parts
  yield after
}

export interface DecodeOptions {
  readonly index: number
  /** How the chunk may be stored; of several ways, small chunks don't show which it is. */
  readonly layouts: ReadonlyArray<Layout>
  /** The CIDs of all blocks of the chunk. */
  readonly cids: ReadonlyArray<Cid.Cid>
  /** Plaintext bytes of the chunk, where that is known. */
  readonly length?: number
  /** Where the chunk may be encrypted. */
  readonly fileKey?: Uint8Array
}

export type DecodeError = ErasureCoding.NotErasureCoded | ErasureCoding.TooFewShards | DecryptionFailed

/**
 * The plaintext of a chunk, from the payloads of its blocks in their order: all of them, or where they are coded any that suffice. Those that are
 * made from the others are verified by their CIDs, as the others have been. Fails as the first layout does if none fits.
 */
export const decodeChunk = (
  payloads: ReadonlyArray<Uint8Array | undefined>,
  { layouts, ...options }: DecodeOptions
): Result.Result<Uint8Array, DecodeError> => {
  const refused: Result.Result<Uint8Array, DecodeError> = Result.fail(new ErasureCoding.NotErasureCoded())
  return layouts.reduce((found, layout, n) => {
    if (Result.isSuccess(found)) return found
    const decoded = decodeAs(layout, payloads, options)
    return Result.isSuccess(decoded) || n === 0 ? decoded : found
  }, refused)
}

const decodeAs = (
  { coding: { dataBlocks, parityBlocks }, isEncrypted }: Layout,
  payloads: ReadonlyArray<Uint8Array | undefined>,
  { cids, fileKey, index, length }: Omit<DecodeOptions, "layouts">
): Result.Result<Uint8Array, DecodeError> => {
  const raw = parityBlocks === 0 ? joined(payloads) : Result.flatMap(
    ErasureCoding.reconstruct(payloads, dataBlocks),
    (shards): Result.Result<Uint8Array, DecodeError> =>
      shards.every((shard, n) => payloads[n] !== undefined || Dag.leafCid(shard) === cids[n])
        ? ErasureCoding.unwrap(shards)
        : Result.fail(new ErasureCoding.NotErasureCoded())
  )
  const plaintext = isEncrypted
    ? Result.flatMap(raw, (sealed) => openChunk(fileKey ?? new Uint8Array(), index, sealed))
    : raw
  return Result.flatMap(
    plaintext,
    (bytes): Result.Result<Uint8Array, DecodeError> =>
      length === undefined || bytes.length === length
        ? Result.succeed(bytes)
        : Result.fail(new ErasureCoding.NotErasureCoded())
  )
}

const joined = (
  payloads: ReadonlyArray<Uint8Array | undefined>
): Result.Result<Uint8Array, DecodeError> => {
  const present = payloads.filter((payload) => payload !== undefined)
  if (present.length < payloads.length) {
    return Result.fail(new ErasureCoding.TooFewShards({ present: present.length, needed: payloads.length }))
  }
  const [only] = present
  return Result.succeed(present.length === 1 && only !== undefined ? only : Buffer.concat(present))
}

/** Writes parts, one after the other, across buffers, and zeros into the rest. */
const scatter = (parts: Iterable<Uint8Array>, into: ReadonlyArray<Uint8Array>): void => {
  let [n, filled] = [0, 0]
  for (const part of parts) {
    for (let from = 0; from < part.length;) {
      const buffer = into[n]
      if (buffer === undefined) throw new Error("the parts are longer than the buffers")
      const piece = part.subarray(from, from + buffer.length - filled)
      buffer.set(piece, filled)
      from += piece.length
      filled += piece.length
      if (filled === buffer.length) [n, filled] = [n + 1, 0]
    }
  }
  for (const buffer of into.slice(n)) {
    buffer.fill(0, filled)
    filled = 0
  }
}
