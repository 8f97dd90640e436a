import * as EventLogJetStream from "@akave-async/eventing/EventLogJetStream"
import { Nats } from "@akave-async/platform/Nats"
import * as Postgres from "@akave-async/platform/Postgres"
import * as Service from "@akave-async/platform/Service"
import { Effect, Layer } from "effect"
import { migrate } from "./Migrations.ts"
import * as Projector from "./Projector.ts"

const Projection = Layer.effectDiscard(Effect.gen(function*() {
  yield* migrate
  yield* Effect.forkScoped(Projector.run)
  yield* Service.ready({})
}))

Service.main(
  "projector",
  Projection.pipe(
    Layer.provide(EventLogJetStream.layerConfig),
    Layer.provide(Nats.layerConfig("projector")),
    Layer.provide(Postgres.layerConfig)
  )
)
