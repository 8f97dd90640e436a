/**
 * Every error of the HTTP API, as RFC 9457 `application/problem+json`. `code` is stable and meant for programs, `detail` is
 * a sentence that says what to do.
 */
import { Schema } from "effect"
import { HttpApiError } from "effect/http-api"

/** The fixed members of a problem; `type` is the code as a URI. */
const declare = <const Code extends string, const Status extends number>(
  code: Code,
  status: Status,
  title: string
) => ({
  declaration: { type: `urn:akave-async:problem:${code}`, status, title } as const,
  code: Schema.tag(code)
})
const problem = HttpApiError.Problem

const invalidRequest = declare("invalid_request", 400, "The request is not valid")
export class InvalidRequest extends problem<InvalidRequest>()("InvalidRequest", invalidRequest.declaration, {
  code: invalidRequest.code,
  errors: Schema.Array(HttpApiError.ProblemIssue)
}) {}

const bodyTooLarge = declare("body_too_large", 413, "The body is larger than 64 KiB")
export class BodyTooLarge extends problem<BodyTooLarge>()("BodyTooLarge", bodyTooLarge.declaration, {
  code: bodyTooLarge.code
}) {}

const unsupportedMediaType = declare("unsupported_media_type", 415, "The body is not JSON")
export class UnsupportedMediaType
  extends problem<UnsupportedMediaType>()("UnsupportedMediaType", unsupportedMediaType.declaration, {
    code: unsupportedMediaType.code
  })
{}

const routeNotFound = declare("route_not_found", 404, "There is nothing at this path")
export class RouteNotFound extends problem<RouteNotFound>()("RouteNotFound", routeNotFound.declaration, {
  code: routeNotFound.code
}) {}

const bucketExists = declare("bucket_exists", 409, "A bucket of this name exists")
export class BucketExists extends problem<BucketExists>()("BucketExists", bucketExists.declaration, {
  code: bucketExists.code,
  /** The job that created it. */
  job_id: Schema.String,
  bucket_id: Schema.String
}) {}

const bucketBusy = declare("bucket_busy", 409, "A job for this bucket name is under way")
export class BucketBusy extends problem<BucketBusy>()("BucketBusy", bucketBusy.declaration, {
  code: bucketBusy.code,
  /** The job that is under way. */
  job_id: Schema.String
}) {}

const jobNotFound = declare("job_not_found", 404, "There is no such job")
export class JobNotFound extends problem<JobNotFound>()("JobNotFound", jobNotFound.declaration, {
  code: jobNotFound.code
}) {}

const eventLogUnavailable = declare("event_log_unavailable", 503, "The event log does not answer")
export class EventLogUnavailable
  extends problem<EventLogUnavailable>()("EventLogUnavailable", eventLogUnavailable.declaration, {
    code: eventLogUnavailable.code
  })
{}

const readModelUnavailable = declare("read_model_unavailable", 503, "The read model does not answer")
export class ReadModelUnavailable
  extends problem<ReadModelUnavailable>()("ReadModelUnavailable", readModelUnavailable.declaration, {
    code: readModelUnavailable.code
  })
{}

const internalError = declare("internal_error", 500, "The gateway failed")
export class InternalError extends problem<InternalError>()("InternalError", internalError.declaration, {
  code: internalError.code
}) {}

const problems = [
  InvalidRequest,
  BodyTooLarge,
  UnsupportedMediaType,
  RouteNotFound,
  BucketExists,
  BucketBusy,
  JobNotFound,
  EventLogUnavailable,
  ReadModelUnavailable,
  InternalError
] as const
export type Problem = InstanceType<typeof problems[number]>
export const isProblem = (value: unknown): value is Problem => problems.some((problem) => value instanceof problem)
