import { EventLog } from "@akave-async/eventing/EventLog"
import * as ServiceReports from "@akave-async/eventing/ServiceReports"
import * as HealthServer from "@akave-async/platform/HealthServer"
import { Nats } from "@akave-async/platform/Nats"
import * as Postgres from "@akave-async/platform/Postgres"
import { readModelMigration } from "@akave-async/platform/Postgres"
import * as Service from "@akave-async/platform/Service"
import * as Checkpoint from "@akave-async/read-model/Checkpoint"
import { migrate } from "@akave-async/read-model/Migrations"
import { NodeServices } from "@effect/platform-node"
import { Duration, Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"
import * as Checkpoints from "./Checkpoints.ts"
import * as Log from "./Log.ts"
import * as Projector from "./Projector.ts"

/** A batch of events is a statement of its own for each table. */
const patience = Duration.seconds(30)

const Projection = Layer.effectDiscard(Effect.gen(function*() {
  const log = yield* EventLog
  yield* migrate
  // Creates the log if it is to be created, so that whoever waits for this projector finds it.
  yield* Effect.ignore(log.lastSequence)
  yield* Effect.forkScoped(Projector.run)
  yield* Effect.provide(Checkpoints.keepSigning, NodeServices.layer)
  yield* Service.ready({})
}))

const Health = Layer.unwrap(Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  const checks = { event_log: Checkpoint.verified, read_model: sql`select 1` }
  return Layer.merge(
    HealthServer.layer({ service: "projector", checks }),
    ServiceReports.layer({
      service: "projector",
      description: "Folds the event log into the read model",
      readiness: HealthServer.readiness(checks),
      known: Effect.succeed({ migration: readModelMigration })
    })
  )
}))

Service.main(
  "projector",
  Layer.merge(Projection, Health).pipe(
    Layer.provide(Log.layerConfig),
    Layer.provide(Nats.layerConfig("projector")),
    Layer.provide(Postgres.layerConfig(patience))
  )
)
