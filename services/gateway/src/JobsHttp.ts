/** The routes of jobs. */
import { Api } from "@akave-async/api/Api"
import { Caller } from "@akave-async/api/Caller"
import * as Problems from "@akave-async/api/Problems"
import { jobResource } from "@akave-async/api/Resources"
import type * as Job from "@akave-async/domain/Job"
import { Effect, Option } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import * as Answers from "./Answers.ts"
import { Buckets } from "./Buckets.ts"
import { Jobs } from "./Jobs.ts"
import { ReadModel } from "./ReadModel.ts"
import { logUnavailable, lookupFailures } from "./Unavailable.ts"

/** A job of the caller. */
export const findJob = Effect.fn(
  function*(id: Job.Id) {
    const jobs = yield* Jobs
    const job = yield* jobs.find(yield* Caller, id)
    if (Option.isNone(job)) {
      return yield* new Problems.JobNotFound({
        detail: `No job has the id ${id}. Use the job_id of the answer that accepted it`
      })
    }
    return job.value
  },
  Effect.catchTags(lookupFailures)
)

interface GetJob {
  readonly params: { readonly job_id: Job.Id }
  readonly query: { readonly wait: number }
  readonly headers: { readonly "if-none-match"?: string }
}
/** Answers with a job; where it is asked to wait, once the job is not as the client knows it. */
export const getJob = Effect.fn(function*({ headers, params, query }: GetJob) {
  const jobs = yield* Jobs
  const tag = headers["if-none-match"]
  const found = yield* findJob(params.job_id)
  const isNews = tag !== undefined && !Answers.isKnown(tag, found)
  const latest = query.wait === 0 || isNews
    ? found
    : yield* jobs.wait(found, ({ revision }) => revision !== found.revision, `${query.wait} seconds`)
  return Answers.isKnown(tag, latest) ? Answers.notModified(latest) : Answers.job(latest)
})

export const JobsHttp = HttpApiBuilder.group(
  Api,
  "jobs",
  Effect.fnUntraced(function*(handlers) {
    const buckets = yield* Buckets
    const context = yield* Effect.context<Jobs>()

    const readModel = yield* ReadModel

    return handlers.handleAll({
      list: Effect.fnUntraced(function*({ query }) {
        const page = yield* readModel.jobs(yield* Caller, query)
        return { jobs: page.map(jobResource), next: page.length < query.limit ? null : page.at(-1)?.id ?? null }
      }, Effect.catchTags({ SqlError: lookupFailures.SqlError })),
      get: (request) => Effect.provideContext(getJob(request), context),
      cancel: Effect.fnUntraced(
        function*({ params }) {
          const { job } = yield* Effect.provideContext(findJob(params.job_id), context)
          return Answers.job(yield* buckets.cancel(yield* Caller, job))
        },
        Effect.catchTags({
          TooLateToCancel: ({ message }) => new Problems.JobNotCancellable({ detail: message }),
          // Another job has followed on the same name, so this one has ended.
          JobOver: ({ message }) => new Problems.JobNotCancellable({ detail: message }),
          LogUnavailable: logUnavailable
        })
      )
    })
  })
)
