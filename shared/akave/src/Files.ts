// oxlint-disable max-lines -- all that can be done with files, with its types
/** Files of the storage network: stored in chunks of erasure-coded blocks on its nodes, and recorded on chain. */
import { Context, Duration, Effect, Layer, Schedule, type Stream } from "effect"
import { toUtf8Bytes } from "ethers"
import type { AkaveNode } from "./AkaveNode.ts"
import { isListChanged } from "./Buckets.ts"
import type { Chain, Receipt } from "./Chain.ts"
import { blocksPerChunk, type Coding } from "./encoding/ChunkCodec.ts"
import type { ChunkCoder } from "./encoding/ChunkCoder.ts"
import { Encryption, namesOf } from "./Encryption.ts"
import { InvalidArgument } from "./Errors.ts"
import * as Download from "./files/Download.ts"
import { FileContract, isRefusedAs, named } from "./files/FileContract.ts"
import { FileNotFound } from "./files/FileErrors.ts"
import { type FileEntry, FileNode, type FileNodeOptions, type FileView } from "./files/FileNode.ts"
import type { UploadJournal } from "./files/Journal.ts"
import * as Source from "./files/Source.ts"
import * as Upload from "./files/Upload.ts"
import type { UploadOptions } from "./files/UploadOptions.ts"
import { Sender, type SettleOptions } from "./Sender.ts"
import { isWellFormed } from "./Unicode.ts"
import { Wallet } from "./Wallet.ts"

export type { DownloadOptions, OpenedFile } from "./files/Download.ts"
export type { FileEntry, FileView } from "./files/FileNode.ts"
export type { UploadProgress } from "./files/Progress.ts"
export type { Uploadable } from "./files/Source.ts"
export type { UploadedFile } from "./files/Upload.ts"
export type { PartTransaction, UploadOptions } from "./files/UploadOptions.ts"

/** Where a file of the wallet is. */
export interface FileName {
  readonly bucketName: string
  readonly name: string
}

/** Where a file is; the owner of the bucket is the wallet unless another one is named, since what is stored can be read by all. */
export interface FileAt extends FileName {
  /** 0x address. */
  readonly owner?: string
}

/** The transaction that made a change, as it was mined. */
export interface FileChange {
  readonly transactionHash: string
  readonly blockNumber: number
  /** Gas units. */
  readonly gasUsed: number
}

export interface FilesOptions {
  /** Deadline of each call that carries no block; 10 seconds by default. */
  readonly timeout?: Duration.Input
  /** Deadline of the transfer of one block; 1 minute by default. */
  readonly blockTimeout?: Duration.Input
  /** Bytes of a block in one message, up to 1,048,576; 131,072 by default, as Akave's own command line has it. */
  readonly partSize?: number
}

type ErrorOf<F extends (...args: never) => Effect.Effect<unknown, unknown, unknown>> = Effect.Error<ReturnType<F>>
type Uploading = Effect.Success<typeof Upload.make>
type Opening = Effect.Success<typeof Download.make>

/** Why an upload did not come about, or is not known to have come about; made again, it goes on from where it ended. */
export type UploadError = ErrorOf<typeof Source.from> | ErrorOf<Uploading>
/** Why a file can't be read. */
export type OpenError = ErrorOf<Opening>
/** Why the bytes of a file end early. */
export type ReadError = Stream.Error<Effect.Success<ReturnType<Opening>>["bytes"]>
/** Why a file was not changed, or is not known to have been changed. */
export type FileChangeError =
  | InvalidArgument
  | FileNotFound
  | ErrorOf<FileContract["Service"]["prepareDelete"]>
  | Effect.Error<ReturnType<Sender["Service"]["carryOut"]>>

export class Files extends Context.Service<Files, {
  /**
   * Stores what is given as a file of a bucket of the wallet, and waits until all its blocks are recorded on chain and it is committed.
   *
   * Nothing is sent before the bucket, the names, the options and the wallet's balance are known to do. After any failure, a crash too, the
   * same call does what is left: see `UploadJournal`. A file that is there, and that the journal doesn't know, is `FileExists`.
   * Calls may overlap; those for one name go one after the other.
   */
  upload(
    at: FileName,
    what: Source.Uploadable,
    options?: UploadOptions
  ): Effect.Effect<Upload.UploadedFile, UploadError>
  /**
   * Finds a committed file and how it is stored. Its `bytes` are fetched as they are consumed, and come in order and verified, or
   * end with an error; they can be consumed more than once.
   */
  open(at: FileAt, options?: Download.DownloadOptions): Effect.Effect<Download.OpenedFile<ReadError>, OpenError>
  /** A file as the node returns it; one whose upload is not finished has no `rootCid`. */
  info(at: FileAt): Effect.Effect<FileView, InvalidArgument | ErrorOf<FileNode["Service"]["view"]>>
  /**
   * One page of a bucket's files in the chain's order, the first 100 by default: empty beyond the end, and where there is no such bucket.
   * A deletion moves the last file of the bucket to the place of the deleted one.
   */
  list(of: {
    readonly bucketName: string
    readonly owner?: string
    readonly offset?: number
    readonly limit?: number
  }): Effect.Effect<ReadonlyArray<FileEntry>, InvalidArgument | ErrorOf<FileNode["Service"]["list"]>>
  /** Deletes a file of the wallet, committed or not, and waits until that is mined. */
  delete(at: FileName, options?: SettleOptions): Effect.Effect<FileChange, FileChangeError>
  /** Says of a file of the wallet whether all may read it, and waits until that is mined. What follows from it is the nodes' affair. */
  setPublicAccess(
    at: FileName,
    isPublic: boolean,
    options?: SettleOptions
  ): Effect.Effect<FileChange, FileChangeError>
}>()("@akave-async/sdk/Files") {
  /** Files, and their names, are encrypted as the reference `Encryption` says while the layer is built. */
  static readonly layer = (
    options: FilesOptions = {}
  ): Layer.Layer<Files, InvalidArgument, AkaveNode | Chain | ChunkCoder | UploadJournal | Wallet> =>
    Layer.unwrap(
      Effect.map(
        nodeOptions(options),
        (node) =>
          Layer.effect(Files, make).pipe(Layer.provide([FileNode.layer(node), FileContract.layer, Sender.layer]))
      )
    )
}

/** Bytes of a block in one message at most: Akave's nodes take no more. */
const maxPartSize = 1_048_576
/** Files in a page at most. */
const maxPage = 1_000
/** Bytes of a name on the wire at most; the contract itself has no limit but the gas of a block. */
const maxNameBytes = 4_096
/** Blocks, or chunks, at once at most. */
const maxAtOnce = 256
/** A deletion is prepared anew this often at most, when other deletions have moved the file in its bucket's list. */
const indexTries = { times: 10, schedule: Schedule.jittered(Schedule.spaced("1 second")) }

const invalid = (field: string, reason: string) => Effect.fail(new InvalidArgument({ field, reason }))

const nodeOptions = Effect.fnUntraced(function*({ blockTimeout, partSize = 131_072, timeout }: FilesOptions) {
  if (!Number.isInteger(partSize) || partSize < 1 || partSize > maxPartSize) {
    return yield* invalid("partSize", `it must be from 1 to ${maxPartSize} bytes`)
  }
  return {
    timeout: Duration.toMillis(timeout ?? "10 seconds"),
    blockTimeout: Duration.toMillis(blockTimeout ?? "1 minute"),
    partSize
  } satisfies FileNodeOptions
})

// oxlint-disable-next-line max-lines-per-function -- its operations share the wallet and the names
const make = Effect.gen(function*() {
  const wallet = yield* Wallet
  const sender = yield* Sender
  const node = yield* FileNode
  const contract = yield* FileContract
  const names = namesOf(yield* Encryption)
  const uploading = yield* Upload.make
  const opening = yield* Download.make

  const onWire = Effect.fnUntraced(function*({ bucketName, name, owner = wallet.address }: FileAt) {
    yield* checkName("bucket name", bucketName)
    yield* checkName("file name", name)
    const wire = { bucketName: names.bucket(bucketName), name: names.file(bucketName, name), owner }
    if (bucketName === "") return yield* invalid("bucket name", "it is empty")
    if (toUtf8Bytes(wire.name).length > maxNameBytes) {
      return yield* invalid("file name", `it has more than ${maxNameBytes} bytes as it is stored`)
    }
    return wire
  })

  const upload: Files["Service"]["upload"] = Effect.fn("Files.upload")(
    function*({ bucketName, name }, what, options = {}) {
      const wire = yield* onWire({ bucketName, name })
      yield* checkTransfer(options)
      const source = yield* Source.from(what)
      if (source.size === 0) return yield* Upload.emptyFile
      return yield* uploading({ bucketName, name, onWire: wire, source, options })
    }
  )

  const open: Files["Service"]["open"] = Effect.fn("Files.open")(function*({ owner, bucketName, name }, options = {}) {
    const wire = yield* onWire({ bucketName, name, ...(owner === undefined ? {} : { owner }) })
    yield* checkTransfer(options)
    return yield* opening({ bucketName, name, onWire: wire, options })
  })

  /** Its error has the name that the caller knows. */
  const notFound = ({ bucketName, name }: FileName) => () => Effect.fail(new FileNotFound({ bucketName, name }))

  const info: Files["Service"]["info"] = Effect.fn("Files.info")(function*(at) {
    const file = yield* Effect.catchTag(node.view(yield* onWire(at)), "FileNotFound", notFound(at))
    return { ...file, bucketName: at.bucketName, name: at.name }
  })

  const list: Files["Service"]["list"] = Effect.fn("Files.list")(
    function*({ bucketName, limit = 100, offset = 0, owner = wallet.address }) {
      yield* checkName("bucket name", bucketName)
      if (!Number.isSafeInteger(offset) || offset < 0) {
        return yield* invalid("offset", "it must be a whole number, 0 or more")
      }
      if (!Number.isInteger(limit) || limit < 1 || limit > maxPage) {
        return yield* invalid("limit", `it must be a whole number from 1 to ${maxPage}`)
      }
      const files = yield* node.list({ bucketName: names.bucket(bucketName), owner, offset, limit })
      return files.map((file) => ({ ...file, name: names.plainFile(bucketName, file.name) }))
    }
  )

  /** A file of the wallet that is on chain, committed or not. */
  const existing = Effect.fnUntraced(function*(at: FileName) {
    const wire = yield* onWire(at)
    const of = { ...wire, ...named(wire.bucketName, wire.owner, wire.name), from: wallet.address }
    return (yield* contract.onChain(of))._tag === "None" ? yield* notFound(at)() : of
  })

  const deleteFile: Files["Service"]["delete"] = Effect.fn("Files.delete")(function*(at, options) {
    const prepared = contract.prepareDelete(yield* existing(at))
    const isDone = (error: Effect.Error<typeof prepared>) => isRefusedAs(error, "FileNotExists")
    const deletion = sender.carryOut(prepared, isDone, options)
    return changeOf(yield* Effect.retry(deletion, { ...indexTries, while: isListChanged }))
  })

  const setPublicAccess: Files["Service"]["setPublicAccess"] = Effect.fn("Files.setPublicAccess")(
    function*(at, isPublic, options) {
      const prepared = contract.preparePublicAccess({ ...(yield* existing(at)), isPublic })
      return changeOf(yield* sender.carryOut(prepared, () => false, options))
    }
  )

  return Files.of({ upload, open, info, list, delete: deleteFile, setPublicAccess })
})

const changeOf = ({ blockNumber, gasUsed, transactionHash }: Receipt): FileChange => ({
  transactionHash,
  blockNumber,
  gasUsed
})

const checkName = (field: string, name: string) => {
  if (!isWellFormed(name)) return invalid(field, "it must be valid Unicode")
  return toUtf8Bytes(name).length > maxNameBytes
    ? invalid(field, `it has at most ${maxNameBytes} bytes in UTF-8`)
    : Effect.void
}

const checkTransfer = Effect.fnUntraced(
  function*({ chunksInFlight = 1, coding, concurrency = 1 }: {
    readonly coding?: Coding
    readonly concurrency?: number
    readonly chunksInFlight?: number
  }) {
    for (const [field, value] of Object.entries({ concurrency, chunksInFlight })) {
      if (!Number.isInteger(value) || value < 1 || value > maxAtOnce) {
        return yield* invalid(field, `it must be a whole number from 1 to ${maxAtOnce}`)
      }
    }
    if (coding === undefined) return
    const { dataBlocks, parityBlocks } = coding
    const isGood = Number.isInteger(dataBlocks) && Number.isInteger(parityBlocks) && parityBlocks >= 0 &&
      parityBlocks <= dataBlocks && dataBlocks + parityBlocks === blocksPerChunk
    if (!isGood) {
      return yield* invalid(
        "coding",
        `data and parity blocks are ${blocksPerChunk} together, and the parity blocks at most half of them`
      )
    }
  }
)
