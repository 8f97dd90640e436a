/**
 * A service announces itself over NATS by the protocol of NATS services: it answers `$SRV.PING`, `$SRV.INFO` and `$SRV.STATS`,
 * each also with its name, and with name and id, behind it. `nats micro ls`, `info` and `stats` ask so. Nothing is stored, and
 * nothing is sent before somebody asks.
 */
import type { Msg } from "@nats-io/transport-node"
import { DateTime, Effect, Layer, Stream } from "effect"
import manifest from "../package.json" with { type: "json" }
import { InstanceId } from "./InstanceId.ts"
import { Nats } from "./Nats.ts"

export interface Options<R> {
  /** Of all instances of the service. */
  readonly name: string
  readonly description: string
  /** What every answer says of this instance, beside when it has `started`. */
  readonly metadata: Effect.Effect<Readonly<Record<string, string>>, never, R>
  /** What `STATS` carries as `data`, as JSON. */
  readonly data: Effect.Effect<unknown, never, R>
}

type Verb = "PING" | "INFO" | "STATS"

/** Questions that are answered at once. */
const concurrency = 16
const nanosPerMilli = 1e6

const typeOf = (verb: Verb) => `io.nats.micro.v1.${verb.toLowerCase()}_response`

/** The answers to each question, as the protocol has them. The one endpoint is the question for this instance's own statistics. */
const answersOf = Effect.fnUntraced(function*<R>({ data, description, metadata, name }: Options<R>) {
  const started = DateTime.formatIso(yield* DateTime.now)
  const identity = { name, id: yield* InstanceId, version: manifest.version }
  const endpoint = { name: "status", subject: `$SRV.STATS.${name}.${identity.id}`, queue_group: "" }
  let [answered, failed, millis] = [0, 0, 0]

  const stats = Effect.gen(function*() {
    const begun = performance.now()
    const own = yield* data
    millis += performance.now() - begun
    answered += 1
    return {
      started,
      endpoints: [{
        ...endpoint,
        num_requests: answered,
        num_errors: failed,
        last_error: "",
        processing_time: Math.round(millis * nanosPerMilli),
        average_processing_time: Math.round(millis * nanosPerMilli / answered),
        data: own
      }]
    }
  })
  const bodies: Readonly<Record<Verb, Effect.Effect<object, never, R>>> = {
    PING: Effect.succeed({}),
    INFO: Effect.succeed({ description, endpoints: [{ ...endpoint, metadata: {} }] }),
    STATS: stats
  }
  const answer = (verb: Verb) => (question: Msg) =>
    Effect.all([metadata, bodies[verb]]).pipe(
      Effect.flatMap(([metadata, body]) =>
        Effect.sync(() =>
          question.respond(
            JSON.stringify({ type: typeOf(verb), ...identity, metadata: { started, ...metadata }, ...body })
          )
        )
      ),
      Effect.catchCause((cause) => {
        failed += 1
        return Effect.logWarning(`a question ${question.subject} was not answered`, cause)
      })
    )
  return { answer, id: identity.id }
})

/**
 * Answers as long as the scope lives, over lost connections as well. Where the login may not subscribe to `$SRV.>`, the
 * connection reports that once, and the service goes on without.
 */
const announce = Effect.fnUntraced(function*<R>(options: Options<R>) {
  const connection = yield* Nats
  const { answer, id } = yield* answersOf(options)
  const subscribe = (subject: string) =>
    Effect.acquireRelease(
      Effect.sync(() => connection.subscribe(subject)),
      (subscription) => Effect.sync(() => subscription.unsubscribe())
    )
  const serve = Effect.fnUntraced(function*(verb: Verb, suffix: string) {
    const subscription = yield* subscribe(`$SRV.${verb}${suffix}`)
    yield* Stream.fromAsyncIterable(subscription, (cause) => cause).pipe(
      Stream.mapEffect(answer(verb), { concurrency, unordered: true }),
      Stream.runDrain,
      // It ends where the server refuses the subscription, and with the connection.
      Effect.ignore,
      Effect.forkScoped
    )
    return subscription
  })

  const first = yield* serve("PING", "")
  yield* Effect.promise(() => connection.flush())
  if (first.isClosed()) return
  for (const suffix of ["", `.${options.name}`, `.${options.name}.${id}`]) {
    for (const verb of ["PING", "INFO", "STATS"] as const) {
      if (verb !== "PING" || suffix !== "") yield* serve(verb, suffix)
    }
  }
})

/** Announces the service beside its work: a start does not wait for it. */
export const layer = <R>(options: Options<R>) => Layer.effectDiscard(Effect.forkScoped(announce(options)))
