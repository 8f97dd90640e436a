/** Lets go of the blocks of files that are not on the chain any more. */
import { Effect, Layer, Option } from "effect"
import { Blocks } from "./Blocks.ts"
import { bytesOf } from "./Cids.ts"
import { FileContract } from "./FileContract.ts"
import { finalDepth } from "./FillQueue.ts"
import { NodeState } from "./NodeState.ts"

/** Follows deletions at this depth, so that none is undone by a reorganisation. */
export const layer = Layer.effectDiscard(Effect.gen(function*() {
  const blocks = yield* Blocks
  const contract = yield* FileContract
  const state = yield* NodeState

  /** Drops the references of a file whose chunks the chain does not have. */
  const sweep = Effect.fn("Deletions.sweep")(function*(fileId: string) {
    // Before the chain is asked: what comes meanwhile may be of a chunk that the answer does not have yet.
    const references = [...state.references(fileId).values()]
    if (references.length === 0) return
    const file = yield* contract.file(fileId)
    const chunks = Option.match(file, { onNone: () => [], onSome: ({ chunks }) => chunks })
    yield* blocks.release(references.filter(({ chunk, chunkIndex }) => chunks[chunkIndex]?.cid !== bytesOf(chunk)))
    if (Option.isNone(file)) yield* state.forget(fileId)
  })

  /** The last block whose deletions are followed; none yet, where all files are still to be looked at. */
  let swept: number | undefined
  yield* Effect.gen(function*() {
    const { number } = yield* contract.head
    const end = Math.max(0, number - finalDepth)
    // After a reorganisation the chain may be shorter for a while.
    if (swept !== undefined && end <= swept) return
    const files = swept === undefined ? state.files() : new Set(yield* contract.deleted(swept + 1, end))
    yield* Effect.forEach(files, sweep, { discard: true })
    swept = end
  }).pipe(
    Effect.catch((error) => Effect.logDebug(`Deleted files wait: ${error.message}`)),
    Effect.andThen(Effect.sleep("1 second")),
    Effect.forever,
    Effect.forkScoped
  )
}))
