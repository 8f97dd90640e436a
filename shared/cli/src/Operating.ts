/** Commands that work on the event log, the read model and the chain themselves, by the services' own settings. */
import * as Logs from "@akave-async/platform/Logs"
import { sentenceOf } from "@akave-async/platform/Sentence"
import { Config, Effect } from "effect"
import * as process from "node:process"
import { ArgumentsInvalid } from "./Failures.ts"

/** These commands use what Node has from here on. */
const oldestNode = [22, 15] as const

const isTooOld = (): boolean => {
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number)
  return major < oldestNode[0] || (major === oldestNode[0] && minor < oldestNode[1])
}

/**
 * Loads what a command needs when the command runs, so that the others start without it, and runs it with warnings on standard
 * error. A setting that is missing or wrong is reported as an argument would be.
 */
export const operating = <Module, A, E, R>(
  load: () => Promise<Module>,
  run: (module: Module) => Effect.Effect<A, E, R>
): Effect.Effect<A, Exclude<E, Config.ConfigError> | ArgumentsInvalid, R> =>
  Effect.gen(function*() {
    if (isTooOld()) {
      const message = `This command needs Node ${oldestNode.join(".")} or newer, and this is ${process.versions.node}`
      return yield* new ArgumentsInvalid({ message })
    }
    return yield* run(yield* Effect.promise(load))
  }).pipe(
    Effect.mapError((error) =>
      error instanceof Config.ConfigError
        ? new ArgumentsInvalid({ message: `${sentenceOf(error)}: set it as the services have it` })
        : error as Exclude<E, Config.ConfigError>
    ),
    Effect.provide(Logs.layerStandardError)
  )
