/** Pauses that are so long that servers forget what they remember for a time only. */
import * as Stack from "@akave-async/local/Stack"
import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import { createBucket, ended, eventually, freshName } from "../support/Client.ts"

const dedupWindow = 2_000

it.live("jobs complete after everything was stopped for longer than the dedup window, and after NATS alone was", () =>
  Effect.gen(function*() {
    const env = { EVENTS_DEDUP_WINDOW: `${dedupWindow} millis` }
    const stack = yield* Stack.started({ counts: { executor: 2 }, env: { projector: env, executor: env } })
    const complete = (count: number) =>
      Effect.forEach(Array.from({ length: count }, freshName), (name) =>
        Effect.gen(function*() {
          const { body } = yield* eventually(createBucket(stack.gatewayUrl, name), ({ status }) => status === 202)
          assert.strictEqual((yield* ended(stack.gatewayUrl, body.job_id)).body.status, "completed")
        }), { concurrency: "unbounded" })

    yield* complete(1)
    yield* stack.stop
    yield* Effect.sleep(2 * dedupWindow)
    yield* stack.start()
    yield* complete(10)

    yield* stack.nats.stop
    yield* Effect.sleep(2 * dedupWindow)
    yield* stack.nats.start
    yield* complete(10)
  }).pipe(Effect.scoped))
