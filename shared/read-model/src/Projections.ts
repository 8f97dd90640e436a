/** What is kept of the log for queries: the jobs of all kinds, and the tables that a kind has of its own. */
import { Effect } from "effect"
import type { Placed } from "./Batch.ts"
import * as Buckets from "./projections/Buckets.ts"
import * as DeadLetters from "./projections/DeadLetters.ts"
import * as Jobs from "./projections/Jobs.ts"
import * as Webhooks from "./projections/Webhooks.ts"

/** Tables of one kind each. They are given all events of a batch, and the jobs that these speak of as they are after it. */
const ofKinds = [Buckets, DeadLetters, Webhooks]

/** Writes what follows from these events, which come after all that was applied before. */
export const apply = Effect.fnUntraced(
  function*(events: ReadonlyArray<Placed>, { jobRows, jobs }: ReturnType<typeof Jobs.rows>) {
    yield* Jobs.write(jobRows)
    for (const projection of ofKinds) yield* projection.apply(events, jobs)
  }
)
