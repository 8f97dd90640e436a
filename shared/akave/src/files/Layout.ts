/**
 * How a file was stored, which is recorded nowhere: found by the sizes that the chain holds. Of the ways in which a file of `actualSize`
 * plaintext bytes can be stored, each gives chunks of other sizes.
 */
import {
  blockPayload,
  blocksPerChunk,
  type Coding,
  encryptionOverhead,
  type Layout,
  plaintextPerChunk
} from "../encoding/ChunkCodec.ts"
import type { Cid } from "../encoding/Cid.ts"
import * as Dag from "../encoding/Dag.ts"
import { shardLength } from "../encoding/ErasureCoding.ts"
import type { OnChainFile } from "./FileContract.ts"

export const uncoded: Coding = { dataBlocks: blocksPerChunk, parityBlocks: 0 }

/** What the network's own command line stores. */
export const usual: Coding = { dataBlocks: 16, parityBlocks: 16 }

/** The usual number of parity blocks comes first. */
const parityCounts = [16, ...Array.from({ length: 15 }, (_, n) => n + 1)]
const codings: ReadonlyArray<Coding> = [
  uncoded,
  ...parityCounts.map((parityBlocks) => ({ dataBlocks: blocksPerChunk - parityBlocks, parityBlocks }))
]

/** Bytes of all blocks of a chunk with so many plaintext bytes. */
const encodedSize = (plaintext: number, { coding: { dataBlocks, parityBlocks }, isEncrypted }: Layout): number => {
  const raw = plaintext + (isEncrypted ? encryptionOverhead : 0)
  if (parityBlocks > 0) {
    return (dataBlocks + parityBlocks) * Dag.leafLength(shardLength(raw, dataBlocks))
  }
  const rest = raw % blockPayload
  return Math.floor(raw / blockPayload) * Dag.leafLength(blockPayload) + (rest === 0 ? 0 : Dag.leafLength(rest))
}

/**
 * The layouts whose sizes the file's chunks have, those without encryption first, and the usual coding before others: one, but for small files; none where a client recorded another size.
 */
export const recognise = (
  { actualSize, chunks }: Pick<OnChainFile, "actualSize" | "chunks">
): ReadonlyArray<Layout> => {
  const layouts = [false, true].flatMap((isEncrypted) => codings.map((coding) => ({ coding, isEncrypted })))
  return layouts.filter((layout) => {
    const full = plaintextPerChunk(layout)
    const last = actualSize - full * (chunks.length - 1)
    return last > 0 && last <= full &&
      chunks.every((chunk, n) => chunk.encodedSize === encodedSize(n < chunks.length - 1 ? full : last, layout))
  })
}

/** Bytes that the blocks of a chunk carry, for each way in which blocks can have this size together. */
const rawSizes = (size: number): ReadonlyArray<number> => {
  const equal = size % blocksPerChunk === 0 ? Dag.payloadLength(size / blocksPerChunk) : undefined
  const full = Dag.leafLength(blockPayload)
  const rest = size % full === 0 ? 0 : Dag.payloadLength(size % full)
  return [
    ...(equal === undefined ? [] : [blocksPerChunk * equal]),
    ...(rest === undefined ? [] : [Math.floor(size / full) * blockPayload + rest])
  ]
}

/** Whether this is the root of the file's chunks. All but the last chunk have 32 blocks of one size. */
export const isRootOf = (root: Cid, { chunks }: Pick<OnChainFile, "chunks">): boolean => {
  const sizes = chunks.map(({ encodedSize }) => rawSizes(encodedSize))
  const known = chunks.slice(0, -1).map((chunk, n) => ({ ...chunk, rawSize: sizes[n]?.[0] ?? 0 }))
  const last = chunks.at(-1)
  if (last === undefined) return false
  if (known.length === 0) return root === last.cid
  return (sizes.at(-1) ?? []).some((rawSize) => Dag.fileRoot([...known, { ...last, rawSize }]) === root)
}
