/** Events as the HTTP API shows them: CloudEvents 1.0 in the JSON format. */
import * as Job from "@akave-async/domain/Job"
import { Schema } from "effect"

/** A place in the event log, from 1. */
export const Sequence = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER })).annotate({
  description: "A place in the event log: 0 is before the first event"
})

/** The id of an event on a live stream: its sequence and, once the log was restored, how often that was. */
export const StreamId = Schema.String.check(
  Schema.isPattern(/^(0|[1-9][0-9]{0,15})(\.[1-9][0-9]{0,8})?$/u, {
    message: "an event's id is a sequence, or a sequence and a number with a dot between them"
  })
).annotate({ description: "The id of the last event that came on a stream, as the stream gave it" })

export const EventResource = Schema.Struct({
  specversion: Schema.Literal("1.0"),
  id: Schema.String,
  source: Schema.String,
  type: Schema.String,
  subject: Schema.String,
  time: Schema.optionalKey(Schema.DateTimeUtc),
  datacontenttype: Schema.Literal("application/json"),
  /** The event's place in the log. */
  sequence: Schema.String.check(Schema.isPattern(/^[1-9][0-9]*$/u)),
  /** The job that it belongs to. */
  correlationid: Schema.optionalKey(Job.Id),
  /** The event that it directly follows from. */
  causationid: Schema.optionalKey(Schema.String),
  traceparent: Schema.optionalKey(Schema.String),
  data: Schema.optionalKey(Schema.Json),
  /** Where the data is not the JSON that it should be. */
  data_base64: Schema.optionalKey(Schema.String)
}).annotate({ identifier: "Event", description: "An event of the log, as a CloudEvent in the JSON format" })
export type EventResource = typeof EventResource.Type

export const EventPage = Schema.Struct({
  events: Schema.Array(EventResource),
  /** Give it as `after` to get the next page; null on the last one. */
  next: Schema.NullOr(Sequence)
}).annotate({ identifier: "EventPage" })
