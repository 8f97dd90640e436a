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
  return [...text.matchAll(/^akave_jobs(?:_age_seconds)?\{.*\} (.*)$/gm)].map(([, value]) => Number(value))
})

it.effect("measures live jobs as they are, as none where there are none left, and as unknown while nobody can say", () =>
  Effect.gen(function*() {
    const queued = { operation: "bucket.create", status: "queued", count: 3, age: 1.5 }
    assert.deepStrictEqual(yield* measured(Effect.succeed([queued])), [3, 1.5])
    assert.deepStrictEqual(yield* measured(Effect.fail(away)), [Number.NaN, Number.NaN])
    assert.deepStrictEqual(yield* measured(Effect.succeed([])), [0, 0])
  }))
