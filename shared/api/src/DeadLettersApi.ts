/** The routes of dead letters. */
import * as DeadLetter from "@akave-async/domain/DeadLetter"
import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, HttpApiSchema, OpenApi } from "effect/http-api"
import { Identification } from "./Caller.ts"
import { bodyErrors, page, Validation } from "./Conventions.ts"
import * as Problems from "./Problems.ts"
import { DeadLetterPage, deadLetterQuery, DeadLetterResource, Redriven, RedriveRequest } from "./Resources.ts"

const deadLetterParams = { sequence: DeadLetter.Sequence }
export class DeadLettersGroup extends HttpApiGroup.make("deadLetters").add(
  HttpApiEndpoint.get("list", "/dead-letters", {
    query: { ...deadLetterQuery, ...page, after: Schema.optionalKey(DeadLetter.Sequence) },
    success: DeadLetterPage,
    error: [Problems.ReadModelUnavailable]
  }).annotate(OpenApi.Summary, "Events that could not be processed, in the order of the log")
    .annotate(OpenApi.Description, "Each was set aside with its reason. All filters that are given must hold."),
  HttpApiEndpoint.get("get", "/dead-letters/:sequence", {
    params: deadLetterParams,
    success: DeadLetterResource,
    error: [Problems.DeadLetterNotFound, Problems.ReadModelUnavailable]
  }).annotate(OpenApi.Summary, "An event that could not be processed")
    .annotate(OpenApi.Description, "The event's place in the log, why it was set aside, and whether it was redriven."),
  HttpApiEndpoint.post("redrive", "/dead-letters/:sequence/redrive", {
    params: deadLetterParams,
    success: DeadLetterResource.pipe(HttpApiSchema.status(202)),
    error: [Problems.DeadLetterNotFound, Problems.DeadLetterRedriven, Problems.EventLogUnavailable, ...bodyErrors]
  }).annotate(OpenApi.Summary, "Have a dead letter processed again")
    .annotate(
      OpenApi.Description,
      "Usually after a newer release was started. What was done of its step before is not done twice. If it dies again, it is `dead` again."
    ),
  HttpApiEndpoint.post("redriveAll", "/dead-letters/redrive", {
    payload: RedriveRequest,
    success: Redriven.pipe(HttpApiSchema.status(202)),
    error: [
      ...bodyErrors,
      Problems.EventLogUnavailable,
      Problems.ReadModelUnavailable
    ]
  }).annotate(OpenApi.Summary, "Have all dead letters processed again that a filter names, at most 1,000 at a time")
    .annotate(
      OpenApi.Description,
      "The answer reports by `more` whether there are others. That all are meant must be said, by `all`."
    )
).annotate(OpenApi.Description, "Events that could not be processed").middleware(Validation).middleware(
  Identification
) {}
