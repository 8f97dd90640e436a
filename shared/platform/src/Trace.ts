/** The trace that work belongs to, carried from process to process as W3C's `traceparent` (Trace Context, section 3.2). */
import { Clock, Context, Effect, Exit, Option, References, Tracer } from "effect"
import { Headers, HttpTraceContext } from "effect/http"
import { randomUUID } from "node:crypto"

const format = ({ sampled, spanId, traceId }: Tracer.AnySpan): string =>
  `00-${traceId.padStart(32, "0")}-${spanId}-${sampled ? "01" : "00"}`

/** The span that this is a context of; undefined where nothing is traced. */
export const spanIn = (context: Context.Context<never>): Tracer.AnySpan | undefined => {
  const span = Context.getOrUndefined(context, Tracer.ParentSpan)
  return span === undefined || Context.get(span.annotations, Tracer.DisablePropagation) ? undefined : span
}

/** The present span as a `traceparent`; undefined where nothing is traced. */
export const current: Effect.Effect<string | undefined> = Effect.contextWith((context: Context.Context<never>) => {
  const span = spanIn(context)
  return Effect.succeed(span === undefined ? undefined : format(span))
})

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
 * Adds a span to the trace of each event of a batch that was processed as one: they all begin and end with the batch. Where nothing is
 * traced, nothing is looked at.
 * @param verb What was done with them: the spans' names are this and the event's type.
 * @param begun When the batch was begun, in nanoseconds since 1970.
 */
export const processed = Effect.fnUntraced(function*(
  verb: string,
  events: ReadonlyArray<{ readonly headers: Readonly<Record<string, string>> }>,
  begun: bigint
) {
  if (!(yield* References.TracerEnabled)) return
  const tracer = yield* Effect.tracer
  const ended = yield* Clock.currentTimeNanos
  for (const { headers } of events) {
    const parent = parse(headers["traceparent"])
    if (parent === undefined || !parent.sampled) continue
    tracer.span({
      name: `${verb} ${headers["ce-type"]}`,
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
