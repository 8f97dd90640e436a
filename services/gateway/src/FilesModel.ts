/** Queries on files, and on jobs on them: which have not ended, and what they need of the staging store. */
import type { Caller } from "@akave-async/api/Caller"
import { FileResource } from "@akave-async/api/FileResources"
import type { BucketName } from "@akave-async/domain/BucketName"
import type { DownloadJob } from "@akave-async/domain/Download"
import type * as Job from "@akave-async/domain/Job"
import { Registry } from "@akave-async/eventing/Registry"
import { readModelTable } from "@akave-async/platform/Postgres"
import { Context, Effect, Layer, Option, Schema } from "effect"
import { SqlClient, type SqlError } from "effect/sql"
import { inTime, type LookupError, ofCaller, type Page, ReadModel } from "./ReadModel.ts"

type By = Caller["Service"]

/** Bytes of the files that wait for their upload. */
export interface Waiting {
  readonly bytes: number
  /** How many events are counted. */
  readonly applied: number
}

export class FilesModel extends Context.Service<FilesModel, {
  /** A download, whoever has asked for it. None is certain, as that there is no job is. */
  download(id: Job.Id): Effect.Effect<Option.Option<DownloadJob>, LookupError>
  /** Files of a bucket of the caller after a name, whose names begin with a text, by name. */
  files(
    caller: By,
    bucketName: BucketName,
    page: Page & { readonly prefix: string }
  ): Effect.Effect<ReadonlyArray<FileResource>, SqlError.SqlError>
  /** A job of the caller on a file of a bucket that has not ended. None is certain: all that the log held when this was called is applied. */
  liveJob(caller: By, bucketName: BucketName): Effect.Effect<Option.Option<Job.Id>, LookupError>
  /** Of the caller's uploads that have not ended, once so many events are applied. */
  waiting(caller: By): Effect.Effect<Waiting, SqlError.SqlError>
  /**
   * Which of these objects of the staging store a job needs, as of all that the log held when this was called: an upload or a download
   * that has not ended, or a download whose bytes are kept.
   */
  needed(staged: ReadonlyArray<string>): Effect.Effect<ReadonlySet<string>, LookupError>
}>()("@akave-async/gateway/FilesModel") {
  static readonly layer = Layer.effect(
    FilesModel,
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      const table = yield* readModelTable
      const { caughtUp, certain } = yield* ReadModel
      const { readJobs } = yield* Registry
      // As the index of live jobs has it, which is used for no other condition.
      const isLive = sql.literal("status in ('queued', 'processing')")
      const { isOf } = ofCaller(sql)

      const download = Effect.fn("FilesModel.download")((id: Job.Id) =>
        certain(Effect.gen(function*() {
          const rows = yield* sql<{ job: unknown }>`
            select job from ${table("bucket_jobs")} where id = ${id} and operation = 'file.download'`
          const [found] = yield* Effect.orDie(readJobs(rows.map(({ job }) => job)))
          return Option.fromUndefinedOr(found as DownloadJob | undefined)
        }))
      )

      const files = Effect.fn("FilesModel.files")(
        function*(caller: By, bucketName: BucketName, { after, limit, prefix }: Page & { readonly prefix: string }) {
          const rows = yield* sql`
            select bucket_name, name as file_name, file_id, root_cid, size, encoded_size, sha256, content_type, encryption,
              parity_blocks, is_public, owner, job_id, to_jsonb(created_at) as created_at
            from ${table("files")}
            where ${isOf(caller)} and bucket_name = ${bucketName}
              and name collate "C" > ${after ?? ""} and starts_with(name collate "C", ${prefix})
            order by name collate "C" limit ${limit}`
          return yield* Effect.orDie(decodeFiles(rows))
        },
        inTime
      )

      const storedJob = (caller: By, bucketName: BucketName) =>
        Effect.map(
          sql<{ id: Job.Id }>`
            select id from ${table("bucket_jobs")}
            where ${isLive} and ${isOf(caller)} and bucket_name = ${bucketName} and starts_with(operation, 'file.')
            limit 1`,
          ([row]) => Option.fromNullishOr(row?.id)
        )
      const liveJob = Effect.fn("FilesModel.liveJob")(function*(caller: By, bucketName: BucketName) {
        const found = yield* storedJob(caller, bucketName)
        if (Option.isSome(found)) return found
        yield* caughtUp
        return yield* storedJob(caller, bucketName)
      }, inTime)

      const waiting = Effect.fn("FilesModel.waiting")(function*(caller: By) {
        const [found] = yield* sql<Waiting>`
          select coalesce((select sequence from ${table("projection_checkpoint")} where name = 'events'), 0) as applied,
            (select coalesce(sum((job -> 'request' ->> 'size')::bigint), 0)::bigint from ${table("bucket_jobs")}
              where ${isLive} and ${isOf(caller)} and operation = 'file.upload') as bytes`
        return found === undefined
          ? { applied: 0, bytes: 0 }
          : { applied: Number(found.applied), bytes: Number(found.bytes) }
      }, inTime)

      const needed = Effect.fn("FilesModel.needed")(function*(staged: ReadonlyArray<string>) {
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

      return FilesModel.of({ download, files, liveJob, waiting, needed })
    })
  )
}

const decodeFiles = Schema.decodeUnknownEffect(
  Schema.Array(FileResource.mapFields((fields) => ({ ...fields, created_at: Schema.DateTimeUtcFromString })))
)
