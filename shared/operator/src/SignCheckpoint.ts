/** Checkpoints on demand: signed now, and listed. */
import * as Log from "@akave-async/domain/Log"
import * as Checkpoints from "@akave-async/eventing/Checkpoints"
import { EventLog } from "@akave-async/eventing/EventLog"
import { checkpoint } from "@akave-async/read-model/Checkpoint"
import { Effect, Option, Schema } from "effect"
import { checkpointsIn } from "./audit/Stores.ts"

export class CheckpointRefused extends Schema.TaggedError<CheckpointRefused>()("CheckpointRefused", {
  reason: Schema.String
}) {
  override readonly message = this.reason
}

/** Signs what the archive has by now, by the key of `CHECKPOINT_KEY`; none where that was signed before. */
export const create = Effect.gen(function*() {
  const key = yield* Checkpoints.signingKey
  if (Option.isNone(key)) {
    return yield* new CheckpointRefused({
      reason: "There is no key to sign with: set CHECKPOINT_KEY_FILE as the projector has it"
    })
  }
  return yield* Checkpoints.record(yield* EventLog, key.value, yield* checkpoint(), "/akave/operator")
})

/** All checkpoints that the log has, in order. */
export const list = Effect.gen(function*() {
  const log = yield* EventLog
  const { events } = yield* log.read(Log.subject("CheckpointSigned"))
  return checkpointsIn(events)
})
