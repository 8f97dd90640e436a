import * as EventLogJetStream from "@akave-async/eventing/EventLogJetStream"
import * as ServiceReports from "@akave-async/eventing/ServiceReports"
import { Tail } from "@akave-async/eventing/Tail"
import * as Failpoint from "@akave-async/platform/Failpoint"
import * as HealthServer from "@akave-async/platform/HealthServer"
import { MasterSecret } from "@akave-async/platform/MasterSecret"
import { Nats } from "@akave-async/platform/Nats"
import * as Postgres from "@akave-async/platform/Postgres"
import * as Service from "@akave-async/platform/Service"
import { AkaveNode } from "@akave-async/sdk/AkaveNode"
import { Staging } from "@akave-async/staging/Staging"
import { NodeServices } from "@effect/platform-node"
import { Effect, Layer } from "effect"
import { HttpRouter, HttpServer } from "effect/http"
import { Accounts } from "./Accounts.ts"
import { Admission } from "./Admission.ts"
import { Buckets } from "./Buckets.ts"
import { DeadLetters } from "./DeadLetters.ts"
import * as DownloadLinks from "./DownloadLinks.ts"
import { FileKeys } from "./FileKeys.ts"
import * as FilePaths from "./FilePaths.ts"
import { Files } from "./Files.ts"
import { FilesModel } from "./FilesModel.ts"
import * as GatewayMetrics from "./GatewayMetrics.ts"
import { Health } from "./Health.ts"
import * as Http from "./Http.ts"
import { IdempotencyKeys } from "./IdempotencyKeys.ts"
import { Jobs } from "./Jobs.ts"
import { JobsInFlight } from "./JobsInFlight.ts"
import { Jwt } from "./Jwt.ts"
import * as Methods from "./Methods.ts"
import { Network } from "./Network.ts"
import * as Past from "./Past.ts"
import * as RateLimits from "./RateLimits.ts"
import { queryPatience, ReadModel } from "./ReadModel.ts"
import { ReadModelState } from "./ReadModelState.ts"
import * as Server from "./Server.ts"
import { Sight } from "./Sight.ts"
import { StagedBytes } from "./StagedBytes.ts"
import { Statistics } from "./Statistics.ts"
import * as Sweeper from "./Sweeper.ts"
import { WebhookModel } from "./WebhookModel.ts"
import { Webhooks } from "./Webhooks.ts"

const Ready = Layer.effectDiscard(
  Effect.flatMap(
    Server.scheme,
    (scheme) =>
      HttpServer.addressFormattedWith((address) => Service.ready({ address: address.replace(/^http:/, `${scheme}:`) }))
  )
)

/** Before the server waits for the answers that are under way, those that have no end of their own are ended. */
const Ending = Layer.effectDiscard(Effect.gen(function*() {
  yield* HttpServer.HttpServer
  const tail = yield* Tail
  yield* Effect.addFinalizer(() => tail.cutAll)
}))

const Announced = Layer.unwrap(Effect.map(Health, ({ readiness }) =>
  ServiceReports.layer({
    service: "gateway",
    description: "Takes requests over HTTP, and answers with jobs",
    readiness,
    known: Effect.succeed({ migration: Postgres.readModelMigration }),
    metadata: Effect.succeed({ endpoints: Methods.endpoints.join(", ") })
  })))

/** A path means what it says: what a proxy before the gateway keeps from clients, it keeps in any spelling. */
const routerConfig = {
  caseSensitive: true,
  ignoreDuplicateSlashes: false,
  ignoreTrailingSlash: false,
  maxParamLength: FilePaths.maxLength
}

Service.main(
  "gateway",
  Layer.mergeAll(
    HttpRouter.serve(Http.routes, { routerConfig, disableLogger: true, disableListenLog: true }),
    Ready,
    Ending,
    HealthServer.layer({ service: "gateway", checks: {}, measure: GatewayMetrics.measure }),
    Announced,
    Sweeper.layerConfig
  )
    .pipe(
      Layer.provide(Server.layerConfig),
      Layer.provide(Sight.layer),
      Layer.provide(Health.layer),
      Layer.provide([DeadLetters.layer, Webhooks.layer]),
      Layer.provide(WebhookModel.layer),
      Layer.provide(StagedBytes.layerConfig),
      Layer.provide([Buckets.layer, Files.layer, Jobs.layer, Accounts.layer, DownloadLinks.layer]),
      Layer.provide([FilesModel.layer, Statistics.layer]),
      Layer.provide([FileKeys.layerConfig, Network.layer, Staging.layerConfig]),
      Layer.provide([Admission.layerConfig, MasterSecret.layerConfig, Jwt.layerConfig, RateLimits.layer]),
      Layer.provide(JobsInFlight.layer),
      Layer.provide([ReadModel.layer, ReadModelState.layer, IdempotencyKeys.layer]),
      Layer.provide(Tail.layer),
      Layer.provide(Failpoint.layerConfig),
      Layer.provide(Past.layer),
      Layer.provide([
        EventLogJetStream.layerConfig,
        Postgres.layerConfig(queryPatience),
        AkaveNode.layerConfig
      ]),
      Layer.provide([Nats.layerConfig("gateway"), NodeServices.layer])
    )
)
