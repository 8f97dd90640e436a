/**
 * Claims that wait because the wallet can't pay for them: their transactions were sent, and the pool dropped them when the
 * funds were used up. The keeper finds them, and their jobs report it.
 */
import type { TransactionHash } from "@akave-async/domain/Ethereum"
import type * as Wallet from "@akave-async/domain/Wallet"
import { preparedOf } from "@akave-async/sdk/Wallet"
import { Context, Deferred, Duration, Effect, Layer, Schedule } from "effect"
import type { InsufficientFunds } from "./Failures.ts"

/** The most that a claim's transaction may cost, in wei. */
export const costOf = ({ maxFeePerGas, transaction }: Pick<Wallet.Claim, "maxFeePerGas" | "transaction">): bigint =>
  preparedOf(transaction).gasLimit * maxFeePerGas

/** How often what was reported is looked at again: as often as the keeper looks. */
const interval = Duration.seconds(2)

export class Shortages extends Context.Service<Shortages, {
  /** Says what the keeper's last look has found: the transactions that the wallet can't pay for. */
  report(found: ReadonlyMap<TransactionHash, InsufficientFunds>): Effect.Effect<void>
  /** Waits until the claim's transaction is reported. */
  await(claim: Pick<Wallet.Claim, "transactionHash">): Effect.Effect<InsufficientFunds>
  /** Waits until the claim's transaction is not reported any more. */
  untilOver(claim: Pick<Wallet.Claim, "transactionHash">): Effect.Effect<void>
}>()("@akave-async/executor/Shortages") {
  static readonly layer = Layer.sync(Shortages, () => {
    let present: ReadonlyMap<string, InsufficientFunds> = new Map()
    const waiting = new Map<string, Set<Deferred.Deferred<InsufficientFunds>>>()

    return Shortages.of({
      report: (found) =>
        Effect.suspend(() => {
          present = found
          return Effect.forEach(found, ([hash, shortage]) =>
            Effect.forEach(waiting.get(hash) ?? [], (answer) =>
              Deferred.succeed(answer, shortage), { discard: true }), { discard: true })
        }),
      untilOver: ({ transactionHash }) =>
        Effect.sync(() => present.has(transactionHash)).pipe(
          Effect.repeat({ until: (isReported) => !isReported, schedule: Schedule.spaced(interval) }),
          Effect.asVoid
        ),
      await: Effect.fnUntraced(function*({ transactionHash }) {
        const known = present.get(transactionHash)
        if (known !== undefined) return known
        const answer = yield* Deferred.make<InsufficientFunds>()
        const answers = waiting.get(transactionHash) ?? new Set()
        waiting.set(transactionHash, answers.add(answer))
        return yield* Effect.ensuring(
          Deferred.await(answer),
          Effect.sync(() => {
            answers.delete(answer)
            if (answers.size === 0) waiting.delete(transactionHash)
          })
        )
      })
    })
  })
}
