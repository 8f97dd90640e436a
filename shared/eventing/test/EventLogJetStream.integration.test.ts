import { jetstream, jetstreamManager } from "@nats-io/jetstream"
import { connect, headers as makeHeaders } from "@nats-io/transport-node"
import { Duration, Effect } from "effect"
import { inject } from "vitest"
import * as EventLogJetStream from "../src/EventLogJetStream.ts"
import { eventLogSuite, type Subject } from "./EventLogSuite.ts"

const connection = Effect.acquireRelease(
  Effect.promise(() =>
    connect({ servers: inject("natsUrl"), maxReconnectAttempts: -1, reconnectTimeWait: 50, reconnectJitter: 0 })
  ),
  (connection) => Effect.promise(() => connection.close())
)

let streams = 0
eventLogSuite(
  "EventLogJetStream",
  Effect.gen(function*() {
    const [own, other] = [yield* connection, yield* connection]
    const id = `${process.pid}_${++streams}`
    const options = { stream: `TEST_${id}`, prefix: `test_${id}`, replicas: 1, dedupWindow: Duration.minutes(2) }
    const log = yield* EventLogJetStream.open(own, options)

    const replace: Subject["replace"] = Effect.fnUntraced(function*(events) {
      const manager = yield* Effect.promise(() => jetstreamManager(other))
      yield* Effect.promise(() => manager.streams.delete(options.stream).catch(() => false))
      if (events === undefined) return
      yield* Effect.orDie(EventLogJetStream.create(other, options))
      for (const { data, headers, subject } of events) {
        const copied = makeHeaders()
        for (const [name, value] of Object.entries(headers)) {
          if (!name.startsWith("nats-expected")) copied.set(name === "nats-msg-id" ? "Nats-Msg-Id" : name, value)
        }
        yield* Effect.promise(() => jetstream(other).publish(`${options.prefix}.${subject}`, data, { headers: copied }))
      }
    })

    return { log, replace, interrupt: Effect.promise(() => own.reconnect()) }
  })
)
