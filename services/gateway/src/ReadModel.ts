/** Queries on the tables that the projector keeps. */
import { type Caller, tenantOf } from "@akave-async/api/Caller"
import * as Resources from "@akave-async/api/Resources"
import type { BucketName } from "@akave-async/domain/BucketName"
import * as DeadLetter from "@akave-async/domain/DeadLetter"
import type * as Job from "@akave-async/domain/Job"
import type { AnyJob } from "@akave-async/domain/Operations"
import { EventLog, type LogUnavailable } from "@akave-async/eventing/EventLog"
import type { Current } from "@akave-async/eventing/JobEvents"
import { Registry } from "@akave-async/eventing/Registry"
import { readModelTable } from "@akave-async/platform/Postgres"
import * as Retry from "@akave-async/platform/Retry"
import { bucketId } from "@akave-async/sdk/Buckets"
import { Context, DateTime, Duration, Effect, Layer, Option, Schema } from "effect"
import { SqlClient, SqlError, type Statement } from "effect/sql"
import { liveStatuses } from "./ReadModelState.ts"

/** A query without an answer is given up after this. */
export const queryPatience = Duration.seconds(3)
/** No lookup takes longer, however many queries it needs and whatever they wait for. */
const lookupPatience = Duration.seconds(5)

export const inTime = <A, E, R>(lookup: Effect.Effect<A, E, R>): Effect.Effect<A, E | SqlError.SqlError, R> =>
  Effect.timeoutOrElse(lookup, {
    duration: lookupPatience,
    orElse: () => {
      const message = `The read model did not answer within ${Duration.toSeconds(lookupPatience)} seconds`
      return Effect.fail(new SqlError.SqlError({ reason: new SqlError.ConnectionError({ message, cause: "timeout" }) }))
    }
  })

/** The read model has not applied an event that the answer may depend on. */
export class ReadModelBehind extends Schema.TaggedError<ReadModelBehind>()("ReadModelBehind", {
  applied: Schema.Natural,
  wanted: Schema.Natural
}) {
  override readonly message = `The read model stands at event ${this.applied} of ${this.wanted}`
}

type By = Caller["Service"]

export interface Page {
  readonly after?: string
  readonly limit: number
}

export interface JobQuery {
  readonly status?: Job.Status
  readonly operation?: string
  readonly bucket?: string
  readonly prefix?: string
  readonly since?: DateTime.Utc
  readonly until?: DateTime.Utc
  readonly after?: Job.Id
  readonly limit: number
}

export interface DeadLetterQuery extends Resources.DeadLetterFilter {
  readonly status: DeadLetter.Status
  /** Those too that this request has redriven. */
  readonly redrivenBy?: string | undefined
  readonly after?: DeadLetter.Sequence
  readonly limit: number
}

/** Why a thing can't be looked up. */
export type LookupError = SqlError.SqlError | LogUnavailable | ReadModelBehind

/** Conditions of queries on what is the caller's. */
export const ofCaller = (sql: SqlClient.SqlClient) => {
  /** That a column names the caller's account, or none for the local one. `is not distinct from` would use no index. */
  const ofTenant = (column: Statement.Fragment, caller: By) => {
    const { tenant } = tenantOf(caller)
    return tenant === undefined ? sql`${column} is null` : sql`${column} = ${tenant}`
  }
  return {
    ofTenant,
    /** Of a job or a file, that it is the caller's. */
    isOf: (caller: By) =>
      sql`lower(owner) = ${caller.owner.toLowerCase()} and ${ofTenant(sql.literal("tenant"), caller)}`
  }
}

export class ReadModel extends Context.Service<ReadModel, {
  /** A job of the caller. None is certain: whatever the log held when this was called has been looked at. */
  job(caller: By, id: Job.Id): Effect.Effect<Option.Option<Current>, LookupError>
  /** A job of the caller, as far as the read model has come. */
  storedJob(caller: By, id: Job.Id): Effect.Effect<Option.Option<Current>, SqlError.SqlError>
  /** Jobs of the caller before this one, the latest first. */
  jobs(caller: By, query: JobQuery): Effect.Effect<ReadonlyArray<AnyJob>, SqlError.SqlError>
  /** How many jobs of the caller have not ended, once so many events are applied. */
  inFlight(caller: By): Effect.Effect<{ readonly applied: number; readonly jobs: number }, SqlError.SqlError>
  /** A bucket of the caller. None is as certain as for {@link job}. */
  bucket(caller: By, name: BucketName): Effect.Effect<Option.Option<Resources.BucketResource>, LookupError>
  /** Buckets of the caller after a name, by name. */
  buckets(caller: By, page: Page): Effect.Effect<ReadonlyArray<Resources.BucketResource>, SqlError.SqlError>
  /** A dead letter that the caller sees. None is as certain as for {@link job}. */
  deadLetter(
    caller: By,
    sequence: DeadLetter.Sequence
  ): Effect.Effect<Option.Option<DeadLetter.DeadLetter>, LookupError>
  /** Dead letters after a sequence that the caller sees, by sequence. */
  deadLetters(
    caller: By,
    query: DeadLetterQuery
  ): Effect.Effect<ReadonlyArray<DeadLetter.DeadLetter>, SqlError.SqlError>
  /** Waits until all that the log holds when this is called is applied. */
  readonly caughtUp: Effect.Effect<void, LookupError>
  /** How many jobs of whomever have not ended, and the age of the oldest in seconds. */
  readonly liveJobs: Effect.Effect<
    ReadonlyArray<{ operation: string; status: string; count: number; age: number }>,
    SqlError.SqlError
  >
  /** How many dead letters of whomever have not been redriven. */
  readonly openDeadLetters: Effect.Effect<number, SqlError.SqlError>
  /** What is not found is looked for once more, when the read model has come to where the log is now. */
  certain<A>(find: Effect.Effect<Option.Option<A>, SqlError.SqlError>): Effect.Effect<Option.Option<A>, LookupError>
  /** The sequence of the last event applied. */
  readonly checkpoint: Effect.Effect<number, SqlError.SqlError>
}>()("@akave-async/gateway/ReadModel") {
  static readonly layer = Layer.effect(
    ReadModel,
    // oxlint-disable-next-line max-lines-per-function -- its queries share the tables
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      const table = yield* readModelTable
      const log = yield* EventLog
      const { readJobs } = yield* Registry
      const decodeJobs = (jobs: ReadonlyArray<unknown>) =>
        Effect.map(Effect.orDie(readJobs(jobs)), (jobs) => jobs as ReadonlyArray<AnyJob>)
      // As JSON a time is written in one way, whatever the session's DateStyle.
      const bucketColumns = sql.literal("name, bucket_id, owner, tx_hash, job_id, to_jsonb(created_at) as created_at")

      const { isOf, ofTenant } = ofCaller(sql)
      /** Of a dead letter, that the caller sees it. */
      const seen = (caller: By) =>
        caller.scopes.has("admin") ? sql.literal("true") : ofTenant(sql.literal("letter ->> 'account'"), caller)
      /** Of a bucket, that a job of the caller's has made it: accounts of one wallet don't see one another's. */
      const isMadeBy = (caller: By) =>
        sql`exists (select 1 from ${table("bucket_jobs")} as job where job.id = ${table("buckets")}.job_id
          and ${ofTenant(sql.literal("job.tenant"), caller)})`

      const checkpoint = Effect.map(
        sql<{ sequence: number }>`select sequence from ${table("projection_checkpoint")} where name = 'events'`,
        ([row]) => row?.sequence ?? 0
      )

      const caughtUp = Effect.flatMap(log.lastSequence, (wanted) =>
        Effect.flatMap(
          checkpoint,
          (applied) => applied >= wanted ? Effect.void : Effect.fail(new ReadModelBehind({ applied, wanted }))
        ).pipe(
          Effect.retry({ while: (error) => error._tag === "ReadModelBehind", schedule: catchUp })
        )).pipe(inTime)

      const certain = Effect.fnUntraced(function*<A>(find: Effect.Effect<Option.Option<A>, SqlError.SqlError>) {
        const found = yield* find
        if (Option.isSome(found)) return found
        yield* caughtUp
        return yield* find
      }, inTime)

      const storedJob = Effect.fn("ReadModel.storedJob")((caller: By, id: Job.Id) =>
        Effect.gen(function*() {
          const [row] = yield* sql<{ job: unknown; revision: number }>`
            select job, revision from ${table("bucket_jobs")} where id = ${id} and ${isOf(caller)}`
          if (row === undefined) return Option.none()
          const [job] = yield* decodeJobs([row.job])
          return Option.map(Option.fromUndefinedOr(job), (job) => ({ job, revision: row.revision }))
        }), inTime)
      const jobs = Effect.fn("ReadModel.jobs")(function*(caller: By, query: JobQuery) {
        const { after, bucket, limit, operation, prefix, since, status, until } = query
        const rows = yield* sql<{ job: unknown }>`
          select job from ${table("bucket_jobs")} where ${
          sql.and([
            isOf(caller),
            ...after === undefined ? [] : [sql`id < ${after}`],
            ...status === undefined ? [] : [sql`status = ${status}`],
            ...operation === undefined ? [] : [sql`operation = ${operation}`],
            ...bucket === undefined ? [] : [sql`bucket_name = ${bucket}`],
            // A prefix has no character that `like` gives a meaning to.
            ...prefix === undefined ? [] : [sql`bucket_name like ${`${prefix}%`}`],
            ...since === undefined ? [] : [sql`created_at >= ${DateTime.formatIso(since)}::timestamptz`],
            ...until === undefined ? [] : [sql`created_at < ${DateTime.formatIso(until)}::timestamptz`]
          ])
        } order by id desc limit ${limit}`
        return yield* decodeJobs(rows.map(({ job }) => job))
      }, inTime)

      const inFlight = Effect.fn("ReadModel.inFlight")(function*(caller: By) {
        const [found] = yield* sql<{ applied: number; jobs: number }>`
          select coalesce((select sequence from ${table("projection_checkpoint")} where name = 'events'), 0) as applied,
            (select count(*)::int from ${table("bucket_jobs")}
              where status = any(${liveStatuses}::text[]) and ${isOf(caller)}) as jobs`
        return found ?? { applied: 0, jobs: 0 }
      }, inTime)

      const liveJobs = sql<{ operation: string; status: string; count: number; age: number }>`
        select operation, status, count(*)::int as count,
          greatest(0, extract(epoch from now() - min(created_at)))::float8 as age
        from ${table("bucket_jobs")} where status = any(${liveStatuses}::text[]) group by operation, status`
      const openDeadLetters = Effect.map(
        sql<{ count: number }>`
          select count(*)::int as count from ${
          table("dead_letters")
        } where status = ${"dead" satisfies DeadLetter.Status}`,
        ([row]) => row?.count ?? 0
      )

      const bucket = Effect.fn("ReadModel.bucket")((caller: By, name: BucketName) =>
        certain(Effect.gen(function*() {
          const rows = yield* sql`
            select ${bucketColumns} from ${table("buckets")}
            where bucket_id = ${bucketId(name, caller.owner)} and ${isMadeBy(caller)}`
          const [found] = yield* Effect.orDie(decodeBuckets(rows))
          return Option.fromUndefinedOr(found)
        }))
      )

      const buckets = Effect.fn("ReadModel.buckets")(function*(caller: By, { after, limit }: Page) {
        const rows = yield* sql`
          select ${bucketColumns} from ${table("buckets")}
          where lower(owner) = ${caller.owner.toLowerCase()} and name > ${after ?? ""} and ${isMadeBy(caller)}
          order by name limit ${limit}`
        return yield* Effect.orDie(decodeBuckets(rows))
      }, inTime)

      const deadLetter = Effect.fn("ReadModel.deadLetter")((caller: By, sequence: DeadLetter.Sequence) =>
        certain(Effect.gen(function*() {
          const rows = yield* sql<{ letter: unknown }>`
            select letter from ${table("dead_letters")} where sequence = ${sequence} and ${seen(caller)}`
          const [found] = yield* Effect.orDie(decodeLetters(rows))
          return Option.map(Option.fromUndefinedOr(found), ({ letter }) => letter)
        }))
      )

      const deadLetters = Effect.fn("ReadModel.deadLetters")(
        function*(caller: By, { after, limit, reason, redrivenBy, status, subject, type }: DeadLetterQuery) {
          const rows = yield* sql<{ letter: unknown }>`
            select letter from ${table("dead_letters")}
            where (status = ${status} or letter ->> 'requestId' = ${redrivenBy ?? null})
              and sequence > ${after ?? 0} and ${seen(caller)}
              and type = coalesce(${type ?? null}::text, type)
              and starts_with(subject, ${subject ?? ""})
              and position(${reason ?? ""} in reason) > 0
            order by sequence limit ${limit}`
          return Array.from(yield* Effect.orDie(decodeLetters(rows)), ({ letter }) => letter)
        },
        inTime
      )

      return ReadModel.of({
        job: (caller, id) => certain(storedJob(caller, id)),
        storedJob,
        jobs,
        inFlight,
        liveJobs,
        openDeadLetters,
        bucket,
        buckets,
        deadLetter,
        deadLetters,
        caughtUp,
        certain,
        checkpoint
      })
    })
  )
}

/** For 2 s, every 20 ms: a projector that runs is there sooner. */
const catchUp = Retry.within("2 seconds", "20 millis")

const decodeLetters = Schema.decodeUnknownEffect(
  Schema.Array(Schema.Struct({ letter: Schema.toCodecJson(DeadLetter.DeadLetter) }))
)
const decodeBuckets = Schema.decodeUnknownEffect(
  Schema.Array(
    Resources.BucketResource.mapFields((fields) => ({ ...fields, created_at: Schema.DateTimeUtcFromString }))
  )
)
