/** What is kept of the log for queries: the jobs of all kinds, and the tables that a kind has of its own. */
import { Effect } from "effect"
import type { Placed } from "./Batch.ts"
import * as Buckets from "./projections/Buckets.ts"
import * as DeadLetters from "./projections/DeadLetters.ts"
import * as Files from "./projections/Files.ts"
import * as Jobs from "./projections/Jobs.ts"
import * as Webhooks from "./projections/Webhooks.ts"

/** Tables of one kind each. They are given all events of a batch, and the jobs that these speak of as they are after it. */
const ofKinds = [Buckets, DeadLetters, Files, Webhooks]

/** Events, and what they have made of the jobs that they speak of. */
export interface Folded extends Jobs.Folding {
  /** Those that tables of kinds follow from: of the steps of jobs, only those that say that something is done. */
  readonly events: ReadonlyArray<Placed>
  /** The jobs that the events begin with the request of: the read model has such a job only if it was asked for twice. */
  readonly asked: ReadonlySet<string>
}

/** Whether tables of kinds may follow from an event. */
export const concernsKinds = ({ step }: Placed): boolean =>
  step === undefined || step.step === "completed" || step.step === "advanced"

/** Writes what follows from these events, which come after all that was applied before. */
export const apply = Effect.fnUntraced(
  function*({ asked, events, ...folding }: Folded) {
    yield* Jobs.write(Jobs.rowsOf(folding), asked)
    for (const projection of ofKinds) yield* projection.apply(events, folding.jobs)
  }
)
