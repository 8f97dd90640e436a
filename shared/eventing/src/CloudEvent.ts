/**
 * Events on the wire: CloudEvents 1.0 in the NATS binary mode. Attributes are `ce-*` headers, the payload is the event's
 * JSON without its tag; the tag is the type: `BucketRequested` is `akave.BucketRequested.v1`. An event whose shape had to
 * change is written as the next version, and an {@link Upcaster} reads each earlier one.
 */
import { DateTime, Effect, Result, Schema } from "effect"

/** A message's place in the log, from 1. */
export type Sequence = number
/** An event as it is stored. */
export interface StoredEvent {
  readonly sequence: Sequence
  readonly subject: string
  /** Header names in lower case. */
  readonly headers: Readonly<Record<string, string>>
  readonly data: Uint8Array
}

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
  /** The writer, as a URI reference: `/akave/gateway`, or `/akave/executor/` and the id of the instance. */
  readonly source: string
  readonly time: DateTime.Utc
  /** What the event is about, within its source. */
  readonly subject: string
  /** The whole conversation: the id of the job. */
  readonly correlationId?: string | undefined
  /** The account that the conversation is of; none for what is nobody's, or of before there were accounts. */
  readonly account?: string | undefined
  /** The event that this one directly follows from. */
  readonly causationId?: string | undefined
  /** W3C trace context of the request that began the conversation. */
  readonly traceparent?: string | undefined
}

export class UndecodableEvent extends Schema.TaggedError<UndecodableEvent>()("UndecodableEvent", {
  sequence: Schema.Natural,
  type: Schema.String,
  reason: Schema.String,
  /** Whether its type is one that this release does not know, so that a newer one has written it. */
  isNewer: Schema.Boolean
}) {
  override readonly message = `Event ${this.sequence} of type "${this.type}" can't be read: ${this.reason}`
}

type AnyCase = Schema.Codec<{ readonly _tag: string }, unknown>

export interface CloudEvents<Event> {
  encode(event: Event, metadata: Metadata): Effect.Effect<NewEvent, Schema.SchemaError>
  decode(stored: StoredEvent): Result.Result<Event, UndecodableEvent>
  /** The event with its tag, as plain JSON. */
  toJson(event: Event): Schema.JsonObject
  /** The CloudEvents types that are read, those of earlier versions among them. */
  readonly types: ReadonlyArray<string>
  /** The types that are written, each with the schema of its events, tag included, as JSON. */
  readonly schemas: ReadonlyArray<{ readonly type: string; readonly schema: Schema.Top }>
}

/** Reads an earlier shape of an event: what was stored, without a tag, to the event as it is today. */
export type Upcaster<Event> = (stored: unknown) => Result.Result<Event, Schema.SchemaError>

/** The upcaster of a shape: its schema, and how an event of it is written today. */
export const upcaster = <Old, Event>(
  schema: Schema.Codec<Old, unknown>,
  upcast: (old: Old) => Event
): Upcaster<Event> => {
  const decode = Schema.decodeUnknownResult(Schema.toCodecJson(schema))
  return (stored) => Result.map(decode(stored), upcast)
}

/** For each tag with earlier shapes their upcasters, version 1 first; the version after the last is the one written. */
export type Upcasters<Event extends { readonly _tag: string }> = {
  readonly [Tag in Event["_tag"]]?: ReadonlyArray<Upcaster<Extract<Event, { readonly _tag: Tag }>>>
}

/** The codec of a tagged union of events. */
export const make = <Event extends { readonly _tag: string }>(
  union: { readonly cases: Readonly<Record<Event["_tag"], unknown>> } & Schema.Codec<Event, unknown>,
  upcasters: Upcasters<Event> = {}
): CloudEvents<Event> => {
  const encodeJson = Schema.encodeEffect(Schema.toCodecJson(union))
  const encodeJsonSync = Schema.encodeSync(Schema.toCodecJson(union))
  const earlierOf = (tag: string): ReadonlyArray<Upcaster<Event>> => upcasters[tag as Event["_tag"]] ?? []
  const typeOf = (tag: string) => typeOfVersion(tag, earlierOf(tag).length + 1)
  const decoders = new Map<string, Upcaster<Event>>(
    Object.entries(union.cases).flatMap(([tag, member]) => {
      const decode = Schema.decodeUnknownResult(Schema.toCodecJson(member as AnyCase))
      const current: Upcaster<Event> = (stored) =>
        decode({ ...Object(stored), _tag: tag }) as Result.Result<Event, Schema.SchemaError>
      return [...earlierOf(tag), current].map((read, n) => [typeOfVersion(tag, n + 1), read] as const)
    })
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
          ...(metadata.account === undefined ? {} : { "ce-account": metadata.account }),
          ...(metadata.causationId === undefined ? {} : { "ce-causationid": metadata.causationId }),
          ...(metadata.traceparent === undefined ? {} : { traceparent: metadata.traceparent })
        }
      }
    })

  const decode = (stored: StoredEvent): Result.Result<Event, UndecodableEvent> => {
    const type = stored.headers["ce-type"] ?? ""
    const fail = (reason: string, isNewer = false) =>
      Result.fail(new UndecodableEvent({ sequence: stored.sequence, type, reason, isNewer }))
    const decoder = decoders.get(type)
    if (type === "") return fail("it has no type")
    if (decoder === undefined) return fail("this release does not know the type; a newer one does", true)
    return Result.try(() => JSON.parse(utf8.decode(stored.data))).pipe(
      Result.flatMap(decoder),
      Result.match({ onFailure: (error) => fail(String(error)), onSuccess: (event) => Result.succeed(event) })
    )
  }

  return {
    encode,
    decode,
    toJson: (event) => encodeJsonSync(event) as Schema.JsonObject,
    types: Array.from(decoders.keys()),
    schemas: Object.entries(union.cases).map(([tag, member]) => ({
      type: typeOf(tag),
      schema: Schema.toCodecJson(member as AnyCase)
    }))
  }
}

const utf8 = new TextDecoder("utf-8", { fatal: true })

/** The tag of the events of a type, whichever its version. */
export const tagOf = (type: string): string => /^akave\.(\w+)\.v\d+$/.exec(type)?.[1] ?? ""

const typeOfVersion = (tag: string, version: number): string => `akave.${tag}.v${version}`
