// oxlint-disable max-lines -- how one chunk goes from its bytes to the chain
/** One reading of what is uploaded: each chunk is encoded, announced, added on chain, and the blocks that it lacks are sent. */
import { Deferred, Duration, Effect, Fiber, FiberSet, Option, Redacted, Schedule, Semaphore } from "effect"
import type { Receipt } from "../Chain.ts"
import type { Buffers } from "../encoding/Buffers.ts"
import type { Coding } from "../encoding/ChunkCodec.ts"
import { ChunkCoder } from "../encoding/ChunkCoder.ts"
import { Sender } from "../Sender.ts"
import { type Prepared, Wallet } from "../Wallet.ts"
import type { Announcement } from "./BlockMessages.ts"
import * as BlockUpload from "./BlockUpload.ts"
import { patiently } from "./BlockUpload.ts"
import { type AddedChunk, FileContract, isRefusedAs, type OnChainFile } from "./FileContract.ts"
import { SourceChanged, type SourceFailed } from "./FileErrors.ts"
import { FileNode, type FileRef } from "./FileNode.ts"
import type { Tracker } from "./Progress.ts"
import type { Reader, Source } from "./Source.ts"
import type { PartTransaction, UploadOptions } from "./UploadOptions.ts"

/** A file by its names on the wire, and the ids that they give. */
export interface File extends FileRef {
  readonly id: string
  readonly bucketId: string
}

export interface KnownChunk extends AddedChunk {
  /** Plaintext bytes. */
  readonly actualSize: number
  /** Bytes that the blocks carry. */
  readonly rawSize: number
  /** Whether it has been seen on chain, or mined. */
  isAdded: boolean
  /** Bit n says that block n has been taken by a node. */
  stored: number
}

/** An upload under way. */
export interface Upload {
  readonly of: File
  /** The names as the caller gave them. */
  readonly names: { readonly bucketName: string; readonly name: string }
  readonly source: Source
  /** The source after its first chunk; none once a pass has taken it. */
  opened: Option.Option<{ readonly reader: Reader; readonly first: Uint8Array }>
  readonly coding: Coding
  readonly encryption: { readonly fileKey: Redacted.Redacted<Uint8Array>; readonly uploadId: string } | undefined
  /** Plaintext bytes of a full chunk. */
  readonly chunkSize: number
  readonly options: UploadOptions
  /** What has been encoded so far, by index. */
  readonly chunks: Array<KnownChunk>
  readonly transactions: Array<PartTransaction>
  /** A permit for each block that may be on its way. */
  readonly blocks: Semaphore.Semaphore
  readonly repairs: Semaphore.Semaphore
  readonly tracker: Tracker
  /** Gas units that the contract asked for a chunk of this file, the last time. */
  chunkGas: Option.Option<bigint>
}

/** Whether a chunk's word on chain says so of block n. */
export const isFilled = (word: number, n: number): boolean => ((word >>> n) & 1) === 1

/** The blocks that a chunk lacks on chain. */
export const missingOf = (
  { blocks }: AddedChunk,
  onChain: { readonly filled: number } | undefined
): ReadonlyArray<number> => blocks.flatMap((_, n) => isFilled(onChain?.filled ?? 0, n) ? [] : [n])

/** The next plaintext bytes: fewer than asked for only at the end. */
export const readChunk = (reader: Reader, size: number, buffers: Buffers): Effect.Effect<Uint8Array, SourceFailed> =>
  Effect.suspend(() => {
    const buffer = buffers.take(size)
    return Effect.map(reader.read(buffer), (length) => buffer.subarray(0, length))
  })

/** What may have changed the chain, or not: what the chain shows decides. */
export const isUnsettled = ({ _tag }: { readonly _tag: string }): boolean =>
  _tag === "TransactionReverted" || _tag === "SettleTimeout"

/** A transaction that came to nothing is sent again this often at most, while the chain shows that it is needed. */
const mostRepairs = 5
/** How often, and how far apart, it is looked whether what waits to be mined has been mined: for 2 minutes. */
export const [mostLooks, lookInterval] = [480, Duration.millis(250)]
// oxlint-disable-next-line max-lines-per-function -- its steps share one upload
export const make = Effect.gen(function*() {
  const wallet = yield* Wallet
  const sender = yield* Sender
  const contract = yield* FileContract
  const node = yield* FileNode
  const coder = yield* ChunkCoder
  const { sendBlocks } = yield* BlockUpload.make

  const onChain = ({ of }: Upload) => patiently(contract.onChain(of))

  /** Sends the transaction of a part, waits until it is mined, and counts it. */
  const carryOut = <E extends { readonly _tag: string; readonly reason?: unknown; readonly isRetryable: boolean }>(
    upload: Upload,
    part: string,
    prepare: Effect.Effect<Prepared, E>,
    isDone: (error: E) => boolean,
    onSent: Effect.Effect<unknown> = Effect.void
  ) => {
    const { confirmations, timeout } = upload.options
    const count = (what: "sent" | "mined") =>
      Effect.sync(() =>
        upload.tracker.update(({ transactions }) => ({
          transactions: { ...transactions, [what]: transactions[what] + 1, last: part }
        }))
      )
    const sent = sender.carryOut(prepare, isDone, {
      ...(confirmations === undefined || part !== "commit" ? {} : { confirmations }),
      ...(timeout === undefined ? {} : { timeout }),
      onSent: () => Effect.andThen(count("sent"), onSent)
    })
    return patiently(sent).pipe(Effect.tap(({ blockNumber, gasUsed, transactionHash: hash }: Receipt) => {
      upload.transactions.push({ part, hash, blockNumber, gasUsed })
      return count("mined")
    }))
  }

  const create = (upload: Upload) =>
    carryOut(
      upload,
      "create",
      contract.prepareCreate({ ...upload.of, from: wallet.address }),
      (error) => isRefusedAs(error, "FileAlreadyExists")
    ).pipe(
      // One of an earlier try may have been mined meanwhile, or wait to be.
      Effect.catchIf(
        (error) => isRefusedAs(error, "FileAlreadyExists") || isUnsettled(error),
        (error) =>
          onChain(upload).pipe(
            Effect.filterOrFail(Option.isSome, () => error),
            Effect.retry({ times: mostLooks, schedule: Schedule.spaced(lookInterval), while: (one) => one === error })
          )
      )
    )

  const changed = (upload: Upload, chunkIndex: number) => new SourceChanged({ ...upload.names, chunkIndex })

  /** Whether the chain has this chunk; that it has another one in its place is an error. */
  const hasChunk = (upload: Upload, { cid, index }: AddedChunk, file: Option.Option<OnChainFile>) => {
    const found = Option.getOrUndefined(file)?.chunks[index]
    return found === undefined || found.cid === cid
      ? Effect.succeed(found !== undefined)
      : Effect.fail(changed(upload, index))
  }

  /** Adds a chunk on chain, after those before it. What the chain shows afterwards decides whether it is sent again. */
  const add = Effect.fnUntraced(function*(upload: Upload, chunk: KnownChunk, onSent?: Effect.Effect<unknown>) {
    const prepare = Effect.tap(
      Effect.suspend(() =>
        contract.prepareChunk({
          ...upload.of,
          from: wallet.address,
          chunk,
          gasBound: Option.map(upload.chunkGas, (gas) => gas + gas / 10n)
        })
      ),
      ({ gasLimit }) =>
        Effect.sync(() => {
          if (Option.isNone(upload.chunkGas)) upload.chunkGas = Option.some(gasLimit)
        })
    )
    const isThere = (error: { readonly _tag: string }) =>
      isRefusedAs(error, "FileChunkDuplicate") || isRefusedAs(error, "LastChunkDuplicate") ||
      isRefusedAs(error, "FileFullyUploaded")
    for (let tries = 1;; tries++) {
      const outcome = yield* Effect.result(carryOut(upload, `chunk.${chunk.index}`, prepare, isThere, onSent))
      if (outcome._tag === "Success") break
      const error = outcome.failure
      if (!isThere(error) && !isUnsettled(error)) return yield* Effect.fail(error)
      if (yield* hasChunk(upload, chunk, yield* onChain(upload))) break
      if (tries === (isThere(error) ? mostLooks : mostRepairs)) return yield* Effect.fail(error)
      // One of an earlier try may wait to be mined.
      yield* Effect.sleep(lookInterval)
    }
    countAdded(upload, chunk)
  })

  /** The file on chain, with all chunks that were there before: what a reorganisation took away is sent again. */
  const ensureChunks = (upload: Upload) =>
    upload.repairs.withPermit(Effect.gen(function*() {
      let found = yield* onChain(upload)
      if (Option.isNone(found)) {
        yield* create(upload)
        found = yield* onChain(upload)
      }
      for (const chunk of upload.chunks) {
        if (!chunk.isAdded || (yield* hasChunk(upload, chunk, found))) continue
        yield* add(upload, chunk)
        found = yield* onChain(upload)
      }
      return found
    }))

  const takeReader = Effect.fnUntraced(function*(upload: Upload) {
    const { opened, source } = upload
    upload.opened = Option.none()
    if (Option.isNone(opened)) {
      const reader = yield* source.open
      return readChunk(reader, upload.chunkSize, coder.buffers)
    }
    const { reader } = opened.value
    let first: Uint8Array | undefined = opened.value.first
    return Effect.suspend(() => {
      const read = first === undefined ? readChunk(reader, upload.chunkSize, coder.buffers) : Effect.succeed(first)
      first = undefined
      return read
    })
  })

  const encode = Effect.fnUntraced(function*(upload: Upload, index: number, plaintext: Uint8Array) {
    const { coding, encryption } = upload
    const encoded = yield* coder.encode(plaintext, {
      index,
      coding,
      ...(encryption === undefined
        ? {}
        : { encryption: { fileKey: Redacted.value(encryption.fileKey), uploadId: encryption.uploadId } })
    })
    const known = upload.chunks[index]
    if (known !== undefined) {
      if (known.cid !== encoded.cid) return yield* changed(upload, index)
      return { encoded, known }
    }
    const { actualSize, cid, encodedSize, rawSize } = encoded
    const blocks = encoded.blocks.map(({ cid, size }) => ({ cid, size }))
    const chunk: KnownChunk = { index, cid, actualSize, rawSize, encodedSize, blocks, isAdded: false, stored: 0 }
    upload.chunks[index] = chunk
    upload.tracker.update((progress) => ({
      blocks: { ...progress.blocks, total: progress.blocks.total + blocks.length },
      chunks: { ...progress.chunks, encoded: progress.chunks.encoded + 1 }
    }))
    return { encoded, known: chunk }
  })

  /** The chunks of a source, one after the other; each is handed on once its transaction is sent, and is stored beside the next. */
  // oxlint-disable-next-line max-lines-per-function -- the chunks share one pass
  const run = (upload: Upload) =>
    Effect.scoped(Effect.gen(function*() {
      const next = yield* takeReader(upload)
      const found = yield* onChain(upload)
      const before = Option.isSome(found) ? found.value.chunks : []
      const created = yield* Effect.forkScoped(Option.isSome(found) ? Effect.void : create(upload))
      const permits = yield* Semaphore.make(upload.options.chunksInFlight ?? 2)
      const store = Effect.fnUntraced(function*(
        { encoded, known }: Effect.Success<ReturnType<typeof encode>>,
        sent: Deferred.Deferred<void>
      ) {
        const { actualSize, cid, index } = encoded
        const onChain = before[index]
        yield* hasChunk(upload, known, found)
        if (onChain !== undefined) {
          countAdded(upload, known)
          countStored(upload, index, onChain.filled)
        }
        const missing = missingOf(known, onChain)
        const announcement: Announcement = {
          bucketId: Buffer.from(upload.of.bucketId.slice(2), "hex"),
          fileName: upload.of.name,
          chunk: { cid, index, actualSize, blocks: known.blocks }
        }
        const places = missing.length === 0 ? [] : yield* patiently(node.announce(announcement))
        if (!known.isAdded) yield* add(upload, known, Deferred.succeed(sent, undefined))
        yield* Deferred.succeed(sent, undefined)
        yield* sendBlocks({
          encoded,
          announcement,
          places,
          missing,
          permits: upload.blocks,
          mend: ensureChunks(upload),
          onStored: (n) => countStored(upload, index, 1 << n)
        })
        for (const { data } of encoded.blocks.slice(0, 1)) coder.buffers.give(data.buffer)
      })
      const storing = yield* FiberSet.make<void, Effect.Error<ReturnType<typeof store>>>()

      const readAll = Effect.gen(function*() {
        for (let index = 0;; index++) {
          yield* permits.take(1)
          const plaintext = yield* next
          const isEnd = plaintext.length < upload.chunkSize
          if (plaintext.length === 0) break
          const known = upload.chunks[index]
          if (known !== undefined && before[index] !== undefined && missingOf(known, before[index]).length === 0) {
            yield* permits.release(1)
            continue
          }
          const encoded = yield* encode(upload, index, plaintext)
          if (index === 0) yield* Fiber.join(created)
          const sent = yield* Deferred.make<void>()
          yield* FiberSet.run(storing, Effect.ensuring(store(encoded, sent), permits.release(1)))
          yield* Deferred.await(sent)
          if (isEnd) break
        }
        if (before.length > upload.chunks.length) return yield* changed(upload, upload.chunks.length)
        yield* FiberSet.awaitEmpty(storing)
      })
      yield* Effect.raceFirst(readAll, FiberSet.join(storing))
    }))

  return { run, ensureChunks, carryOut, onChain }
})

const countAdded = (upload: Upload, chunk: KnownChunk): void => {
  if (chunk.isAdded) return
  chunk.isAdded = true
  upload.tracker.update(({ chunks }) => ({ chunks: { ...chunks, added: chunks.added + 1 } }))
}

/** Counts blocks that a node has taken, by a word of bits, and the bytes of the chunk once it has all. */
const countStored = (upload: Upload, index: number, word: number): void => {
  const chunk = upload.chunks[index]
  if (chunk === undefined) return
  const fresh = chunk.blocks.filter((_, n) => isFilled(word, n) && !isFilled(chunk.stored, n)).length
  chunk.stored |= word
  const isWhole = fresh > 0 && chunk.blocks.every((_, n) => isFilled(chunk.stored, n))
  upload.tracker.update(({ blocks, bytes }) => ({
    blocks: { ...blocks, stored: blocks.stored + fresh },
    bytes: isWhole ? bytes + chunk.actualSize : bytes
  }))
}
