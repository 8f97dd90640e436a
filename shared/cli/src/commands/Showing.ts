/** Shows what a call gives. */
import { Effect } from "effect"
import { Output } from "../Output.ts"

export const show = <E, R>(value: Effect.Effect<object, E, R>): Effect.Effect<void, E, Output | R> =>
  Effect.flatMap(value, (value) => Output.use(({ show }) => show(value)))
