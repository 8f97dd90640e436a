/** How many requests an account may send in a second, counted by this gateway: as many at once, and then as many a second. */
import type { Caller } from "@akave-async/api/Caller"
import * as Problems from "@akave-async/api/Problems"
import type * as Account from "@akave-async/domain/Account"
import { Duration, Effect, Layer } from "effect"
import { HttpEffect, HttpServerResponse } from "effect/http"
import { RateLimiter } from "effect/persistence"

/** Counts the requests of this process. */
export const layer = RateLimiter.layer.pipe(Layer.provide(RateLimiter.layerStoreMemory))

const window = Duration.seconds(1)
const seconds = (duration: Duration.Duration) => Math.ceil(Duration.toSeconds(duration))

interface Limited extends Pick<Caller["Service"], "account"> {
  readonly limits: Account.Limits
}

/**
 * Counts a request of an account, and has its answer say by `RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers,
 * version 10) what the account may still send. Fails where that is nothing.
 */
export const count = Effect.fnUntraced(function*(limiter: RateLimiter.RateLimiter, { account, limits }: Limited) {
  const limit = limits.requestsPerSecond
  const counted = yield* Effect.result(
    limiter.consume({ algorithm: "token-bucket", onExceeded: "fail", key: account, limit, window })
  )
  const { remaining, resetAfter } = counted._tag === "Success" ? counted.success : { remaining: 0, resetAfter: window }
  yield* HttpEffect.appendPreResponseHandler((_, response) =>
    Effect.succeed(HttpServerResponse.setHeaders(response, {
      "ratelimit-policy": `"account";q=${limit};w=${seconds(window)}`,
      ratelimit: `"account";r=${remaining};t=${seconds(resetAfter)}`
    }))
  )
  if (counted._tag === "Failure") {
    return yield* new Problems.RateLimited({
      detail: `The account may send ${limit} requests a second. Ask again after the time in Retry-After`
    })
  }
})
