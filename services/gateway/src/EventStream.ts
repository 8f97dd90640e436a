/** Live events as Server-Sent Events (WHATWG HTML, section 9.2): each is a CloudEvent, and its id is its place in the log. */
import type { StoredEvent } from "@akave-async/eventing/EventLog"
import { Duration, Effect, Option, Stream } from "effect"
import { HttpServerResponse } from "effect/http"
import * as CloudEventJson from "./CloudEventJson.ts"
import type { Tail } from "./Tail.ts"

/** A stream without an event gets a sign of life this often: proxies close what is silent, and who has gone is found out. */
const heartbeatInterval = Duration.seconds(15)
/** What a client waits before it comes back, in milliseconds. */
const retryMillis = 1_000

const encoder = new TextEncoder()
const opening = encoder.encode(`retry: ${retryMillis}\n\n`)
const heartbeat = encoder.encode(": still here\n\n")

/** One event goes to many followers. */
const frames = new WeakMap<StoredEvent, Uint8Array>()
const frameOf = (event: StoredEvent): Uint8Array => {
  const known = frames.get(event)
  if (known !== undefined) return known
  const frame = encoder.encode(`id: ${event.sequence}\ndata: ${CloudEventJson.toJson(event)}\n\n`)
  frames.set(event, frame)
  return frame
}

/** What of the events is sent, and whether they are the last ones. */
export type Select = (events: ReadonlyArray<StoredEvent>) => {
  readonly events: ReadonlyArray<StoredEvent>
  readonly isEnd: boolean
}

/**
 * Answers with the events from this sequence on that a filter matches. The answer ends with the last one, and where the
 * client is too slow or the log is away: the client comes back with the id of the last event that it has.
 */
export const answer = (
  tail: Tail["Service"],
  filter: string,
  from: number,
  select: Select = (events) => ({ events, isEnd: false })
): HttpServerResponse.HttpServerResponse => {
  const events = Effect.map(tail.follow(filter, from), ({ take }) => {
    const next = Effect.map(take(heartbeatInterval), (taken) => {
      if (taken.length === 0) return [[heartbeat], Option.some(undefined)] as const
      const { events, isEnd } = select(taken)
      return [events.map(frameOf), isEnd ? Option.none() : Option.some(undefined)] as const
    })
    return Stream.paginate(undefined, () => next)
  })
  return HttpServerResponse.stream(
    Stream.make(opening).pipe(
      Stream.concat(Stream.unwrap(events)),
      Stream.catchTag(["CutOff", "LogUnavailable"], () => Stream.empty)
    ),
    {
      contentType: "text/event-stream",
      headers: { "cache-control": "no-store", "x-accel-buffering": "no" }
    }
  )
}
