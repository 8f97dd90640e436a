/** Pauses that are so long that servers forget what they remember for a time only. */
import { assert, it } from "@effect/vitest"
import { Effect, Schedule } from "effect"
import { Client } from "pg"
import { createBucket, ended, eventually, freshName, request } from "../support/Gateway.ts"
import * as TestStack from "../support/TestStack.ts"

const dedupWindow = 2_000

it.live("jobs complete after everything was stopped for longer than the dedup window, and after NATS alone was", () =>
  Effect.gen(function*() {
    const env = { EVENTS_DEDUP_WINDOW: `${dedupWindow} millis` }
    const stack = yield* TestStack.started({ counts: { executor: 2 }, env: { projector: env, executor: env } })
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

it.live("requests are answered after a pause in which Postgres has closed every connection that was idle", () =>
  Effect.gen(function*() {
    const stack = yield* TestStack.started({})
    const complete = Effect.gen(function*() {
      const { body, status } = yield* createBucket(stack.gatewayUrl, freshName())
      assert.strictEqual(status, 202)
      assert.strictEqual((yield* ended(stack.gatewayUrl, body.job_id)).body.status, "completed")
    })
    yield* complete
    const database = yield* Effect.acquireRelease(
      Effect.promise(async () => {
        const client = new Client({ connectionString: stack.databaseUrl })
        await client.connect()
        return client
      }),
      (client) => Effect.promise(() => client.end())
    )
    const query = (text: string) => Effect.promise(() => database.query(text))
    yield* query("alter system set idle_session_timeout = '500ms'")
    yield* query("set idle_session_timeout = 0")
    yield* query("select pg_reload_conf()")
    const others = query(
      "select 1 from pg_stat_activity where backend_type = 'client backend' and pid <> pg_backend_pid()"
    )
    yield* Effect.repeat(others, { until: ({ rowCount }) => rowCount === 0, schedule: Schedule.spaced("100 millis") })
    assert.strictEqual((yield* request(`${stack.gatewayUrl}/buckets`)).status, 200)
    yield* complete
  }).pipe(Effect.scoped))
