import { EventLog } from "@akave-async/eventing/EventLog"
import * as EventLogJetStream from "@akave-async/eventing/EventLogJetStream"
import * as HealthServer from "@akave-async/platform/HealthServer"
import { Nats } from "@akave-async/platform/Nats"
import * as Postgres from "@akave-async/platform/Postgres"
import * as Service from "@akave-async/platform/Service"
import { Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"
import { migrate } from "./Migrations.ts"
import * as Projector from "./Projector.ts"

const Projection = Layer.effectDiscard(Effect.gen(function*() {
  yield* migrate
  yield* Effect.forkScoped(Projector.run)
  yield* Service.ready({})
}))

const Health = Layer.unwrap(Effect.gen(function*() {
  const log = yield* EventLog
  const sql = yield* SqlClient.SqlClient
  return HealthServer.layer({ event_log: log.lastSequence, read_model: sql`select 1` })
}))

Service.main(
  "projector",
  Layer.merge(Projection, Health).pipe(
    Layer.provide(EventLogJetStream.layerConfig),
    Layer.provide(Nats.layerConfig("projector")),
    Layer.provide(Postgres.layerConfig)
  )
)
