import { connect } from "@nats-io/transport-node"
import { Duration, Effect } from "effect"
import { inject } from "vitest"
import * as EventLogJetStream from "../src/EventLogJetStream.ts"
import { eventLogSuite } from "./EventLogSuite.ts"

let streams = 0
eventLogSuite(
  "EventLogJetStream",
  Effect.gen(function*() {
    const connection = yield* Effect.acquireRelease(
      Effect.promise(() =>
        connect({ servers: inject("natsUrl"), maxReconnectAttempts: -1, reconnectTimeWait: 50, reconnectJitter: 0 })
      ),
      (connection) => Effect.promise(() => connection.close())
    )
    const id = `${process.pid}_${++streams}`
    const log = yield* EventLogJetStream.open(connection, {
      stream: `TEST_${id}`,
      prefix: `test_${id}`,
      replicas: 1,
      dedupWindow: Duration.minutes(2)
    })
    return { log, interrupt: Effect.promise(() => connection.reconnect()) }
  })
)
