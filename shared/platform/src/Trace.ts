/** The trace that work belongs to, carried from process to process as W3C's `traceparent` (Trace Context, section 3.2). */
import { Clock, Context, Effect, Exit, Option, References, Tracer } from "effect"
import { Headers, HttpTraceContext } from "effect/http"
import { randomUUID } from "node:crypto"

const format = ({ sampled, spanId, traceId }: Tracer.AnySpan): string =>
  `00-${traceId.padStart(32, "0")}-${spanId}-${sampled ? "01" : "00"}`

/** The present span as a `traceparent`; undefined where nothing is traced. */
export const current: Effect.Effect<string | undefined> = Effect.map(
  Effect.serviceOption(Tracer.ParentSpan),
  (span) =>
    Option.isNone(span) || Context.get(span.value.annotations, Tracer.DisablePropagation)
      ? undefined
      : format(span.value)
)

/** The span that a `traceparent` names; undefined where it is none. */
export const parse = (traceparent: string | undefined): Tracer.ExternalSpan | undefined =>
  traceparent === undefined
    ? undefined
    : Option.getOrUndefined(HttpTraceContext.w3c(Headers.fromInput({ traceparent })))

/** The trace of what came without one, where nothing is traced: it joins the lines of all logs that speak of it. */
export const unrecorded = (): string => {
  const id = randomUUID().replaceAll("-", "")
  return `00-${id}-${id.slice(16)}-00`
}

/** The id of the trace, as logs have it. */
export const idOf = (traceparent: string | undefined): string | undefined => traceparent?.split("-", 2)[1]

/** The present span, where it is of the trace that a `traceparent` names; else that one. */
export const within = (traceparent: string | undefined): Effect.Effect<string | undefined> =>
  Effect.map(current, (span) => idOf(span) === idOf(traceparent) ? span : traceparent)

/** Runs what a message asks for in a span that follows on the message's `traceparent`. */
export const continued = (
  traceparent: string | undefined,
  name: string,
  options: Pick<Tracer.SpanOptions, "kind" | "attributes">
) =>
<A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, Exclude<R, Tracer.ParentSpan>> => {
  const parent = parse(traceparent)
  return Effect.withSpan(effect, name, { ...options, ...(parent === undefined ? { root: true } : { parent }) })
}

/**
 * Adds a span to the trace of each message of a batch that was processed as one: they all begin and end with the batch.
 * @param begun When the batch was begun, in nanoseconds since 1970.
 */
export const processed = Effect.fnUntraced(function*(
  messages: ReadonlyArray<{ readonly name: string; readonly traceparent: string | undefined }>,
  begun: bigint
) {
  if (!(yield* References.TracerEnabled)) return
  const tracer = yield* Effect.tracer
  const ended = yield* Clock.currentTimeNanos
  for (const { name, traceparent } of messages) {
    const parent = parse(traceparent)
    if (parent === undefined || !parent.sampled) continue
    tracer.span({
      name,
      parent: Option.some(parent),
      annotations: Context.empty(),
      links: [],
      startTime: begun,
      kind: "consumer",
      root: false,
      sampled: true
    }).end(ended, Exit.void)
  }
})
