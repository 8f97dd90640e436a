/**
 * Waits for the receipts of all transactions under way with one look per block. A transaction may be mined before it is
 * waited for, and a reorganisation may move it, so all are also looked up on their own: at first, and then every 10 s.
 */
import { Chain, type Receipt } from "@akave-async/sdk/Chain"
import { Context, Deferred, Duration, Effect, Layer, Option, Schedule } from "effect"
import { ExecutorConfig } from "./ExecutorConfig.ts"

export class Receipts extends Context.Service<Receipts, {
  /** The receipt of this transaction, once as many blocks confirm it as are configured. Waits for ever. */
  await(hash: string): Effect.Effect<Receipt>
}>()("@akave-async/executor/Receipts") {
  static readonly layer = Layer.effect(
    Receipts,
    Effect.gen(function*() {
      const chain = yield* Chain
      const { confirmations, pollInterval } = yield* ExecutorConfig
      const waiting = new Set<Waiter>()
      /** The last block that was looked at. */
      let seen = yield* chain.blockNumber

      const tell = (receipts: ReadonlyArray<Receipt>) => {
        const byHash = new Map(receipts.map((receipt) => [receipt.transactionHash, receipt]))
        return Effect.forEach(waiting, ({ answer, hash }) => {
          const receipt = byHash.get(hash)
          const isFinal = receipt !== undefined && receipt.blockNumber <= seen - confirmations + 1
          return isFinal ? Deferred.succeed(answer, receipt) : Effect.void
        }, { discard: true })
      }
      const lookUp = (hash: string) => Effect.map(chain.receipt(hash), Option.toArray)

      const look = Effect.gen(function*() {
        const head = yield* chain.blockNumber
        if (waiting.size === 0 || head < seen) seen = head
        while (seen < head) {
          // The block that becomes final with this head.
          const receipts = yield* chain.blockReceipts(Math.max(0, seen + 2 - confirmations))
          seen += 1
          yield* tell(receipts)
        }
      })
      const sweep = Effect.gen(function*() {
        const hashes = new Set(Array.from(waiting, ({ hash }) => hash))
        yield* tell((yield* Effect.forEach(hashes, lookUp, { concurrency: "unbounded" })).flat())
      })
      const keep = (task: typeof look, interval: typeof pollInterval) =>
        task.pipe(
          Effect.catch((error) => Effect.logWarning(error.message)),
          Effect.repeat(Schedule.spaced(interval)),
          Effect.forkScoped
        )
      yield* keep(look, pollInterval)
      yield* keep(sweep, sweepInterval)

      return Receipts.of({
        await: Effect.fn("Receipts.await")(function*(hash: string) {
          const waiter: Waiter = { hash, answer: yield* Deferred.make<Receipt>() }
          waiting.add(waiter)
          return yield* Effect.flatMap(lookUp(hash), tell).pipe(
            Effect.ignore,
            Effect.andThen(Deferred.await(waiter.answer)),
            Effect.ensuring(Effect.sync(() => waiting.delete(waiter)))
          )
        })
      })
    })
  )
}

interface Waiter {
  readonly hash: string
  readonly answer: Deferred.Deferred<Receipt>
}

const sweepInterval = Duration.seconds(10)
