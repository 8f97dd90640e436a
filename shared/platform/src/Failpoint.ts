/**
 * The points between two durable steps at which a crash leaves something behind, by name. Tests make a service die at one
 * of them: with `FAILPOINT_DIR` set, the first process that comes to a point whose name is a file there renames the file and
 * kills itself. Without the setting a point costs nothing.
 */
import { Config, Context, Effect, FileSystem, Layer, Option, Path } from "effect"

/** Does nothing unless {@link layerConfig} is provided and `FAILPOINT_DIR` is set. */
export const Failpoint = Context.Reference<{
  /** Returns at once, or never. */
  hit(point: string): Effect.Effect<void>
}>("@akave-async/platform/Failpoint", { defaultValue: () => ({ hit: () => Effect.void }) })

export const layerConfig = Layer.unwrap(Effect.gen(function*() {
  const folder = yield* Config.option(Config.NonEmptyString("FAILPOINT_DIR"))
  if (Option.isNone(folder)) return Layer.empty
  const files = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  return Layer.succeed(Failpoint, {
    hit: (point) => {
      const file = path.join(folder.value, point)
      // Of several processes, one gets to rename it. (A removal would not do: it also succeeds for the one that is late.)
      return Effect.matchEffect(files.rename(file, `${file}.hit`), {
        onFailure: () => Effect.void,
        onSuccess: () => Effect.andThen(Effect.sync(() => process.kill(process.pid, "SIGKILL")), Effect.never)
      })
    }
  })
}))
