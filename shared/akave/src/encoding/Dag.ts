/**
 * Blocks, chunks and files as dag-pb nodes with UnixFS data, to the byte as Akave's network has them: a block is a leaf with its payload, a
 * chunk links its blocks, a file its chunks; what has one link only is that link itself. Written by hand because a leaf is written around
 * its payload in place.
 */
import { Result, Schema } from "effect"
import * as Cid from "./Cid.ts"

export class MalformedBlock extends Schema.TaggedError<MalformedBlock>()("MalformedBlock", { detail: Schema.String }) {
  override readonly message = `The block is not a leaf of a file: ${this.detail}`
  readonly isRetryable = false
}

const varintLength = (value: number): number => {
  let length = 1
  for (let rest = Math.floor(value / 128); rest > 0; rest = Math.floor(rest / 128)) length += 1
  return length
}

const varint = (value: number): Array<number> => {
  const bytes: Array<number> = []
  let rest = value
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 128)
  return [...bytes, rest]
}

// dag-pb: a node's data and its links; of a link the hash, the name and the size.
const [nodeData, nodeLink, linkHash, linkName, linkSize] = [0x0a, 0x12, 0x0a, 0x12, 0x18]
// UnixFS: the type with "file" for its value, the data, the size of the file, the size of each block.
const [unixType, unixFile, unixData, unixFileSize, unixBlockSize] = [0x08, 0x02, 0x12, 0x18, 0x20]

/** Bytes of a leaf's UnixFS message. */
const dataLength = (payload: number): number => 2 + 1 + varintLength(payload) + payload + 1 + varintLength(payload)

/** Bytes of an encoded block with so many payload bytes. */
export const leafLength = (payload: number): number => {
  const data = dataLength(payload)
  return 1 + varintLength(data) + data
}

/** Payload bytes of an encoded block of so many bytes; undefined where no block has that length. */
export const payloadLength = (leaf: number): number | undefined => {
  // What is around the payload grows with it, by four bytes at most from one length to the next.
  for (let payload = Math.max(0, leaf - 32); payload < leaf; payload++) {
    const length = leafLength(payload)
    if (length === leaf) return payload
    if (length > leaf) return undefined
  }
  return undefined
}

/** What stands before and after the payload of a leaf. */
export const leafFrame = (payload: number): { readonly before: Uint8Array; readonly after: Uint8Array } => ({
  before: Uint8Array.from([
    nodeData,
    ...varint(dataLength(payload)),
    unixType,
    unixFile,
    unixData,
    ...varint(payload)
  ]),
  after: Uint8Array.from([unixFileSize, ...varint(payload)])
})

/** The encoded block of a payload. */
export const leaf = (payload: Uint8Array): Uint8Array => {
  const { after, before } = leafFrame(payload.length)
  const bytes = new Uint8Array(before.length + payload.length + after.length)
  bytes.set(before)
  bytes.set(payload, before.length)
  bytes.set(after, before.length + payload.length)
  return bytes
}

/** The CID of the block with this payload, which is hashed where it is. */
export const leafCid = (payload: Uint8Array): Cid.Cid => {
  const { after, before } = leafFrame(payload.length)
  return Cid.ofBlock(before, payload, after)
}

/** The payload of an encoded block, as a view of it. Only the one way in which a block is written is taken. */
export const payloadOf = (block: Uint8Array): Result.Result<Uint8Array, MalformedBlock> => {
  const length = payloadLength(block.length)
  if (length === undefined) return Result.fail(new MalformedBlock({ detail: `no leaf has ${block.length} bytes` }))
  const { after, before } = leafFrame(length)
  const payload = block.subarray(before.length, before.length + length)
  const isFramed = before.every((byte, n) => block[n] === byte) &&
    after.every((byte, n) => block[before.length + length + n] === byte)
  return isFramed
    ? Result.succeed(payload)
    : Result.fail(new MalformedBlock({ detail: "its fields are not those of a leaf" }))
}

interface Link {
  readonly cid: Cid.Cid
  /** What the link says of the size of what it leads to. */
  readonly size: number
  /** Bytes that what it leads to adds to the file. */
  readonly payload: number
}

const rootOf = (links: ReadonlyArray<Link>): Cid.Cid => {
  const bytes = links.flatMap(({ cid, size }) => {
    const hash = Cid.toBytes(cid)
    const link = [linkHash, hash.length, ...hash, linkName, 0, linkSize, ...varint(size)]
    return [nodeLink, ...varint(link.length), ...link]
  })
  const fileSize = links.reduce((sum, { payload }) => sum + payload, 0)
  const data = [
    unixType,
    unixFile,
    unixFileSize,
    ...varint(fileSize),
    ...links.flatMap(({ payload }) => [unixBlockSize, ...varint(payload)])
  ]
  return Cid.ofBlock(Uint8Array.from([...bytes, nodeData, ...varint(data.length), ...data]))
}

/** The CID of a chunk with these blocks, in their order; `size` is the length of the encoded block. One block is the chunk itself. */
export const chunkRoot = (blocks: ReadonlyArray<{ readonly cid: Cid.Cid; readonly size: number }>): Cid.Cid => {
  const [first] = blocks
  if (first !== undefined && blocks.length === 1) return first.cid
  return rootOf(blocks.map(({ cid, size }) => ({ cid, size, payload: payloadLength(size) ?? 0 })))
}

/**
 * The CID of a file with these chunks, in their order. `encodedSize` is the sum of the lengths of the chunk's blocks, `rawSize` that of
 * their payloads. One chunk is the file itself.
 */
export const fileRoot = (
  chunks: ReadonlyArray<{ readonly cid: Cid.Cid; readonly encodedSize: number; readonly rawSize: number }>
): Cid.Cid => {
  const [first] = chunks
  if (first !== undefined && chunks.length === 1) return first.cid
  return rootOf(chunks.map(({ cid, encodedSize, rawSize }) => ({ cid, size: encodedSize, payload: rawSize })))
}
