/** Requests are refused before the log or a lane has more than it may, and accepted again afterwards. */
import type * as Stack from "@akave-async/local/Stack"
import { assert, it } from "@effect/vitest"
import { jetstreamManager } from "@nats-io/jetstream"
import { connect } from "@nats-io/transport-node"
import { Effect } from "effect"
import { createBucket, ended, eventually, freshName, request } from "../support/Gateway.ts"
import * as SharedStack from "../support/SharedStack.ts"

let stack: Stack.Stack
let gateway: string
SharedStack.use({ env: { gateway: { OVERLOAD_WAITING_EVENTS: "20" } } }, (started) => {
  stack = started
  gateway = started.gatewayUrl
})

it.live("while as many events wait for a wallet's executors as may, until these are back", () =>
  Effect.gen(function*() {
    yield* stack.executor(0).stop
    const statuses: Array<number> = []
    const accepted: Array<string> = []
    for (let n = 0; n < 25; n++) {
      const { body, headers, status } = yield* createBucket(gateway, freshName())
      statuses.push(status)
      if (status === 202) accepted.push(body.job_id)
      else {
        assert.deepInclude(body, { code: "overloaded" })
        assert.strictEqual(headers.get("retry-after"), "1")
      }
    }
    assert.deepStrictEqual(statuses, [...Array<number>(20).fill(202), ...Array<number>(5).fill(503)])
    const batch = yield* request(`${gateway}/buckets/batch`, {
      method: "POST",
      body: JSON.stringify({ names: [freshName()] })
    })
    assert.deepInclude(batch.body, { status: 503, code: "overloaded" })
    assert.strictEqual((yield* request(`${gateway}/jobs/${accepted[0]}`)).status, 200)
    yield* stack.executor(0).start
    yield* Effect.forEach(accepted, (id) => ended(gateway, id))
    yield* eventually(Effect.suspend(() => createBucket(gateway, freshName())), ({ status }) => status === 202)
  }))

it.live("while the event log is nearly full, until it may store more", () =>
  Effect.gen(function*() {
    const connection = yield* Effect.acquireRelease(
      Effect.promise(() => connect({ servers: stack.natsUrl })),
      (connection) => Effect.promise(() => connection.close())
    )
    const manager = yield* Effect.promise(() => jetstreamManager(connection))
    const limit = (bytes: number) => Effect.promise(() => manager.streams.update("AKAVE_EVENTS", { max_bytes: bytes }))
    const { state } = yield* Effect.promise(() => manager.streams.info("AKAVE_EVENTS"))
    // Room for some events, and more used than the share of 0.95 that may be.
    yield* limit(Math.ceil(state.bytes / 0.96))
    // What is left may be used up before the gateway looks again.
    const refused = yield* eventually(
      Effect.suspend(() => createBucket(gateway, freshName())),
      ({ body }) => body.code === "overloaded"
    )
    assert.strictEqual(refused.status, 503)
    assert.match(refused.body.detail, /^The event log uses \d+ of its \d+ bytes/)
    yield* limit(-1)
    yield* eventually(
      Effect.suspend(() => createBucket(gateway, freshName())),
      ({ status }) => status === 202
    )
  }).pipe(Effect.scoped))
