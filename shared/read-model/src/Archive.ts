/** The archive: every event that the read model has applied, in segments. */
import * as Segment from "@akave-async/eventing/Segment"
import { type Database, readModelTable } from "@akave-async/platform/Postgres"
import { Effect, Option, Schema, Stream } from "effect"
import { SqlClient } from "effect/sql"

export class SegmentUnreadable extends Schema.TaggedError<SegmentUnreadable>()("SegmentUnreadable", {
  firstSequence: Schema.Natural,
  lastSequence: Schema.Natural,
  cause: Schema.Defect()
}) {
  override readonly message =
    `The archive's segment of the events ${this.firstSequence} to ${this.lastSequence} can't be read: ${
      this.cause instanceof Error ? this.cause.message : this.cause
    }`
}

export type { Database }

/** A segment as it stands in its table. */
export interface Row {
  /** The table's key, and what it says the segment holds; whether it does is seen when it is read. */
  readonly firstSequence: number
  readonly lastSequence: number
  readonly events: Uint8Array
}

/** Segments are some hundred kilobytes; one is read while the one before it is used. */
const segmentsAtOnce = 4

/** The segments that hold events of this range, in order. */
export const segments = (from = 1, to: number = Number.MAX_SAFE_INTEGER) =>
  Stream.unwrap(Effect.gen(function*() {
    const sql = yield* SqlClient.SqlClient
    const table = yield* readModelTable
    return Stream.paginate(0, (after: number) =>
      Effect.map(
        sql<Row>`
          select first_sequence as "firstSequence", last_sequence as "lastSequence", events
          from ${table("event_segments")}
          where last_sequence >= ${from} and first_sequence <= ${to} and first_sequence > ${after}
          order by first_sequence limit ${segmentsAtOnce}`,
        (rows) => [rows, Option.fromUndefinedOr(rows.at(-1)?.firstSequence)] as const
      ))
  }))

/** The segment that holds an event or, where none does, the last one before it. */
export const segmentBefore = Effect.fnUntraced(function*(sequence: number) {
  const sql = yield* SqlClient.SqlClient
  const table = yield* readModelTable
  const [row] = yield* sql<Row>`
    select first_sequence as "firstSequence", last_sequence as "lastSequence", events
    from ${table("event_segments")} where first_sequence <= ${sequence} order by first_sequence desc limit 1`
  return Option.fromUndefinedOr(row)
})

/** The events of a segment; fails where it can't be read. */
export const unpack = ({ events, firstSequence, lastSequence }: Row) =>
  Effect.tryPromise({
    try: () => Segment.unpack(events),
    catch: (cause) => new SegmentUnreadable({ firstSequence, lastSequence, cause })
  })

/** The archived events of this range, in order. */
export const events = (from = 1, to: number = Number.MAX_SAFE_INTEGER) =>
  segments(from, to).pipe(
    Stream.mapEffect(unpack, { concurrency: 2 }),
    Stream.flattenIterable,
    Stream.filter(({ sequence }) => sequence >= from && sequence <= to)
  )
