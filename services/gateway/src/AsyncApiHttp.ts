/** The events that the log holds, as an AsyncAPI document at `/asyncapi.json`. */
import { version } from "@akave-async/api/Api"
import * as AsyncApi from "@akave-async/eventing/AsyncApi"
import { eventsConfig } from "@akave-async/eventing/EventLogJetStream"
import { kinds } from "@akave-async/eventing/Registry"
import { Effect, Layer } from "effect"
import { HttpRouter, HttpServerResponse } from "effect/http"

export const AsyncApiHttp = Layer.unwrap(
  Effect.map(eventsConfig, ({ prefix }) => {
    const document = HttpServerResponse.jsonUnsafe(AsyncApi.document(kinds, { prefix, version }))
    return HttpRouter.add("GET", "/asyncapi.json", Effect.succeed(document))
  })
)
