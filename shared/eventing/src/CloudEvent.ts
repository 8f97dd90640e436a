/**
 * Events on the wire: CloudEvents 1.0 in the NATS binary mode. Attributes are `ce-*` headers, the payload is the event's
 * JSON without its tag; the tag is the type: `BucketRequested` is `akave.BucketRequested.v1`.
 */
import { DateTime, Effect, Result, Schema } from "effect"
import type { StoredEvent } from "./EventLog.ts"

/** An event that is ready to be appended. */
export interface NewEvent {
  /** Unique per fact: an append that is tried twice with one id is stored once. */
  readonly id: string
  readonly headers: Readonly<Record<string, string>>
  readonly data: Uint8Array
}

/** What an event is stored with, beside itself. */
export interface Metadata {
  /** Derived from what happened (a job, a step, an attempt), so that a repeated step finds its first try. */
  readonly id: string
  /** The writer, as a URI reference: `/akave/gateway`. */
  readonly source: string
  readonly time: DateTime.Utc
  /** What the event is about, within its source. */
  readonly subject: string
  /** The whole conversation: the id of the job. */
  readonly correlationId?: string | undefined
  /** The event that this one directly follows from. */
  readonly causationId?: string | undefined
  /** W3C trace context of the request that began the conversation. */
  readonly traceparent?: string | undefined
}

export class UndecodableEvent extends Schema.TaggedError<UndecodableEvent>()("UndecodableEvent", {
  sequence: Schema.Natural,
  type: Schema.String,
  reason: Schema.String
}) {
  override readonly message = `Event ${this.sequence} of type "${this.type}" can't be read: ${this.reason}`
}

type AnyCase = Schema.Codec<{ readonly _tag: string }, unknown>

export interface CloudEvents<Event> {
  encode(event: Event, metadata: Metadata): Effect.Effect<NewEvent, Schema.SchemaError>
  decode(stored: StoredEvent): Result.Result<Event, UndecodableEvent>
}

/** The codec of a tagged union of events. */
export const make = <Event extends { readonly _tag: string }>(
  union: { readonly cases: Readonly<Record<Event["_tag"], unknown>> } & Schema.Codec<Event, unknown>
): CloudEvents<Event> => {
  const encodeJson = Schema.encodeEffect(Schema.toCodecJson(union))
  const decoders = new Map(
    Object.entries(union.cases).map(([tag, member]) => [
      typeOf(tag),
      { tag, decode: Schema.decodeUnknownResult(Schema.toCodecJson(member as AnyCase)) }
    ])
  )

  const encode = (event: Event, metadata: Metadata) =>
    Effect.map(encodeJson(event), (json): NewEvent => {
      const { _tag, ...fields } = json as Schema.JsonObject
      return {
        id: metadata.id,
        data: new TextEncoder().encode(JSON.stringify(fields)),
        headers: {
          "ce-specversion": "1.0",
          "ce-id": metadata.id,
          "ce-type": typeOf(event._tag),
          "ce-source": metadata.source,
          "ce-subject": metadata.subject,
          "ce-time": DateTime.formatIso(metadata.time),
          "content-type": "application/json",
          ...(metadata.correlationId === undefined ? {} : { "ce-correlationid": metadata.correlationId }),
          ...(metadata.causationId === undefined ? {} : { "ce-causationid": metadata.causationId }),
          ...(metadata.traceparent === undefined ? {} : { traceparent: metadata.traceparent })
        }
      }
    })

  const decode = (stored: StoredEvent): Result.Result<Event, UndecodableEvent> => {
    const type = stored.headers["ce-type"] ?? ""
    const fail = (reason: string) => Result.fail(new UndecodableEvent({ sequence: stored.sequence, type, reason }))
    const decoder = decoders.get(type)
    if (decoder === undefined) return fail("the type is unknown here")
    return Result.try(() => JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(stored.data))).pipe(
      Result.flatMap((fields) => decoder.decode({ ...fields, _tag: decoder.tag })),
      Result.match({ onFailure: (error) => fail(String(error)), onSuccess: (event) => Result.succeed(event as Event) })
    )
  }

  return { encode, decode }
}

const typeOf = (tag: string): string => `akave.${tag}.v1`
