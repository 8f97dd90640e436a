/** One question to a dependency, and what its answer says of readiness. */
import { Context, Effect } from "effect"

export interface State {
  readonly ready: boolean
  /** What it answered, or why it is not ready. */
  readonly detail: string
}

/** A dependency that takes longer than this to answer is not ready, in milliseconds. */
export const Patience = Context.Reference<number>("@akave-async/platform/HealthCheck/Patience", {
  defaultValue: () => 1500
})

export const check = <A, E extends { readonly message: string }, R>(
  question: Effect.Effect<A, E, R>,
  detailOf: (answer: A) => string = () => "answers"
): Effect.Effect<State, never, R> =>
  Effect.flatMap(Patience, (patience) =>
    question.pipe(
      Effect.map((answer) => ({ ready: true, detail: detailOf(answer) })),
      Effect.timeoutOrElse({
        duration: patience,
        orElse: () => Effect.succeed({ ready: false, detail: "no answer in time" })
      }),
      Effect.catch((error) => Effect.succeed({ ready: false, detail: error.message }))
    ))
