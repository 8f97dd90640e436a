/** What several routes have in common. */
import * as Job from "@akave-async/domain/Job"
import { Effect, Schema } from "effect"
import { HttpApiMiddleware, HttpApiSchema } from "effect/http-api"
import * as Problems from "./Problems.ts"
import { Comparable, IdempotencyKey, JobResource } from "./Resources.ts"

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
export const bodyErrors = [Problems.BodyTooLarge, Problems.RequestTimeout, Problems.UnsupportedMediaType] as const
export const jobErrors = [Problems.JobNotFound, Problems.ReadModelUnavailable, Problems.EventLogUnavailable] as const
/** Names the state of a job; `If-None-Match` gives it back. */
export const etag = Schema.String
export const notModified = HttpApiSchema.Empty(304).annotate({ description: "It is as `If-None-Match` names it" })
export const jobParams = { job_id: Job.Id }

const preference = { "preference-applied": Schema.optionalKey(Schema.String) }
/** The job that was accepted, and where it can be followed; if it was waited for, how it has ended. */
export const accepted = [
  HttpApiSchema.WithHeaders(JobResource.pipe(HttpApiSchema.status(202)), {
    location: Schema.String,
    etag,
    ...preference
  }),
  HttpApiSchema.WithHeaders(JobResource, { location: Schema.String, etag, ...preference })
] as const
/** The same of a job that has created what is at the location. */
export const created = HttpApiSchema.WithHeaders(JobResource.pipe(HttpApiSchema.status(201)), {
  location: Schema.String,
  etag,
  ...preference
})
/** What a request for a job may say beside its body. */
export const asking = {
  "idempotency-key": Schema.optionalKey(IdempotencyKey),
  prefer: Schema.optionalKey(Schema.String.annotate({
    description:
      `\`wait=N\` (RFC 7240): answer when the job has ended, after N seconds at the latest, of which ${maxWait} count`
  }))
}
