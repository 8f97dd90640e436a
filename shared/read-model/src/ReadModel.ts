/**
 * Folds runs of the log into the read model's tables, a run a transaction. The checkpoint moves in the same transaction and only
 * from the value it was read at, so several may apply: what one has applied, the others skip.
 */
import type { StoredEvent } from "@akave-async/eventing/EventLog"
import { ReadModelSchema, readModelTable } from "@akave-async/platform/Postgres"
import { DateTime, Effect, Schema } from "effect"
import { SqlClient } from "effect/sql"
import { checkpoint } from "./Checkpoint.ts"
import * as Projections from "./Projections.ts"
import * as Reader from "./Reader.ts"

/** The read model is behind what this reader was given first: it must read from the checkpoint again. */
export class CheckpointBehind
  extends Schema.TaggedError<CheckpointBehind>()("CheckpointBehind", { sequence: Schema.Natural })
{
  override readonly message = `The read model stands at event ${this.sequence}, before what this projector has read`
}

/** Another has written to the read model meanwhile. */
export class CheckpointMoved
  extends Schema.TaggedError<CheckpointMoved>()("CheckpointMoved", { schema: Schema.String, sequence: Schema.Natural })
{
  override readonly message = `Another has written to the schema ${this.schema}, which stands at event ${this.sequence}`
}

/** Writes a run that follows on the checkpoint. */
const write = Effect.fnUntraced(
  function*({ firstSequence, folded, lastHash, lastSequence, occurredAt, segment }: Reader.Run) {
    const sql = yield* SqlClient.SqlClient
    const table = yield* readModelTable
    const events = yield* Effect.promise(() => segment)
    yield* sql`
    insert into ${table("event_segments")} (first_sequence, last_sequence, events)
    values (${firstSequence}, ${lastSequence}, ${events})`
    yield* Projections.apply(folded)
    yield* sql`
    update ${table("projection_checkpoint")} set sequence = ${lastSequence}, hash = ${lastHash},
      occurred_at = coalesce(${
      occurredAt === undefined ? null : DateTime.formatIso(occurredAt)
    }::timestamptz, occurred_at),
      updated_at = now()
    where name = 'events'`
  }
)

/**
 * Applies what of these events follows on the checkpoint, in one transaction.
 * @param ahead The same events, if they were read ahead.
 * @returns What was applied; undefined where all of it was applied before.
 */
export const apply = Effect.fnUntraced(function*(stored: ReadonlyArray<StoredEvent>, ahead?: Reader.Run) {
  const sql = yield* SqlClient.SqlClient
  return yield* sql.withTransaction(Effect.gen(function*() {
    const { hash, sequence } = yield* checkpoint("for update")
    const unseen = stored.filter((event) => event.sequence > sequence)
    const [first] = unseen
    if (first === undefined) return undefined
    if (first.sequence !== sequence + 1) return yield* new CheckpointBehind({ sequence })
    const run = ahead !== undefined && unseen.length === stored.length ? ahead : yield* readNow(hash, unseen)
    yield* write(run)
    return { ...run, stored: unseen }
  }))
})

const readNow = Effect.fnUntraced(function*(hash: Uint8Array, stored: ReadonlyArray<StoredEvent>) {
  const reader = yield* Reader.make(hash, { hasChanges: true })
  yield* reader.add(stored)
  return yield* reader.close
})

/**
 * Writes a run that was read, in one transaction, which waits for no disk: a crash of the server may cost the last ones, whole and in
 * order. Fails where the run does not follow on the checkpoint.
 */
export const append = Effect.fnUntraced(function*(run: Reader.Run) {
  const sql = yield* SqlClient.SqlClient
  yield* sql.withTransaction(Effect.gen(function*() {
    yield* sql`set local synchronous_commit = off`
    const { sequence } = yield* checkpoint("for update")
    if (sequence !== run.firstSequence - 1) {
      return yield* new CheckpointMoved({ schema: yield* ReadModelSchema, sequence })
    }
    yield* write(run)
  }))
})
