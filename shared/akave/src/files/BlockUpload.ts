/** How blocks of a chunk that is on chain get to the nodes that are to store them. */
import { Clock, Effect, Schedule, Semaphore } from "effect"
import { randomBytes } from "node:crypto"
import * as BlockSignature from "../BlockSignature.ts"
import { Chain } from "../Chain.ts"
import type { EncodedChunk } from "../encoding/ChunkCodec.ts"
import * as Cid from "../encoding/Cid.ts"
import type { NodeError } from "../Errors.ts"
import { Wallet } from "../Wallet.ts"
import type { Announcement } from "./BlockMessages.ts"
import { FileNode, type UploadPlace } from "./FileNode.ts"

/** What can't be reached is tried again until then, a block with pauses that double from the first to the last. */
const [firstPause, longestPause, patience] = ["100 millis", "5 seconds", "2 minutes"] as const
/** What a node refuses for good is tried this often, since it may have forgotten what it was told. */
const mostRefusals = 4
/** How long a signature is of use, in seconds; Akave's own client asks for as long. */
const signatureLifetime = 86_400

/** Goes on with a call as long as the node or the chain can't be reached. A transaction that went out meanwhile is found on chain. */
export const patiently = <A, E extends { readonly _tag: string; readonly isRetryable?: boolean }, R>(
  call: Effect.Effect<A, E, R>
): Effect.Effect<A, E, R> =>
  Effect.retry(call, {
    schedule: Schedule.spaced("1 second").pipe(Schedule.jittered, Schedule.upTo({ duration: patience })),
    while: ({ _tag, isRetryable }) => isRetryable === true && (_tag === "RpcError" || _tag === "NodeError")
  })

export interface Sending<E> {
  readonly encoded: EncodedChunk
  readonly announcement: Announcement
  /** Where each block goes, by its index, as the node has answered the announcement. */
  readonly places: ReadonlyArray<UploadPlace>
  /** The indexes of the blocks that are sent. */
  readonly missing: ReadonlyArray<number>
  /** A permit for each block that may be on its way. */
  readonly permits: Semaphore.Semaphore
  /** Done where a node refuses a block, before the chunk is announced again: the chain may have lost it. */
  readonly mend: Effect.Effect<unknown, E>
  readonly onStored: (blockIndex: number) => void
}

/** Sends blocks, each signed by the wallet. */
// oxlint-disable-next-line max-lines-per-function -- its sends share the node and the wallet
export const make = Effect.gen(function*() {
  const chain = yield* Chain
  const wallet = yield* Wallet
  const node = yield* FileNode

  const sign = Effect.fnUntraced(
    function*({ bucketId, chunk }: Announcement, blockIndex: number, nodeId: Uint8Array) {
      const nonce = BigInt(`0x${randomBytes(32).toString("hex")}`)
      const deadline = Math.floor((yield* Clock.currentTimeMillis) / 1_000) + signatureLifetime
      const digest = BlockSignature.digestOf(
        { chainId: chain.chainId, verifyingContract: chain.storageAddress },
        {
          chunkCid: Cid.toBytes(chunk.cid),
          blockDigest: Cid.digest(chunk.blocks[blockIndex]?.cid ?? chunk.cid),
          chunkIndex: chunk.index,
          blockIndex,
          nodeId: nodeId.subarray(-32),
          nonce,
          deadline,
          bucketId
        }
      )
      return { nonce, deadline, signature: yield* wallet.signDigest(digest) }
    }
  )

  /** Sends blocks of a chunk that is on chain. A node that refuses may have forgotten the chunk, or the chain lost it: both are mended. */
  const sendBlocks = Effect.fnUntraced(function*<E>(sending: Sending<E>) {
    const { announcement, encoded, mend, missing, onStored, permits } = sending
    let places = sending.places
    const renewal = yield* Semaphore.make(1)
    const renew = (stale: ReadonlyArray<UploadPlace>) =>
      renewal.withPermit(Effect.gen(function*() {
        if (places !== stale) return
        yield* mend
        places = yield* patiently(node.announce(announcement))
      }))
    const send = (blockIndex: number) => {
      let refusals = 0
      return Effect.suspend(() => {
        const used = places
        const place = used[blockIndex]
        const block = encoded.blocks[blockIndex]
        if (place === undefined || block === undefined) return Effect.void
        return Effect.flatMap(
          sign(announcement, blockIndex, place.nodeId),
          (signed) =>
            node.uploadBlock(place.address, {
              ...announcement,
              ...signed,
              blockIndex,
              data: block.data,
              nodeId: place.nodeId
            })
        ).pipe(
          Effect.tapErrorTag("NodeError", (error: NodeError) => {
            if (error.isRetryable) return Effect.void
            refusals += 1
            return renew(used)
          })
        )
      }).pipe(
        Effect.retry({
          schedule: Schedule.min([Schedule.exponential(firstPause), Schedule.spaced(longestPause)]).pipe(
            Schedule.jittered,
            Schedule.upTo({ duration: patience })
          ),
          while: (error) => hasTag(error, "NodeError") && ((error as NodeError).isRetryable || refusals < mostRefusals)
        }),
        Effect.tap(() => Effect.sync(() => onStored(blockIndex)))
      )
    }
    yield* Effect.forEach(missing, (n) => permits.withPermit(send(n)), { concurrency: "unbounded", discard: true })
  })

  return { sendBlocks }
})

const hasTag = (error: unknown, tag: string): boolean => Object(error)._tag === tag
