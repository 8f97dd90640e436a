/** The HTTP API as a value: routes, validation, OpenAPI, documentation and typed clients all derive from it. */
import { BucketName } from "@akave-async/domain/BucketName"
import * as Job from "@akave-async/domain/Job"
import { Context, Effect, Layer, Schema } from "effect"
import type { HttpClient } from "effect/http"
import { HttpApi, HttpApiClient, HttpApiEndpoint, HttpApiGroup, HttpApiSchema, OpenApi } from "effect/http-api"
import { AccountsGroup, CallerGroup } from "./AccountsApi.ts"
import { Identification } from "./Caller.ts"
import {
  accepted,
  asking,
  bodyErrors,
  created,
  etag,
  jobErrors,
  jobParams,
  maxWait,
  notModified,
  page,
  Validation
} from "./Conventions.ts"
import { DeadLettersGroup } from "./DeadLettersApi.ts"
import * as Document from "./Document.ts"
import { EventsGroup } from "./EventsApi.ts"
import { JobExplanation } from "./Explanation.ts"
import { DownloadsGroup, FilesGroup } from "./FilesApi.ts"
import { OperationsGroup } from "./OperationsApi.ts"
import * as Problems from "./Problems.ts"
import {
  BatchRequest,
  BatchResult,
  BucketPage,
  BucketRequest,
  BucketResource,
  JobPage,
  jobQuery,
  JobResource,
  Readiness
} from "./Resources.ts"
import { Capabilities, Stats, statsQuery } from "./System.ts"
import { WebhooksGroup } from "./WebhooksApi.ts"

const getJob = {
  params: jobParams,
  headers: { "if-none-match": Schema.optionalKey(Schema.String) },
  query: {
    wait: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: maxWait })).annotate({
      description: "Seconds to wait at most until the job is not as `If-None-Match` names it, or not as it is now"
    }).pipe(Schema.withDecodingDefaultKey(Effect.succeed(0)))
  },
  success: [HttpApiSchema.WithHeaders(JobResource, { etag }), notModified] as const,
  error: jobErrors
}

export class BucketsGroup extends HttpApiGroup.make("buckets").add(
  HttpApiEndpoint.post("create", "/buckets", {
    headers: asking,
    payload: BucketRequest,
    success: [...accepted, created],
    error: [
      Problems.IdempotencyKeyReused,
      Problems.Overloaded,
      Problems.TooManyJobs,
      Problems.BucketExists,
      Problems.BucketNameTaken,
      Problems.BucketBusy,
      ...bodyErrors,
      Problems.EventLogUnavailable
    ]
  }).annotate(OpenApi.Summary, "Ask for a bucket; answers at once with the job that creates it")
    .annotate(
      OpenApi.Description,
      "Stores the request and answers with the job, which executors do on chain. With `Prefer: wait=N` the answer comes when the job has ended. With an `Idempotency-Key` the request can be sent again: it gets the same job. A name with a job under way, or with a bucket, is refused with 409."
    ),
  HttpApiEndpoint.post("createAll", "/buckets/batch", {
    headers: { "idempotency-key": asking["idempotency-key"] },
    payload: BatchRequest,
    success: BatchResult,
    error: [
      Problems.IdempotencyKeyReused,
      Problems.Overloaded,
      Problems.TooManyJobs,
      ...bodyErrors,
      Problems.EventLogUnavailable
    ]
  }).annotate(OpenApi.Summary, "Ask for up to 1,000 buckets; answers with one answer for each name")
    .annotate(
      OpenApi.Description,
      "Each name is judged on its own, as if it alone had been asked for, and one that is refused harms no other. An `Idempotency-Key` counts for the whole batch."
    ),
  HttpApiEndpoint.get("list", "/buckets", { query: page, success: BucketPage, error: [Problems.ReadModelUnavailable] })
    .annotate(OpenApi.Summary, "The buckets on chain, by name")
    .annotate(OpenApi.Description, "Buckets of the caller's wallet that a job has created, in pages."),
  HttpApiEndpoint.get("get", "/buckets/:name", {
    params: { name: BucketName },
    success: BucketResource,
    error: [Problems.BucketNotFound, Problems.ReadModelUnavailable]
  }).annotate(OpenApi.Summary, "A bucket on chain")
    .annotate(OpenApi.Description, "A bucket of the caller's wallet that a job has created, while it exists."),
  HttpApiEndpoint.delete("delete", "/buckets/:name", {
    params: { name: BucketName },
    headers: asking,
    success: accepted,
    error: [
      Problems.BucketNotFound,
      Problems.BucketBusy,
      Problems.BucketHasJobs,
      Problems.IdempotencyKeyReused,
      Problems.Overloaded,
      Problems.TooManyJobs,
      ...bodyErrors,
      Problems.EventLogUnavailable
    ]
  }).annotate(OpenApi.Summary, "Ask for a bucket's deletion; answers at once with the job that deletes it")
    .annotate(
      OpenApi.Description,
      "As for a bucket's creation. Only an empty bucket can be deleted: the contract refuses others, and the job fails with its `BucketNonempty`."
    ),
  // Of a bucket that is named jobs, the files are not a job.
  HttpApiEndpoint.get("job", "/buckets/jobs/:job_id((?!files$)[^/]+)", getJob)
    .annotate(OpenApi.Summary, "A job; the same as /jobs/{job_id}")
    .annotate(OpenApi.Description, "As `GET /jobs/{job_id}`.")
).annotate(OpenApi.Description, "Buckets on chain, and requests for them").middleware(Validation).middleware(
  Identification
) {}

export class JobsGroup extends HttpApiGroup.make("jobs").add(
  HttpApiEndpoint.get("list", "/jobs", {
    query: { ...jobQuery, ...page, after: Schema.optionalKey(Job.Id) },
    success: JobPage,
    error: [Problems.ReadModelUnavailable]
  }).annotate(OpenApi.Summary, "Jobs, the latest first")
    .annotate(OpenApi.Description, "Jobs of the caller's wallet, in pages. All filters that are given must hold."),
  HttpApiEndpoint.get("get", "/jobs/:job_id", getJob).annotate(OpenApi.Summary, "A job as it is now")
    .annotate(
      OpenApi.Description,
      "At once, or with `wait` as soon as it is not as `If-None-Match` names it, or else after that time."
    ),
  HttpApiEndpoint.get("explain", "/jobs/:job_id/explanation", {
    params: jobParams,
    success: JobExplanation,
    error: jobErrors
  }).annotate(OpenApi.Summary, "How a job got where it is, and what it waits for")
    .annotate(
      OpenApi.Description,
      "Its events as a timeline with what it waited for between them, what its transaction has cost and, while it has not ended, why: executors are asked for that, which takes a second."
    ),
  HttpApiEndpoint.delete("cancel", "/jobs/:job_id", {
    params: jobParams,
    success: HttpApiSchema.WithHeaders(JobResource, { etag }),
    error: [...jobErrors, Problems.JobNotCancellable, ...bodyErrors]
  }).annotate(OpenApi.Summary, "Cancel a job")
    .annotate(
      OpenApi.Description,
      "Ends a job that no executor has begun. Once one has, only an upload can be cancelled: it takes back what it has stored, and then ends. The transaction of other jobs may be on its way."
    )
).annotate(OpenApi.Description, "Accepted requests, and how far they have come").middleware(Validation).middleware(
  Identification
) {}

export class SystemGroup extends HttpApiGroup.make("system").add(
  HttpApiEndpoint.get("capabilities", "/capabilities", {
    headers: { "if-none-match": Schema.optionalKey(Schema.String) },
    success: [HttpApiSchema.WithHeaders(Capabilities, { etag }), notModified]
  }).annotate(OpenApi.Summary, "What the gateway can do: operations with their inputs, limits, error categories")
    .annotate(
      OpenApi.Description,
      "What a client can find out before it asks: it changes with releases and settings only, and has an `ETag`."
    ),
  HttpApiEndpoint.get("stats", "/stats", {
    query: { minutes: statsQuery.minutes.pipe(Schema.withDecodingDefaultKey(Effect.succeed(60))) },
    success: Stats,
    error: [Problems.ReadModelUnavailable]
  }).annotate(OpenApi.Summary, "How the jobs of the last minutes got on, by operation")
    .annotate(
      OpenApi.Description,
      "Counts, shares and times of the caller's jobs that were created within the time, and how many executors answer that have the key of its wallet."
    )
).annotate(OpenApi.Description, "What the gateway can do, and how it gets on").middleware(Validation).middleware(
  Identification
) {}

export class HealthGroup extends HttpApiGroup.make("health").add(
  HttpApiEndpoint.get("live", "/health", { success: Schema.Struct({ status: Schema.Literal("ok") }) })
    .annotate(OpenApi.Summary, "Whether the gateway runs")
    .annotate(OpenApi.Description, "Answers as long as the process does."),
  HttpApiEndpoint.get("ready", "/health/ready", {
    success: [Readiness, Readiness.pipe(HttpApiSchema.status(503))]
  }).annotate(OpenApi.Summary, "Whether the gateway can do its work, dependency by dependency")
    .annotate(
      OpenApi.Description,
      "Each dependency with a sentence. Requests are taken as long as the event log is there, also while others are away."
    )
).annotate(OpenApi.Description, "For load balancers and those who operate it") {}

/** Of this release. */
export const version = "0.1.0"

const api = HttpApi.make("gateway")
  .add(BucketsGroup, FilesGroup, DownloadsGroup, JobsGroup, EventsGroup, WebhooksGroup)
  .add(CallerGroup, AccountsGroup, DeadLettersGroup, SystemGroup, HealthGroup, OperationsGroup)

export class Api extends api
  .annotate(OpenApi.Title, "Akave Async Gateway")
  .annotate(OpenApi.Version, version)
  .annotate(OpenApi.License, { name: "Apache-2.0", identifier: "Apache-2.0" })
  .annotate(
    OpenApi.Description,
    "Buckets and files on Akave, asynchronously: a request is answered at once with a job, and executors do the job on chain exactly once."
  )
  .annotate(OpenApi.Servers, [{ url: "/", description: "The gateway that serves this document" }])
  .annotate(OpenApi.Transform, (document) => Document.complete(api, document))
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
