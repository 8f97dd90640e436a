/** Blocks and what refers to them: a block is stored as long as a place of a file refers to it. */
import { Context, Effect, Layer, type Scope, Semaphore } from "effect"
import { type BlockCorrupt, BlockMissing, BlockStore, type BlockStoreFailed } from "./BlockStore.ts"
import type { JournalFailed } from "./Journal.ts"
import { type Fill, NodeState, type Reference } from "./NodeState.ts"

export class Blocks extends Context.Service<Blocks, {
  /** Stores a block at its place, and queues its fill, if any. Both are on the disk when the effect ends. */
  store(
    reference: Reference,
    parts: ReadonlyArray<Uint8Array>,
    fill: Fill | undefined
  ): Effect.Effect<void, BlockStoreFailed | JournalFailed>
  /** A block that a file refers to, valid until the scope ends. */
  read(
    fileId: string,
    digest: string
  ): Effect.Effect<Buffer, BlockMissing | BlockCorrupt | BlockStoreFailed, Scope.Scope>
  /** Drops references, as far as they are still at their places, and the blocks that nothing refers to any more. */
  release(references: ReadonlyArray<Reference>): Effect.Effect<void, BlockStoreFailed | JournalFailed>
  /** Blocks in the store. */
  readonly count: Effect.Effect<number, BlockStoreFailed>
}>()("@akave-async/devnet/Blocks") {
  static readonly layer = Layer.effect(
    Blocks,
    Effect.gen(function*() {
      const state = yield* NodeState
      const blocks = yield* BlockStore
      const exclusively = makeLocks()

      const removeUnused = (digest: string) =>
        exclusively(digest, Effect.suspend(() => state.isReferenced(digest) ? Effect.void : blocks.remove(digest)))

      // What was stored and not answered before a crash.
      yield* Effect.flatMap(
        blocks.list,
        Effect.forEach(
          (digest) => state.isReferenced(digest) ? Effect.void : removeUnused(digest),
          { concurrency: 4, discard: true }
        )
      )

      return Blocks.of({
        store: Effect.fn("Blocks.store")(function*(reference, parts, fill) {
          const { digest } = reference
          const replaced = yield* exclusively(
            digest,
            blocks.put(digest, parts).pipe(Effect.andThen(Effect.uninterruptible(state.store(reference, fill))))
          ).pipe(Effect.onError(() => Effect.ignore(removeUnused(digest))))
          if (replaced !== undefined && replaced.digest !== digest) yield* removeUnused(replaced.digest)
        }),
        read: Effect.fn("Blocks.read")(function*(fileId, digest) {
          if (!state.isReferenced(digest) || !refers(state.references(fileId), digest)) {
            return yield* new BlockMissing({ digest })
          }
          return yield* blocks.get(digest)
        }),
        release: Effect.fn("Blocks.release")(function*(references) {
          yield* state.release(references)
          const digests = new Set(references.map(({ digest }) => digest))
          yield* Effect.forEach(digests, removeUnused, { concurrency: 4, discard: true })
        }),
        count: Effect.map(blocks.list, (digests) => digests.length)
      })
    })
  )
}

const refers = (references: ReadonlyMap<string, Reference>, digest: string): boolean => {
  for (const reference of references.values()) if (reference.digest === digest) return true
  return false
}

/** Lets one effect at a time run for each key. */
const makeLocks = () => {
  const locks = new Map<string, { readonly semaphore: Semaphore.Semaphore; users: number }>()
  return <A, E, R>(key: string, effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.suspend(() => {
      const lock = locks.get(key) ?? { semaphore: Semaphore.makeUnsafe(1), users: 0 }
      locks.set(key, lock)
      lock.users++
      return lock.semaphore.withPermits(1)(effect).pipe(
        Effect.ensuring(Effect.sync(() => {
          lock.users--
          if (lock.users === 0) locks.delete(key)
        }))
      )
    })
}
