import * as EventLogJetStream from "@akave-async/eventing/EventLogJetStream"
import * as Failpoint from "@akave-async/platform/Failpoint"
import * as Listener from "@akave-async/platform/Listener"
import { Nats } from "@akave-async/platform/Nats"
import * as Postgres from "@akave-async/platform/Postgres"
import * as Service from "@akave-async/platform/Service"
import { AkaveNode } from "@akave-async/sdk/AkaveNode"
import { NodeServices } from "@effect/platform-node"
import { Config, Effect, Layer } from "effect"
import { HttpRouter, HttpServer } from "effect/http"
import { Buckets } from "./Buckets.ts"
import { DeadLetters } from "./DeadLetters.ts"
import { Health } from "./Health.ts"
import * as Http from "./Http.ts"
import { IdempotencyKeys } from "./IdempotencyKeys.ts"
import { Jobs } from "./Jobs.ts"
import { queryPatience, ReadModel } from "./ReadModel.ts"
import { Tail } from "./Tail.ts"

const Server = Layer.unwrap(Effect.map(
  Config.all({
    host: Config.String("HOST").pipe(Config.withDefault("127.0.0.1")),
    port: Config.Port("PORT").pipe(Config.withDefault(8000))
  }),
  Listener.layer
))

const Ready = Layer.effectDiscard(HttpServer.addressFormattedWith((address) => Service.ready({ address })))

Service.main(
  "gateway",
  Layer.mergeAll(HttpRouter.serve(Http.routes, { disableLogger: true, disableListenLog: true }), Ready).pipe(
    Layer.provide(Server),
    Layer.provide(Health.layer),
    Layer.provide(DeadLetters.layer),
    Layer.provide([Buckets.layer, Jobs.layer]),
    Layer.provide([ReadModel.layer, Tail.layer, IdempotencyKeys.layer]),
    Layer.provide(Failpoint.layerConfig),
    Layer.provide([
      EventLogJetStream.layerConfig,
      Postgres.layerConfig(queryPatience),
      AkaveNode.layerConfig
    ]),
    Layer.provide([Nats.layerConfig("gateway"), NodeServices.layer])
  )
)
