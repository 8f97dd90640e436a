/** Where a time is in the log. */
import { DateTime, Effect, Option } from "effect"
import type { EventLogShape, LogUnavailable, Sequence } from "./EventLog.ts"

/** Writers decide on an event, and so give it its time, a moment before the log has it: so many may come in another order. */
const disorder = 1_000

/**
 * The first event that happened at a time or later; the one to come, where there is none. Events of several writers are in the order
 * of the log, and their times about so: as far apart as the writers' clocks, and as what they append at once.
 */
export const firstSince = Effect.fnUntraced(
  function*(
    log: Pick<EventLogShape, "lastSequence" | "nextUnder" | "page">,
    time: DateTime.Utc
  ): Effect.fn.Return<Sequence, LogUnavailable> {
    const wanted = DateTime.toEpochMillis(time)
    /** The first event from a sequence on that the log has, and its time. */
    const next = (sequence: Sequence) =>
      Effect.map(
        log.nextUnder("*", sequence),
        Option.match({
          onNone: () => ({ found: Infinity, happened: Number.NaN }),
          onSome: ({ headers, sequence }) => ({ found: sequence, happened: Date.parse(headers["ce-time"] ?? "") })
        })
      )
    // Before `low` all are earlier, and from `high` on none is.
    let [low, high] = [1, (yield* log.lastSequence) + 1]
    while (low < high) {
      const middle = Math.floor((low + high) / 2)
      let { found, happened } = yield* next(middle)
      // One without a time says nothing: the next one that has a time does.
      while (Number.isNaN(happened) && found + 1 < high) ({ found, happened } = yield* next(found + 1))
      if (found < high && happened < wanted) low = found + 1
      else high = middle
    }
    const from = Math.max(1, low - disorder)
    const before = from < low ? yield* log.page(">", from, low - from) : []
    const earlier = before.find(({ headers, sequence }) =>
      sequence < low && Date.parse(headers["ce-time"] ?? "") >= wanted
    )
    return earlier?.sequence ?? low
  }
)
