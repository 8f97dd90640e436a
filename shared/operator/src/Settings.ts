/** What the services are set to, for commands that work on the event log, the read model and the chain themselves. */
import { EventLog } from "@akave-async/eventing/EventLog"
import * as EventLogJetStream from "@akave-async/eventing/EventLogJetStream"
import { Nats } from "@akave-async/platform/Nats"
import * as Postgres from "@akave-async/platform/Postgres"
import { AkaveNode } from "@akave-async/sdk/AkaveNode"
import { Chain } from "@akave-async/sdk/Chain"
import { Duration, Effect, Layer } from "effect"

/** The connection of `NATS_URL`. */
export const nats = Nats.layerConfig("akave-async")

/** The event log of `EVENTS_STREAM`, as it stands. */
export const log = Layer.effect(
  EventLog,
  Effect.gen(function*() {
    return yield* EventLogJetStream.attach(yield* Nats, yield* EventLogJetStream.eventsConfig)
  })
).pipe(Layer.provideMerge(nats))

/** A statement over the whole read model takes a while. */
const patience = Duration.minutes(10)

/** The read model of `DATABASE_URL` and `READ_MODEL_SCHEMA`. */
export const database = Postgres.layerConfig(patience)

/** The chain that the node at `AKAVE_NODE_ADDRESS` names, at `AKAVE_RPC_URL` if that is set. */
export const chain = Chain.layerConfig.pipe(Layer.provideMerge(AkaveNode.layerConfig))
