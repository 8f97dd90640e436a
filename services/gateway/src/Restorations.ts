/**
 * Ids of events on live streams, which stay right when the log is lost and restored. An id is the event's sequence and, once the log
 * was restored, how often: `12`, then `12.1`. Sequences behind the end of a restored log are given to other events than those that a
 * client may have seen there before.
 */
import * as Log from "@akave-async/domain/Log"
import { EventLog, type LogUnavailable, type Sequence } from "@akave-async/eventing/EventLog"
import * as Held from "@akave-async/eventing/Held"
import { codec } from "@akave-async/eventing/LogEvents"
import { Effect, Result } from "effect"

/** The id of the event at a sequence, where the log was restored so often. */
export const idOf = (sequence: Sequence, restorations: number): string =>
  restorations === 0 ? `${sequence}` : `${sequence}.${restorations}`

/** Where a client goes on that has seen up to a sequence which the log does not have: nothing of what has come since is missed. */
const within = (sequence: Sequence, ends: ReadonlyArray<Sequence>, last: Sequence): Sequence =>
  sequence > last ? Math.min(last, ends.at(-1) ?? last) : sequence

/**
 * The last event that a client has, given the id of the last that it has seen. Of what it has seen in a log that was lost it has what
 * was restored: what follows is new to it.
 * @param ends Where each restoration ended, the first one first.
 * @param last The last event of the log.
 */
export const seenAt = (id: string, ends: ReadonlyArray<Sequence>, last: Sequence): Sequence => {
  const [sequence = "", restorations = "0"] = id.split(".", 2)
  return within(Math.min(Number(sequence), ...ends.slice(Number(restorations))), ends, last)
}

/** What a gateway knows of the log's restorations, from the log as it grows. */
export const make = Effect.gen(function*() {
  const log = yield* EventLog
  const ends: Array<Sequence> = []
  const ready = yield* Held.follow(Log.kind, (stored) => {
    const decoded = codec.decode(stored)
    if (Result.isFailure(decoded) || decoded.success._tag !== "LogRestored") return
    ends[decoded.success.restoration - 1] = decoded.success.lastSequence
  })

  return {
    /** The id of the event at a sequence, as the log is now. */
    idOf: (sequence: Sequence) => idOf(sequence, ends.length),
    /** The last event that a client has that names this id; or this sequence, which is one of the log as it is now. */
    seenAt: (last: string | Sequence): Effect.Effect<Sequence, LogUnavailable> =>
      Effect.map(
        Effect.andThen(ready, log.lastSequence),
        (end) => typeof last === "string" ? seenAt(last, ends, end) : within(last, ends, end)
      ),
    ready
  }
})
export type Restorations = Effect.Success<typeof make>
