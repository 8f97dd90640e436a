/** Takes announcements of chunks, and their blocks. */
import type {
  IPCChunk,
  IPCFileBlockData,
  IPCFileUploadChunkCreateRequest,
  IPCFileUploadChunkCreateResponse
} from "@akave-async/proto/ipcnode"
import { Clock, Context, Effect, Layer, Option, Result } from "effect"
import { chainId } from "../Anvil.ts"
import { Contracts } from "../Contracts.ts"
import type { ChainUnavailable } from "../Storage.ts"
import { Blocks } from "./Blocks.ts"
import { recovery } from "./BlockSignature.ts"
import { type BlockStoreFailed, largestBlock } from "./BlockStore.ts"
import { bytesOf, digestOf } from "./Cids.ts"
import { Faults } from "./Faults.ts"
import { FileContract } from "./FileContract.ts"
import { FillQueue } from "./FillQueue.ts"
import { fileIdOf } from "./Ids.ts"
import type { JournalFailed } from "./Journal.ts"
import { NodeIdentity } from "./NodeIdentity.ts"
import { type Announcement, type Fill, keyOf, NodeState, type Reference } from "./NodeState.ts"
import { ChunkNotOnChain, InvalidArgument, SignatureExpired, WrongSigner } from "./Refusals.ts"

const blocksPerChunk = 32
/** A file's name in bytes of UTF-8 at most: on the chain each costs gas with every fill. */
const longestName = 4_096
/** How long a chunk once seen on the chain is taken to be there, in milliseconds; what a fill meets later shows the rest. */
const chunkMillis = 1_000
const rememberedChunks = 1_024

/** What the first message of an upload says, checked as far as it can be by itself. */
export interface Upload {
  readonly reference: Reference
  readonly bucketId: string
  readonly fileName: string
  readonly nonce: Uint8Array
  readonly deadline: bigint
  readonly signature: Uint8Array
  readonly announcement: Announcement
  /** Length of the encoded block in bytes. */
  readonly size: number
}

/** What came after it. */
export interface Received {
  readonly parts: ReadonlyArray<Uint8Array>
  readonly size: number
  readonly digest: string
}

type Failure = InvalidArgument | ChunkNotOnChain | SignatureExpired | WrongSigner

export class Uploads extends Context.Service<Uploads, {
  announce(
    request: IPCFileUploadChunkCreateRequest,
    /** host:port of the node. */
    address: string
  ): Effect.Effect<IPCFileUploadChunkCreateResponse, InvalidArgument | JournalFailed>
  /** Checks the first message of an upload. */
  begin(first: IPCFileBlockData): Result.Result<Upload, InvalidArgument>
  /** Checks the rest, stores the block and queues its fill: both are on the disk when the effect ends. */
  end(
    upload: Upload,
    received: Received
  ): Effect.Effect<void, Failure | ChainUnavailable | BlockStoreFailed | JournalFailed>
}>()("@akave-async/devnet/Uploads") {
  static readonly layer = Layer.effect(
    Uploads,
    // oxlint-disable-next-line max-lines-per-function -- its checks share what they ask
    Effect.gen(function*() {
      const state = yield* NodeState
      const blocks = yield* Blocks
      const contract = yield* FileContract
      const queue = yield* FillQueue
      const faults = yield* Faults
      const identity = yield* NodeIdentity
      const { storageAddress } = yield* Contracts
      const signerOf = recovery(chainId, storageAddress)
      const owners = new Map<string, string>()
      const chunksSeen = new Map<string, number>()
      /** Chunks announced before they were on the chain: what is not in the queue of them is not filled. */
      const newChunks = new Set<string>()

      const announce = Effect.fn("Uploads.announce")(
        function*({ bucketId, chunk, fileName }: IPCFileUploadChunkCreateRequest, address: string) {
          const place = yield* Effect.fromResult(placeOf(bucketId, fileName, chunk))
          const { fileId, index } = place.announcement
          const isNew = yield* Effect.match(contract.chunkCid(fileId, index), {
            onSuccess: Option.isNone,
            onFailure: () => false
          })
          if (newChunks.size >= rememberedChunks) newChunks.clear()
          if (isNew) newChunks.add(chunkKey(place.announcement))
          else newChunks.delete(chunkKey(place.announcement))
          yield* state.announce({ ...place.announcement, isCertain: false })
          return {
            blocks: place.chunk.blocks.map(({ cid }, index) => ({
              cid,
              nodeAddress: faults.address(address, index),
              nodeId: identity.text,
              permit: ""
            }))
          } satisfies IPCFileUploadChunkCreateResponse
        }
      )

      /** The owner of a bucket never changes: its id is made of it. */
      const ownerOf = (bucketId: string) =>
        Effect.suspend(() => {
          const known = owners.get(bucketId)
          if (known !== undefined) return Effect.succeed(Option.some(known))
          return Effect.tap(contract.bucketOwner(bucketId), (owner) =>
            Effect.sync(() => {
              if (owners.size >= rememberedChunks) owners.clear()
              if (Option.isSome(owner)) owners.set(bucketId, owner.value.toLowerCase())
            })).pipe(Effect.map(Option.map((owner) => owner.toLowerCase())))
        })

      const checkChunk = Effect.fnUntraced(function*({ announcement }: Upload) {
        const { chunk, fileId, index } = announcement
        const now = yield* Clock.currentTimeMillis
        const key = chunkKey(announcement)
        if ((chunksSeen.get(key) ?? 0) > now) return
        const found = yield* contract.chunkCid(fileId, index)
        if (Option.isNone(found)) {
          const isFile = yield* contract.exists(fileId)
          return yield* new ChunkNotOnChain({
            detail: isFile
              ? `The file has no chunk ${index} on the chain: add the chunk before its blocks are uploaded`
              : "The bucket has no such file on the chain: create the file before its blocks are uploaded"
          })
        }
        if (found.value !== bytesOf(chunk)) {
          return yield* new ChunkNotOnChain({ detail: `Chunk ${index} has another CID on the chain` })
        }
        if (chunksSeen.size >= rememberedChunks) chunksSeen.clear()
        chunksSeen.set(key, now + chunkMillis)
      })

      const checkSignature = Effect.fnUntraced(
        function*({ bucketId, deadline, nonce, reference, signature }: Upload) {
          const { timestamp } = yield* queue.head
          const now = Math.floor((yield* Clock.currentTimeMillis) / 1000)
          if (deadline <= BigInt(Math.max(now, timestamp))) return yield* new SignatureExpired()
          const owner = yield* ownerOf(bucketId)
          const { blockIndex, chunk, chunkIndex, digest } = reference
          const signer = signerOf(
            { chunk, block: digest, chunkIndex, blockIndex, nodeId: identity.onChain, nonce, deadline, bucketId },
            signature
          )
          if (signer === undefined || signer !== Option.getOrUndefined(owner)) return yield* new WrongSigner()
        }
      )

      /** Whether the block is filled. The chain is asked only where it may be. */
      const isFilled = ({ announcement, reference }: Upload) =>
        Effect.suspend(() => {
          const { blockIndex, chunkIndex, fileId } = reference
          const isFirst = state.references(fileId).get(keyOf(reference)) === undefined
          return isFirst && newChunks.has(chunkKey(announcement))
            ? Effect.succeed(false)
            : contract.isBlockFilled(fileId, chunkIndex, blockIndex)
        })

      const end = Effect.fn("Uploads.end")(function*(upload: Upload, received: Received) {
        const { announcement, reference } = upload
        if (received.size !== upload.size) {
          return yield* new InvalidArgument({
            detail: `The block has ${received.size} bytes, and ${upload.size} by the chunk`
          })
        }
        if (received.digest !== reference.digest) {
          return yield* new InvalidArgument({ detail: "The block's data does not match its CID" })
        }
        yield* checkChunk(upload)
        yield* checkSignature(upload)

        // The same block again, by an upload that was taken up once more, needs no second fill.
        const key = keyOf(reference)
        const isWaiting = state.fills.get(key)?.digest === reference.digest && queue.isWaiting(key)
        const needsFill = !isWaiting && !(yield* isFilled(upload))
        yield* state.announce(announcement)
        yield* blocks.store(reference, received.parts, needsFill ? fillOf(upload) : undefined)
        yield* queue.wake
      })

      return Uploads.of({
        announce,
        begin: (first) => beginOf(first, identity.bytes),
        end
      })
    })
  )
}

const chunkKey = ({ chunk, fileId, index }: Announcement) => `${fileId}/${index}/${chunk}`

const invalid = (detail: string) => Result.fail(new InvalidArgument({ detail }))

/** The chunk of a message and what it announces. */
const placeOf = (bucketId: Uint8Array, fileName: string, chunk: IPCChunk | undefined) => {
  if (chunk === undefined) return invalid("The chunk is missing")
  if (bucketId.length !== 32) return invalid("The bucket id has not 32 bytes")
  if (Buffer.byteLength(fileName) > longestName) return invalid(`The file name has more than ${longestName} bytes`)
  const digest = digestOf(chunk.cid)
  if (digest === undefined) return invalid("The chunk's CID is no CIDv1 of dag-pb and SHA-256")
  if (chunk.index < 0n || chunk.index > BigInt(Number.MAX_SAFE_INTEGER)) return invalid("The chunk's index is invalid")
  if (chunk.blocks.length === 0) return invalid("The chunk has no blocks")
  if (chunk.blocks.length > blocksPerChunk) return invalid(`The chunk has more than ${blocksPerChunk} blocks`)
  if (chunk.size < 0n || chunk.size > BigInt(blocksPerChunk * largestBlock)) {
    return invalid("The chunk's size is invalid")
  }
  const blocks: Array<readonly [string, number]> = []
  for (const [index, { cid, size }] of chunk.blocks.entries()) {
    const block = digestOf(cid)
    if (block === undefined) return invalid(`The CID of block ${index} is no CIDv1 of dag-pb and SHA-256`)
    if (size <= 0n || size > BigInt(largestBlock)) {
      return invalid(`Block ${index} has a size beyond 1 to ${largestBlock} bytes`)
    }
    blocks.push([block, Number(size)])
  }
  const fileId = fileIdOf(`0x${Buffer.from(bucketId).toString("hex")}`, fileName)
  const announcement: Announcement = {
    fileId,
    index: Number(chunk.index),
    chunk: digest,
    size: Number(chunk.size),
    blocks,
    isCertain: true
  }
  return Result.succeed({ chunk, announcement })
}

const beginOf = (first: IPCFileBlockData, nodeId: Buffer): Result.Result<Upload, InvalidArgument> => {
  const { bucketId, cid, chunk, deadline, fileName, index, nonce, signature } = first
  if (cid === "" || chunk === undefined) {
    return invalid("The first message names no block: its cid and chunk are missing")
  }
  const place = placeOf(bucketId, fileName, chunk)
  if (Result.isFailure(place)) return Result.fail(place.failure)
  const { announcement } = place.success
  const digest = digestOf(cid)
  if (digest === undefined) return invalid("The block's CID is no CIDv1 of dag-pb and SHA-256")
  const block = announcement.blocks[Number(index)]
  if (index < 0n || block === undefined) return invalid(`The chunk has no block ${index}`)
  if (block[0] !== digest) return invalid(`Block ${index} of the chunk has another CID`)
  if (nodeId.compare(first.nodeId) !== 0) return invalid("The block is for another node: the node id is not this one's")
  if (nonce.length > 32) return invalid("The nonce has more than 32 bytes")
  if (deadline < 0n || deadline > BigInt(Number.MAX_SAFE_INTEGER)) return invalid("The deadline is invalid")
  if (!/^[0-9a-fA-F]{130}$/.test(signature)) return invalid("The signature is not 130 hexadecimal digits")
  return Result.succeed({
    reference: {
      fileId: announcement.fileId,
      chunkIndex: announcement.index,
      blockIndex: Number(index),
      digest,
      chunk: announcement.chunk
    },
    bucketId: `0x${Buffer.from(bucketId).toString("hex")}`,
    fileName,
    nonce,
    deadline,
    signature: Buffer.from(signature, "hex"),
    announcement,
    size: block[1]
  })
}

const fillOf = ({ bucketId, deadline, fileName, nonce, reference, signature }: Upload): Fill => ({
  fileId: reference.fileId,
  chunkIndex: reference.chunkIndex,
  blockIndex: reference.blockIndex,
  digest: reference.digest,
  bucketId,
  fileName,
  nonce: `0x${Buffer.from(nonce).toString("hex") || "0"}`,
  deadline: Number(deadline),
  signature: `0x${Buffer.from(signature).toString("hex")}`
})
