import { NodeRuntime } from "@effect/platform-node"
import { Cause, Effect, Layer, References, Runtime } from "effect"
import * as Logs from "./Logs.ts"
import * as Proxies from "./Proxies.ts"
import { sentenceOf } from "./Sentence.ts"
import * as Telemetry from "./Telemetry.ts"

/**
 * Says that a service is up: one log line with the message "ready" and the details (addresses, versions) as its
 * annotations. Supervisors wait for this line, so it is logged last, and at any `LOG_LEVEL`.
 */
export const ready = (details: Record<string, string | number>): Effect.Effect<void> =>
  Effect.logInfo("ready").pipe(
    Effect.annotateLogs(details),
    Effect.provideService(References.MinimumLogLevel, "Info")
  )

/**
 * Runs a layer as this process until SIGINT or SIGTERM, then releases it in order.
 *
 * Proxies that the environment names are used, except for what is on this machine. Logs go to standard output.
 * A typed failure is reported in one sentence and a defect with its stack; both end the process with exit code 1.
 */
export const main = <E>(service: string, layer: Layer.Layer<never, E>): void => run(service, Layer.launch(layer))

/** Runs an effect as this process to its end, which is exit code 0, with the logs and failures of {@link main}. */
export const run = <A, E>(service: string, effect: Effect.Effect<A, E>): void => {
  Proxies.exceptLoopback(process.env)
  Effect.gen(function*() {
    const settings = yield* reported(Layer.build(Layer.merge(Logs.layerConfig, Telemetry.layer(service))))
    return yield* Effect.provideContext(reported(effect), settings)
  }).pipe(
    Effect.scoped,
    Effect.annotateLogs({ service }),
    Effect.provide(Logs.layer),
    (program) => NodeRuntime.runMain(program, { disableErrorReporting: true, teardown })
  )
}

/** Logs why the effect failed. */
const reported = Effect.tapCause((cause) => {
  if (Cause.hasInterruptsOnly(cause)) return Effect.void
  const failure = cause.reasons.some((reason) => reason._tag === "Die") ? undefined : sentenceOf(Cause.squash(cause))
  return failure === undefined ? Effect.logFatal("stopped by a defect", cause) : Effect.logFatal(failure)
})

/** As the default, except that a process stopped by a signal has done what it was asked to: exit code 0. */
const teardown: Runtime.Teardown = (exit, onExit) => {
  if (exit._tag === "Failure" && Cause.hasInterruptsOnly(exit.cause)) return onExit(0)
  Runtime.defaultTeardown(exit, onExit)
}
