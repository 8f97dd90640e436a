/** Live events as Server-Sent Events (WHATWG HTML, section 9.2): each is a CloudEvent, and its id says its place in the log. */
import type { Caller } from "@akave-async/api/Caller"
import * as CloudEventJson from "@akave-async/eventing/CloudEventJson"
import type { Sequence, StoredEvent } from "@akave-async/eventing/EventLog"
import type { Tail } from "@akave-async/eventing/Tail"
import * as Trace from "@akave-async/platform/Trace"
import { Clock, Effect, Metric, Option, Stream } from "effect"
import { HttpServerResponse } from "effect/http"
import { Progress } from "./Progress.ts"

/** A silent stream gets a sign of life this often: proxies close what is silent, and who has gone is found out. */
const heartbeatMillis = 15_000
/** What a client waits before it comes back, in milliseconds. */
const retryMillis = 1_000

const streams = Metric.gauge("akave.gateway.streams", { description: "Live streams of events that are open" })

const encoder = new TextEncoder()
const opening = encoder.encode(`retry: ${retryMillis}\n\n`)
const heartbeat = encoder.encode(": still here\n\n")

/** One event goes to many followers. */
const frames = new WeakMap<StoredEvent, { readonly id: string; readonly frame: Uint8Array }>()
const frameOf = (event: StoredEvent, id: string): Uint8Array => {
  const known = frames.get(event)
  if (known?.id === id) return known.frame
  const frame = encoder.encode(`id: ${id}\ndata: ${CloudEventJson.toJson(event)}\n\n`)
  frames.set(event, { id, frame })
  return frame
}

/** Where the events come from, and what their ids are. */
export interface Source {
  readonly tail: Tail["Service"]
  readonly idOf: (sequence: Sequence) => string
}

/** What of the events is sent, and whether they are the last ones. */
export type Select = (events: ReadonlyArray<StoredEvent>) => {
  readonly events: ReadonlyArray<StoredEvent>
  readonly isEnd: boolean
}

/**
 * Answers with the events from this sequence on that a filter matches and that are selected, with little of the progress of jobs. The answer ends with the last one,
 * and where the client is too slow, its key is not taken any more or the log is away: the client comes back with the id of the
 * last event that it has.
 */
export const answer = (
  { idOf, tail }: Source,
  { isCurrent }: Pick<Caller["Service"], "isCurrent">,
  filter: string,
  from: number,
  select: Select
): HttpServerResponse.HttpServerResponse => {
  const events = Effect.gen(function*() {
    const { take } = yield* tail.follow(filter, from)
    yield* Effect.acquireRelease(Metric.modify(streams, 1), () => Metric.modify(streams, -1))
    const progress = new Progress()
    let silentSince = performance.now()
    const next = Effect.gen(function*() {
      const wakeAt = Math.min(silentSince + heartbeatMillis, progress.dueAt ?? Infinity)
      const taken = yield* take(Math.max(0, wakeAt - performance.now()))
      const begun = yield* Clock.currentTimeNanos
      if (!isCurrent()) return [[], Option.none()] as const
      const { events: selected, isEnd } = select(taken)
      const events = progress.pass(selected, performance.now())
      yield* Trace.processed("send", events, begun)
      const frames = events.map((event) => frameOf(event, idOf(event.sequence)))
      if (frames.length === 0 && performance.now() >= silentSince + heartbeatMillis) frames.push(heartbeat)
      if (frames.length > 0) silentSince = performance.now()
      return [frames, isEnd ? Option.none() : Option.some(undefined)] as const
    })
    return Stream.paginate(undefined, () => next)
  })
  return respond(Stream.catchTag(Stream.unwrap(events), ["CutOff", "LogUnavailable"], () => Stream.empty))
}

/** Answers with these events, which are the last ones. */
export const ended = (
  events: ReadonlyArray<StoredEvent>,
  { idOf }: Pick<Source, "idOf">
): HttpServerResponse.HttpServerResponse =>
  respond(Stream.fromIterable(events.map((event) => frameOf(event, idOf(event.sequence)))))

const respond = (frames: Stream.Stream<Uint8Array>): HttpServerResponse.HttpServerResponse =>
  HttpServerResponse.stream(Stream.concat(Stream.make(opening), frames), {
    contentType: "text/event-stream",
    headers: { "cache-control": "no-store", "x-accel-buffering": "no" }
  })
