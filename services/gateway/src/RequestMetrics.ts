/** How long requests take, by method, route and status: as many series as there are of these, whatever clients send. */
import * as Measure from "@akave-async/platform/Measure"
import { Effect, Metric } from "effect"
import * as Methods from "./Methods.ts"

const seriesOf = Measure.labelled(
  Measure.seconds("http.server.request.duration", "From a request's headers to its answer's"),
  ["http.request.method", "http.route", "http.response.status_code"]
)
/** Any other is `_OTHER`, as OpenTelemetry has it. */
const methods = new Set(["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"])

/** Measures a request. */
export const measured = <Response extends { readonly status: number }, E, R>(
  { method, url }: { readonly method: string; readonly url: string },
  handled: Effect.Effect<Response, E, R>
): Effect.Effect<Response, E, R> =>
  Effect.suspend(() => {
    const begun = performance.now()
    return Effect.tap(handled, ({ status }) =>
      Metric.update(
        seriesOf(methods.has(method) ? method : "_OTHER", Methods.templateAt(url) ?? "none", `${status}`),
        (performance.now() - begun) / 1_000
      ))
  })
