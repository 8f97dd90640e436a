/** A question to all who answer on a subject of NATS. */
import { errors, type RequestManyOptions } from "@nats-io/transport-node"
import { DateTime, Effect, Stream } from "effect"
import { Nats } from "./Nats.ts"

export interface Answer {
  readonly text: string
  readonly receivedAt: DateTime.Utc
}

/** The answers to a body that come in time; none where nobody answers there. Fails with what the connection says. */
export const answersTo = Effect.fnUntraced(
  function*(subject: string, options: RequestManyOptions, body = "") {
    const connection = yield* Nats
    const answers = yield* Effect.tryPromise({
      // The library writes into the options.
      try: () => connection.requestMany(subject, body, { ...options }),
      catch: (cause) => cause
    })
    return yield* Stream.fromAsyncIterable(answers, (cause) => cause).pipe(
      Stream.mapEffect((message) =>
        Effect.map(DateTime.now, (receivedAt): Answer => ({ text: message.string(), receivedAt }))
      ),
      Stream.runCollect
    )
  },
  Effect.catchIf(
    (cause) =>
      cause instanceof errors.NoRespondersError || (cause instanceof errors.RequestError && cause.isNoResponders()),
    () => Effect.succeed<ReadonlyArray<Answer>>([])
  )
)
