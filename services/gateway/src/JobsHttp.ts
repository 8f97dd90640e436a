/** The routes of jobs. */
import { Api } from "@akave-async/api/Api"
import { Caller } from "@akave-async/api/Caller"
import * as Problems from "@akave-async/api/Problems"
import { jobResource } from "@akave-async/api/Resources"
import * as DeadLetter from "@akave-async/domain/DeadLetter"
import * as Job from "@akave-async/domain/Job"
import * as DeadLetterEvents from "@akave-async/eventing/DeadLetterEvents"
import { EventLog } from "@akave-async/eventing/EventLog"
import { evolveJob } from "@akave-async/eventing/JobEvents"
import * as LaneReports from "@akave-async/eventing/LaneReports"
import { Tail } from "@akave-async/eventing/Tail"
import type { Nats } from "@akave-async/platform/Nats"
import type * as Archive from "@akave-async/read-model/Archive"
import { DateTime, Effect, Option, Result } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import * as Answers from "./Answers.ts"
import { DownloadLinks } from "./DownloadLinks.ts"
import { explain } from "./Explanation.ts"
import { Health } from "./Health.ts"
import { Jobs } from "./Jobs.ts"
import * as Past from "./Past.ts"
import { ReadModel } from "./ReadModel.ts"
import { eventsUnavailable, logUnavailable, lookupFailures } from "./Unavailable.ts"

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
  return Answers.isKnown(tag, latest) ? Answers.notModified(latest) : yield* Answers.job(latest)
})

/** An answer to a part of the question; none where it does not come. */
const orUndefined = <A, E, R>(question: Effect.Effect<A, E, R>) => question.pipe(Effect.catch(() => Effect.undefined))

/** Of a job that has ended. */
const notAsked = { lanes: undefined, readiness: undefined, deadLetter: undefined }

/**
 * How a job got where it is. While the event log is away, a job that has not ended is explained by what this gateway
 * remembers: that the log is away is why it waits.
 */
const explainJob = Effect.fn(
  function*(id: Job.Id) {
    const log = yield* EventLog
    const tail = yield* Tail
    const health = yield* Health
    const found = yield* findJob(id)
    const stored = yield* Effect.result(Past.eventsOf(found))
    if (Result.isFailure(stored) && Job.isTerminal(found.job.status)) return yield* eventsUnavailable(stored.failure)
    const isLogAway = Result.isFailure(stored)
    const events = isLogAway ? Past.ofJob(found.job, tail.recent(id)) : stored.success
    // The log may be ahead of what was found.
    const current = evolveJob(id, found, events) ?? found
    const known = { job: current.job, events, isLogAway, now: yield* DateTime.now }
    if (Job.isTerminal(current.job.status)) return explain({ ...known, ...notAsked })
    const request = isLogAway ? undefined : events[0]?.sequence
    const { dead, lanes, readiness } = yield* Effect.all({
      lanes: orUndefined(LaneReports.askAbout(id)),
      readiness: health.readiness,
      dead: request === undefined ? Effect.undefined : orUndefined(
        DeadLetterEvents.load(log, DeadLetter.subject(DeadLetter.Sequence.make(request)))
      )
    }, { concurrency: "unbounded" })
    // Executors that were asked while it ended don't have it any more.
    const since = Past.ofJob(found.job, tail.recent(id)).filter(({ sequence }) => sequence > current.revision)
    const after = evolveJob(id, current, since) ?? current
    if (Job.isTerminal(after.job.status)) {
      return explain({ ...known, job: after.job, events: [...events, ...since], ...notAsked })
    }
    const deadLetter = dead?.state?.status === "dead" ? request : undefined
    return explain({ ...known, lanes, readiness, deadLetter })
  }
)

export const JobsHttp = HttpApiBuilder.group(
  Api,
  "jobs",
  Effect.fnUntraced(function*(handlers) {
    const jobs = yield* Jobs
    const context = yield* Effect.context<Jobs | EventLog | Tail | Health | Nats | Archive.Database>()

    const readModel = yield* ReadModel

    return handlers.handleAll({
      list: Effect.fnUntraced(function*({ query }) {
        const page = yield* readModel.jobs(yield* Caller, query)
        const links = yield* DownloadLinks
        return {
          jobs: page.map((job) => jobResource(job, links)),
          next: page.length < query.limit ? null : page.at(-1)?.id ?? null
        }
      }, Effect.catchTags({ SqlError: lookupFailures.SqlError })),
      get: (request) => Effect.provideContext(getJob(request), context),
      explain: ({ params }) => Effect.provideContext(explainJob(params.job_id), context),
      cancel: Effect.fnUntraced(
        function*({ params }) {
          const { job } = yield* Effect.provideContext(findJob(params.job_id), context)
          return yield* Answers.job(yield* jobs.cancel(yield* Caller, job))
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
