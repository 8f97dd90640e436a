/** The routes of buckets. */
import { Api } from "@akave-async/api/Api"
import { Caller } from "@akave-async/api/Caller"
import * as Problems from "@akave-async/api/Problems"
import { jobResource } from "@akave-async/api/Resources"
import type * as Bucket from "@akave-async/domain/Bucket"
import { Effect, Option } from "effect"
import { HttpApiBuilder, HttpApiSchema } from "effect/http-api"
import { Buckets } from "./Buckets.ts"
import { getJob } from "./JobsHttp.ts"
import { ReadModel } from "./ReadModel.ts"
import { logUnavailable, lookupFailures } from "./Unavailable.ts"

/** The answer to a request that was stored. */
const accepted = (job: Bucket.BucketJob) =>
  HttpApiSchema.withHeaders({ body: jobResource(job), headers: { location: `/jobs/${job.id}` } })

const bucketBusy = ({ jobId, message }: Bucket.BucketBusy) =>
  new Problems.BucketBusy({ detail: message, job_id: jobId })
const keyReused = () =>
  new Problems.IdempotencyKeyReused({
    detail: "The key in Idempotency-Key was used for another request. Give each request a key of its own"
  })
const bucketNotFound = ({ name }: { readonly name: string }) =>
  new Problems.BucketNotFound({
    detail: `No bucket ${name} was created by a job, or it was deleted. GET /buckets lists those that are there`
  })

export const BucketsHttp = HttpApiBuilder.group(
  Api,
  "buckets",
  Effect.fnUntraced(function*(handlers) {
    const buckets = yield* Buckets
    const readModel = yield* ReadModel
    const context = yield* Effect.context<ReadModel>()

    return handlers.handleAll({
      create: Effect.fnUntraced(
        function*({ headers, payload }) {
          return accepted(yield* buckets.request(yield* Caller, payload.name, headers["idempotency-key"]))
        },
        Effect.catchTags({
          BucketExists: ({ bucketId, jobId, message }) =>
            new Problems.BucketExists({ detail: message, job_id: jobId, bucket_id: bucketId }),
          BucketBusy: bucketBusy,
          KeyReused: keyReused,
          LogUnavailable: logUnavailable
        })
      ),
      delete: Effect.fnUntraced(
        function*({ headers, params }) {
          return accepted(yield* buckets.requestDeletion(yield* Caller, params.name, headers["idempotency-key"]))
        },
        Effect.catchTags({
          BucketMissing: bucketNotFound,
          BucketBusy: bucketBusy,
          KeyReused: keyReused,
          LogUnavailable: logUnavailable
        })
      ),
      get: Effect.fnUntraced(function*({ params }) {
        const bucket = yield* readModel.bucket(yield* Caller, params.name)
        return Option.isSome(bucket) ? bucket.value : yield* bucketNotFound(params)
      }, Effect.catchTags(lookupFailures)),
      list: Effect.fnUntraced(function*({ query }) {
        const page = yield* readModel.buckets(yield* Caller, query)
        return { buckets: page, next: page.length < query.limit ? null : page.at(-1)?.name ?? null }
      }, Effect.catchTags({ SqlError: lookupFailures.SqlError })),
      job: ({ params }) => Effect.provideContext(getJob(params.job_id), context)
    })
  })
)
