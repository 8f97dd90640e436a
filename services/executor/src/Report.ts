/** What an executor reports of its chain and its wallets. */
import type { Known, WalletReport } from "@akave-async/eventing/ServiceReports"
import { Patience } from "@akave-async/platform/HealthCheck"
import { Chain } from "@akave-async/sdk/Chain"
import { Effect } from "effect"
import { ExecutorConfig } from "./ExecutorConfig.ts"
import { Lanes } from "./Lanes.ts"

/** What the largest of the usual transactions takes, in gas units: the creation of a bucket. */
const gasOfTransaction = 211_000n

/** The answer to a question, or null where it does not come in time. */
const orNull = Effect.fnUntraced(function*<A, E, R>(question: Effect.Effect<A, E, R>) {
  return yield* question.pipe(Effect.timeout(yield* Patience), Effect.catch(() => Effect.succeed(null)))
})

export const make = Effect.gen(function*() {
  const { accessAddress, balance, chainId, fees, hasCode, storageAddress } = yield* Chain
  const lanes = yield* Lanes
  const { maxFeePerGas: cap } = yield* ExecutorConfig

  const price = Effect.map(fees, ({ maxFeePerGas }) => gasOfTransaction * (maxFeePerGas < cap ? maxFeePerGas : cap))
  const balances = Effect.flatMap(lanes.reports, (reports) =>
    Effect.forEach(
      reports,
      ({ owner }) => Effect.map(orNull(balance(owner)), (balance) => ({ owner, balance })),
      { concurrency: "unbounded" }
    ))

  return Effect.gen(function*() {
    const [has_contract, held, now] = yield* Effect.all(
      [orNull(hasCode(storageAddress)), balances, orNull(price)],
      { concurrency: "unbounded" }
    )
    const wallets = held.map((wallet): WalletReport => ({ ...wallet, price: now }))
    const chain = {
      chain_id: `${chainId}`,
      storage_address: storageAddress,
      access_address: accessAddress,
      has_contract
    }
    return { chain, wallets } satisfies Known
  })
})
