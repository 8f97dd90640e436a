/** What is away, as problems of the HTTP API. */
import * as Problems from "@akave-async/api/Problems"
import * as NowAndThen from "@akave-async/platform/NowAndThen"
import { Effect } from "effect"
import type { SqlError } from "effect/sql"

const warn = NowAndThen.make()

/** The log did not confirm what a request asked for. */
export const logUnavailable = () =>
  new Problems.EventLogUnavailable({
    detail: "The request was not stored. Try again after the time in Retry-After"
  })
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
