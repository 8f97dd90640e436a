/** What the wallet holds, looked at once for all jobs that ask within a second. */
import { Chain } from "@akave-async/sdk/Chain"
import { Duration, Effect, Exit, Schedule } from "effect"
import { Ledger } from "./Ledger.ts"

/** Jobs that come within this time look at the balance together, and those that wait for funds look so often. */
const ttl = Duration.seconds(1)

export const make = Effect.gen(function*() {
  const chain = yield* Chain
  const { signer } = yield* Ledger

  /** In wei. */
  const balance = yield* Effect.cachedWithTTL(chain.balance(signer), (exit) => Exit.isSuccess(exit) ? ttl : 0)

  /** Waits until the wallet can pay this much, in wei. */
  const until = (needed: bigint) =>
    balance.pipe(
      Effect.map((balance) => balance >= needed),
      Effect.orElseSucceed(() => false),
      Effect.repeat({ until: (isEnough) => isEnough, schedule: Schedule.spaced(ttl) })
    )

  return { balance, until }
})
export type Funds = Effect.Success<typeof make>
