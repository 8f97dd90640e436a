/**
 * How long requests take, by method, route, status and whether the client asked to be answered later: as many series as there
 * are of these, whatever clients send.
 */
import * as Measure from "@akave-async/platform/Measure"
import { Effect, Metric } from "effect"
import * as Methods from "./Methods.ts"

const seriesOf = Measure.labelled(
  Measure.seconds("http.server.request.duration", "From a request's headers to its answer's"),
  ["http.request.method", "http.route", "http.response.status_code", "waited"]
)
/** Any other is `_OTHER`, as OpenTelemetry has it. */
const methods = new Set(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])

/** Whether a client has asked to be answered when there is news: how long that took says nothing of the gateway. */
const hasWaited = (url: string, headers: Readonly<Record<string, string | undefined>>) =>
  "preference-applied" in headers || /[?&]wait=/.test(url)

/** Measures a request. */
export const measured = <
  Response extends { readonly status: number; readonly headers: Readonly<Record<string, string | undefined>> },
  E,
  R
>(
  { method, url }: { readonly method: string; readonly url: string },
  handled: Effect.Effect<Response, E, R>
): Effect.Effect<Response, E, R> =>
  Effect.suspend(() => {
    const begun = performance.now()
    return Effect.tap(handled, ({ headers, status }) =>
      Metric.update(
        seriesOf(
          methods.has(method) ? method : "_OTHER",
          Methods.templateAt(url, method) ?? "none",
          `${status}`,
          `${hasWaited(url, headers)}`
        ),
        (performance.now() - begun) / 1_000
      ))
  })
