/**
 * `node services/executor/src/renewLedger.ts`, with an executor's settings: makes the ledger of a wallet that has lost it.
 * docs/runbook.md says when.
 */
import * as EventLogJetStream from "@akave-async/eventing/EventLogJetStream"
import { Nats } from "@akave-async/platform/Nats"
import * as Service from "@akave-async/platform/Service"
import { AkaveNode } from "@akave-async/sdk/AkaveNode"
import { Chain } from "@akave-async/sdk/Chain"
import { Wallet } from "@akave-async/sdk/Wallet"
import { Effect, Layer } from "effect"
import { renew } from "./LedgerLog.ts"

Service.run(
  "renew-ledger",
  Effect.flatMap(renew, (stream) => Effect.logInfo(`created the wallet's ledger ${stream}; start the executors`)).pipe(
    Effect.provide(Chain.layerConfig.pipe(Layer.provide(AkaveNode.layerConfig))),
    Effect.provide([
      Wallet.layerConfig,
      EventLogJetStream.layerConfig.pipe(Layer.provideMerge(Nats.layerConfig("renew-ledger")))
    ])
  )
)
