import { connect } from "@nats-io/transport-node"
import { Duration, Effect } from "effect"
import { inject } from "vitest"
import * as EventLogJetStream from "../src/EventLogJetStream.ts"
import { reactionSuite } from "./ReactionSuite.ts"

let streams = 0
reactionSuite(
  "a reaction on EventLogJetStream",
  Effect.gen(function*() {
    const connection = yield* Effect.acquireRelease(
      Effect.promise(() => connect({ servers: inject("natsUrl") })),
      (connection) => Effect.promise(() => connection.close())
    )
    const id = `${process.pid}_${++streams}`
    return yield* EventLogJetStream.open(connection, {
      stream: `REACTION_${id}`,
      prefix: `reaction_${id}`,
      replicas: 1,
      dedupWindow: Duration.minutes(2)
    })
  })
)
