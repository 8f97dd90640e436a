/**
 * The chunks of staged files: read, encoded, and stored with the network's nodes. So many bytes of them are in memory at a time, over
 * all lanes of the executor; those of small files have a share of their own, so that big ones don't hold them up.
 */
import * as File from "@akave-async/domain/File"
import { type EncodedChunk, encodedLength } from "@akave-async/sdk/encoding/ChunkCodec"
import { ChunkCoder } from "@akave-async/sdk/encoding/ChunkCoder"
import type { NodeError } from "@akave-async/sdk/Errors"
import type { Announcement } from "@akave-async/sdk/files/BlockMessages"
import * as BlockUpload from "@akave-async/sdk/files/BlockUpload"
import { FileNode } from "@akave-async/sdk/files/FileNode"
import { ObjectId } from "@akave-async/staging/StagedObject"
import { Staging } from "@akave-async/staging/Staging"
import { Config, Context, Effect, Layer, Schema, Semaphore, Stream } from "effect"
import { PartFailed } from "../Failures.ts"
import { placeOf } from "./FilePlace.ts"

const mebibyte = 1_048_576

/** Memory for chunks, shared by the lanes of an executor. */
export class ChunkMemory extends Context.Service<ChunkMemory, {
  /** Runs what needs so many bytes, once they are free. */
  with<A, E, R>(bytes: number, use: Effect.Effect<A, E, R>): Effect.Effect<A, E, R>
}>()("@akave-async/executor/ChunkMemory") {
  /** As much as `EXECUTOR_CHUNK_MEMORY` says, in MiB. */
  static readonly layerConfig = Layer.effect(
    ChunkMemory,
    Effect.gen(function*() {
      const size = yield* Config.schema(
        Schema.Int.check(Schema.isBetween({ minimum: 128, maximum: 65_536 })),
        "EXECUTOR_CHUNK_MEMORY"
      ).pipe(Config.withDefault(256))
      const small = Math.floor(size / 4)
      const [ofSmall, ofLarge] = [yield* Semaphore.make(small), yield* Semaphore.make(size - small)]
      return ChunkMemory.of({
        with: (bytes, use) => {
          const needed = Math.max(1, Math.ceil(bytes / mebibyte))
          return needed <= small / 4 ? ofSmall.withPermits(needed)(use) : ofLarge.withPermits(needed)(use)
        }
      })
    })
  )
}

/** Blocks of a lane on their way to nodes at once. */
const blocksAtOnce = 20

const unavailable = (code: string) => (error: { readonly message: string; readonly isRetryable: boolean }) =>
  new PartFailed({ failure: { category: "network", code, message: error.message }, isRetryable: error.isRetryable })

const lost = (error: { readonly message: string }) =>
  new PartFailed({
    failure: { category: "internal", code: "StagedObjectLost", message: error.message },
    isRetryable: false
  })

/** What a staging store can't give. */
export const stagingFailed = (
  error: { readonly _tag: string; readonly message: string; readonly isRetryable: boolean }
): PartFailed => error._tag === "StagedMissing" ? lost(error) : unavailable("StagingUnavailable")(error)

/** What a node can't give or take: it is asked again, as long as the job has time. */
export const nodeFailed = ({ message }: NodeError): PartFailed =>
  new PartFailed({ failure: { category: "network", code: "NodeUnavailable", message }, isRetryable: true })

/** How the chunks of an upload are coded. */
const codingOf = ({ request: { dataBlocks, parityBlocks } }: File.Upload) => ({ dataBlocks, parityBlocks })

/** Bytes of a chunk before encryption. */
const plaintextOf = ({ request }: File.Upload, index: number): number => {
  const full = File.plaintextLength(request)
  return Math.min(full, request.size - index * full)
}

export const make = Effect.gen(function*() {
  const coder = yield* ChunkCoder
  const memory = yield* ChunkMemory
  const node = yield* FileNode
  const staging = yield* Staging
  const { sendBlocks } = yield* BlockUpload.make
  const permits = yield* Semaphore.make(blocksAtOnce)

  const read = Effect.fnUntraced(function*(job: File.Upload, start: number, end: number) {
    const bytes = coder.buffers.take(end - start)
    let at = 0
    yield* staging.read(ObjectId.make(job.request.staged), { start, end }).pipe(
      Stream.runForEach((piece) =>
        Effect.sync(() => {
          bytes.set(piece.subarray(0, bytes.length - at), at)
          at += piece.length
        })
      ),
      Effect.mapError(stagingFailed)
    )
    if (at !== bytes.length) return yield* lost({ message: `The staged bytes of the file end after ${start + at}` })
    return bytes
  })

  /** Encodes a chunk of a staged file, and uses it while it is in memory. */
  const withChunk = <A, E, R>(
    job: File.Upload,
    index: number,
    use: (chunk: EncodedChunk) => Effect.Effect<A, E, R>
  ): Effect.Effect<A, E | PartFailed, R> => {
    const full = File.chunkLength(job.request)
    const [start, end] = [index * full, Math.min((index + 1) * full, File.stagedSize(job.request))]
    const options = { index, coding: codingOf(job) }
    return memory.with(
      end - start + encodedLength(end - start, options),
      Effect.gen(function*() {
        const encoded = yield* coder.encode(yield* read(job, start, end), options)
        return yield* Effect.ensuring(
          use(encoded),
          Effect.sync(() => {
            for (const { data } of encoded.blocks.slice(0, 1)) coder.buffers.give(data.buffer)
          })
        )
      })
    )
  }

  /** A chunk as a transaction adds it. */
  const describe = (job: File.Upload, index: number) =>
    withChunk(
      job,
      index,
      ({ blocks, cid, encodedSize, rawSize }) =>
        Effect.succeed({ index, cid, encodedSize, rawSize, blocks: blocks.map(({ cid, size }) => ({ cid, size })) })
    )

  /** Sends these blocks of a chunk that is on chain to the nodes that are to store them. */
  const store = (job: File.Upload, index: number, missing: ReadonlyArray<number>) =>
    withChunk(job, index, (encoded) =>
      Effect.gen(function*() {
        const { bucketId, name } = placeOf(job)
        const announcement: Announcement = {
          bucketId: Buffer.from(bucketId.slice(2), "hex"),
          fileName: name,
          chunk: {
            cid: encoded.cid,
            index,
            actualSize: plaintextOf(job, index),
            blocks: encoded.blocks.map(({ cid, size }) => ({ cid, size }))
          }
        }
        const places = yield* BlockUpload.patiently(node.announce(announcement))
        // What the chain has lost is sent again by the wallet's keeper.
        const all = { encoded, announcement, places, missing, permits, mend: Effect.void, onStored: () => {} }
        yield* sendBlocks(all)
      })).pipe(Effect.catchTag("NodeError", (error) => Effect.fail(nodeFailed(error))))

  return { describe, store }
})
export type StagedChunks = Effect.Success<typeof make>
