import type { Duration } from "effect"

/** What becomes of the event that a step reacted to: it is done, or it is wanted again after a time. */
export type Outcome = { readonly _tag: "Done" } | { readonly _tag: "Again"; readonly after: Duration.Duration }

export const done: Outcome = { _tag: "Done" }
export const again = (after: Duration.Duration): Outcome => ({ _tag: "Again", after })
