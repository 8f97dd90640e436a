/** How the read model stands as a whole, for those who operate it. */
import * as Job from "@akave-async/domain/Job"
import { migrationsTable, readModelTable } from "@akave-async/platform/Postgres"
import { Context, Effect, Layer } from "effect"
import { SqlClient, type SqlError } from "effect/sql"

/** Of jobs that have not ended. */
export const liveStatuses = Job.Status.literals.filter((status) => !Job.isTerminal(status))

export class ReadModelState extends Context.Service<ReadModelState, {
  /** The number of the last migration that was made. */
  readonly migration: Effect.Effect<number, SqlError.SqlError>
  /** How many jobs of each wallet have not ended. */
  readonly liveJobsByOwner: Effect.Effect<
    ReadonlyArray<{ readonly owner: string; readonly count: number }>,
    SqlError.SqlError
  >
  /** How many webhooks are to be sent events, and how many of them have answered nothing but failures of late. */
  readonly webhooks: Effect.Effect<{ readonly enabled: number; readonly failing: number }, SqlError.SqlError>
}>()("@akave-async/gateway/ReadModelState") {
  static readonly layer = Layer.effect(
    ReadModelState,
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      const table = yield* readModelTable
      return ReadModelState.of({
        migration: Effect.map(
          sql<{ migration: number }>`
            select coalesce(max(migration_id), 0)::int as migration from ${table(migrationsTable)}`,
          ([row]) => row?.migration ?? 0
        ),
        liveJobsByOwner: sql<{ owner: string; count: number }>`
          select max(owner) as owner, count(*)::int as count from ${table("bucket_jobs")}
          where status = any(${liveStatuses}::text[]) group by lower(owner) order by lower(owner)`,
        webhooks: Effect.map(
          sql<{ enabled: number; failing: number }>`
            select count(*)::int as enabled, count(webhook -> 'failingSince')::int as failing from ${table("webhooks")}
            where status = 'enabled'`,
          ([row]) => row ?? { enabled: 0, failing: 0 }
        )
      })
    })
  )
}
