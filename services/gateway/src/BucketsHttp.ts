/** The routes of buckets. */
import { Api } from "@akave-async/api/Api"
import { Caller } from "@akave-async/api/Caller"
import * as Problems from "@akave-async/api/Problems"
import type * as Bucket from "@akave-async/domain/Bucket"
import type { Current } from "@akave-async/eventing/BucketEvents"
import { Effect, Option } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import * as Answers from "./Answers.ts"
import { Buckets } from "./Buckets.ts"
import { Jobs } from "./Jobs.ts"
import { getJob } from "./JobsHttp.ts"
import { ReadModel } from "./ReadModel.ts"
import { logUnavailable, lookupFailures } from "./Unavailable.ts"

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
    const jobs = yield* Jobs
    const context = yield* Effect.context<Jobs>()

    /** The answer to a request that was stored, after the wait that it prefers. */
    const accepted = (asked: Current, prefer: string | undefined, created?: string) => {
      const waited = Answers.waitOf(prefer)
      return Effect.map(
        waited === undefined ? Effect.succeed(asked) : jobs.wait(asked, () => false, `${waited} seconds`),
        (current) => Answers.accepted(current, { created, waited })
      )
    }

    return handlers.handleAll({
      create: Effect.fnUntraced(
        function*({ headers, payload }) {
          const asked = yield* buckets.request(yield* Caller, payload.name, headers["idempotency-key"])
          return yield* accepted(asked, headers.prefer, `/buckets/${payload.name}`)
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
          const asked = yield* buckets.requestDeletion(yield* Caller, params.name, headers["idempotency-key"])
          return yield* accepted(asked, headers.prefer)
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
      job: (request) => Effect.provideContext(getJob(request), context)
    })
  })
)
