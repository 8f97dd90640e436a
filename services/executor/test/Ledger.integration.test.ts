import * as EventLogJetStream from "@akave-async/eventing/EventLogJetStream"
import { Nats } from "@akave-async/platform/Nats"
import { ConfigProvider, Context, Duration, Effect, Layer } from "effect"
import { inject } from "vitest"
import { ledgerSuite } from "./LedgerSuite.ts"

const natsLayer = Layer.suspend(() =>
  Layer.provide(
    Nats.layerConfig("ledger test"),
    ConfigProvider.layer(ConfigProvider.fromUnknown({ NATS_URL: inject("natsUrl") }))
  )
)

let streams = 0
ledgerSuite(
  "Ledger on JetStream",
  Effect.gen(function*() {
    const connection = Context.get(yield* Layer.build(natsLayer), Nats)
    const id = `${process.pid}_${++streams}`
    return yield* EventLogJetStream.open(connection, {
      stream: `LEDGER_${id}`,
      prefix: `ledger_${id}`,
      replicas: 1,
      dedupWindow: Duration.minutes(2)
    })
  })
)
