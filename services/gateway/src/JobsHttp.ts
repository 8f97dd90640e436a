/** The routes of jobs. */
import { Api } from "@akave-async/api/Api"
import { Caller } from "@akave-async/api/Caller"
import * as Problems from "@akave-async/api/Problems"
import { jobResource } from "@akave-async/api/Resources"
import type * as Job from "@akave-async/domain/Job"
import { Effect, Option } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import { Buckets } from "./Buckets.ts"
import { ReadModel } from "./ReadModel.ts"
import { logUnavailable, lookupFailures } from "./Unavailable.ts"

const findJob = Effect.fn(
  function*(id: Job.Id) {
    const readModel = yield* ReadModel
    const job = yield* readModel.job(yield* Caller, id)
    if (Option.isNone(job)) {
      return yield* new Problems.JobNotFound({
        detail: `No job has the id ${id}. Use the job_id of the answer that accepted it`
      })
    }
    return job.value
  },
  Effect.catchTags(lookupFailures)
)

/** A job of the caller. */
export const getJob = (id: Job.Id) => Effect.map(findJob(id), jobResource)

export const JobsHttp = HttpApiBuilder.group(
  Api,
  "jobs",
  Effect.fnUntraced(function*(handlers) {
    const buckets = yield* Buckets
    const context = yield* Effect.context<ReadModel>()

    return handlers.handleAll({
      get: ({ params }) => Effect.provideContext(getJob(params.job_id), context),
      cancel: Effect.fnUntraced(
        function*({ params }) {
          const job = yield* Effect.provideContext(findJob(params.job_id), context)
          return jobResource(yield* buckets.cancel(yield* Caller, job))
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
