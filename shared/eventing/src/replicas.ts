import { Nats } from "@akave-async/platform/Nats"
import { jetstreamManager } from "@nats-io/jetstream"
import { Effect } from "effect"
import { eventsConfig } from "./EventLogJetStream.ts"
import { request } from "./JetStreamRequest.ts"

/** On how many servers the event log is kept. */
export const replicas = Effect.gen(function*() {
  const connection = yield* Nats
  const { stream } = yield* Effect.orDie(eventsConfig)
  const { config } = yield* request(
    "stream info",
    async () => (await jetstreamManager(connection, { checkAPI: false })).streams.info(stream)
  )
  return config.num_replicas
})
