/** An executor with all that it needs, as its settings say. */
import { EventLog } from "@akave-async/eventing/EventLog"
import * as EventLogJetStream from "@akave-async/eventing/EventLogJetStream"
import * as LaneReports from "@akave-async/eventing/LaneReports"
import * as ServiceReports from "@akave-async/eventing/ServiceReports"
import * as Failpoint from "@akave-async/platform/Failpoint"
import * as HealthServer from "@akave-async/platform/HealthServer"
import { Nats } from "@akave-async/platform/Nats"
import * as Retry from "@akave-async/platform/Retry"
import { AkaveNode } from "@akave-async/sdk/AkaveNode"
import { Buckets } from "@akave-async/sdk/Buckets"
import { Chain } from "@akave-async/sdk/Chain"
import { ChunkCoder } from "@akave-async/sdk/encoding/ChunkCoder"
import { FileContract } from "@akave-async/sdk/files/FileContract"
import { FileNode } from "@akave-async/sdk/files/FileNode"
import { Staging } from "@akave-async/staging/Staging"
import { NodeServices } from "@effect/platform-node"
import { Effect, Layer } from "effect"
import * as Executor from "./Executor.ts"
import * as JobReport from "./JobReport.ts"
import * as Keeper from "./Keeper.ts"
import { Lane } from "./Lane.ts"
import * as LaneMetrics from "./LaneMetrics.ts"
import { Lanes, run as openLanes } from "./Lanes.ts"
import { Ledger } from "./Ledger.ts"
import { LedgerLog } from "./LedgerLog.ts"
import { Operations } from "./Operations.ts"
import { ChunkMemory } from "./operations/StagedChunks.ts"
import { Receipts } from "./Receipts.ts"
import * as Report from "./Report.ts"
import { Shortages } from "./Shortages.ts"
import { Steps } from "./Steps.ts"

/** What nodes are given at a time, and how long they may take, in milliseconds. */
const nodeOptions = { timeout: 10_000, blockTimeout: 60_000, partSize: 131_072 }

/** Holds the chain's layers back until the node answers: an executor may be started before it. */
const NodeAnswers = Layer.effectDiscard(Effect.gen(function*() {
  const node = yield* AkaveNode
  yield* node.ping.pipe(
    Effect.tapError((error) => Effect.logWarning(`waiting for the node: ${error.message}`)),
    Effect.retry(Retry.endless("1 second"))
  )
}))

const WalletLedger = Layer.unwrap(LedgerLog.use((log) => Effect.succeed(Ledger.layer(log))))

/** What a wallet's work needs, on what all lanes share. */
const lane = Layer.effectDiscard(Effect.gen(function*() {
  const lanes = yield* Lanes
  const { report } = yield* Lane
  const { signer } = yield* Ledger
  yield* LaneReports.answer(yield* JobReport.make)
  yield* Effect.forkScoped(Executor.run)
  yield* Effect.forkScoped(Keeper.run)
  yield* lanes.opened({ owner: signer, report, ledger: yield* LedgerLog, measure: yield* LaneMetrics.make })
})).pipe(
  Layer.provide(Steps.layer),
  Layer.provide([Lane.layer, Operations.layer]),
  Layer.provide([WalletLedger, Shortages.layer, Buckets.layer, FileContract.layer]),
  Layer.provide(LedgerLog.layerConfig)
)

const Health = Layer.unwrap(Effect.gen(function*() {
  const log = yield* EventLog
  const chain = yield* Chain
  const lanes = yield* Lanes
  const checks = {
    event_log: log.lastSequence,
    ledger: lanes.ledgers,
    chain: chain.blockNumber,
    lanes: Effect.flatMap(lanes.reports, LaneReports.state)
  }
  return Layer.merge(
    HealthServer.layer({ service: "executor", measure: lanes.measure, checks }),
    ServiceReports.layer({
      service: "executor",
      description: "Does jobs on chain, with the keys of its lanes",
      readiness: HealthServer.readiness(checks),
      known: yield* Report.make,
      metadata: Effect.map(lanes.reports, (reports) => ({ lanes: reports.map(({ owner }) => owner).join(" ") }))
    })
  )
}))

export const layer = Layer.merge(Layer.effectDiscard(openLanes(lane)), Health).pipe(
  Layer.provide([Lanes.layer, Receipts.layer, Failpoint.layerConfig]),
  Layer.provide([ChunkCoder.layer(), ChunkMemory.layerConfig, FileNode.layer(nodeOptions), Staging.layerConfig]),
  Layer.provide(Layer.provide(Chain.layerConfig, NodeAnswers)),
  Layer.provide([AkaveNode.layerConfig, EventLogJetStream.layerConfig]),
  Layer.provide([Nats.layerConfig("executor"), NodeServices.layer])
)
