/** The events that could not be processed: `dead_letters`. */
import * as DeadLetter from "@akave-async/domain/DeadLetter"
import { kind } from "@akave-async/eventing/DeadLetterEvents"
import * as Kind from "@akave-async/eventing/Kind"
import { readModelTable } from "@akave-async/platform/Postgres"
import { Effect, Schema } from "effect"
import { SqlClient } from "effect/sql"
import type { Placed } from "../Batch.ts"
import { toJson } from "../Rows.ts"

const encode = Schema.encodeSync(Schema.toCodecJson(DeadLetter.DeadLetter))
const decode = Schema.decodeUnknownEffect(Schema.Array(Schema.toCodecJson(DeadLetter.DeadLetter)))

/** Rows of the dead letters that these events speak of, given the letters as they were before. */
export const rows = (before: ReadonlyMap<number, DeadLetter.DeadLetter>, events: ReadonlyArray<Placed>) => {
  const letters = new Map<number, { readonly letter: DeadLetter.DeadLetter; readonly revision: number }>()
  for (const known of events) {
    if (!Kind.isOf(kind, known)) continue
    const { event, sequence: revision } = known
    const letter = DeadLetter.evolve(letters.get(event.sequence)?.letter ?? before.get(event.sequence), event)
    if (letter !== undefined) letters.set(event.sequence, { letter, revision })
  }
  return Array.from(letters.values(), ({ letter, revision }) => ({
    sequence: letter.sequence,
    subject: letter.subject,
    type: letter.type,
    reason: letter.reason,
    status: letter.status,
    revision,
    letter: encode(letter)
  }))
}

/** Most batches have none, and then nothing is asked of the database. */
export const apply = Effect.fn("DeadLetters.apply")(function*(events: ReadonlyArray<Placed>) {
  const sequences = new Set(events.flatMap((known) => Kind.isOf(kind, known) ? [known.event.sequence] : []))
  if (sequences.size === 0) return
  const sql = yield* SqlClient.SqlClient
  const table = yield* readModelTable
  const known = yield* sql<{ letter: unknown }>`
    select letter from ${table("dead_letters")} where sequence = any(${[...sequences]}::bigint[])`
  const before = yield* Effect.orDie(decode(known.map(({ letter }) => letter)))
  yield* sql`
    insert into ${table("dead_letters")} (sequence, subject, type, reason, status, revision, letter)
    select sequence, subject, type, reason, status, revision, letter
    from jsonb_to_recordset(${toJson(rows(new Map(before.map((one) => [one.sequence, one])), events))}::jsonb) as row(
      sequence bigint, subject text, type text, reason text, status text, revision bigint, letter jsonb)
    on conflict (sequence) do update set reason = excluded.reason, status = excluded.status,
      revision = excluded.revision, letter = excluded.letter`
})
