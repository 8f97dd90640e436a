/** The HTTP face: routes of the API to commands and queries, and every failure to a problem. */
import { Api, Validation } from "@akave-async/api/Api"
import * as Problems from "@akave-async/api/Problems"
import { jobResource } from "@akave-async/api/Resources"
import type * as Bucket from "@akave-async/domain/Bucket"
import type * as Job from "@akave-async/domain/Job"
import { Cause, Effect, Layer, Option, SchemaIssue, type Types } from "effect"
import {
  HttpRouter,
  HttpServerError,
  HttpServerRequest,
  HttpServerRespondable,
  HttpServerResponse,
  HttpTraceContext
} from "effect/http"
import { HttpApiBuilder, HttpApiMiddleware, HttpApiScalar, HttpApiSchema } from "effect/http-api"
import { Buckets } from "./Buckets.ts"
import { DeadLettersHttp } from "./DeadLettersHttp.ts"
import { Health } from "./Health.ts"
import { ReadModel } from "./ReadModel.ts"
import { logUnavailable, lookupFailures } from "./Unavailable.ts"

const findJob = Effect.fn(
  function*(id: Job.Id) {
    const readModel = yield* ReadModel
    const job = yield* readModel.job(id)
    if (Option.isNone(job)) {
      return yield* new Problems.JobNotFound({
        detail: `No job has the id ${id}. Use the job_id of the answer that accepted it`
      })
    }
    return job.value
  },
  Effect.catchTags(lookupFailures)
)

/** The answer to a request that was stored. */
const accepted = (job: Bucket.BucketJob) =>
  HttpApiSchema.withHeaders({ body: jobResource(job), headers: { location: `/jobs/${job.id}` } })

const getJob = (id: Job.Id) => Effect.map(findJob(id), jobResource)

const bucketBusy = ({ jobId, message }: Bucket.BucketBusy) =>
  new Problems.BucketBusy({ detail: message, job_id: jobId })
const bucketNotFound = ({ name }: { readonly name: string }) =>
  new Problems.BucketNotFound({
    detail: `No bucket ${name} was created by a job, or it was deleted. GET /buckets lists those that are there`
  })

const BucketsHttp = HttpApiBuilder.group(
  Api,
  "buckets",
  Effect.fnUntraced(function*(handlers) {
    const buckets = yield* Buckets
    const readModel = yield* ReadModel
    const context = yield* Effect.context<ReadModel>()

    return handlers.handleAll({
      create: Effect.fnUntraced(
        function*({ payload }) {
          return accepted(yield* buckets.request(payload.name))
        },
        Effect.catchTags({
          BucketExists: ({ bucketId, jobId, message }) =>
            new Problems.BucketExists({ detail: message, job_id: jobId, bucket_id: bucketId }),
          BucketBusy: bucketBusy,
          LogUnavailable: logUnavailable
        })
      ),
      delete: Effect.fnUntraced(
        function*({ params }) {
          return accepted(yield* buckets.requestDeletion(params.name))
        },
        Effect.catchTags({
          BucketMissing: bucketNotFound,
          BucketBusy: bucketBusy,
          LogUnavailable: logUnavailable
        })
      ),
      get: Effect.fnUntraced(function*({ params }) {
        const bucket = yield* readModel.bucket(params.name)
        return Option.isSome(bucket) ? bucket.value : yield* bucketNotFound(params)
      }, Effect.catchTags(lookupFailures)),
      list: Effect.fnUntraced(function*({ query }) {
        const page = yield* readModel.buckets(query)
        return { buckets: page, next: page.length < query.limit ? null : page.at(-1)?.name ?? null }
      }, Effect.catchTags({ SqlError: lookupFailures.SqlError })),
      job: ({ params }) => Effect.provideContext(getJob(params.job_id), context)
    })
  })
)

const JobsHttp = HttpApiBuilder.group(
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
          return jobResource(yield* buckets.cancel(job))
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

const HealthHttp = HttpApiBuilder.group(
  Api,
  "health",
  Effect.fnUntraced(function*(handlers) {
    const health = yield* Health
    return handlers.handleAll({
      live: () => Effect.succeed({ status: "ok" as const }),
      ready: () =>
        Effect.map(
          health.readiness,
          (readiness) => HttpServerResponse.jsonUnsafe(readiness, { status: readiness.ready ? 200 : 503 })
        )
    })
  })
)

const issues = SchemaIssue.makeFormatterStandardSchemaV1()

export const ValidationHttp = HttpApiMiddleware.layerSchemaErrorTransform(Validation, (error) => {
  if (error.kind === "Body" || error.kind === "ResponseHeaders") return Effect.die(error)
  const errors = issues(error.cause.issue).issues.map(({ message, path = [] }) => ({
    path: path.map((segment) => {
      const key = typeof segment === "object" ? segment.key : segment
      return typeof key === "number" ? key : String(key)
    }),
    // Of a body that is JSON but no object, the schema would only tell its own name.
    message: path.length > 0 || error.kind !== "Payload" || message.includes("JSON")
      ? message
      : "Expected a JSON object with the fields that /docs shows"
  }))
  const where = error.kind === "Payload" ? "body" : error.kind.toLowerCase()
  const told = errors.map(({ message, path }) => `${[where, ...path].join(".")}: ${message}`).join("; ")
  return Effect.fail(new Problems.InvalidRequest({ detail: told, errors }))
})

/** The largest body, in bytes. */
const maxBody = 64 * 1024
/** Bodies are JSON. These types are taken for it too: what clients send when nobody told them a type (curl's default). */
const jsonTypes = new Set(["", "application/json", "application/x-www-form-urlencoded", "text/plain"])

const tooLarge = new Problems.BodyTooLarge({ detail: `Send at most ${maxBody} bytes` })

/** Reads the body within its limit and marks it as the JSON that it is taken for. Where there is no body its type says nothing. */
const withBody = Effect.fnUntraced(function*(request: HttpServerRequest.HttpServerRequest) {
  if (request.method === "GET" || request.method === "HEAD") return request
  if (Number(request.headers["content-length"] ?? 0) > maxBody) return yield* tooLarge
  const type = (request.headers["content-type"] ?? "").split(";")[0]?.trim().toLowerCase() ?? ""
  const isJson = jsonTypes.has(type) || type.endsWith("+json")
  const json = request.modify({ headers: { ...request.headers, "content-type": "application/json" } })
  const text = yield* Effect.option(json.text)
  if (!isJson && !Option.contains(text, "")) {
    return yield* new Problems.UnsupportedMediaType({ detail: `Send the body as application/json, not as ${type}` })
  }
  return Option.isSome(text) ? json : yield* tooLarge
}, Effect.provideService(HttpServerRequest.MaxBodySize, BigInt(maxBody)))

/** Every failure that the routes left, and every defect, as a problem. */
const toProblem = Effect.fnUntraced(function*(cause: Cause.Cause<unknown>) {
  const failure = Cause.squash(cause)
  if (Problems.isProblem(failure)) return yield* HttpServerRespondable.toResponse(failure)
  const { method, url } = yield* HttpServerRequest.HttpServerRequest
  if (failure instanceof HttpServerError.HttpServerError && failure.reason._tag === "RouteNotFound") {
    const detail = `${method} ${url} is not served; /docs shows what is`
    return yield* HttpServerRespondable.toResponse(new Problems.RouteNotFound({ detail }))
  }
  if (!Cause.hasInterruptsOnly(cause)) yield* Effect.logError("request failed", cause)
  const detail = "This is a defect of the gateway; its log has the cause"
  return yield* HttpServerRespondable.toResponse(new Problems.InternalError({ detail }))
})

const retryAfter = (response: HttpServerResponse.HttpServerResponse) =>
  response.status === 503 ? HttpServerResponse.setHeader(response, "retry-after", "1") : response

const Edge = HttpRouter.middleware(
  (app) =>
    Effect.flatMap(HttpServerRequest.HttpServerRequest, withBody).pipe(
      Effect.flatMap((request) => {
        const handled = Effect.provideService(app, HttpServerRequest.HttpServerRequest, request)
        // The caller's trace goes on in the events, whether or not this process reports spans itself.
        const trace = HttpTraceContext.fromHeaders(request.headers)
        return Option.isSome(trace) ? Effect.withParentSpan(handled, trace.value) : handled
      }),
      Effect.catchCause(toProblem),
      Effect.map(retryAfter),
      // The router's type asks every middleware to let errors through; here is the one that lets none.
      (
        handled
      ): Effect.Effect<HttpServerResponse.HttpServerResponse, Types.unhandled, HttpServerRequest.HttpServerRequest> =>
        handled
    ),
  { global: true }
)

const links = {
  docs: "/docs",
  openapi: "/openapi.json",
  health: "/health",
  ready: "/health/ready"
}
const front = HttpServerResponse.html(`<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <title>Akave Async Gateway</title>
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <style>body { font: 1rem/1.5 system-ui, sans-serif; max-width: 40rem; margin: 3rem auto; padding: 0 1rem }</style>
  </head>
  <body>
    <h1>Akave Async Gateway</h1>
    <ul>
      <li><a href="${links.docs}">The API</a>, with every route, body and problem</li>
      <li><a href="${links.openapi}">The same as OpenAPI 3.1</a></li>
      <li><a href="${links.ready}">Whether its parts are there</a>, and <a href="${links.health}">whether it runs</a></li>
    </ul>
    <p>The guide to it is <code>docs/http-api.md</code> in the repository.</p>
  </body>
</html>
`)
const frontJson = HttpServerResponse.jsonUnsafe({
  name: "Akave Async Gateway",
  ...links,
  guide: "docs/http-api.md in the repository"
})

/** Where to go on from here: a page for browsers, the same as JSON for others. */
const Front = HttpRouter.add("GET", "/", (request) =>
  Effect.succeed(
    HttpServerResponse.setHeader(
      request.headers["accept"]?.includes("text/html") === true ? front : frontJson,
      "vary",
      "accept"
    )
  ))

/** The page talks to this gateway alone: no fonts from elsewhere, nothing of its maker's cloud. */
const docs = {
  withDefaultFonts: false,
  telemetry: false,
  hideClientButton: true,
  showDeveloperTools: "never",
  agent: { disabled: true },
  mcp: { disabled: true }
}

export const routes = Layer.mergeAll(
  HttpApiBuilder.layer(Api, { openapiPath: "/openapi.json" }),
  HttpApiScalar.layer(Api, { path: "/docs", scalar: docs }),
  Front,
  Edge
).pipe(
  Layer.provide([BucketsHttp, JobsHttp, DeadLettersHttp, HealthHttp]),
  Layer.provide(ValidationHttp)
)
