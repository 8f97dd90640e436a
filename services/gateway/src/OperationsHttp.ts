/** The routes for those who operate a deployment. */
import { Api } from "@akave-async/api/Api"
import type { ServiceResource } from "@akave-async/api/OperationsApi"
import * as ServiceReports from "@akave-async/eventing/ServiceReports"
import { Effect } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import { diagnose } from "./Diagnosis.ts"
import { Sight } from "./Sight.ts"
import { eventsUnavailable } from "./Unavailable.ts"

const serviceResource = (instance: ServiceReports.Instance): ServiceResource => {
  const { id, metadata, report, service, startedAt, version } = instance
  return {
    name: ServiceReports.nameOf(service),
    id,
    version,
    build: metadata["build"] ?? null,
    node: metadata["node"] ?? null,
    started_at: startedAt,
    lanes: ServiceReports.lanesOf(instance),
    clock: report?.clock ?? null,
    ready: report?.readiness.ready ?? null,
    checks: report === undefined ? {} : ServiceReports.checksOf(report)
  }
}

export const OperationsHttp = HttpApiBuilder.group(
  Api,
  "operations",
  Effect.fnUntraced(function*(handlers) {
    const sight = yield* Sight
    return handlers.handleAll({
      services: () =>
        sight.services.pipe(
          Effect.map((instances) => ({ services: instances.map(serviceResource) })),
          Effect.mapError(eventsUnavailable)
        ),
      diagnosis: () => Effect.map(sight.look, diagnose)
    })
  })
)
