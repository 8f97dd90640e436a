/** What every request goes through: its body within a limit, its trace, and every failure as a problem. */
import { Validation } from "@akave-async/api/Conventions"
import * as Problems from "@akave-async/api/Problems"
import { Cause, Effect, Option, SchemaIssue, type Types } from "effect"
import { HttpRouter, HttpServerError, HttpServerRequest, HttpServerRespondable, HttpServerResponse } from "effect/http"
import { HttpApiMiddleware } from "effect/http-api"
import * as FilePaths from "./FilePaths.ts"
import * as Methods from "./Methods.ts"
import { measured } from "./RequestMetrics.ts"

const issues = SchemaIssue.makeFormatterStandardSchemaV1()

export const ValidationHttp = HttpApiMiddleware.layerSchemaErrorTransform(Validation, (error) => {
  if (error.kind === "Body" || error.kind === "ResponseHeaders") return Effect.die(error)
  const errors = issues(error.cause.issue).issues.map(({ message, path = [] }) => ({
    path: path.map((segment) => {
      const key = typeof segment === "object" ? segment.key : segment
      return typeof key === "number" ? key : String(key)
    }),
    // Of a body that is JSON but no object, the schema would only give its own name.
    message: path.length > 0 || error.kind !== "Payload" || message.includes("JSON")
      ? message
      : "Expected a JSON object with the fields that /docs shows"
  }))
  const where = error.kind === "Payload" ? "body" : error.kind.toLowerCase()
  const detail = errors.map(({ message, path }) => `${[where, ...path].join(".")}: ${message}`).join("; ")
  return Effect.fail(new Problems.InvalidRequest({ detail, errors }))
})

/** What a client gets to send a body of JSON. */
const patience = "30 seconds"
/** The largest body, in bytes. */
export const maxBody = 128 * 1024
/** Bodies are JSON. These types are taken for it too: what clients send when nobody gave them a type (curl's default). */
const jsonTypes = new Set(["", "application/json", "application/x-www-form-urlencoded", "text/plain"])

const tooLarge = new Problems.BodyTooLarge({ detail: `Send at most ${maxBody} bytes` })

/** Whether the body of a request is a file, or a form with one: it is read by whoever stores it. */
export const hasFile = ({ method, url }: { readonly method: string; readonly url: string }): boolean => {
  const path = url.split("?", 1)[0] ?? ""
  return method === "PUT"
    ? /^\/buckets\/[^/]+\/files\//.test(path)
    : method === "POST" && /^\/buckets\/[^/]+\/files$/.test(path)
}

const tooSlow = new Problems.RequestTimeout({ detail: "The body did not come within 30 s: send it again" })

/** The request as it is routed. */
const routed = (request: HttpServerRequest.HttpServerRequest) => {
  const url = FilePaths.inOneSegment(request.url, request.method)
  return url === request.url ? request : request.modify({ url })
}

/** Reads the body within its limit and marks it as the JSON that it is taken for. Where there is no body its type says nothing. */
const withBody = Effect.fnUntraced(function*(request: HttpServerRequest.HttpServerRequest) {
  if (request.method === "GET" || request.method === "HEAD" || hasFile(request)) return request
  if (Number(request.headers["content-length"] ?? 0) > maxBody) return yield* tooLarge
  const type = (request.headers["content-type"] ?? "").split(";")[0]?.trim().toLowerCase() ?? ""
  const isJson = jsonTypes.has(type) || type.endsWith("+json")
  const json = request.modify({ headers: { ...request.headers, "content-type": "application/json" } })
  const text = yield* Effect.timeoutOrElse(Effect.option(json.text), { duration: patience, orElse: () => tooSlow })
  if (!isJson && !Option.contains(text, "")) {
    return yield* new Problems.UnsupportedMediaType({ detail: `Send the body as application/json, not as ${type}` })
  }
  return Option.isSome(text) ? json : yield* tooLarge
}, Effect.provideService(HttpServerRequest.MaxBodySize, BigInt(maxBody)))

const isEncoded = (url: string): boolean => {
  try {
    decodeURIComponent(url.split("?", 1)[0] ?? "")
    return true
  } catch {
    return false
  }
}

/** The answer where no route has this method and path. */
const notServed = Effect.fnUntraced(function*(method: string, url: string) {
  if (!isEncoded(url)) {
    return yield* HttpServerRespondable.toResponse(
      new Problems.InvalidRequest({ detail: "The path is not UTF-8, percent-encoded", errors: [] })
    )
  }
  const allow = Methods.allowedAt(url, method)
  if (allow === undefined) {
    const detail = `${method} ${url} is not served; /docs shows what is`
    return yield* HttpServerRespondable.toResponse(new Problems.RouteNotFound({ detail }))
  }
  if (method === "OPTIONS") return HttpServerResponse.empty({ status: 204, headers: { allow } })
  const detail = `${method} is not served at this path, ${allow} are; /docs shows what they do`
  const problem = yield* HttpServerRespondable.toResponse(new Problems.MethodNotAllowed({ detail }))
  return HttpServerResponse.setHeader(problem, "allow", allow)
})

/** Every failure that the routes left, and every defect, as a problem. */
const toProblem = Effect.fnUntraced(function*(cause: Cause.Cause<unknown>) {
  const failure = Cause.squash(cause)
  if (Problems.isProblem(failure)) return yield* HttpServerRespondable.toResponse(failure)
  const { method, url } = yield* HttpServerRequest.HttpServerRequest
  if (failure instanceof HttpServerError.HttpServerError && failure.reason._tag === "RouteNotFound") {
    return yield* notServed(method, url)
  }
  if (!Cause.hasInterruptsOnly(cause)) yield* Effect.logError("request failed", cause)
  const detail = "This is a defect of the gateway; its log has the cause"
  return yield* HttpServerRespondable.toResponse(new Problems.InternalError({ detail }))
})

/** What some statuses ask for: when to come back (RFC 9110, section 10.2.3), and how to sign in (section 11.6.1). */
const withAdvice = (response: HttpServerResponse.HttpServerResponse) => {
  switch (response.status) {
    case 429:
    case 503:
      return HttpServerResponse.setHeader(response, "retry-after", "1")
    case 401:
      return HttpServerResponse.setHeader(response, "www-authenticate", "Bearer")
    default:
      return response
  }
}

export const Edge = HttpRouter.middleware(
  (app) =>
    Effect.flatMap(HttpServerRequest.HttpServerRequest, (request) => withBody(routed(request))).pipe(
      Effect.flatMap((request) => Effect.provideService(app, HttpServerRequest.HttpServerRequest, request)),
      Effect.catchCause(toProblem),
      Effect.map(withAdvice),
      (handled) => Effect.flatMap(HttpServerRequest.HttpServerRequest, (request) => measured(request, handled)),
      // The router's type asks every middleware to let errors through; here is the one that lets none.
      (
        handled
      ): Effect.Effect<HttpServerResponse.HttpServerResponse, Types.unhandled, HttpServerRequest.HttpServerRequest> =>
        handled
    ),
  { global: true }
)
