/**
 * The lanes of this executor: one for each wallet that it has the key of. A lane is all that a wallet's work needs, and knows
 * of no other wallet; the chain's connection and the event log are shared. What befalls one lane delays no other.
 */
import type { EventLogShape, LogUnavailable } from "@akave-async/eventing/EventLog"
import type { LaneReport } from "@akave-async/eventing/LaneReports"
import * as RepeatedWarning from "@akave-async/platform/RepeatedWarning"
import * as Retry from "@akave-async/platform/Retry"
import * as Service from "@akave-async/platform/Service"
import { Wallet } from "@akave-async/sdk/Wallet"
import { Cause, Context, Effect, Layer, Stream } from "effect"
import * as Keys from "./Keys.ts"

/** A lane, as others in this process see it. */
export interface Opened {
  readonly owner: string
  readonly report: Effect.Effect<LaneReport>
  readonly ledger: EventLogShape
  /** Sets what is measured of the lane to how it stands now. */
  readonly measure: Effect.Effect<unknown>
}

export class Lanes extends Context.Service<Lanes, {
  /** Called by a lane that serves its wallet. */
  opened(lane: Opened): Effect.Effect<void>
  /** How all lanes get on. */
  readonly reports: Effect.Effect<ReadonlyArray<LaneReport>>
  /** The positions of all ledgers, as one text; fails with the first that can't be asked. */
  readonly ledgers: Effect.Effect<string, LogUnavailable>
  /** Sets what is measured of all lanes to how they stand now. */
  readonly measure: Effect.Effect<void>
}>()("@akave-async/executor/Lanes") {
  static readonly layer = Layer.sync(Lanes, () => {
    const lanes = new Map<string, Opened>()
    return Lanes.of({
      opened: (lane) => {
        lanes.set(lane.owner, lane)
        return lanes.size === 1
          ? Service.ready({ signer: lane.owner })
          : Effect.logInfo(`opened the lane of ${lane.owner}`)
      },
      reports: Effect.suspend(() => Effect.forEach(lanes.values(), ({ report }) => report)),
      ledgers: Effect.suspend(() =>
        Effect.forEach(lanes.values(), ({ ledger }) => ledger.lastSequence, { concurrency: "unbounded" })
      ).pipe(Effect.map((positions) => positions.length === 0 ? "no key so far" : `at ${positions.join(", ")}`)),
      measure: Effect.suspend(() =>
        Effect.forEach(lanes.values(), ({ measure }) => measure, { concurrency: "unbounded", discard: true })
      )
    })
  })
}

/**
 * Opens a lane for each key, and for each that is added later. Reports that this process is ready when the first lane is open;
 * at once, where it has no key so far.
 */
export const run = Effect.fnUntraced(function*<E, R>(lane: Layer.Layer<never, E, R | Wallet>) {
  const { first, added } = yield* Keys.wallets
  const scope = yield* Effect.scope
  const open = (wallet: Wallet["Service"]) => {
    const warn = RepeatedWarning.make()
    return Layer.launch(Layer.fresh(lane)).pipe(
      Effect.provideService(Wallet, wallet),
      Effect.tapCause((cause) =>
        Cause.hasInterruptsOnly(cause) ? Effect.void : warn(`the lane of ${wallet.address} is opened again`, cause)
      ),
      Effect.sandbox,
      Effect.retry(Retry.endless("1 second")),
      Effect.forkIn(scope)
    )
  }
  yield* Effect.forEach(first, open)
  yield* Effect.forkScoped(Stream.runForEach(added, open))
  if (first.length === 0) yield* Service.ready({ signers: 0 })
})
