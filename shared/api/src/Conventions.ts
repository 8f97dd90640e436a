/** What several routes have in common. */
import * as Job from "@akave-async/domain/Job"
import { Effect, Schema } from "effect"
import { HttpApiMiddleware, HttpApiSchema } from "effect/http-api"
import * as Problems from "./Problems.ts"
import { Comparable } from "./Resources.ts"

/** Turns a request that does not decode into {@link Problems.InvalidRequest}, with the path of each wrong value. */
export class Validation extends HttpApiMiddleware.Service<Validation>()("@akave-async/api/Validation", {
  error: [Problems.InvalidRequest, Problems.InternalError]
}) {}

/** The longest that a request can wait for a job, in seconds. */
export const maxWait = 60
/** The largest page. */
export const maxPage = 1_000
export const page = {
  /** Where the page starts: `next` of the page before. */
  after: Schema.optionalKey(Comparable),
  limit: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: maxPage })).pipe(
    Schema.withDecodingDefaultKey(Effect.succeed(100))
  )
}
/** Of every request that may have a body. */
export const bodyErrors = [Problems.BodyTooLarge, Problems.UnsupportedMediaType] as const
export const jobErrors = [Problems.JobNotFound, Problems.ReadModelUnavailable, Problems.EventLogUnavailable] as const
/** Names the state of a job; `If-None-Match` gives it back. */
export const etag = Schema.String
export const notModified = HttpApiSchema.Empty(304).annotate({ description: "It is as `If-None-Match` names it" })
export const jobParams = { job_id: Job.Id }
