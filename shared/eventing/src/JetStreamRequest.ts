/** How the JetStream API is asked, and within which bounds. */
import { Duration, Effect } from "effect"
import { LogUnavailable } from "./EventLog.ts"

/** No answer within this time is an unavailable log: a request at the gateway must be answered within 2 s. */
export const requestTimeout = Duration.millis(1500)
/** How many messages a reader asks for ahead of what it has handled. */
export const prefetch = 1000

/** A call of the API whose failure says which operation it belongs to. */
export const request = <A>(operation: string, call: () => Promise<A>): Effect.Effect<A, LogUnavailable> =>
  Effect.tryPromise({ try: call, catch: (cause) => new LogUnavailable({ operation, cause }) })
