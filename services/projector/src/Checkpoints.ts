/** Signs on schedule what the log held, as the read model's hash chain has it. */
import * as Checkpoints from "@akave-async/eventing/Checkpoints"
import { EventLog } from "@akave-async/eventing/EventLog"
import * as RepeatedWarning from "@akave-async/platform/RepeatedWarning"
import { checkpoint } from "@akave-async/read-model/Checkpoint"
import { Config, Duration, Effect, Option, Schedule } from "effect"

const intervalConfig = Config.Duration("CHECKPOINT_INTERVAL").pipe(Config.withDefault(Duration.hours(1)))
/** How often it is looked whether a checkpoint is due. */
const lookInterval = Duration.minutes(1)

/** Signs for as long as the scope lives, if there is a key; of several projectors one signs each time. */
export const keepSigning = Effect.gen(function*() {
  const interval = yield* intervalConfig
  const key = yield* Checkpoints.signingKey
  if (Option.isNone(key)) return
  const log = yield* EventLog
  const warn = RepeatedWarning.make()
  yield* Effect.flatMap(
    checkpoint(),
    (place) => Checkpoints.record(log, key.value, place, "/akave/projector", Duration.toMillis(interval))
  ).pipe(
    Effect.tapError(({ message }) => warn(`no checkpoint can be signed now: ${message}`)),
    Effect.ignore,
    Effect.repeat(Schedule.spaced(Duration.min(interval, lookInterval))),
    Effect.forkScoped
  )
})
