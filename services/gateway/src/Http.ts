/** The HTTP face: the API with its routes, its document and its page. */
import { Api } from "@akave-async/api/Api"
import { Layer } from "effect"
import { HttpApiBuilder, HttpApiScalar } from "effect/http-api"
import { AccountsHttp, CallerHttp } from "./AccountsHttp.ts"
import { AsyncApiHttp } from "./AsyncApiHttp.ts"
import { BucketsHttp } from "./BucketsHttp.ts"
import * as Cors from "./Cors.ts"
import { DeadLettersHttp } from "./DeadLettersHttp.ts"
import { DownloadsHttp } from "./DownloadsHttp.ts"
import { Edge, ValidationHttp } from "./Edge.ts"
import { EventsHttp } from "./EventsHttp.ts"
import { FilesHttp } from "./FilesHttp.ts"
import { Front } from "./Front.ts"
import { HealthHttp } from "./HealthHttp.ts"
import * as IdentificationHttp from "./IdentificationHttp.ts"
import { JobsHttp } from "./JobsHttp.ts"
import { OperationsHttp } from "./OperationsHttp.ts"
import { SystemHttp } from "./SystemHttp.ts"
import { WebhooksHttp } from "./WebhooksHttp.ts"

/** The page talks to this gateway alone: no fonts from elsewhere, nothing of its maker's cloud. */
const docs = {
  withDefaultFonts: false,
  telemetry: false,
  hideClientButton: true,
  showDeveloperTools: "never",
  agent: { disabled: true },
  mcp: { disabled: true }
}

export const routes = Layer.mergeAll(
  HttpApiBuilder.layer(Api, { openapiPath: "/openapi.json" }),
  HttpApiScalar.layer(Api, { path: "/docs", scalar: docs }),
  AsyncApiHttp,
  Front,
  Cors.layerConfig,
  Edge
).pipe(
  Layer.provide([FilesHttp, DownloadsHttp]),
  Layer.provide([BucketsHttp, JobsHttp, EventsHttp, WebhooksHttp, CallerHttp, AccountsHttp, DeadLettersHttp]),
  Layer.provide([SystemHttp, HealthHttp, OperationsHttp]),
  Layer.provide([ValidationHttp, IdentificationHttp.layer])
)
