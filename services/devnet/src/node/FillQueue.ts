/**
 * Sees to it that the chain knows of every block that the node has taken. Fills are kept by NodeState until they are so deep
 * in the chain that no reorganisation takes them back; how far each of them is, is found out from the chain after a restart.
 */
import { Clock, Context, Duration, Effect, Latch, Layer } from "effect"
import type { ChainUnavailable } from "../Storage.ts"
import { Faults } from "./Faults.ts"
import { FileContract, type Head } from "./FileContract.ts"
import { FillChain } from "./FillChain.ts"
import type { JournalFailed } from "./Journal.ts"
import { type Fill, keyOf, NodeState } from "./NodeState.ts"

/** Blocks on top of a fill's block after which it is taken for final. */
export const finalDepth = 12
/** Transactions that wait for a block at most. */
const mostSent = 16
/** Fills whose state is asked for at the same time. */
const questionsAtOnce = 8
/** Transactions of a fill that may fail although the chain would accept it now. */
const mostFailures = 5
const pause = Duration.millis(100)
const pauseAfterFailure = Duration.millis(500)
/** While fills only wait to be final. */
const idlePause = Duration.millis(500)
/** How long a head once seen is given to whoever asks for the chain's time. */
const headMillis = 1_000

type Progress =
  /** To be asked of the chain, from this time on. */
  | { readonly _tag: "Unknown"; readonly from: number }
  /** To be sent, from this time on. */
  | { readonly _tag: "Pending"; readonly from: number }
  | { readonly _tag: "Sent"; readonly transaction: string }
  | { readonly _tag: "Mined"; readonly number: number; readonly hash: string }

interface Entry {
  readonly fill: Fill
  progress: Progress
  failures: number
  /** The block at which its chunk was first seen to be missing. */
  absentSince: number | undefined
}

const isOf =
  <Tag extends Progress["_tag"]>(tag: Tag) => (progress: Progress): progress is Extract<Progress, { _tag: Tag }> =>
    progress._tag === tag

export class FillQueue extends Context.Service<FillQueue, {
  /** Whether a fill that is in the queue has still to be sent. */
  isWaiting(key: string): boolean
  /** To be called after a fill was added. */
  readonly wake: Effect.Effect<void>
  /** The chain's head, a second old at most. */
  readonly head: Effect.Effect<Head, ChainUnavailable>
  readonly counts: () => Record<Progress["_tag"], number>
}>()("@akave-async/devnet/FillQueue") {
  static readonly layer = Layer.effect(
    FillQueue,
    // oxlint-disable-next-line max-lines-per-function -- its steps share the entries
    Effect.gen(function*() {
      const chain = yield* FillChain
      const contract = yield* FileContract
      const faults = yield* Faults
      const state = yield* NodeState
      const work = yield* Latch.make()
      const entries = new Map<string, Entry>()
      let last: Head | undefined
      let headSeen = 0
      let mustReset = true

      const head = Effect.gen(function*() {
        const now = yield* Clock.currentTimeMillis
        if (last !== undefined && now - headSeen < headMillis) return last
        return yield* contract.head
      })

      const firstProgress = (before: Entry | undefined, isStart: boolean, now: number): Progress => {
        if (isStart) return { _tag: "Unknown", from: 0 }
        // Of a file that was deleted and made again: the fill of the one before may still be on its way.
        if (before?.progress._tag === "Sent") {
          return { _tag: "Unknown", from: now + Duration.toMillis(pauseAfterFailure) }
        }
        return { _tag: "Pending", from: now + faults.fills().delayMillis }
      }

      /** Takes over what was queued or dropped elsewhere. What a restart finds in the queue may be anywhere. */
      const follow = Effect.fnUntraced(function*(isStart: boolean) {
        const now = yield* Clock.currentTimeMillis
        for (const key of entries.keys()) if (!state.fills.has(key)) entries.delete(key)
        const dropped: Array<Fill> = []
        for (const [key, fill] of state.fills) {
          if (entries.get(key)?.fill === fill) continue
          const before = entries.get(key)
          if (!isStart && faults.dropsFill()) dropped.push(fill)
          else {entries.set(key, {
              fill,
              progress: firstProgress(before, isStart, now),
              failures: 0,
              absentSince: undefined
            })}
        }
        yield* state.settle(dropped)
      })

      /** Entries of one kind with their progress, as it is now. */
      const inProgress = <Tag extends Progress["_tag"]>(tag: Tag) =>
        [...entries.values()].flatMap((entry) => {
          const { progress } = entry
          return isOf(tag)(progress) ? [{ entry, progress }] : []
        })

      const due = (tag: "Unknown" | "Pending", now: number) =>
        inProgress(tag).flatMap(({ entry, progress }) => progress.from <= now ? [entry] : [])

      /** Begins anew with what is not final, as if after a restart. */
      const reset = Effect.fnUntraced(function*() {
        yield* chain.reset
        for (const entry of entries.values()) {
          if (entry.progress._tag !== "Pending") entry.progress = { _tag: "Unknown", from: 0 }
        }
        mustReset = false
      })

      const drop = Effect.fnUntraced(function*({ fill }: Entry, reason: string) {
        yield* Effect.logWarning(`A block can't be filled and is given up: ${reason}`).pipe(
          Effect.annotateLogs({ file: fill.fileId, chunk: fill.chunkIndex, block: fill.blockIndex })
        )
        yield* state.settle([fill])
        entries.delete(keyOf(fill))
      })

      /** Asks the chain how far a fill is. */
      const examine = Effect.fnUntraced(function*(entry: Entry, { hash, number }: Head) {
        const { blockIndex, chunkIndex, fileId } = entry.fill
        if (yield* contract.isBlockFilled(fileId, chunkIndex, blockIndex)) {
          entry.progress = { _tag: "Mined", number, hash }
          return
        }
        const refusal = yield* chain.refusal(entry.fill)
        const now = yield* Clock.currentTimeMillis
        if (refusal === undefined) {
          entry.absentSince = undefined
          entry.progress = { _tag: "Pending", from: now }
        } else if (refusal === "NoChunk") {
          // A reorganisation that took the chunk away may bring it back.
          entry.absentSince ??= number
          if (number - entry.absentSince >= finalDepth) return yield* drop(entry, "its chunk is not on the chain")
          entry.progress = { _tag: "Unknown", from: now + Duration.toMillis(pauseAfterFailure) }
        } else yield* drop(entry, refusal.reason)
      })

      /** What became of the transactions. */
      const look = Effect.fnUntraced(function*() {
        const bySent = Map.groupBy(inProgress("Sent"), ({ progress }) => progress.transaction)
        for (const [transaction, sent] of bySent) {
          const outcome = yield* chain.outcome(transaction)
          if (outcome._tag === "Lost") mustReset = true
          if (outcome._tag !== "Mined") continue
          for (const { entry } of sent) {
            if (outcome.isSuccess) entry.progress = { _tag: "Mined", number: outcome.number, hash: outcome.hash }
            else if (++entry.failures > mostFailures) yield* drop(entry, "its transactions fail")
            else entry.progress = { _tag: "Unknown", from: 0 }
          }
        }
      })

      /** Settles what is deep enough, if it is still there. */
      const settle = Effect.fnUntraced(function*({ number }: Head) {
        const deep = inProgress("Mined").filter(({ progress }) => number - progress.number >= finalDepth)
        for (const [height, mined] of Map.groupBy(deep, ({ progress }) => progress.number)) {
          const hash = yield* contract.blockHash(height)
          const kept = mined.filter(({ progress }) => progress.hash === hash)
          for (const one of mined) if (!kept.includes(one)) one.entry.progress = { _tag: "Unknown", from: 0 }
          yield* state.settle(kept.map(({ entry }) => entry.fill))
        }
      })

      const send = Effect.fnUntraced(function*() {
        const { hold } = faults.fills()
        const now = yield* Clock.currentTimeMillis
        let pending = hold ? [] : due("Pending", now)
        let room = mostSent - new Set(inProgress("Sent").map(({ progress }) => progress.transaction)).size
        while (pending.length > 0 && room-- > 0) {
          // What has failed among others twice, although each of them would be accepted, goes alone.
          const isAlone = (pending[0]?.failures ?? 0) >= 2
          const together = isAlone ? pending.slice(0, 1) : pending.filter(({ failures }) => failures < 2)
          const batch = together.slice(0, chain.fitting(together.slice(0, 32).map(({ fill }) => fill)))
          const transaction = yield* chain.send(batch.map(({ fill }) => fill)).pipe(
            Effect.tapError(() =>
              Effect.sync(() => {
                mustReset = true
              })
            )
          )
          for (const entry of batch) entry.progress = { _tag: "Sent", transaction }
          pending = pending.filter((entry) => !batch.includes(entry))
        }
      })

      const step = Effect.fn("FillQueue.step")(function*() {
        yield* work.close
        yield* follow(false)
        const head = yield* contract.head
        if (last !== undefined && last.hash !== head.hash) {
          const before = yield* contract.blockHash(last.number)
          if (before !== last.hash) mustReset = true
        }
        const isNew = last?.hash !== head.hash
        last = head
        headSeen = yield* Clock.currentTimeMillis
        if (mustReset) yield* reset()
        if (isNew) {
          yield* look()
          yield* settle(head)
        }
        yield* Effect.forEach(due("Unknown", headSeen), (entry) => examine(entry, head), {
          concurrency: questionsAtOnce,
          discard: true
        })
        yield* send()
      })

      const wait = Effect.suspend(() => {
        if (entries.size === 0) return work.await
        const isIdle = [...entries.values()].every(({ progress }) => progress._tag === "Mined")
        return isIdle ? Effect.asVoid(Effect.timeoutOption(work.await, idlePause)) : Effect.sleep(pause)
      })

      yield* follow(true)
      let isFailing = false
      yield* step().pipe(
        Effect.tap(() =>
          Effect.sync(() => {
            isFailing = false
          })
        ),
        Effect.catch((error: ChainUnavailable | JournalFailed) => {
          const report = isFailing ? Effect.void : Effect.logWarning(`Fills wait: ${error.message}`, error.cause)
          isFailing = true
          return Effect.andThen(report, Effect.sleep(pauseAfterFailure))
        }),
        Effect.andThen(wait),
        Effect.forever,
        Effect.forkScoped
      )

      return FillQueue.of({
        isWaiting: (key) => {
          const tag = entries.get(key)?.progress._tag
          return state.fills.has(key) && tag !== "Sent" && tag !== "Mined"
        },
        wake: Effect.asVoid(work.open),
        head,
        counts: () => {
          const counts = { Unknown: 0, Pending: 0, Sent: 0, Mined: 0 }
          for (const { progress } of entries.values()) counts[progress._tag]++
          return counts
        }
      })
    })
  )
}
