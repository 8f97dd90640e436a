// oxlint-disable max-lines -- one upload from its first look at the chain to its commit
/**
 * Uploads: what is to be done follows from what the chain shows, so an upload that was interrupted anywhere is made again and does the rest.
 * At most `chunksInFlight` chunks are in memory, each from its first byte read to its last block stored.
 */
import { Clock, DateTime, Duration, Effect, Option, Redacted, Semaphore } from "effect"
import { randomBytes } from "node:crypto"
import { Chain } from "../Chain.ts"
import { type Coding, plaintextPerChunk } from "../encoding/ChunkCodec.ts"
import { ChunkCoder } from "../encoding/ChunkCoder.ts"
import type { Cid } from "../encoding/Cid.ts"
import * as Dag from "../encoding/Dag.ts"
import { fileKey } from "../encoding/Encryption.ts"
import { Encryption } from "../Encryption.ts"
import { BucketNotFound, InvalidArgument } from "../Errors.ts"
import { fileId } from "../FileId.ts"
import * as Turns from "../Turns.ts"
import { Wallet } from "../Wallet.ts"
import { type AddedChunk, FileContract, isRefusedAs, named, type OnChainFile } from "./FileContract.ts"
import { BlocksNotFilled, FileExists, InsufficientFunds, SourceChanged } from "./FileErrors.ts"
import type { FileRef } from "./FileNode.ts"
import { type Entry, UploadJournal } from "./Journal.ts"
import * as Pass from "./Pass.ts"
import { track } from "./Progress.ts"
import type { Source } from "./Source.ts"
import type { PartTransaction, UploadOptions } from "./UploadOptions.ts"

export interface UploadedFile {
  /** 0x and 64 lower-case hex digits. */
  readonly id: string
  readonly bucketName: string
  readonly name: string
  readonly rootCid: Cid
  /** Plaintext bytes. */
  readonly actualSize: number
  /** Bytes of all blocks. */
  readonly encodedSize: number
  readonly chunks: number
  readonly createdAt: DateTime.Utc
  /** The transactions that this call sent, in the order of the parts; those of an earlier try are not among them. */
  readonly transactions: ReadonlyArray<PartTransaction>
}

/** 16 blocks of a chunk may be lost. */
export const defaultCoding: Coding = { dataBlocks: 16, parityBlocks: 16 }

/** The source is read again so often at most, to send blocks once more that were not filled. */
const mostPasses = 3

/** Gas units that the parts of an upload take at most, which a wallet must be able to pay for before its first one. */
const partGas = { create: 300_000n, chunk: 300_000n, commit: 350_000n }

/** The network has no files without content. */
export const emptyFile = Effect.fail(
  new InvalidArgument({ field: "source", reason: "it is empty, and an empty file can't be stored" })
)

export interface Request {
  readonly bucketName: string
  readonly name: string
  /** As they are on the wire. */
  readonly onWire: { readonly bucketName: string; readonly name: string }
  readonly source: Source
  readonly options: UploadOptions
}

const inOrder = (transactions: ReadonlyArray<PartTransaction>): ReadonlyArray<PartTransaction> => {
  const place = ({ part }: PartTransaction) =>
    part === "create" ? -1 : part === "commit" ? Infinity : Number(part.slice("chunk.".length))
  // oxlint-disable-next-line no-array-sort -- Node 18 has no toSorted
  return [...transactions].sort((a, b) => place(a) - place(b))
}

/** Uploads files, those of one name one after the other. */
// oxlint-disable-next-line max-lines-per-function -- its steps share one upload
export const make = Effect.gen(function*() {
  const chain = yield* Chain
  const wallet = yield* Wallet
  const contract = yield* FileContract
  const journal = yield* UploadJournal
  const encryption = yield* Encryption
  const pass = yield* Pass.make
  const { buffers } = yield* ChunkCoder
  const inTurn = Turns.make()

  const ensureFunds = Effect.fnUntraced(function*(chunks: number) {
    const [balance, { maxFeePerGas }] = yield* Effect.all([chain.balance(wallet.address), chain.fees], {
      concurrency: 2
    })
    const required = maxFeePerGas * (partGas.create + partGas.chunk * BigInt(chunks) + partGas.commit)
    if (balance < required) {
      return yield* new InsufficientFunds({ address: wallet.address, balance, required })
    }
  })

  /** The journal's entry of this upload, which is new where the file is not begun, or why the file on chain is not this one. */
  const begin = Effect.fnUntraced(function*(request: Request, of: Pass.File, found: Option.Option<OnChainFile>) {
    const { coding = defaultCoding, isEncrypted = Option.isSome(encryption) } = request.options
    const key = { chainId: chain.chainId, storageAddress: chain.storageAddress, fileId: of.id }
    const kept = yield* journal.get(key)
    if (Option.isSome(found)) {
      if (Option.isNone(kept)) {
        const { bucketName, name } = request
        return yield* new FileExists({ bucketName, name, isCommitted: Option.isSome(found.value.rootCid) })
      }
      const entry = kept.value
      const isSame = entry.isEncrypted === isEncrypted && entry.dataBlocks === coding.dataBlocks &&
        entry.parityBlocks === coding.parityBlocks
      return isSame ? entry : yield* new InvalidArgument({
        field: "options",
        reason:
          `this upload was begun ${entry.isEncrypted ? "with" : "without"} encryption, with ${entry.dataBlocks} ` +
          `data and ${entry.parityBlocks} parity blocks: go on with the same, or delete the file first`
      })
    }
    const entry: Entry = {
      version: 1,
      uploadId: randomBytes(16).toString("hex"),
      ...coding,
      isEncrypted,
      startedAt: yield* DateTime.now
    }
    yield* journal.put(key, entry)
    return entry
  })

  const keyOf = Effect.fnUntraced(function*({ isEncrypted, uploadId }: Entry, { bucketName, name }: FileRef) {
    if (!isEncrypted) return undefined
    if (Option.isNone(encryption)) {
      return yield* new InvalidArgument({ field: "encryption key", reason: "an encrypted upload needs one" })
    }
    return { fileKey: Redacted.make(fileKey(encryption.value.key, bucketName, name)), uploadId }
  })

  /** What of a file is not filled: by chunk, the blocks whose bit is missing. */
  const unfilled = (chunks: ReadonlyArray<AddedChunk>, file: Option.Option<OnChainFile>) =>
    chunks.flatMap((chunk) => {
      const blocks = Pass.missingOf(chunk, Option.getOrUndefined(file)?.chunks[chunk.index])
      return blocks.length === 0 ? [] : [{ chunkIndex: chunk.index, blocks }]
    })

  const waitFilled = Effect.fnUntraced(function*(upload: Pass.Upload) {
    const patience = Duration.toMillis(upload.options.fillTimeout ?? "1 minute")
    let fewest = Infinity
    let since = yield* Clock.currentTimeMillis
    while (true) {
      const file = yield* pass.ensureChunks(upload)
      const missing = unfilled(upload.chunks, file)
      const left = missing.reduce((sum, { blocks }) => sum + blocks.length, 0)
      upload.tracker.update(({ blocks }) => ({ blocks: { ...blocks, filled: blocks.total - left } }))
      if (left === 0) return
      const now = yield* Clock.currentTimeMillis
      if (left < fewest) [fewest, since] = [left, now]
      else if (now - since > patience) {
        return yield* new BlocksNotFilled({ ...upload.names, missing })
      }
      yield* Effect.sleep(Pass.lookInterval)
    }
  })

  const store = (upload: Pass.Upload, passes = 1): ReturnType<typeof storeOnce> =>
    Effect.catchTag(
      storeOnce(upload),
      "BlocksNotFilled",
      (error) => upload.source.isRepeatable && passes < mostPasses ? store(upload, passes + 1) : Effect.fail(error)
    )
  const storeOnce = (upload: Pass.Upload) => Effect.andThen(pass.run(upload), waitFilled(upload))

  const totals = (chunks: ReadonlyArray<Pass.KnownChunk>) => ({
    rootCid: Dag.fileRoot(chunks),
    actualSize: chunks.reduce((sum, { actualSize }) => sum + actualSize, 0),
    encodedSize: chunks.reduce((sum, { encodedSize }) => sum + encodedSize, 0)
  })

  /** The file as it is committed, if what is committed is what was uploaded; none while it is not. */
  const committed = Effect.fnUntraced(function*(upload: Pass.Upload) {
    const found = yield* pass.onChain(upload)
    const root = Option.flatMap(found, ({ rootCid }) => rootCid)
    if (Option.isNone(root)) return Option.none()
    if (root.value !== totals(upload.chunks).rootCid) {
      return yield* new SourceChanged({ ...upload.names, chunkIndex: 0 })
    }
    return found
  })

  /** What the chain shows decides: whether the transaction was refused because the file is committed already, or not filled any more. */
  const commitOnce = Effect.fnUntraced(function*(upload: Pass.Upload) {
    yield* pass.carryOut(
      upload,
      "commit",
      contract.prepareCommit({ ...upload.of, from: wallet.address, ...totals(upload.chunks) }),
      (error) => isRefusedAs(error, "FileFullyUploaded")
    ).pipe(
      Effect.catchIf(
        (error) =>
          isRefusedAs(error, "FileFullyUploaded") || isRefusedAs(error, "FileNotFilled") || Pass.isUnsettled(error),
        () => Effect.void
      )
    )
    return yield* committed(upload)
  })
  const commit = Effect.fnUntraced(function*(upload: Pass.Upload) {
    // One of an earlier try may wait to be mined, and a reorganisation may take a fill or a commit away.
    for (let looks = 0; looks < Pass.mostLooks; looks++) {
      const done = yield* commitOnce(upload)
      if (Option.isSome(done)) return done.value
      yield* Effect.sleep(Pass.lookInterval)
      yield* waitFilled(upload)
    }
    return yield* new BlocksNotFilled({ ...upload.names, missing: [] })
  })

  const uploadInTurn = Effect.fnUntraced(function*(request: Request) {
    const { bucketName, name, onWire, options, source } = request
    const owner = wallet.address
    const ids = named(onWire.bucketName, owner, onWire.name)
    const of: Pass.File = { ...ids, ...onWire, owner, id: fileId(ids.bucketId, onWire.name) }
    if (!(yield* contract.hasBucket({ bucketName: onWire.bucketName, owner }))) {
      return yield* new BucketNotFound({ name: bucketName, owner })
    }
    const found = yield* contract.onChain(of)
    const { coding = defaultCoding, isEncrypted = Option.isSome(encryption) } = options
    const chunkSize = plaintextPerChunk({ coding, isEncrypted })
    if (Option.isNone(found)) yield* ensureFunds(Math.max(1, Math.ceil((source.size ?? 1) / chunkSize)))

    return yield* Effect.scoped(Effect.gen(function*() {
      const reader = yield* source.open
      // Nothing is promised on chain before there is something to store.
      const first = yield* Pass.readChunk(reader, chunkSize, buffers)
      if (first.length === 0) {
        return yield* emptyFile
      }
      const entry = yield* begin(request, of, found)
      const upload: Pass.Upload = {
        of,
        names: { bucketName, name },
        source,
        opened: Option.some({ reader, first }),
        chunkGas: Option.none(),
        coding,
        encryption: yield* keyOf(entry, of),
        chunkSize,
        options,
        chunks: [],
        transactions: [],
        blocks: yield* Semaphore.make(options.concurrency ?? 10),
        repairs: yield* Semaphore.make(1),
        tracker: track(source.size, options.onProgress)
      }
      yield* store(upload)
      const file = yield* commit(upload)
      yield* journal.remove({ chainId: chain.chainId, storageAddress: chain.storageAddress, fileId: of.id })
      const result: UploadedFile = {
        id: of.id,
        bucketName,
        name,
        ...totals(upload.chunks),
        chunks: upload.chunks.length,
        createdAt: file.createdAt,
        // Those of one block may have been noticed in any order.
        transactions: inOrder(upload.transactions)
      }
      return result
    }))
  })

  return (request: Request) => inTurn(`${request.onWire.bucketName}/${request.onWire.name}`, uploadInTurn(request))
})
