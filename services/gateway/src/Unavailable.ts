/** What is away, as problems of the HTTP API. */
import * as Problems from "@akave-async/api/Problems"
import { UndecodableEvent } from "@akave-async/eventing/CloudEvent"
import type { LogUnavailable } from "@akave-async/eventing/EventLog"
import * as RepeatedWarning from "@akave-async/platform/RepeatedWarning"
import { Effect } from "effect"
import type { SqlError } from "effect/sql"

const warn = RepeatedWarning.make()

/** Why nobody signs in with a key of a gateway that has no master secret. */
export const signInUnavailable = new Problems.SignInUnavailable({
  detail: "The gateway's operator must set MASTER_SECRET"
})

/** The log did not confirm what a request asked for, or holds what only a newer release can decide on. */
export const logUnavailable = ({ cause, message }: LogUnavailable) => {
  const reason = cause instanceof UndecodableEvent ? ` ${message}.` : ""
  return new Problems.EventLogUnavailable({
    detail: `The request was not stored.${reason} Try again after the time in Retry-After`
  })
}
/** The log does not give its events. */
export const eventsUnavailable = ({ message }: LogUnavailable) =>
  new Problems.EventLogUnavailable({ detail: `${message}. Ask again after the time in Retry-After` })
const modelUnavailable = (error: { readonly message: string }) =>
  new Problems.ReadModelUnavailable({
    detail: `${error.message}. Requests are still accepted; ask again after the time in Retry-After`
  })

/** What keeps the read model from answering, as a problem. */
export const lookupFailures = {
  LogUnavailable: modelUnavailable,
  ReadModelBehind: modelUnavailable,
  // What the database says is for the log: it names hosts, users and tables.
  SqlError: ({ message }: SqlError.SqlError) =>
    Effect.andThen(
      warn("the read model can't be read", message),
      Effect.fail(modelUnavailable({ message: "The database does not answer" }))
    )
}
