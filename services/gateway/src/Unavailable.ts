/** What is away, as problems of the HTTP API. */
import * as Problems from "@akave-async/api/Problems"

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
  SqlError: () => modelUnavailable({ message: "The database does not answer" })
}
