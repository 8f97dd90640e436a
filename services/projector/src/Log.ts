/** The event log, which the projector alone creates. */
import { EventLog, LogUnavailable, lost } from "@akave-async/eventing/EventLog"
import * as EventLogJetStream from "@akave-async/eventing/EventLogJetStream"
import { Nats } from "@akave-async/platform/Nats"
import type { Database } from "@akave-async/platform/Postgres"
import { checkpoint } from "@akave-async/read-model/Checkpoint"
import { Effect, Layer } from "effect"

/**
 * The log of `EVENTS_STREAM`. Where it is missing it is created, unless the read model was made from it: an empty log in
 * the place of one that was lost would be taken for the truth.
 */
export const layerConfig = Layer.effect(
  EventLog,
  Effect.gen(function*() {
    const connection = yield* Nats
    const context = yield* Effect.context<Database>()
    const options = { ...yield* EventLogJetStream.eventsConfig, ...yield* EventLogJetStream.configured }

    const createFirst = Effect.gen(function*() {
      const { sequence } = yield* checkpoint()
      if (sequence > 0) {
        return yield* lost(
          "create",
          `The event log ${options.stream} is missing, and the read model has applied ${sequence} events of it:`
            + " nothing is applied until the log is restored"
        )
      }
      yield* EventLogJetStream.create(connection, { ...options, isPurgeable: true })
      yield* Effect.logInfo(`created the event log ${options.stream}`)
    }).pipe(
      Effect.catchTag("SqlError", (cause) => Effect.fail(new LogUnavailable({ operation: "create", cause }))),
      Effect.provideContext(context)
    )
    return yield* EventLogJetStream.attach(connection, options, createFirst)
  })
)
