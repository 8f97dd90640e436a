/** The messages that carry blocks, written and read around the bytes of the block, which are copied as seldom as can be. */
import { IPCFileBlockData } from "@akave-async/proto/ipcnode"
import { BinaryReader, WireType } from "@bufbuild/protobuf/wire"
import type { Cid } from "../encoding/Cid.ts"

export interface BlockSize {
  readonly cid: Cid
  /** Bytes of the encoded block. */
  readonly size: number
}

/** A chunk before it is on chain. */
export interface Announcement {
  /** 32 bytes. */
  readonly bucketId: Uint8Array
  readonly fileName: string
  readonly chunk: {
    readonly cid: Cid
    readonly index: number
    /** Plaintext bytes. */
    readonly actualSize: number
    readonly blocks: ReadonlyArray<BlockSize>
  }
}

export interface UploadedBlock extends Announcement {
  readonly blockIndex: number
  readonly data: Uint8Array
  readonly nodeId: Uint8Array
  readonly nonce: bigint
  /** Unix time in seconds. */
  readonly deadline: number
  /** 65 bytes. */
  readonly signature: Uint8Array
}

/** The field `data` of `IPCFileBlockData`, number 1, and its length. */
const dataTag = (length: number): Uint8Array => {
  const bytes = [0x0a]
  let rest = length
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 128)
  return Uint8Array.from([...bytes, rest])
}

/** Big-endian, without leading zeros. */
const bytesOf = (nonce: bigint): Buffer => {
  const hex = nonce.toString(16)
  return Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, "hex")
}

/** The encoded messages of a block, `partSize` bytes of it in each. Akave's own client repeats all but the CID and the chunk in each of them. */
export function* encodeParts(block: UploadedBlock, partSize: number): Generator<Buffer> {
  const { actualSize, blocks, cid, index } = block.chunk
  const common = {
    data: Buffer.alloc(0),
    index: BigInt(block.blockIndex),
    bucketId: Buffer.from(block.bucketId),
    fileName: block.fileName,
    nonce: bytesOf(block.nonce),
    nodeId: Buffer.from(block.nodeId),
    signature: Buffer.from(block.signature).toString("hex"),
    deadline: BigInt(block.deadline)
  }
  const chunk = {
    cid,
    index: BigInt(index),
    size: BigInt(actualSize),
    blocks: blocks.map(({ cid, size }) => ({ cid, size: BigInt(size) }))
  }
  const first = IPCFileBlockData.encode({ ...common, cid: blocks[block.blockIndex]?.cid ?? "", chunk }).finish()
  const further = IPCFileBlockData.encode({ ...common, cid: "", chunk: undefined }).finish()
  for (let at = 0; at < block.data.length; at += partSize) {
    const data = block.data.subarray(at, at + partSize)
    yield Buffer.concat([dataTag(data.length), data, at === 0 ? first : further])
  }
}

/** The bytes of the block in an encoded message, as a view of it. */
export const dataOf = (message: Uint8Array): Uint8Array => {
  const reader = new BinaryReader(message)
  let data: Uint8Array = new Uint8Array()
  while (reader.pos < reader.len) {
    const [field, type] = reader.tag()
    if (field === 1 && type === WireType.LengthDelimited) data = reader.bytes()
    else reader.skip(type)
  }
  return data
}
