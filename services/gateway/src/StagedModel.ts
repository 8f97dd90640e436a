/** Queries on jobs on files: which have not ended, and what they need of the staging store. */
import { type Caller, tenantOf } from "@akave-async/api/Caller"
import type { BucketName } from "@akave-async/domain/BucketName"
import type * as Job from "@akave-async/domain/Job"
import { readModelTable } from "@akave-async/platform/Postgres"
import { Context, Effect, Layer, Option } from "effect"
import { SqlClient, type SqlError } from "effect/sql"
import { inTime, type LookupError, ReadModel } from "./ReadModel.ts"

type By = Caller["Service"]

/** Bytes of the files that wait for their upload. */
export interface Waiting {
  readonly bytes: number
  /** How many events are counted. */
  readonly applied: number
}

export class StagedModel extends Context.Service<StagedModel, {
  /** A job of the caller on a file of a bucket that has not ended. None is certain: all that the log held when this was called is applied. */
  liveJob(caller: By, bucketName: BucketName): Effect.Effect<Option.Option<Job.Id>, LookupError>
  /** Of the caller's uploads that have not ended, once so many events are applied. */
  waiting(caller: By): Effect.Effect<Waiting, SqlError.SqlError>
  /**
   * Which of these objects of the staging store a job needs, as of all that the log held when this was called: an upload or a download
   * that has not ended, or a download whose bytes are kept.
   */
  needed(staged: ReadonlyArray<string>): Effect.Effect<ReadonlySet<string>, LookupError>
}>()("@akave-async/gateway/StagedModel") {
  static readonly layer = Layer.effect(
    StagedModel,
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      const table = yield* readModelTable
      const { caughtUp } = yield* ReadModel
      // As the index of live jobs has it, which is used for no other condition.
      const isLive = sql.literal("status in ('queued', 'processing')")
      const isOf = (caller: By) => {
        const { tenant = null } = tenantOf(caller)
        return sql`lower(owner) = ${caller.owner.toLowerCase()} and tenant is not distinct from ${tenant}`
      }

      const storedJob = (caller: By, bucketName: BucketName) =>
        Effect.map(
          sql<{ id: Job.Id }>`
            select id from ${table("bucket_jobs")}
            where ${isLive} and ${isOf(caller)} and bucket_name = ${bucketName} and starts_with(operation, 'file.')
            limit 1`,
          ([row]) => Option.fromNullishOr(row?.id)
        )
      const liveJob = Effect.fn("StagedModel.liveJob")(function*(caller: By, bucketName: BucketName) {
        const found = yield* storedJob(caller, bucketName)
        if (Option.isSome(found)) return found
        yield* caughtUp
        return yield* storedJob(caller, bucketName)
      }, inTime)

      const waiting = Effect.fn("StagedModel.waiting")(function*(caller: By) {
        const [found] = yield* sql<Waiting>`
          select coalesce((select sequence from ${table("projection_checkpoint")} where name = 'events'), 0) as applied,
            (select coalesce(sum((job -> 'request' ->> 'size')::bigint), 0)::bigint from ${table("bucket_jobs")}
              where ${isLive} and ${isOf(caller)} and operation = 'file.upload') as bytes`
        return found === undefined
          ? { applied: 0, bytes: 0 }
          : { applied: Number(found.applied), bytes: Number(found.bytes) }
      }, inTime)

      const needed = Effect.fn("StagedModel.needed")(function*(staged: ReadonlyArray<string>) {
        yield* caughtUp
        const rows = yield* sql<{ staged: string }>`
          select job -> 'request' ->> 'staged' as staged from ${table("bucket_jobs")}
          where ${isLive} and operation in ('file.upload', 'file.download')
            and job -> 'request' ->> 'staged' = any(${staged}::text[])
          union all
          select job -> 'request' ->> 'staged' from ${table("bucket_jobs")}
          where status = 'completed' and operation = 'file.download'
            and job -> 'request' ->> 'staged' = any(${staged}::text[])
            and (job -> 'result' ->> 'expiresAt')::timestamptz > now()`
        return new Set(rows.map(({ staged }) => staged))
      }, inTime)

      return StagedModel.of({ liveJob, waiting, needed })
    })
  )
}
