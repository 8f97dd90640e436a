import { EventLog } from "@akave-async/eventing/EventLog"
import * as EventLogJetStream from "@akave-async/eventing/EventLogJetStream"
import * as ServiceReports from "@akave-async/eventing/ServiceReports"
import { Tail } from "@akave-async/eventing/Tail"
import * as Failpoint from "@akave-async/platform/Failpoint"
import * as HealthServer from "@akave-async/platform/HealthServer"
import { MasterSecret } from "@akave-async/platform/MasterSecret"
import { Nats } from "@akave-async/platform/Nats"
import * as Service from "@akave-async/platform/Service"
import { NodeServices } from "@effect/platform-node"
import { Effect, Layer, Schema } from "effect"
import { Deliveries } from "./Deliveries.ts"
import { Endpoints } from "./Endpoints.ts"
import * as Notifier from "./Notifier.ts"
import * as NotifierMetrics from "./NotifierMetrics.ts"

/** There are webhooks, and nothing can be signed for them. */
class SecretMissing extends Schema.TaggedError<SecretMissing>()("SecretMissing", {}) {
  override readonly message = "there are webhooks: set MASTER_SECRET to what the gateways have"
}

const Notifications = Layer.effectDiscard(Effect.gen(function*() {
  const endpoints = yield* Endpoints
  yield* endpoints.ready
  yield* Effect.forkScoped(Notifier.run)
  yield* Service.ready({ webhooks: endpoints.all().length })
}))

const Health = Layer.unwrap(Effect.gen(function*() {
  const log = yield* EventLog
  const endpoints = yield* Endpoints
  const deliveries = yield* Deliveries
  const masters = yield* MasterSecret
  const secret = Effect.suspend(() =>
    endpoints.all().length > 0 && masters.current() === undefined ? Effect.fail(new SecretMissing()) : Effect.void
  )
  const checks = { event_log: log.lastSequence, master_secret: secret }
  const measure = Effect.andThen(deliveries.measure, Effect.suspend(() => NotifierMetrics.count(endpoints.all())))
  return Layer.merge(
    HealthServer.layer({ service: "notifier", checks, measure }),
    ServiceReports.layer({
      service: "notifier",
      description: "Sends events to webhooks",
      readiness: HealthServer.readiness(checks)
    })
  )
}))

Service.main(
  "notifier",
  Layer.merge(Notifications, Health).pipe(
    Layer.provide(Deliveries.layer),
    Layer.provide(Endpoints.layer),
    Layer.provide([Tail.layer, MasterSecret.layerConfig, Failpoint.layerConfig]),
    Layer.provide(EventLogJetStream.layerConfig),
    Layer.provide([Nats.layerConfig("notifier"), NodeServices.layer])
  )
)
