/** How far the log is in the read model, and whether it is the log that the read model was made from. */
import { EventLog, lost } from "@akave-async/eventing/EventLog"
import * as HashChain from "@akave-async/eventing/HashChain"
import * as LogEvents from "@akave-async/eventing/LogEvents"
import * as Segment from "@akave-async/eventing/Segment"
import { readModelTable } from "@akave-async/platform/Postgres"
import { Effect, Option } from "effect"
import { SqlClient } from "effect/sql"

export interface Checkpoint {
  /** The last event that was applied; 0 for none. */
  readonly sequence: number
  /** The hash chain's hash after it. */
  readonly hash: Uint8Array
}

/** Where the read model stands. */
export const checkpoint = Effect.fnUntraced(function*(lock: "" | "for update" = "") {
  const sql = yield* SqlClient.SqlClient
  const table = yield* readModelTable
  const [row] = yield* sql<Checkpoint>`
    select sequence, hash from ${table("projection_checkpoint")} where name = 'events' ${sql.literal(lock)}`
  return row ?? (yield* Effect.die(new Error("projection_checkpoint has no row named 'events'")))
})

/** The event that the read model stands at, as its archive has it; none where it stands before the first. */
const lastArchived = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  const table = yield* readModelTable
  const [row] = yield* sql<{ events: Uint8Array }>`
    select events from ${table("event_segments")} order by first_sequence desc limit 1`
  if (row === undefined) return undefined
  return (yield* Effect.promise(() => Segment.unpack(row.events))).at(-1)
})

/** Where the read model stands, if the log is the one that it was made from; else nothing may be applied. */
export const verified = Effect.gen(function*() {
  const log = yield* EventLog
  const standing = yield* checkpoint()
  const { sequence } = standing
  const last = yield* log.lastSequence
  const remedy = "nothing is applied until the log is restored"
  if (last < sequence) {
    return yield* lost(
      "compare",
      `The event log ends at event ${last}, and the read model has applied ${sequence} events: ${remedy}`
    )
  }
  const archived = yield* LogEvents.archivedUpTo(log)
  if (archived > sequence) {
    return yield* lost(
      "compare",
      `Events up to ${archived} were taken out of the event log, and the read model has applied ${sequence}:`
        + " nothing is applied until the read model is rebuilt from the files that have them"
    )
  }
  if (sequence === 0) return standing
  // The read model may go on meanwhile.
  const applied = yield* lastArchived
  // What was taken out can't be compared.
  const isTakenOut = applied !== undefined && applied.sequence <= archived
  const stored = applied === undefined ? Option.none() : yield* log.get(applied.sequence)
  const isSame = applied !== undefined
    && (Option.exists(stored, (event) => HashChain.encode(event).equals(HashChain.encode(applied)))
      || (isTakenOut && Option.isNone(stored)))
  if (!isSame) {
    return yield* lost(
      "compare",
      `Event ${
        applied?.sequence ?? sequence
      } of the event log is not the one that the read model has applied: ${remedy}`
    )
  }
  return standing
})
