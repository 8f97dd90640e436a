import * as EventLogMemory from "@akave-async/eventing/EventLogMemory"
import { assert, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { PrometheusMetrics } from "effect/observability"
import { SqlError } from "effect/sql"
import * as GatewayMetrics from "../src/GatewayMetrics.ts"
import { ReadModel } from "../src/ReadModel.ts"

type Live = Effect.Success<ReadModel["Service"]["liveJobs"]>

const away = new SqlError.SqlError({
  reason: new SqlError.ConnectionError({ message: "away", cause: "away", operation: "query" })
})

/** The number of live jobs and the age of the oldest, as they are measured where the read model gives these. */
const measured = Effect.fnUntraced(function*(liveJobs: Effect.Effect<Live, SqlError.SqlError>) {
  const readModel = Layer.mock(ReadModel, {
    liveJobs,
    checkpoint: Effect.succeed(0),
    openDeadLetters: Effect.succeed(0)
  })
  yield* GatewayMetrics.measure.pipe(Effect.provide([readModel, EventLogMemory.layer]))
  const text = yield* PrometheusMetrics.format()
  const series = text.matchAll(/^akave_jobs(?:_age_seconds)?\{operation="(.*)",status="(.*)"\} (.*)$/gm)
  const values: Record<string, Array<number>> = {}
  for (const [, operation, status, value] of series) (values[`${operation} ${status}`] ??= []).push(Number(value))
  return values
})

it.effect("measures live jobs as they are, as none where there are none, and as unknown while nobody can say", () =>
  Effect.gen(function*() {
    const queued = { operation: "bucket.create", status: "queued", count: 3, age: 1.5 }
    const some = yield* measured(Effect.succeed([queued]))
    assert.deepStrictEqual(some["bucket.create queued"], [3, 1.5])
    assert.deepStrictEqual(some["bucket.delete processing"], [0, 0])
    const unknown = yield* measured(Effect.fail(away))
    const none = yield* measured(Effect.succeed([]))
    assert.sameMembers(Object.keys(unknown), Object.keys(some))
    for (const job of Object.keys(some)) {
      assert.deepStrictEqual(unknown[job], [Number.NaN, Number.NaN])
      assert.deepStrictEqual(none[job], [0, 0])
    }
  }))
