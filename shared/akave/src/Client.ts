// oxlint-disable max-lines -- the whole surface for programs that use Promises
/** Buckets and files for programs that use Promises instead of Effect. Every promise rejects with one of the errors that this package exports. */
import { DateTime, Effect, Layer, ManagedRuntime, Option, Redacted, Stream } from "effect"
import { createWriteStream } from "node:fs"
import { rename, rm } from "node:fs/promises"
import { homedir } from "node:os"
import { join } from "node:path"
import { Writable } from "node:stream"
import { AkaveNode, type BucketEntry } from "./AkaveNode.ts"
import { Buckets, type DeletedBucket, type SettleOptions } from "./Buckets.ts"
import { Chain } from "./Chain.ts"
import type { Coding } from "./encoding/ChunkCodec.ts"
import { ChunkCoder } from "./encoding/ChunkCoder.ts"
import { checkEncryption, Encryption } from "./Encryption.ts"
import { type DownloadOptions, type FileAt, type FileChange, Files, type UploadOptions } from "./Files.ts"
import type * as FilesModule from "./Files.ts"
import { UploadJournal } from "./files/Journal.ts"
import type { Uploadable } from "./files/Source.ts"
import { Wallet } from "./Wallet.ts"

export interface ConnectOptions {
  /** host:port of an Akave node. */
  readonly nodeAddress: string
  /** 64 hex digits, with or without 0x. */
  readonly privateKey: string
  /** URL of the chain's JSON-RPC, instead of the one that the node names. */
  readonly rpcUrl?: string
  /** 32 bytes: files are encrypted with keys that are derived from it. */
  readonly encryptionKey?: Uint8Array
  /** Whether the names of buckets and files are encrypted too, with the same key; false by default. */
  readonly encryptsNames?: boolean
  /** Where uploads that are under way are remembered, so that they go on after a crash: `~/.akave-async/uploads` by default. */
  readonly journalFolder?: string
  /** Bytes of a block in one message, up to 1,048,576; 131,072 by default. */
  readonly partSize?: number
}

export interface ListedBucket {
  readonly name: string
  readonly createdAt: Date
}

export interface Bucket extends ListedBucket {
  /** 0x and 64 lower-case hex digits. */
  readonly id: string
}

export interface CreatedBucket extends Bucket {
  readonly transactionHash: string
  readonly blockNumber: number
  /** Gas units. */
  readonly gasUsed: number
}

/** What is known of a file, with times as dates. */
type Dated<A> = Omit<A, "createdAt"> & { readonly createdAt: Date }
export type ListedFile = Dated<FilesModule.FileEntry>
export type FileInfo = Dated<FilesModule.FileView>
export type UploadedFile = Dated<FilesModule.UploadedFile>

export interface OpenedFile {
  /** 0x and 64 lower-case hex digits. */
  readonly id: string
  readonly rootCid: string
  /** Plaintext bytes of the whole file. */
  readonly actualSize: number
  /** Bytes of all blocks. */
  readonly encodedSize: number
  readonly createdAt: Date
  readonly coding: Coding
  readonly isEncrypted: boolean
  /** The bytes that were asked for, in order, each verified. It errors where they end early. */
  readonly bytes: ReadableStream<Uint8Array>
}

export interface AkaveClient extends AsyncDisposable {
  /** The owner of the buckets: the address of the private key, with EIP-55's checksum. */
  readonly address: string
  /** Creates a bucket and waits until it is mined. */
  createBucket(name: string, options?: SettleOptions): Promise<CreatedBucket>
  /** Deletes an empty bucket and waits until that is mined. */
  deleteBucket(name: string, options?: SettleOptions): Promise<DeletedBucket>
  viewBucket(name: string): Promise<Bucket>
  /** One page of the buckets in the chain's order; the first 100 by default. */
  listBuckets(page?: { readonly offset?: number; readonly limit?: number }): Promise<ReadonlyArray<ListedBucket>>
  /**
   * Stores a file and waits until it is committed: a path, bytes, a Blob, a stream, or a function that gives a stream. After any failure, a crash
   * too, the same call does what is left.
   */
  upload(bucketName: string, name: string, what: Uploadable, options?: UploadOptions): Promise<UploadedFile>
  /** Finds a file and gives its bytes as a stream, the whole file or a range of it. */
  open(bucketName: string, name: string, options?: DownloadOptions & Pick<FileAt, "owner">): Promise<OpenedFile>
  /** Writes a file, or a range of it, to a path. What is there is replaced once all bytes are there. */
  download(
    bucketName: string,
    name: string,
    path: string,
    options?: DownloadOptions & Pick<FileAt, "owner">
  ): Promise<Omit<OpenedFile, "bytes">>
  fileInfo(bucketName: string, name: string, options?: Pick<FileAt, "owner">): Promise<FileInfo>
  /** One page of a bucket's files in the chain's order; the first 100 by default. */
  listFiles(
    bucketName: string,
    page?: { readonly offset?: number; readonly limit?: number; readonly owner?: string }
  ): Promise<ReadonlyArray<ListedFile>>
  /** Deletes a file, committed or not, and waits until that is mined. */
  deleteFile(bucketName: string, name: string, options?: SettleOptions): Promise<FileChange>
  setPublicAccess(bucketName: string, name: string, isPublic: boolean, options?: SettleOptions): Promise<FileChange>
  /** Ends all connections; calls that still wait are interrupted. */
  close(): Promise<void>
}

const defaultJournal = () => join(homedir(), ".akave-async", "uploads")

const layerOf = (options: ConnectOptions) => {
  const { encryptionKey, encryptsNames = false, journalFolder, nodeAddress, partSize, rpcUrl } = options
  const encryption = Layer.effect(
    Encryption,
    encryptionKey === undefined ? Effect.succeedNone : Effect.map(
      Effect.fromResult(checkEncryption({ key: Redacted.make(encryptionKey), encryptsNames })),
      Option.some
    )
  )
  const node = AkaveNode.layer({ address: nodeAddress })
  const chain = Chain.layer(rpcUrl === undefined ? {} : { rpcUrl }).pipe(Layer.provideMerge(node))
  return Layer.merge(Buckets.layer, Files.layer(partSize === undefined ? {} : { partSize })).pipe(
    Layer.provideMerge(Layer.mergeAll(
      chain,
      Wallet.layer(Redacted.make(options.privateKey)),
      ChunkCoder.layer(),
      UploadJournal.layerFolder(journalFolder ?? defaultJournal()),
      encryption
    ))
  )
}

/**
 * Connects to a node and the chain behind it. Calls may overlap: the transactions of one client share the wallet's nonces.
 *
 * @example
 * await using akave = await connect({ nodeAddress: "127.0.0.1:5500", privateKey })
 * await akave.createBucket("my-bucket")
 * const { rootCid } = await akave.upload("my-bucket", "photo.jpg", "./photo.jpg")
 */
// oxlint-disable-next-line max-lines-per-function -- a line or two for each method
export const connect = async (options: ConnectOptions): Promise<AkaveClient> => {
  const runtime = ManagedRuntime.make(layerOf(options))
  const close = () => runtime.dispose()
  const run = <A, E>(effect: Effect.Effect<A, E>): Promise<A> => runtime.runPromise(effect)

  const { address, buckets, files } = await runtime.runPromise(Effect.gen(function*() {
    return { address: (yield* Wallet).address, buckets: yield* Buckets, files: yield* Files }
  })).catch(async (error: unknown) => {
    await close()
    throw error
  })

  const opened = (
    bucketName: string,
    name: string,
    { owner, ...options }: DownloadOptions & Pick<FileAt, "owner"> = {}
  ) => files.open({ bucketName, name, ...(owner === undefined ? {} : { owner }) }, options)

  return {
    address,
    createBucket: (name, settle) => run(Effect.map(buckets.createBucket(name, settle), dated)),
    deleteBucket: (name, settle) => run(buckets.deleteBucket(name, settle)),
    viewBucket: (name) => run(Effect.map(buckets.viewBucket(name), dated)),
    listBuckets: (page) => run(Effect.map(buckets.listBuckets(page), (listed) => listed.map(dated))),
    upload: (bucketName, name, what, options) =>
      run(Effect.map(files.upload({ bucketName, name }, what, options), dated)),
    open: (bucketName, name, options) =>
      run(Effect.map(opened(bucketName, name, options), ({ bytes, ...file }) => ({
        ...dated(file),
        bytes: Stream.toReadableStream(bytes)
      }))),
    download: (bucketName, name, path, options) =>
      run(
        Effect.flatMap(opened(bucketName, name, options), ({ bytes, ...file }) =>
          Effect.as(written(Stream.toReadableStream(bytes), path), dated(file)))
      ),
    fileInfo: (bucketName, name, options) => run(Effect.map(files.info({ bucketName, name, ...options }), dated)),
    listFiles: (bucketName, page) =>
      run(Effect.map(files.list({ bucketName, ...page }), (listed) => listed.map(dated))),
    deleteFile: (bucketName, name, settle) => run(files.delete({ bucketName, name }, settle)),
    setPublicAccess: (bucketName, name, isPublic, settle) =>
      run(files.setPublicAccess({ bucketName, name }, isPublic, settle)),
    close,
    [Symbol.asyncDispose]: close
  }
}

/** Writes bytes beside a path, and moves them there once they are complete. */
const written = (bytes: ReadableStream<Uint8Array>, path: string) =>
  Effect.promise(async (signal) => {
    const part = `${path}.part-${process.pid}`
    try {
      await bytes.pipeTo(Writable.toWeb(createWriteStream(part)), { signal })
      await rename(part, path)
    } catch (error) {
      await rm(part, { force: true })
      throw error
    }
  })

const dated = <B extends Pick<BucketEntry, "createdAt">>(of: B): Dated<B> => ({
  ...of,
  createdAt: DateTime.toDateUtc(of.createdAt)
})
