/** The routes of health. */
import { Api } from "@akave-async/api/Api"
import { Effect } from "effect"
import { HttpServerResponse } from "effect/http"
import { HttpApiBuilder } from "effect/http-api"
import { Health } from "./Health.ts"

export const HealthHttp = HttpApiBuilder.group(
  Api,
  "health",
  Effect.fnUntraced(function*(handlers) {
    const health = yield* Health
    return handlers.handleAll({
      live: () => Effect.succeed({ status: "ok" as const }),
      ready: () =>
        Effect.map(
          health.readiness,
          (readiness) => HttpServerResponse.jsonUnsafe(readiness, { status: readiness.ready ? 200 : 503 })
        )
    })
  })
)
