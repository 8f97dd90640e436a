/** What an account has had done, and what it stores. */
import type { Caller } from "@akave-async/api/Caller"
import { Stats } from "@akave-async/api/System"
import { readModelTable } from "@akave-async/platform/Postgres"
import { Context, Effect, Layer, Schema } from "effect"
import { SqlClient, type SqlError } from "effect/sql"
import { inTime, ofCaller } from "./ReadModel.ts"

type By = Caller["Service"]

export class Statistics extends Context.Service<Statistics, {
  /** How the caller's jobs of the last minutes got on, and what they have paid. */
  operations(caller: By, minutes: number): Effect.Effect<Stats["operations"], SqlError.SqlError>
  /** How much the caller's files are. */
  stored(caller: By): Effect.Effect<Stats["stored"], SqlError.SqlError>
}>()("@akave-async/gateway/Statistics") {
  static readonly layer = Layer.effect(
    Statistics,
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      const table = yield* readModelTable
      const { isOf } = ofCaller(sql)

      const operations = Effect.fn("Statistics.operations")(function*(caller: By, minutes: number) {
        const rows = yield* sql`
          select operation, requested, completed, failed, cancelled,
            completed::float8 / nullif(completed + failed, 0) as success_share,
            requested::float8 / ${minutes}::float8 as requested_per_minute,
            case when completed > 0 then jsonb_build_object('mean', mean, 'p95', p95) end as seconds_to_completion,
            transactions, fees_wei
          from (
            select operation, count(*)::int as requested,
              count(*) filter (where status = 'completed')::int as completed,
              count(*) filter (where status = 'failed')::int as failed,
              count(*) filter (where status = 'cancelled')::int as cancelled,
              avg(seconds) filter (where status = 'completed') as mean,
              percentile_cont(0.95) within group (order by seconds) filter (where status = 'completed') as p95,
              sum(transactions)::int as transactions, sum(fees)::text as fees_wei
            from (
              select operation, status, transactions, fees, extract(epoch from updated_at - created_at)::float8 as seconds
              from ${table("bucket_jobs")}
              where ${isOf(caller)} and created_at > now() - make_interval(mins => ${minutes})
            ) as job group by operation
          ) as counted order by operation`
        return yield* Effect.orDie(Schema.decodeUnknownEffect(Stats.fields.operations)(rows))
      }, inTime)

      const stored = Effect.fn("Statistics.stored")(function*(caller: By) {
        const rows = yield* sql<Stats["stored"]>`
          select count(*)::int as files, coalesce(sum(size), 0)::float8 as bytes,
            coalesce(sum(encoded_size), 0)::float8 as encoded_bytes
          from ${table("files")} where ${isOf(caller)}`
        return rows[0] ?? { files: 0, bytes: 0, encoded_bytes: 0 }
      }, inTime)

      return Statistics.of({ operations, stored })
    })
  )
}
