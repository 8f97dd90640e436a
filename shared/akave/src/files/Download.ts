/** Downloads: what a node reports is verified against the chain, and each block against its CID, before a byte is given out. */
import { type DateTime, Effect, Option, Redacted, Semaphore, Stream } from "effect"
import {
  blocksPerChunk,
  type Coding,
  encryptionOverhead,
  type Layout as ChunkLayout,
  plaintextPerChunk
} from "../encoding/ChunkCodec.ts"
import { ChunkCoder } from "../encoding/ChunkCoder.ts"
import * as Cid from "../encoding/Cid.ts"
import * as Dag from "../encoding/Dag.ts"
import { fileKey } from "../encoding/Encryption.ts"
import { Encryption } from "../Encryption.ts"
import { InvalidArgument } from "../Errors.ts"
import * as BlockFetch from "./BlockFetch.ts"
import { FileContract, named, type OnChainFile } from "./FileContract.ts"
import { FileNotCommitted, FileNotFound, KeyRequired, NotAuthentic } from "./FileErrors.ts"
import { FileNode, type FileRef } from "./FileNode.ts"
import * as Layout from "./Layout.ts"

export interface DownloadOptions {
  /** Plaintext bytes from `start` to before `end`; the whole file by default. */
  readonly range?: { readonly start: number; readonly end?: number }
  /** How the file is coded, where its sizes on chain don't show that. */
  readonly coding?: Coding
  /** Whether the file is encrypted, where its sizes on chain don't show that. */
  readonly isEncrypted?: boolean
  /** 32 bytes, which count for this download in place of the reference `Encryption`. */
  readonly encryptionKey?: Redacted.Redacted<Uint8Array>
  /** True gives the chunks as they were encrypted, each with its nonce and its tag, and needs no key. The whole file then, and no range. */
  readonly isSealed?: boolean
  /** Blocks of a chunk on their way at once; 10 by default. */
  readonly concurrency?: number
  /** Chunks in memory at once; 2 by default. */
  readonly chunksInFlight?: number
}

export interface Request {
  readonly bucketName: string
  readonly name: string
  readonly onWire: FileRef
  readonly options: DownloadOptions
}

/** A committed file, ready to be read. */
export interface OpenedFile<E> {
  /** 0x and 64 lower-case hex digits. */
  readonly id: string
  readonly rootCid: Cid.Cid
  /** Plaintext bytes of the whole file. */
  readonly actualSize: number
  /** Bytes of all blocks. */
  readonly encodedSize: number
  readonly createdAt: DateTime.Utc
  /** How it is stored, as far as its sizes show that: of a small file the first of several ways. */
  readonly coding: Coding
  readonly isEncrypted: boolean
  /** The plaintext bytes that were asked for, in order. */
  readonly bytes: Stream.Stream<Uint8Array, E>
}

type Layouts = readonly [ChunkLayout, ...ReadonlyArray<ChunkLayout>]
type Committed = Pick<OnChainFile, "actualSize" | "chunks">

/** Bytes that are given out at once at most. */
const pieceSize = 1_048_576

// oxlint-disable-next-line max-lines-per-function -- its steps share one file
export const make = Effect.gen(function*() {
  const contract = yield* FileContract
  const node = yield* FileNode
  const coder = yield* ChunkCoder
  const encryption = yield* Encryption
  const fetchBlocks = yield* BlockFetch.make

  const committed = Effect.fnUntraced(function*({ bucketName, name, onWire }: Request) {
    const found = yield* contract.onChain(named(onWire.bucketName, onWire.owner, onWire.name))
    if (Option.isNone(found)) return yield* new FileNotFound({ bucketName, name })
    const file = found.value
    if (Option.isNone(file.rootCid)) return yield* new FileNotCommitted({ bucketName, name })
    if (!Layout.isRootOf(file.rootCid.value, file)) {
      return yield* new NotAuthentic({
        what: "The root of the file's chunks",
        expected: file.rootCid.value,
        actual: "another one"
      })
    }
    return { ...file, rootCid: file.rootCid.value }
  })

  /** How the file may be stored: as the caller says, else as its sizes show, else as the network's own command line stores. */
  const layoutsOf = (file: Committed, { coding, isEncrypted }: DownloadOptions): Layouts => {
    const isEqual = file.chunks.every(({ encodedSize }) => encodedSize % blocksPerChunk === 0)
    const usual = { coding: isEqual ? Layout.usual : Layout.uncoded, isEncrypted: Option.isSome(encryption) }
    const said = { ...(coding === undefined ? {} : { coding }), ...(isEncrypted === undefined ? {} : { isEncrypted }) }
    const [first = usual, ...others] = Layout.recognise(file).filter((one) =>
      (coding === undefined || isSameCoding(one.coding, coding)) &&
      (isEncrypted === undefined || one.isEncrypted === isEncrypted)
    )
    return [{ ...first, ...said }, ...others]
  }

  const listed = Effect.fnUntraced(function*(of: FileRef, file: Committed, chunkIndex: number) {
    const chunk = file.chunks[chunkIndex]
    if (chunk === undefined) return yield* Effect.die(new Error(`the file has no chunk ${chunkIndex}`))
    const places = yield* node.blocks({ ...of, chunkCid: chunk.cid, chunkIndex })
    const blocks = yield* Effect.forEach(places, ({ cid, ...place }) =>
      Effect.mapError(
        Effect.map(Effect.fromResult(Cid.parse(cid)), (cid): BlockFetch.Listed => ({ ...place, cid })),
        () => new NotAuthentic({ what: `A block of chunk ${chunkIndex}`, expected: "a dag-pb block", actual: cid })
      ))
    const actual = blocks.length === 0 ? "no block" : Dag.chunkRoot(blocks)
    if (actual !== chunk.cid) {
      return yield* new NotAuthentic({ what: `The root of chunk ${chunkIndex}`, expected: chunk.cid, actual })
    }
    return { cid: chunk.cid, blocks }
  })

  // oxlint-disable-next-line max-lines-per-function -- what is opened and how it is read share the file
  return Effect.fn("Files.open")(function*(request: Request) {
    const { bucketName, name, onWire, options } = request
    const { isSealed = false } = options
    const master = Option.orElse(
      Option.fromUndefinedOr(options.encryptionKey),
      () => Option.map(encryption, ({ key }) => key)
    )
    const file = yield* committed(request)
    const isKnown = Layout.recognise(file).length > 0
    const layouts = layoutsOf(file, options)
    const keyRequired = new KeyRequired({ bucketName, name })
    const possible = Option.isSome(master) || isSealed ? layouts : layouts.filter(({ isEncrypted }) => !isEncrypted)
    const [layout] = possible
    if (layout === undefined) return yield* keyRequired
    const key = Option.map(master, (key) => Redacted.make(fileKey(key, onWire.bucketName, onWire.name)))
    const { end, start } = yield* checkRange(options.range, file.actualSize)
    const full = plaintextPerChunk(layout)
    const [firstChunk, endChunk] = [Math.floor(start / full), start === end ? 0 : Math.ceil(end / full)]
    const concurrency = options.concurrency ?? 10

    const plaintext = Effect.fnUntraced(function*(chunkIndex: number) {
      const { blocks, cid } = yield* listed(onWire, file, chunkIndex)
      const needed = Math.max(
        ...possible.map(({ coding }) => coding.parityBlocks === 0 ? blocks.length : coding.dataBlocks)
      )
      const payloads = yield* fetchBlocks({ of: onWire, chunkCid: cid, chunkIndex, blocks, needed, concurrency })
      const length = Math.min(full, file.actualSize - chunkIndex * full)
      const sealing = isSealed && layout.isEncrypted ? encryptionOverhead : 0
      const bytes = yield* coder.decode(payloads, {
        index: chunkIndex,
        layouts: isSealed ? possible.map(({ coding }) => ({ coding, isEncrypted: false })) : possible,
        cids: blocks.map(({ cid }) => cid),
        ...(isKnown ? { length: length + sealing } : {}),
        ...(Option.isSome(key) ? { fileKey: Redacted.value(key.value) } : {})
      }).pipe(
        Effect.mapError((error) =>
          error._tag === "NotErasureCoded" && possible.length < layouts.length ? keyRequired : error
        )
      )
      if (isSealed) return bytes
      const offset = chunkIndex * full
      return bytes.subarray(Math.max(0, start - offset), Math.min(bytes.length, end - offset))
    })

    // The node is asked as by every client of the network, but what it reports is what the chain holds, or an error.
    const chunks = node.chunks({ ...onWire, range: { start: firstChunk, end: endChunk } }).pipe(
      Effect.flatMap(({ cids }) => {
        const expected = file.chunks.slice(firstChunk, endChunk).map(({ cid }) => cid)
        return expected.join() === cids.join() ? Effect.void : Effect.fail(
          new NotAuthentic({ what: "The list of the file's chunks", expected: expected.join(), actual: cids.join() })
        )
      })
    )
    const bytes = Stream.unwrap(Effect.gen(function*() {
      if (start === end) return Stream.empty
      yield* chunks
      const permits = yield* Semaphore.make(options.chunksInFlight ?? 2)
      return Stream.range(firstChunk, endChunk - 1).pipe(
        Stream.mapEffect((n) => Effect.andThen(permits.take(1), plaintext(n)), {
          concurrency: options.chunksInFlight ?? 2
        }),
        Stream.flatMap((chunk) => Stream.fromIterable(pieces(chunk)).pipe(Stream.ensuring(permits.release(1))))
      )
    }))
    return {
      id: file.id,
      rootCid: file.rootCid,
      actualSize: file.actualSize,
      encodedSize: file.encodedSize,
      createdAt: file.createdAt,
      ...layout,
      bytes
    } satisfies OpenedFile<unknown>
  })
})

const isSameCoding = (a: Coding, b: Coding): boolean =>
  a.dataBlocks === b.dataBlocks && a.parityBlocks === b.parityBlocks

function* pieces(bytes: Uint8Array): Generator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += pieceSize) yield bytes.subarray(at, at + pieceSize)
}

const checkRange = (range: DownloadOptions["range"], size: number) => {
  const { end = size, start = 0 } = range ?? {}
  return Number.isSafeInteger(start) && Number.isSafeInteger(end) && start >= 0 && start <= end && end <= size
    ? Effect.succeed({ start, end })
    : Effect.fail(
      new InvalidArgument({ field: "range", reason: `it must lie in the file's ${size} bytes, with start before end` })
    )
}
