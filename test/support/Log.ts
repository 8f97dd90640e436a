/** What is in the event log, read beside the product. */
import * as EventLogJetStream from "@akave-async/eventing/EventLogJetStream"
import { connect } from "@nats-io/transport-node"
import { Effect, Stream } from "effect"

const connected = (natsUrl: string) =>
  Effect.acquireRelease(
    Effect.promise(() => connect({ servers: natsUrl })),
    (connection) => Effect.promise(() => connection.close())
  )

/** The event log of a stack. */
export const open = Effect.fnUntraced(function*(natsUrl: string) {
  const connection = yield* connected(natsUrl)
  return yield* EventLogJetStream.attach(connection, { stream: "AKAVE_EVENTS", prefix: "akave.events" })
})

/** Makes another event log. */
export const create = Effect.fnUntraced(function*(
  natsUrl: string,
  options: Parameters<typeof EventLogJetStream.create>[1]
) {
  const connection = yield* connected(natsUrl)
  yield* EventLogJetStream.create(connection, options)
}, Effect.scoped)

/** The headers of all events of one job, in order. */
export const eventsOf = Effect.fnUntraced(function*(natsUrl: string, jobId: string) {
  const log = yield* open(natsUrl)
  const events = yield* log.subscribe(1).pipe(Stream.take(yield* log.lastSequence), Stream.runCollect)
  return events.map(({ headers }) => headers).filter((headers) => headers["ce-correlationid"] === jobId)
}, Effect.scoped)
