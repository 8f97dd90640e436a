/**
 * Traces over OTLP/HTTP, as `OTEL_EXPORTER_OTLP_ENDPOINT` and the other variables of OpenTelemetry say. Where none is set, nothing
 * is traced, and that costs nothing.
 */
import { Config, ConfigProvider, Effect, Layer, Option, References } from "effect"
import { FetchHttpClient } from "effect/http"
import { OtlpSerialization, OtlpTracer } from "effect/observability"

const endpoint = Config.option(
  Config.orElse(
    Config.NonEmptyString("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"),
    () => Config.NonEmptyString("OTEL_EXPORTER_OTLP_ENDPOINT")
  )
)

/** OpenTelemetry's own default, which Effect's exporter does not have. */
const defaults = ConfigProvider.layerAdd(ConfigProvider.fromUnknown({ OTEL_TRACES_EXPORTER: "otlp" }))

/** What the spans of a service go to. */
export const layer = (service: string) =>
  Layer.unwrap(Effect.gen(function*() {
    const isDisabled = yield* Config.Boolean("OTEL_SDK_DISABLED").pipe(Config.withDefault(false))
    if (isDisabled || Option.isNone(yield* endpoint)) return Layer.succeed(References.TracerEnabled, false)
    const resource = { serviceName: service, attributes: { "service.namespace": "akave-async" } }
    return OtlpTracer.layerFromConfig({ resource }).pipe(
      Layer.provide([OtlpSerialization.layerJson, FetchHttpClient.layer, defaults])
    )
  }))
