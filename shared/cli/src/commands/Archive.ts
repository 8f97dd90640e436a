/** `akave-async archive` */
import { DateTime, Effect, Option } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import { duration } from "../Flags.ts"
import { operating } from "../Operating.ts"
import { Output } from "../Output.ts"
import { checkpointFlags } from "./Audit.ts"

const load = async () => ({
  CheckpointFile: await import("@akave-async/operator/CheckpointFile"),
  Retention: await import("@akave-async/operator/Retention"),
  Settings: await import("@akave-async/operator/Settings")
})

const day = 86_400_000

export const archive = Command.make(
  "archive",
  {
    file: Argument.String("file").pipe(
      Argument.withDescription("The backup to write, which has all events that no file before it has")
    ),
    after: Flag.String("after").pipe(Flag.withDescription("The backup that it follows on"), Flag.optional),
    olderThan: duration("older-than").pipe(
      Flag.withDescription("Take out what ended this long ago, or longer: 90d unless given"),
      Flag.withDefault(90 * day)
    ),
    dryRun: Flag.Boolean("dry-run").pipe(
      Flag.withDescription("Show what would be taken out, and leave it"),
      Flag.withDefault(false)
    ),
    ...checkpointFlags
  },
  ({ after, checkpoints, dryRun, file, olderThan, publicKey }) =>
    operating(load, ({ CheckpointFile, Retention, Settings }) =>
      Effect.gen(function*() {
        const { during, show } = yield* Output
        const options = yield* CheckpointFile.options({ checkpoints, publicKey })
        const before = DateTime.subtract(yield* DateTime.now, { milliseconds: olderThan })
        let step = ""
        const archived = yield* during(
          "archiving",
          () => step,
          Retention.run({
            ...options,
            file,
            after: Option.getOrUndefined(after),
            before,
            isTrial: dryRun,
            onStep: (now) => {
              step = now
            }
          })
        )
        yield* show(archived)
      }).pipe(Effect.provide([Settings.log, Settings.database])))
).pipe(
  Command.withDescription(
    "Take the events of what ended long ago out of the log's stream, once a file and a checkpoint have them"
  )
)
