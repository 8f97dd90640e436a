/** The routes of buckets. */
import { Api } from "@akave-async/api/Api"
import { Caller } from "@akave-async/api/Caller"
import * as Problems from "@akave-async/api/Problems"
import { type BatchResult, jobResource } from "@akave-async/api/Resources"
import type * as Bucket from "@akave-async/domain/Bucket"
import type { Current } from "@akave-async/eventing/JobEvents"
import { Array, Effect, Option, Result, type Schema, SchemaIssue } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import { Admission } from "./Admission.ts"
import { accepted, refusals } from "./Asking.ts"
import { Buckets, type Refusal } from "./Buckets.ts"
import type { Jobs } from "./Jobs.ts"
import { getJob } from "./JobsHttp.ts"
import { ReadModel } from "./ReadModel.ts"
import { logUnavailable, lookupFailures } from "./Unavailable.ts"

const bucketExists = ({ bucketId, jobId, message }: Bucket.BucketExists) =>
  new Problems.BucketExists({ detail: message, job_id: jobId, bucket_id: bucketId })
const nameTaken = ({ message }: Bucket.NameTaken) => new Problems.BucketNameTaken({ detail: message })
const bucketBusy = ({ jobId, message }: Bucket.BucketBusy) =>
  new Problems.BucketBusy({ detail: message, job_id: jobId })
export const bucketNotFound = ({ name }: { readonly name: string }) =>
  new Problems.BucketNotFound({
    detail: `No bucket ${name} was created by a job, or it was deleted. GET /buckets lists those that are there`
  })

/** What a name of a batch is answered with. */
const batchAnswer = (
  name: string,
  n: number,
  result: Result.Result<Current, Refusal>
): BatchResult["answers"][number] => {
  if (Result.isSuccess(result)) return { name, status: 202, job: jobResource(result.success.job), problem: null }
  const refused = result.failure
  switch (refused._tag) {
    case "SchemaError":
      return { name, status: 400, job: null, problem: invalidName(n, refused) }
    case "BucketExists":
      return { name, status: 409, job: null, problem: bucketExists(refused) }
    case "NameTaken":
      return { name, status: 409, job: null, problem: nameTaken(refused) }
    case "BucketBusy":
      return { name, status: 409, job: null, problem: bucketBusy(refused) }
    case "LogUnavailable":
      return { name, status: 503, job: null, problem: logUnavailable(refused) }
  }
}
const invalidName = (n: number, { issue }: Schema.SchemaError) => {
  const errors = formatIssues(issue).issues.map(({ message }) => ({ path: ["names", n], message }))
  return new Problems.InvalidRequest({ detail: errors.map(({ message }) => message).join("; "), errors })
}
const formatIssues = SchemaIssue.makeFormatterStandardSchemaV1()

export const BucketsHttp = HttpApiBuilder.group(
  Api,
  "buckets",
  Effect.fnUntraced(function*(handlers) {
    const buckets = yield* Buckets
    const admission = yield* Admission
    const readModel = yield* ReadModel
    const context = yield* Effect.context<Jobs>()

    return handlers.handleAll({
      create: Effect.fnUntraced(
        function*({ headers: { "idempotency-key": key, prefer }, payload: { name } }) {
          const caller = yield* Caller
          const request = buckets.request(caller, name, key)
          const asked = yield* admission.admit(caller, { jobs: 1, key }, request, Array.of)
          return yield* Effect.provideContext(accepted(asked, prefer, `/buckets/${name}`), context)
        },
        Effect.catchTags({ ...refusals, BucketExists: bucketExists, NameTaken: nameTaken, BucketBusy: bucketBusy })
      ),
      createAll: Effect.fnUntraced(
        function*({ headers: { "idempotency-key": key }, payload: { names } }) {
          const caller = yield* Caller
          const request = buckets.requestAll(caller, names, key)
          const asked = yield* admission.admit(caller, { jobs: names.length, key }, request, Array.getSuccesses)
          const answers = asked.map((result, n) => batchAnswer(names[n] ?? "", n, result))
          const accepted = answers.filter(({ job }) => job !== null).length
          return { accepted, refused: answers.length - accepted, answers }
        },
        Effect.catchTags(refusals)
      ),
      delete: Effect.fnUntraced(
        function*({ headers: { "idempotency-key": key, prefer }, params: { name } }) {
          const caller = yield* Caller
          const request = buckets.requestDeletion(caller, name, key)
          const asked = yield* admission.admit(caller, { jobs: 1, key }, request, Array.of)
          return yield* Effect.provideContext(accepted(asked, prefer), context)
        },
        Effect.catchTags({
          ...refusals,
          BucketMissing: bucketNotFound,
          BucketBusy: bucketBusy,
          BucketHasJobs: ({ jobId, message }) => new Problems.BucketHasJobs({ detail: message, job_id: jobId })
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
