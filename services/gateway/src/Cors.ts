/** Which pages of other origins may use the API from a browser. */
import { Config, Effect, Layer } from "effect"
import { HttpRouter } from "effect/http"

/** Those of `CORS_ORIGINS`, separated by commas; none where it is not set. */
export const layerConfig = Layer.unwrap(Effect.map(
  Config.String("CORS_ORIGINS").pipe(Config.withDefault("")),
  (text) => {
    const origins = text.split(",").map((origin) => origin.trim()).filter((origin) => origin !== "")
    if (origins.length === 0) return Layer.empty
    return HttpRouter.cors({
      allowedOrigins: origins,
      allowedMethods: ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"],
      exposedHeaders: [
        "accept-ranges",
        "content-disposition",
        "content-range",
        "etag",
        "location",
        "preference-applied",
        "ratelimit",
        "ratelimit-policy",
        "repr-digest",
        "retry-after",
        "www-authenticate"
      ],
      maxAge: 600
    })
  }
))
