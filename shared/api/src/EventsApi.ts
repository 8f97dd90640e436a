/** The routes of events. */
import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, HttpApiSchema, OpenApi } from "effect/http-api"
import { Identification } from "./Caller.ts"
import { jobErrors, jobParams, page, Validation } from "./Conventions.ts"
import { EventPage, EventResource, Sequence, StreamId } from "./Events.ts"
import * as Problems from "./Problems.ts"

const events = {
  headers: {
    accept: Schema.optionalKey(Schema.String),
    "last-event-id": Schema.optionalKey(StreamId)
  },
  query: { after: Schema.optionalKey(Sequence), limit: page.limit },
  success: [EventPage, HttpApiSchema.StreamSse({ data: EventResource })] as const
}
export class EventsGroup extends HttpApiGroup.make("events").add(
  HttpApiEndpoint.get("list", "/events", { ...events, error: [Problems.EventLogUnavailable] })
    .annotate(OpenApi.Summary, "The events of all jobs: a page, or as they come")
    .annotate(
      OpenApi.Description,
      "A page of JSON, or with `Accept: text/event-stream` the events as they happen, beginning after `Last-Event-ID` or `after`, else with the next one."
    ),
  HttpApiEndpoint.get("ofJob", "/jobs/:job_id/events", {
    ...events,
    params: jobParams,
    success: [
      ...events.success,
      HttpApiSchema.Empty(204).annotate({
        description: "The client has the job's last event: there is nothing to follow"
      })
    ],
    error: jobErrors
  }).annotate(OpenApi.Summary, "The events of a job: a page, or as they come")
    .annotate(
      OpenApi.Description,
      "A page of JSON, or with `Accept: text/event-stream` all events of the job, those to come too. The stream ends with the job's last event; a client that has it already is answered with 204."
    )
).annotate(OpenApi.Description, "What has happened, as it is in the event log").middleware(Validation).middleware(
  Identification
) {}
