/** What an executor measures: how its lanes and their wallets stand, and what its jobs come to. */
import type * as Job from "@akave-async/domain/Job"
import { EventLog } from "@akave-async/eventing/EventLog"
import * as LaneConsumer from "@akave-async/eventing/LaneConsumer"
import * as Measure from "@akave-async/platform/Measure"
import { Chain, type Receipt } from "@akave-async/sdk/Chain"
import { Effect, Metric } from "effect"
import { Lane } from "./Lane.ts"
import { Ledger } from "./Ledger.ts"

const weiPerEther = 1e18

/** By the wallet's address: there are as many as the executor has keys. */
const ofLane = (name: string, description: string) => Measure.labelled(Metric.gauge(name, { description }), ["owner"])

const jobs = ofLane("akave.lane.jobs", "Jobs that this executor works on, or is to take up again")
const stalled = ofLane("akave.lane.stalled", "1 where there is work and no step was finished for too long, else 0")
const waiting = ofLane("akave.lane.waiting", "Requests that no executor was handed yet")
const balance = ofLane("akave.wallet.balance.ether", "What the wallet holds, in ether")
const nonce = ofLane("akave.wallet.nonce", "Nonces that the chain has used")
const distance = ofLane("akave.wallet.nonce.distance", "Nonces that are given out and that the chain has not used")

const fees = Measure.labelled(
  Measure.counter("akave.wallet.fees.ether", "Fees of the jobs' mined transactions, in ether"),
  ["owner", "operation"]
)
const transactions = Measure.labelled(
  Measure.counter("akave.wallet.transactions", "The jobs' mined transactions"),
  ["owner", "operation"]
)
const attempts = Measure.labelled(
  Measure.counter("akave.job.attempts", "Attempts that were begun"),
  ["operation"]
)
const failedAttempts = Measure.labelled(
  Measure.counter("akave.job.failed_attempts", "Attempts that came to nothing, by the category of their failure"),
  ["operation", "category"]
)

/** Reads how the lane stands now. What can't be read is `NaN`. */
export const make = Effect.gen(function*() {
  const chain = yield* Chain
  const ledger = yield* Ledger
  const lane = yield* Lane
  const log = yield* EventLog
  const owner = ledger.signer
  return Effect.all([
    Effect.flatMap(
      lane.report,
      ({ isStalled, steps }) =>
        Effect.andThen(Metric.update(jobs(owner), steps), Metric.update(stalled(owner), isStalled ? 1 : 0))
    ),
    Measure.read(
      waiting(owner),
      Effect.map(log.load(LaneConsumer.nameOf(owner.toLowerCase())), ({ waiting }) => waiting)
    ),
    Measure.read(balance(owner), Effect.map(chain.balance(owner), (wei) => Number(wei) / weiPerEther)),
    Effect.flatMap(Effect.cached(chain.transactionCount(owner, "latest")), (used) =>
      Effect.all([
        Measure.read(nonce(owner), used),
        Measure.read(distance(owner), Effect.zipWith(ledger.nextNonce, used, (next, used) => Math.max(0, next - used)))
      ], { concurrency: "unbounded", discard: true }))
  ], { concurrency: "unbounded", discard: true })
})

export const attempted = ({ operation }: { readonly operation: string }) => Metric.update(attempts(operation), 1)

export const attemptFailed = ({ operation }: { readonly operation: string }, { category }: Job.Failure) =>
  Metric.update(failedAttempts(operation, category), 1)

/** Counts a mined transaction of a job, and what it has cost the wallet. */
export const paid = (
  owner: string,
  { operation }: { readonly operation: string },
  { effectiveGasPrice = 0n, gasUsed }: Receipt
) =>
  Effect.andThen(
    Metric.update(transactions(owner, operation), 1),
    Metric.update(fees(owner, operation), Number(BigInt(gasUsed) * effectiveGasPrice) / weiPerEther)
  )
