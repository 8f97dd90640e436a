/** The HTTP API as a value: routes, validation, OpenAPI, documentation and typed clients all derive from it. */
import { BucketName } from "@akave-async/domain/BucketName"
import * as DeadLetter from "@akave-async/domain/DeadLetter"
import * as Job from "@akave-async/domain/Job"
import { Context, Effect, Layer, Schema } from "effect"
import type { HttpClient } from "effect/http"
import {
  HttpApi,
  HttpApiClient,
  HttpApiEndpoint,
  HttpApiGroup,
  HttpApiMiddleware,
  HttpApiSchema,
  OpenApi
} from "effect/http-api"
import { Identification } from "./Caller.ts"
import { EventPage, EventResource, Sequence } from "./Events.ts"
import * as Examples from "./Examples.ts"
import * as Problems from "./Problems.ts"
import {
  BatchRequest,
  BatchResult,
  BucketPage,
  BucketRequest,
  BucketResource,
  Comparable,
  DeadLetterPage,
  deadLetterQuery,
  DeadLetterResource,
  IdempotencyKey,
  JobPage,
  jobQuery,
  JobResource,
  Readiness,
  Redriven,
  RedriveRequest
} from "./Resources.ts"
import { Capabilities, Stats, statsQuery } from "./System.ts"

/** Turns a request that does not decode into {@link Problems.InvalidRequest}, with the path of each wrong value. */
export class Validation extends HttpApiMiddleware.Service<Validation>()("@akave-async/api/Validation", {
  error: [Problems.InvalidRequest, Problems.InternalError]
}) {}

/** Of this release. */
export const version = "0.1.0"

/** The largest page. */
export const maxPage = 1_000
const page = {
  /** Where the page starts: `next` of the page before. */
  after: Schema.optionalKey(Comparable),
  limit: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: maxPage })).pipe(
    Schema.withDecodingDefaultKey(Effect.succeed(100))
  )
}
const jobErrors = [Problems.JobNotFound, Problems.ReadModelUnavailable, Problems.EventLogUnavailable] as const
/** Names the state of a job; `If-None-Match` gives it back. */
const etag = Schema.String
const preference = { "preference-applied": Schema.optionalKey(Schema.String) }
/** The job that was accepted, and where it can be followed; if it was waited for, how it has ended. */
const accepted = [
  HttpApiSchema.WithHeaders(JobResource.pipe(HttpApiSchema.status(202)), {
    location: Schema.String,
    etag,
    ...preference
  }),
  HttpApiSchema.WithHeaders(JobResource, { location: Schema.String, etag, ...preference })
] as const
/** The same of a job that has created what is at the location. */
const created = HttpApiSchema.WithHeaders(JobResource.pipe(HttpApiSchema.status(201)), {
  location: Schema.String,
  etag,
  ...preference
})
/** What a request for a job may say beside its body. */
const asking = {
  "idempotency-key": Schema.optionalKey(IdempotencyKey),
  prefer: Schema.optionalKey(Schema.String.annotate({
    description: "`wait=N` (RFC 7240): answer when the job has ended, after N seconds at the latest, of which 60 count"
  }))
}
const jobParams = { job_id: Job.Id }
const getJob = {
  params: jobParams,
  headers: { "if-none-match": Schema.optionalKey(Schema.String) },
  query: {
    wait: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 60 })).annotate({
      description: "Seconds to wait at most until the job is not as `If-None-Match` names it, or not as it is now"
    }).pipe(Schema.withDecodingDefaultKey(Effect.succeed(0)))
  },
  success: [HttpApiSchema.WithHeaders(JobResource, { etag }), HttpApiSchema.Empty(304)] as const,
  error: jobErrors
}

export class BucketsGroup extends HttpApiGroup.make("buckets").add(
  HttpApiEndpoint.post("create", "/buckets", {
    headers: asking,
    payload: BucketRequest,
    success: [...accepted, created],
    error: [
      Problems.IdempotencyKeyReused,
      Problems.BucketExists,
      Problems.BucketBusy,
      Problems.BodyTooLarge,
      Problems.UnsupportedMediaType,
      Problems.EventLogUnavailable
    ]
  }).annotate(OpenApi.Summary, "Ask for a bucket; answers at once with the job that creates it"),
  HttpApiEndpoint.post("createAll", "/buckets/batch", {
    headers: { "idempotency-key": asking["idempotency-key"] },
    payload: BatchRequest,
    success: BatchResult,
    error: [
      Problems.IdempotencyKeyReused,
      Problems.BodyTooLarge,
      Problems.UnsupportedMediaType,
      Problems.EventLogUnavailable
    ]
  }).annotate(OpenApi.Summary, "Ask for up to 1,000 buckets; answers with one answer for each name"),
  HttpApiEndpoint.get("list", "/buckets", { query: page, success: BucketPage, error: [Problems.ReadModelUnavailable] })
    .annotate(OpenApi.Summary, "The buckets on chain, by name"),
  HttpApiEndpoint.get("get", "/buckets/:name", {
    params: { name: BucketName },
    success: BucketResource,
    error: [Problems.BucketNotFound, Problems.ReadModelUnavailable]
  }).annotate(OpenApi.Summary, "A bucket on chain"),
  HttpApiEndpoint.delete("delete", "/buckets/:name", {
    params: { name: BucketName },
    headers: asking,
    success: accepted,
    error: [
      Problems.BucketNotFound,
      Problems.BucketBusy,
      Problems.IdempotencyKeyReused,
      Problems.EventLogUnavailable
    ]
  }).annotate(OpenApi.Summary, "Ask for a bucket's deletion; answers at once with the job that deletes it"),
  HttpApiEndpoint.get("job", "/buckets/jobs/:job_id", getJob)
    .annotate(OpenApi.Summary, "A job; the same as /jobs/{job_id}")
).middleware(Validation).middleware(Identification) {}

export class JobsGroup extends HttpApiGroup.make("jobs").add(
  HttpApiEndpoint.get("list", "/jobs", {
    query: { ...jobQuery, ...page, after: Schema.optionalKey(Job.Id) },
    success: JobPage,
    error: [Problems.ReadModelUnavailable]
  }).annotate(OpenApi.Summary, "Jobs, the latest first"),
  HttpApiEndpoint.get("get", "/jobs/:job_id", getJob).annotate(OpenApi.Summary, "A job"),
  HttpApiEndpoint.delete("cancel", "/jobs/:job_id", {
    params: jobParams,
    success: HttpApiSchema.WithHeaders(JobResource, { etag }),
    error: [...jobErrors, Problems.JobNotCancellable]
  }).annotate(OpenApi.Summary, "Cancel a job that is still queued")
).middleware(Validation).middleware(Identification) {}

const events = {
  headers: {
    accept: Schema.optionalKey(Schema.String),
    "last-event-id": Schema.optionalKey(Sequence)
  },
  query: { after: Schema.optionalKey(Sequence), limit: page.limit },
  success: [EventPage, HttpApiSchema.StreamSse({ data: EventResource })] as const
}
export class EventsGroup extends HttpApiGroup.make("events").add(
  HttpApiEndpoint.get("list", "/events", { ...events, error: [Problems.EventLogUnavailable] })
    .annotate(OpenApi.Summary, "The events of all jobs: a page, or as they come"),
  HttpApiEndpoint.get("ofJob", "/jobs/:job_id/events", {
    ...events,
    params: jobParams,
    success: [...events.success, HttpApiSchema.Empty(204)],
    error: jobErrors
  }).annotate(OpenApi.Summary, "The events of a job: a page, or as they come")
).middleware(Validation).middleware(Identification) {}

const deadLetterParams = { sequence: DeadLetter.Sequence }
export class DeadLettersGroup extends HttpApiGroup.make("deadLetters").add(
  HttpApiEndpoint.get("list", "/dead-letters", {
    query: { ...deadLetterQuery, ...page, after: Schema.optionalKey(DeadLetter.Sequence) },
    success: DeadLetterPage,
    error: [Problems.ReadModelUnavailable]
  }).annotate(OpenApi.Summary, "Events that could not be processed, in the order of the log"),
  HttpApiEndpoint.get("get", "/dead-letters/:sequence", {
    params: deadLetterParams,
    success: DeadLetterResource,
    error: [Problems.DeadLetterNotFound, Problems.ReadModelUnavailable]
  }).annotate(OpenApi.Summary, "An event that could not be processed"),
  HttpApiEndpoint.post("redrive", "/dead-letters/:sequence/redrive", {
    params: deadLetterParams,
    success: DeadLetterResource.pipe(HttpApiSchema.status(202)),
    error: [Problems.DeadLetterNotFound, Problems.DeadLetterRedriven, Problems.EventLogUnavailable]
  }).annotate(OpenApi.Summary, "Have a dead letter processed again"),
  HttpApiEndpoint.post("redriveAll", "/dead-letters/redrive", {
    payload: RedriveRequest,
    success: Redriven.pipe(HttpApiSchema.status(202)),
    error: [
      Problems.BodyTooLarge,
      Problems.UnsupportedMediaType,
      Problems.EventLogUnavailable,
      Problems.ReadModelUnavailable
    ]
  }).annotate(OpenApi.Summary, "Have all dead letters processed again that a filter names, at most 1,000 at a time")
).middleware(Validation).middleware(Identification) {}

export class SystemGroup extends HttpApiGroup.make("system").add(
  HttpApiEndpoint.get("capabilities", "/capabilities", {
    headers: { "if-none-match": Schema.optionalKey(Schema.String) },
    success: [HttpApiSchema.WithHeaders(Capabilities, { etag }), HttpApiSchema.Empty(304)]
  }).annotate(OpenApi.Summary, "What the gateway can do: operations with their inputs, limits, error categories"),
  HttpApiEndpoint.get("stats", "/stats", {
    query: { minutes: statsQuery.minutes.pipe(Schema.withDecodingDefaultKey(Effect.succeed(60))) },
    success: Stats,
    error: [Problems.ReadModelUnavailable]
  }).annotate(OpenApi.Summary, "How the jobs of the last minutes got on, by operation")
).middleware(Validation).middleware(Identification) {}

export class HealthGroup extends HttpApiGroup.make("health").add(
  HttpApiEndpoint.get("live", "/health", { success: Schema.Struct({ status: Schema.Literal("ok") }) })
    .annotate(OpenApi.Summary, "Whether the gateway runs"),
  HttpApiEndpoint.get("ready", "/health/ready", {
    success: [Readiness, Readiness.pipe(HttpApiSchema.status(503))]
  }).annotate(OpenApi.Summary, "Whether the gateway can do its work, dependency by dependency")
) {}

export class Api
  extends HttpApi.make("gateway").add(BucketsGroup, JobsGroup, EventsGroup, DeadLettersGroup, SystemGroup, HealthGroup)
    .annotate(OpenApi.Title, "Akave Async Gateway")
    .annotate(OpenApi.Version, version)
    .annotate(OpenApi.License, { name: "Apache-2.0" })
    .annotate(OpenApi.Transform, Examples.add)
    // A misspelt field must not be passed over in silence, and one answer names all that is wrong.
    .annotate(HttpApi.PayloadParseOptions, { onExcessProperty: "error", errors: "all" })
    .annotate(HttpApi.QueryParseOptions, { onExcessProperty: "error", errors: "all" })
{}

export class ApiClient
  extends Context.Service<ApiClient, HttpApiClient.ForApi<typeof Api>>()("@akave-async/api/ApiClient")
{
  static readonly layer = (baseUrl: URL): Layer.Layer<ApiClient, never, HttpClient.HttpClient> =>
    Layer.effect(ApiClient, HttpApiClient.make(Api, { baseUrl }))
}
