/** The routes for those who operate a deployment: what runs, and what is wrong with it. */
import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, OpenApi } from "effect/http-api"
import { Identification, NeededScope, OpenToLocal } from "./Caller.ts"
import { Validation } from "./Conventions.ts"
import * as Problems from "./Problems.ts"
import { Dependency } from "./Resources.ts"

export const ServiceResource = Schema.Struct({
  /** As `nats micro ls` shows it. */
  name: Schema.String,
  /** Of this instance, until it ends. */
  id: Schema.String,
  version: Schema.String,
  /** The commit that it was built from; null where that is not known. */
  build: Schema.NullOr(Schema.String),
  /** The version of Node. */
  node: Schema.NullOr(Schema.String),
  started_at: Schema.DateTimeUtc,
  /** The wallets that it serves. */
  lanes: Schema.Array(Schema.String),
  /** Its own time when it answered. This and what follows is null or empty where only another release can read it. */
  clock: Schema.NullOr(Schema.DateTimeUtc),
  ready: Schema.NullOr(Schema.Boolean),
  /** By the name of what is depended on. */
  checks: Schema.Record(Schema.String, Dependency)
}).annotate({ identifier: "Service", description: "A service that answers, as it describes itself" })
export type ServiceResource = typeof ServiceResource.Type

export const ServiceList = Schema.Struct({ services: Schema.Array(ServiceResource) }).annotate({
  identifier: "ServiceList"
})

/** In the order of how bad they are. */
export const Status = Schema.Literals(["ok", "warning", "failed"])
export type Status = typeof Status.Type

export const Finding = Schema.Struct({
  /** What was looked at. */
  check: Schema.String,
  status: Status,
  message: Schema.String,
  /** What to do; null where there is nothing to do. */
  advice: Schema.NullOr(Schema.String)
}).annotate({ identifier: "Finding" })
export type Finding = typeof Finding.Type

export const Diagnosis = Schema.Struct({
  /** The worst of the findings. */
  status: Status,
  findings: Schema.Array(Finding)
}).annotate({ identifier: "Diagnosis", description: "Each check with what it has found" })
export type Diagnosis = typeof Diagnosis.Type

export class OperationsGroup extends HttpApiGroup.make("operations").add(
  HttpApiEndpoint.get("services", "/services", { success: ServiceList, error: [Problems.EventLogUnavailable] })
    .annotate(OpenApi.Summary, "The gateways, executors and projectors that answer now")
    .annotate(
      OpenApi.Description,
      "Asks all of them over NATS and waits for a second. For administrators and, where there are no accounts, for who reaches the gateway."
    ),
  HttpApiEndpoint.get("diagnosis", "/diagnosis", { success: Diagnosis })
    .annotate(OpenApi.Summary, "What is wrong with the deployment, and what to do")
    .annotate(
      OpenApi.Description,
      "Judges what the services report and what this gateway sees. Answers 200 whatever it finds; `status` is the worst finding. For the same callers as `GET /services`."
    )
).annotate(OpenApi.Description, "For those who operate the deployment").annotateEndpoints(NeededScope, "admin")
  .annotateEndpoints(OpenToLocal, true).middleware(Validation).middleware(Identification)
{}
