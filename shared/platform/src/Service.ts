import { NodeRuntime } from "@effect/platform-node"
import { Cause, Effect, Layer, Logger, References, Runtime } from "effect"

/**
 * Says that a service is up: one log line with the message "ready" and the details (addresses, versions) as its
 * annotations. Supervisors wait for this line, so it is logged last.
 */
export const ready = (details: Record<string, string | number>): Effect.Effect<void> =>
  Effect.log("ready").pipe(Effect.annotateLogs(details))

/**
 * Runs a layer as this process until SIGINT or SIGTERM, then releases it in order.
 *
 * Logs are JSON lines on standard output. A typed failure is told in its one sentence and a defect with its stack;
 * both end the process with exit code 1.
 */
export const main = <E>(service: string, layer: Layer.Layer<never, E>): void =>
  Layer.launch(layer).pipe(
    Effect.tapCause((cause) => {
      if (Cause.hasInterruptsOnly(cause)) return Effect.void
      const failure = Cause.squash(cause)
      const isExpected = cause.reasons.every((reason) => reason._tag !== "Die")
      return isExpected && failure instanceof Error && failure.message !== ""
        ? Effect.logFatal(failure.message)
        : Effect.logFatal("stopped by a defect", cause)
    }),
    Effect.annotateLogs({ service }),
    Effect.provide(Logger.layer([Logger.consoleJson])),
    Effect.provideService(References.MinimumLogLevel, "Info"),
    (program) => NodeRuntime.runMain(program, { disableErrorReporting: true, teardown })
  )

/** As the default, except that a process stopped by a signal has done what it was asked to: exit code 0. */
const teardown: Runtime.Teardown = (exit, onExit) => {
  if (exit._tag === "Failure" && Cause.hasInterruptsOnly(exit.cause)) return onExit(0)
  Runtime.defaultTeardown(exit, onExit)
}
