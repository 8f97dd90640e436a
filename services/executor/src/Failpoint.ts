/**
 * The points between two durable steps at which a crash leaves something behind, by name. Tests make an executor die at
 * one of them: with `FAILPOINT_DIR` set, the first that comes to a point whose name is a file there renames the file and
 * kills itself. Without the setting a point costs nothing.
 */
import { Config, Context, Effect, FileSystem, Layer, Option, Path } from "effect"

/** In the order in which a job comes by them. */
export const names = [
  "delivered",
  "started",
  "claimed",
  "sent",
  "submitted",
  "receipt-seen",
  "completed"
] as const
export type Name = typeof names[number]

/** Does nothing unless {@link layerConfig} is provided and `FAILPOINT_DIR` is set. */
export const Failpoint = Context.Reference<{
  /** Returns at once, or never. */
  hit(name: Name): Effect.Effect<void>
}>("@akave-async/executor/Failpoint", { defaultValue: () => ({ hit: () => Effect.void }) })

export const layerConfig = Layer.unwrap(Effect.gen(function*() {
  const folder = yield* Config.option(Config.NonEmptyString("FAILPOINT_DIR"))
  if (Option.isNone(folder)) return Layer.empty
  const files = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  return Layer.succeed(Failpoint, {
    hit: (name) =>
      // Of several executors, one gets to rename it. (A removal would not do: it also succeeds for the one that is late.)
      Effect.matchEffect(files.rename(path.join(folder.value, name), path.join(folder.value, `${name}.hit`)), {
        onFailure: () => Effect.void,
        onSuccess: () => Effect.andThen(Effect.sync(() => process.kill(process.pid, "SIGKILL")), Effect.never)
      })
  })
}))
