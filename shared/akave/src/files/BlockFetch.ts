/** The blocks of one chunk: any that suffice, from nodes that may be slow, silent, forgetful or dishonest. */
import { Effect, FiberSet, Option, Queue, Result } from "effect"
import { ChunkCoder } from "../encoding/ChunkCoder.ts"
import * as Cid from "../encoding/Cid.ts"
import * as Dag from "../encoding/Dag.ts"
import { NodeError } from "../Errors.ts"
import { BlocksUnavailable } from "./FileErrors.ts"
import { FileNode, type FileRef } from "./FileNode.ts"

export interface Listed {
  readonly cid: Cid.Cid
  readonly size: number
  /** host:port of the node that has it. */
  readonly address: string
}

export interface ChunkBlocks {
  readonly of: FileRef
  readonly chunkCid: Cid.Cid
  readonly chunkIndex: number
  readonly blocks: ReadonlyArray<Listed>
  /** How many of them suffice. */
  readonly needed: number
  /** Blocks on their way at once, beside those that stand in for slow ones. */
  readonly concurrency: number
}

/** A block is asked for so often at most, with a pause before each further time that doubles from this, in milliseconds. */
const [mostTries, firstPause] = [4, 200]
/** Before a block has arrived, one that takes longer than this is slow, in milliseconds; later, one that takes so many times as long as they did. */
const [slowAfter, slowFactor] = [1_000, 4]

/** Fetches blocks and gives their payloads by index, undefined for those that were not needed. Each has been verified by its CID. */
export const make = Effect.gen(function*() {
  const node = yield* FileNode
  const { buffers } = yield* ChunkCoder
  /** What blocks took lately, in milliseconds. */
  let usual = slowAfter / slowFactor

  const fetchOnce = Effect.fnUntraced(function*({ of, ...chunk }: ChunkBlocks, blockIndex: number, block: Listed) {
    const begun = performance.now()
    const bytes = buffers.take(block.size)
    yield* Effect.onError(
      node.downloadBlock(block, { ...of, ...chunk, blockIndex }, bytes),
      () => Effect.sync(() => buffers.give(bytes.buffer))
    )
    if (Cid.ofBlock(bytes) !== block.cid) return yield* corrupted("it is not the block of this CID")
    const payload = Dag.payloadOf(bytes)
    if (Result.isFailure(payload)) return yield* corrupted(payload.failure.message)
    usual = 0.8 * usual + 0.2 * (performance.now() - begun)
    return payload.success
  })

  return (chunk: ChunkBlocks) =>
    Effect.scoped(Effect.gen(function*() {
      const { blocks, chunkIndex, concurrency, needed } = chunk
      const payloads: Array<Uint8Array | undefined> = Array.from(blocks, () => undefined)
      const failed = new Map<number, NodeError>()
      const waiting = blocks.map((block, blockIndex) => ({ block, blockIndex, tries: 1 }))
      const ended = yield* Queue.unbounded<
        { readonly one: typeof waiting[number]; readonly result: Result.Result<Uint8Array, NodeError> }
      >()
      const running = yield* FiberSet.make()
      let [inFlight, good, extra] = [0, 0, 0]

      while (good < needed) {
        // Once all have been tried, those that failed are tried again together.
        const isSecond = (waiting[0]?.tries ?? 1) > 1
        while (inFlight < Math.min(isSecond ? blocks.length : needed - good, concurrency) + extra) {
          const one = waiting.shift()
          if (one === undefined) break
          inFlight += 1
          const pause = one.tries === 1 ? Effect.void : Effect.sleep(firstPause * 2 ** (one.tries - 2))
          yield* FiberSet.run(
            running,
            pause.pipe(
              Effect.andThen(fetchOnce(chunk, one.blockIndex, one.block)),
              Effect.result,
              Effect.flatMap((result) => Queue.offer(ended, { one, result }))
            )
          )
        }
        if (inFlight === 0) {
          const reasons = Array.from(failed, ([blockIndex, { details }]) => ({ blockIndex, reason: details }))
          return yield* new BlocksUnavailable({ chunkIndex, needed, failed: reasons })
        }
        // While others wait, one of them may take the place of a slow one.
        const next = waiting.length === 0
          ? Option.some(yield* Queue.take(ended))
          : yield* Effect.timeoutOption(Queue.take(ended), Math.max(slowAfter / slowFactor, usual * slowFactor))
        if (Option.isNone(next)) {
          extra += 1
          continue
        }
        inFlight -= 1
        const { one, result } = next.value
        if (Result.isSuccess(result)) {
          payloads[one.blockIndex] = result.success
          good += 1
          continue
        }
        failed.set(one.blockIndex, result.failure)
        if (one.tries < mostTries) waiting.push({ ...one, tries: one.tries + 1 })
      }
      return payloads
    }))
})

const corrupted = (details: string): NodeError =>
  new NodeError({ code: "DATA_LOSS", details, rpc: "FileDownloadBlock" })
