/**
 * The points between two durable steps at which a crash leaves something behind, by name. Tests make an executor die at
 * one of them: with `FAILPOINT_DIR` set, the first that comes to a point whose name is a file there renames the file and
 * kills itself. Without the setting a point costs nothing.
 */
import * as Job from "@akave-async/domain/Job"
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
  /** Returns at once, or never. The point of a part, where a job has several, is named `sent.commit`. */
  hit(name: Name, part?: Job.Part): Effect.Effect<void>
}>("@akave-async/executor/Failpoint", { defaultValue: () => ({ hit: () => Effect.void }) })

export const layerConfig = Layer.unwrap(Effect.gen(function*() {
  const folder = yield* Config.option(Config.NonEmptyString("FAILPOINT_DIR"))
  if (Option.isNone(folder)) return Layer.empty
  const files = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  return Layer.succeed(Failpoint, {
    hit: (name, part = Job.whole) => {
      const file = path.join(folder.value, part === Job.whole ? name : `${name}.${part}`)
      // Of several executors, one gets to rename it. (A removal would not do: it also succeeds for the one that is late.)
      return Effect.matchEffect(files.rename(file, `${file}.hit`), {
        onFailure: () => Effect.void,
        onSuccess: () => Effect.andThen(Effect.sync(() => process.kill(process.pid, "SIGKILL")), Effect.never)
      })
    }
  })
}))
