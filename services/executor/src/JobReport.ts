/** What an executor says of a job that somebody asks about: whether its lane has it, and what it waits for. */
import type { ChainSight, JobReport, LaneReport } from "@akave-async/eventing/LaneReports"
import { InstanceId } from "@akave-async/platform/InstanceId"
import { Chain } from "@akave-async/sdk/Chain"
import { Duration, Effect, Option } from "effect"
import { ExecutorConfig } from "./ExecutorConfig.ts"
import { Lane } from "./Lane.ts"
import { Ledger } from "./Ledger.ts"

/** A chain that takes longer to answer is away: who has asked waits for less than a second. */
const patience = Duration.millis(500)
/** However many ask, the chain is asked this often. */
const freshness = Duration.seconds(1)

/** The lane's report, with that of a job where one is asked about and the lane has it. */
export const make = Effect.gen(function*() {
  const chain = yield* Chain
  const lane = yield* Lane
  const { signer } = yield* Ledger
  const { deadline: standard, maxFeePerGas: cap } = yield* ExecutorConfig
  const executor = yield* InstanceId

  const look = Effect.all({
    used: chain.transactionCount(signer, "latest"),
    balance: chain.balance(signer),
    fees: chain.fees
  }, { concurrency: "unbounded" }).pipe(
    Effect.map(({ balance, fees: { baseFeePerGas, maxFeePerGas }, used }): ChainSight => ({
      used,
      balance,
      maxFeePerGas,
      ...(baseFeePerGas === undefined ? {} : { baseFeePerGas })
    })),
    Effect.timeout(patience),
    Effect.option
  )
  const sight = yield* Effect.cachedWithTTL(look, freshness)

  const jobReport = Effect.fnUntraced(function*(jobId: string) {
    const held = yield* lane.held(jobId)
    if (held === undefined) return {}
    const { claim, deadline = standard, ...rest } = held
    const seen = yield* sight
    const job: JobReport = {
      ...rest,
      ...(claim === undefined ? {} : {
        claim: {
          nonce: claim.nonce,
          transactionHash: claim.transactionHash,
          transactions: claim.earlier.length + 1,
          maxFeePerGas: claim.maxFeePerGas,
          isWithdrawn: claim.withdrawn !== undefined
        }
      }),
      ...(Option.isNone(seen) ? {} : { chain: seen.value }),
      cap,
      deadlineMillis: Duration.toMillis(deadline)
    }
    return { job }
  })

  return (jobId: string | undefined): Effect.Effect<LaneReport> =>
    Effect.zipWith(
      lane.report,
      jobId === undefined ? Effect.succeed({}) : jobReport(jobId),
      (report, ofJob): LaneReport => ({ ...report, executor, ...ofJob })
    )
})
