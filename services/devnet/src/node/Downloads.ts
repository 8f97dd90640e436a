/** Files, chunks and blocks as clients ask for them. */
import type {
  IPCFileDownloadBlockRequest,
  IPCFileDownloadChunkCreateRequest,
  IPCFileDownloadChunkCreateResponse,
  IPCFileDownloadCreateRequest,
  IPCFileDownloadCreateResponse,
  IPCFileDownloadRangeCreateRequest
} from "@akave-async/proto/ipcnode"
import { Clock, Context, Effect, Layer, Option, type Scope } from "effect"
import type { ChainUnavailable } from "../Storage.ts"
import { Blocks } from "./Blocks.ts"
import { type BlockCorrupt, BlockMissing, type BlockStoreFailed } from "./BlockStore.ts"
import { bytesOf, cidOf, digestOf, digestOfBytes, textOf } from "./Cids.ts"
import { Faults } from "./Faults.ts"
import { type File, FileContract } from "./FileContract.ts"
import { bucketIdOf, fileIdOf } from "./Ids.ts"
import type { JournalFailed } from "./Journal.ts"
import { NodeIdentity } from "./NodeIdentity.ts"
import { type Announcement, NodeState } from "./NodeState.ts"
import {
  BlocksUnknown,
  type BucketNotFound,
  ChunkNotFound,
  FileNotCommitted,
  FileNotFound,
  InvalidArgument
} from "./Refusals.ts"
import { addressOf, Views } from "./Views.ts"

/** How long a file once seen on the chain is served without another look, in milliseconds. */
const fileMillis = 500
const rememberedFiles = 1_024

type Failure = InvalidArgument | FileNotFound | ChainUnavailable

export class Downloads extends Context.Service<Downloads, {
  create(
    request: IPCFileDownloadCreateRequest
  ): Effect.Effect<IPCFileDownloadCreateResponse, Failure | FileNotCommitted | BucketNotFound>
  createRange(
    request: IPCFileDownloadRangeCreateRequest
  ): Effect.Effect<IPCFileDownloadCreateResponse, Failure | FileNotCommitted | BucketNotFound>
  createChunk(
    request: IPCFileDownloadChunkCreateRequest,
    /** host:port of the node. */
    address: string
  ): Effect.Effect<
    IPCFileDownloadChunkCreateResponse,
    Failure | ChunkNotFound | BlocksUnknown | JournalFailed
  >
  /** What is sent of a block, valid until the scope ends. */
  block(
    request: IPCFileDownloadBlockRequest
  ): Effect.Effect<Buffer, Failure | BlockMissing | BlockCorrupt | BlockStoreFailed, Scope.Scope>
}>()("@akave-async/devnet/Downloads") {
  static readonly layer = Layer.effect(
    Downloads,
    // oxlint-disable-next-line max-lines-per-function -- its operations share what they ask
    Effect.gen(function*() {
      const blocks = yield* Blocks
      const contract = yield* FileContract
      const faults = yield* Faults
      const identity = yield* NodeIdentity
      const state = yield* NodeState
      const views = yield* Views
      const filesSeen = new Map<string, number>()

      const committed = Effect.fnUntraced(function*(request: IPCFileDownloadCreateRequest) {
        const file = yield* views.find(request)
        return file.rootCid === "0x" ? yield* new FileNotCommitted() : file
      })

      const chunksOf = ({ chunks, id }: File) =>
        chunks.map(({ cid, encodedSize }) => ({
          cid: textOf(cid),
          encodedSize,
          size: BigInt(state.announcement(id, digestOfBytes(cid) ?? "")?.size ?? 0)
        }))

      /** The file named by bucket, name and owner; by the contract's ids alone. */
      const fileIdIn = Effect.fnUntraced(
        function*({ address, bucketName, fileName }: IPCFileDownloadCreateRequest) {
          return fileIdOf(bucketIdOf(bucketName, yield* addressOf(address)), fileName)
        }
      )

      const announcementOf = Effect.fnUntraced(function*(fileId: string, chunk: string, index: number) {
        const known = state.announcement(fileId, chunk)
        if (known?.isCertain === true) return known
        const found = yield* contract.blocksOf(fileId, chunk)
        if (Option.isNone(found)) return yield* new BlocksUnknown()
        const isSame = JSON.stringify(known?.blocks) === JSON.stringify(found.value)
        const announcement: Announcement = {
          fileId,
          index,
          chunk,
          size: isSame ? known?.size ?? 0 : 0,
          blocks: found.value,
          isCertain: true
        }
        yield* state.announce(announcement)
        return announcement
      })

      const createChunk = Effect.fn("Downloads.createChunk")(
        function*(request: IPCFileDownloadChunkCreateRequest, address: string) {
          const fileId = yield* fileIdIn(request)
          const chunk = digestOf(request.chunkCid)
          if (chunk === undefined) {
            return yield* new InvalidArgument({ detail: "The chunk's CID is no CIDv1 of dag-pb and SHA-256" })
          }
          const index = yield* place(fileId, chunk, request.chunkIndex)
          const announcement = yield* announcementOf(fileId, chunk, index)
          return {
            blocks: announcement.blocks.map(([digest, size], index) => ({
              cid: cidOf(digest),
              size: BigInt(size),
              nodeId: identity.text,
              nodeAddress: faults.address(address, index),
              permit: ""
            }))
          } satisfies IPCFileDownloadChunkCreateResponse
        }
      )

      /** Where the file has this chunk. One client always sends index 0, so that the CID decides. */
      const place = Effect.fnUntraced(function*(fileId: string, chunk: string, asked: bigint) {
        if (asked >= 0n && asked <= BigInt(Number.MAX_SAFE_INTEGER)) {
          const index = Number(asked)
          const found = yield* contract.chunkCid(fileId, index)
          if (Option.isSome(found) && found.value === bytesOf(chunk)) return index
        }
        const file = yield* contract.file(fileId)
        if (Option.isNone(file)) return yield* new FileNotFound()
        const index = file.value.chunks.findIndex(({ cid }) => cid === bytesOf(chunk))
        return index === -1 ? yield* new ChunkNotFound() : index
      })

      const checkFile = Effect.fnUntraced(function*(fileId: string) {
        const now = yield* Clock.currentTimeMillis
        if ((filesSeen.get(fileId) ?? 0) > now) return
        if (!(yield* contract.exists(fileId))) return yield* new FileNotFound()
        if (filesSeen.size >= rememberedFiles) filesSeen.clear()
        filesSeen.set(fileId, now + fileMillis)
      })

      const block = Effect.fn("Downloads.block")(function*(request: IPCFileDownloadBlockRequest) {
        const fileId = yield* fileIdIn(request)
        const digest = digestOf(request.blockCid)
        if (digest === undefined) {
          return yield* new InvalidArgument({ detail: "The block's CID is no CIDv1 of dag-pb and SHA-256" })
        }
        yield* checkFile(fileId)
        const fault = faults.ofBlock(Number(request.blockIndex), digest)
        if (fault.lose) return yield* new BlockMissing({ digest })
        const bytes = yield* Effect.tapErrorTag(
          blocks.read(fileId, digest),
          "BlockCorrupt",
          () => Effect.logError(`The stored block ${cidOf(digest)} is damaged`)
        )
        if (fault.corrupt) {
          const middle = bytes.length >> 1
          bytes.writeUInt8(bytes.readUInt8(middle) ^ 1, middle)
        }
        return fault.truncate ? bytes.subarray(0, bytes.length >> 1) : bytes
      })

      return Downloads.of({
        create: Effect.fn("Downloads.create")(function*(request) {
          const file = yield* committed(request)
          return { bucketName: request.bucketName, chunks: chunksOf(file) }
        }),
        createRange: Effect.fn("Downloads.createRange")(function*(request) {
          const file = yield* committed(request)
          const { endIndex, startIndex } = request
          if (startIndex < 0n || endIndex <= startIndex || endIndex > BigInt(file.chunks.length)) {
            return yield* new InvalidArgument({
              detail: `The range is not within the ${file.chunks.length} chunks of the file: ` +
                "it begins with start_index and ends before end_index"
            })
          }
          const chunks = chunksOf(file).slice(Number(startIndex), Number(endIndex))
          return { bucketName: request.bucketName, chunks }
        }),
        createChunk,
        block
      })
    })
  )
}
