// oxlint-disable max-lines -- every call on files, with what it takes and gives
/** The node's calls on files, and the nodes that hold blocks, over channels that are kept until the scope ends. */
import {
  type IPCFileDownloadChunkCreateResponse,
  type IPCFileDownloadCreateResponse,
  type IPCFileListResponse,
  type IPCFileUploadChunkCreateResponse,
  type IPCFileViewResponse,
  IPCNodeAPIClient,
  IPCNodeAPIService
} from "@akave-async/proto/ipcnode"
import { credentials, Metadata, status } from "@grpc/grpc-js"
import { Context, DateTime, Effect, Layer } from "effect"
import { base58btc } from "multiformats/bases/base58"
import { CID } from "multiformats/cid"
import { AkaveNode } from "../AkaveNode.ts"
import * as Calls from "../Calls.ts"
import type { Cid } from "../encoding/Cid.ts"
import type { NodeError } from "../Errors.ts"
import { deadlineIn, malformed, nodeError, optionsFor, unary } from "../Grpc.ts"
import { transient } from "../Retry.ts"
import * as BlockMessages from "./BlockMessages.ts"
import type { Announcement, UploadedBlock } from "./BlockMessages.ts"
import { FileNotFound } from "./FileErrors.ts"

/** A file by its names as they are on the wire. */
export interface FileRef {
  readonly bucketName: string
  readonly name: string
  /** The owner of the bucket: 0x address, in any case. */
  readonly owner: string
}

/** Where a block goes. */
export interface UploadPlace {
  /** host:port. */
  readonly address: string
  /** The node's peer id in its binary form: 38 bytes, of which the last 32 are its public key. */
  readonly nodeId: Uint8Array
}

/** Where a block is. */
export interface DownloadPlace {
  readonly cid: string
  readonly size: number
  readonly address: string
}

export interface FileEntry {
  readonly name: string
  /** Absent while the upload is not finished. */
  readonly rootCid?: string
  /** Bytes. */
  readonly actualSize: number
  /** Bytes of all blocks. */
  readonly encodedSize: number
  readonly createdAt: DateTime.Utc
}

export interface FileView extends FileEntry {
  readonly bucketName: string
  readonly isPublic: boolean
}

export interface FileNodeOptions {
  /** Milliseconds that a call has which carries no block. */
  readonly timeout: number
  /** Milliseconds that the transfer of one block has. */
  readonly blockTimeout: number
  /** Bytes of a block in one message. */
  readonly partSize: number
}

export class FileNode extends Context.Service<FileNode, {
  /** Announces a chunk before its transaction, and returns where each of its blocks goes, in their order. */
  announce(of: Announcement): Effect.Effect<ReadonlyArray<UploadPlace>, NodeError>
  view(of: FileRef): Effect.Effect<FileView, FileNotFound | NodeError>
  /** One page of a bucket's files in the chain's order; empty beyond the end, and where there is no such bucket. */
  list(of: {
    readonly bucketName: string
    readonly owner: string
    readonly offset: number
    readonly limit: number
  }): Effect.Effect<ReadonlyArray<FileEntry>, NodeError>
  /** The CIDs of the chunks from `start` to before `end`, and the bucket's name as the node knows it. */
  chunks(of: FileRef & { readonly range?: { readonly start: number; readonly end: number } }): Effect.Effect<
    { readonly bucketName: string; readonly cids: ReadonlyArray<string> },
    FileNotFound | NodeError
  >
  /** The blocks of a chunk in their order, and where they are. */
  blocks(of: FileRef & { readonly chunkCid: Cid; readonly chunkIndex: number }): Effect.Effect<
    ReadonlyArray<DownloadPlace>,
    NodeError
  >
  /** Sends a block to a node, once. That it is filled already is a success. */
  uploadBlock(address: string, block: UploadedBlock): Effect.Effect<void, NodeError>
  /** Fetches a block from where it is, once; it must have just the bytes that `into` takes. It is not verified. */
  downloadBlock(
    place: DownloadPlace,
    of: FileRef & { readonly chunkCid: Cid; readonly chunkIndex: number; readonly blockIndex: number },
    into: Uint8Array
  ): Effect.Effect<void, NodeError>
}>()("@akave-async/sdk/FileNode") {
  static readonly layer = (options: FileNodeOptions): Layer.Layer<FileNode, never, AkaveNode> =>
    Layer.effect(FileNode, make(options))
}

/** The last 32 bytes of a peer id are an Ed25519 key, which is in the id itself. */
const peerIdStart = Uint8Array.of(0x00, 0x24, 0x08, 0x01, 0x12, 0x20)
const peerIdLength = 38

/** The binary form of a peer id: base58 of it, or a CID that holds it. Undefined where it is no Ed25519 one. */
export const parsePeerId = (text: string): Uint8Array | undefined => {
  try {
    const bytes = /^[1Q]/.test(text) ? base58btc.decode(`z${text}`) : CID.parse(text).multihash.bytes
    return bytes.length === peerIdLength && peerIdStart.every((byte, n) => bytes[n] === byte) ? bytes : undefined
  } catch {
    return undefined
  }
}

/** Connections to one node: what each may carry before the node confirms it is little (65,535 bytes), and so is what one moves in a second. */
const channelsPerNode = 4
/** What may arrive before it is confirmed, in bytes, and a connection for each channel. */
const blockOptions = { "grpc-node.flow_control_window": 4_194_304, "grpc.use_local_subchannel_pool": 1 }

// oxlint-disable-next-line max-lines-per-function -- its calls share the channels
const make = Effect.fnUntraced(function*(options: FileNodeOptions) {
  const { address } = yield* AkaveNode
  const channels = new Map<string, Array<IPCNodeAPIClient>>()
  yield* Effect.addFinalizer(() =>
    Effect.sync(() => {
      for (const channel of Array.from(channels.values()).flat()) channel.close()
    })
  )
  let turn = 0
  /** One of the channels to a node for blocks, in turn. */
  const channel = (to: string): IPCNodeAPIClient => {
    const found = channels.get(to) ?? Array.from(
      { length: channelsPerNode },
      () => new IPCNodeAPIClient(to, credentials.createInsecure(), { ...optionsFor(to), ...blockOptions })
    )
    channels.set(to, found)
    turn = (turn + 1) % found.length
    return found[turn] as IPCNodeAPIClient
  }
  const main = channel(address)

  const announce = Effect.fn("FileNode.announce")(function*({ bucketId, chunk, fileName }: Announcement) {
    const request = { bucketId: Buffer.from(bucketId), fileName, chunk: wireChunk(chunk) }
    const { blocks } = yield* unary<IPCFileUploadChunkCreateResponse>(
      "FileUploadChunkCreate",
      options.timeout,
      (metadata, call, done) => main.fileUploadChunkCreate(request, metadata, call, done)
    ).pipe(Effect.retry(transient))
    const isSame = blocks.length === chunk.blocks.length && blocks.every(({ cid }, n) => cid === chunk.blocks[n]?.cid)
    if (!isSame) return yield* malformed("FileUploadChunkCreate", "the answer names other blocks than were announced")
    return yield* Effect.forEach(blocks, ({ nodeAddress, nodeId }) => {
      const id = parsePeerId(nodeId)
      return id === undefined || nodeAddress === ""
        ? Effect.fail(malformed("FileUploadChunkCreate", "a block has no node, or one without an Ed25519 id"))
        : Effect.succeed({ address: nodeAddress, nodeId: id })
    })
  })

  const view = Effect.fn("FileNode.view")(function*(of: FileRef) {
    const request = { bucketName: of.bucketName, fileName: of.name, address: of.owner }
    const file = yield* unary<IPCFileViewResponse>(
      "FileView",
      options.timeout,
      (metadata, call, done) => main.fileView(request, metadata, call, done)
    ).pipe(Effect.retry(transient), orNotFound(of))
    const entry = yield* fileEntry("FileView", { ...file, name: file.fileName })
    return { ...entry, bucketName: file.bucketName, isPublic: file.isPublic }
  })

  const list: FileNode["Service"]["list"] = Effect.fn("FileNode.list")(function*({ bucketName, limit, offset, owner }) {
    const request = { bucketName, address: owner, offset: BigInt(offset), limit: BigInt(limit) }
    const { list } = yield* unary<IPCFileListResponse>(
      "FileList",
      options.timeout,
      (metadata, call, done) => main.fileList(request, metadata, call, done)
    ).pipe(Effect.retry(transient))
    return yield* Effect.forEach(list, (file) => fileEntry("FileList", file))
  })

  const chunks: FileNode["Service"]["chunks"] = Effect.fn("FileNode.chunks")(function*({ range, ...of }) {
    const request = { bucketName: of.bucketName, fileName: of.name, address: of.owner }
    const answer = yield* (range === undefined
      ? unary<IPCFileDownloadCreateResponse>(
        "FileDownloadCreate",
        options.timeout,
        (metadata, call, done) => main.fileDownloadCreate(request, metadata, call, done)
      )
      : unary<IPCFileDownloadCreateResponse>(
        "FileDownloadRangeCreate",
        options.timeout,
        (metadata, call, done) =>
          main.fileDownloadRangeCreate(
            { ...request, startIndex: BigInt(range.start), endIndex: BigInt(range.end) },
            metadata,
            call,
            done
          )
      )).pipe(Effect.retry(transient), orNotFound(of))
    return { bucketName: answer.bucketName, cids: answer.chunks.map(({ cid }) => cid) }
  })

  const blocks: FileNode["Service"]["blocks"] = Effect.fn("FileNode.blocks")(
    function*({ bucketName, chunkCid, chunkIndex, name, owner }) {
      const request = { bucketName, fileName: name, chunkCid, chunkIndex: BigInt(chunkIndex), address: owner }
      const { blocks } = yield* unary<IPCFileDownloadChunkCreateResponse>(
        "FileDownloadChunkCreate",
        options.timeout,
        (metadata, call, done) => main.fileDownloadChunkCreate(request, metadata, call, done)
      ).pipe(Effect.retry(transient))
      return blocks.map(({ cid, nodeAddress, size }) => ({ cid, size: Number(size), address: nodeAddress }))
    }
  )

  const uploadBlock: FileNode["Service"]["uploadBlock"] = (to, block) =>
    Effect.callback<void, NodeError>((resume) => {
      const { path, responseDeserialize } = IPCNodeAPIService.fileUploadBlock
      const call = channel(to).makeClientStreamRequest(
        path,
        (message: Buffer) => message,
        responseDeserialize,
        new Metadata(),
        { deadline: deadlineIn(options.blockTimeout) },
        (error) =>
          resume(
            error === null || error.details.includes(alreadyFilled)
              ? Effect.void
              : Effect.fail(nodeError("FileUploadBlock", error))
          )
      )
      // Its status is what the callback gets.
      call.on("error", () => {})
      const parts = BlockMessages.encodeParts(block, options.partSize)
      const write = () => {
        for (let part = parts.next(); !part.done; part = parts.next()) {
          if (!call.write(part.value)) return void call.once("drain", write)
        }
        call.end()
      }
      write()
      return Effect.sync(() => call.cancel())
    }).pipe(Calls.measured("grpc", "FileUploadBlock"))

  const downloadBlock: FileNode["Service"]["downloadBlock"] = (place, of, into) =>
    Effect.callback<void, NodeError>((resume) => {
      const { path, requestSerialize } = IPCNodeAPIService.fileDownloadBlock
      const call = channel(place.address).makeServerStreamRequest(
        path,
        requestSerialize,
        BlockMessages.dataOf,
        {
          chunkCid: of.chunkCid,
          chunkIndex: BigInt(of.chunkIndex),
          blockCid: place.cid,
          blockIndex: BigInt(of.blockIndex),
          bucketName: of.bucketName,
          fileName: of.name,
          address: of.owner
        },
        new Metadata(),
        { deadline: deadlineIn(options.blockTimeout) }
      )
      let length = 0
      // What arrives after the end must not be written any more: the memory may have another use by then.
      let isOpen = true
      const end = (outcome: Effect.Effect<void, NodeError>) => {
        isOpen = false
        resume(outcome)
      }
      const fail = (details: string) => {
        end(Effect.fail(malformed("FileDownloadBlock", details)))
        call.cancel()
      }
      call.on("data", (data: Uint8Array) => {
        if (!isOpen) return
        if (length + data.length > into.length) return fail("the block is longer than it should be")
        into.set(data, length)
        length += data.length
      })
      call.on("error", (error) => end(Effect.fail(nodeError("FileDownloadBlock", statusOf(error)))))
      call.on("end", () => {
        if (!isOpen) return
        if (length < into.length) return fail("the block is shorter than it should be")
        end(Effect.void)
      })
      return Effect.sync(() => {
        isOpen = false
        call.cancel()
      })
    }).pipe(Calls.measured("grpc", "FileDownloadBlock"))

  return FileNode.of({ announce, view, list, chunks, blocks, uploadBlock, downloadBlock })
})

/** The text by which nodes report that a block was filled before; the code is a convention of some. */
const alreadyFilled = "BlockAlreadyFilled"

const statusOf = (error: Error): { readonly code: status; readonly details: string } => ({
  code: "code" in error && typeof error.code === "number" ? error.code : status.UNKNOWN,
  details: "details" in error && typeof error.details === "string" ? error.details : error.message
})

const wireChunk = ({ actualSize, blocks, cid, index }: Announcement["chunk"]) => ({
  cid,
  index: BigInt(index),
  size: BigInt(actualSize),
  blocks: blocks.map((block) => ({ cid: block.cid, size: BigInt(block.size) }))
})

const orNotFound =
  ({ bucketName, name }: FileRef) =>
  <A>(call: Effect.Effect<A, NodeError>): Effect.Effect<A, NodeError | FileNotFound> =>
    Effect.catchIf(
      call,
      ({ code, details }) =>
        code === "NOT_FOUND" || details.includes("BucketNotFound") || details.includes("file not exists"),
      () => Effect.fail(new FileNotFound({ bucketName, name }))
    )

const fileEntry = (
  rpc: string,
  { actualSize, createdAt, encodedSize, name, rootCid }: IPCFileListResponse["list"][number]
): Effect.Effect<FileEntry, NodeError> =>
  createdAt === undefined
    ? Effect.fail(malformed(rpc, "a file has no time"))
    : Effect.succeed({
      name,
      ...(rootCid === "" ? {} : { rootCid }),
      actualSize: Number(actualSize),
      encodedSize: Number(encodedSize),
      createdAt: DateTime.fromDateUnsafe(createdAt)
    })
