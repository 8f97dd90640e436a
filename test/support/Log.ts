/** What is in the event log, read beside the product. */
import * as EventLogJetStream from "@akave-async/eventing/EventLogJetStream"
import { connect } from "@nats-io/transport-node"
import { Effect, Stream } from "effect"

/** The headers of all events of one job, in order. */
export const eventsOf = Effect.fnUntraced(function*(natsUrl: string, jobId: string) {
  const connection = yield* Effect.acquireRelease(
    Effect.promise(() => connect({ servers: natsUrl })),
    (connection) => Effect.promise(() => connection.close())
  )
  const log = yield* EventLogJetStream.attach(connection, { stream: "AKAVE_EVENTS", prefix: "akave.events" })
  const events = yield* log.subscribe(1).pipe(Stream.take(yield* log.lastSequence), Stream.runCollect)
  return events.map(({ headers }) => headers).filter((headers) => headers["ce-correlationid"] === jobId)
}, Effect.scoped)
