/** Removes from the staging store what no job needs, and what unfinished uploads have left. */
import * as Measure from "@akave-async/platform/Measure"
import * as RepeatedWarning from "@akave-async/platform/RepeatedWarning"
import * as Retry from "@akave-async/platform/Retry"
import type { StagedObject } from "@akave-async/staging/StagedObject"
import { Staging } from "@akave-async/staging/Staging"
import { Config, DateTime, Duration, Effect, Layer, Metric, Stream } from "effect"
import { FilesModel } from "./FilesModel.ts"

/** Objects that are asked about at a time. */
const batchSize = 500
/** A file may be on its way for so many times as long as one that is complete waits to be asked for. */
const unfinishedFactor = 24
/** The longest time between two rounds. */
const longest = Duration.minutes(10)

const swept = Measure.counter(
  "akave.gateway.staging.swept",
  "Files that were removed from the staging store, since no job needed them"
)

/**
 * Removes what was staged before a time, and what puts have left that were begun before another: they may take long. An object is staged before its job is asked
 * for: what is younger may be about to be needed. Gives how many objects were removed.
 */
export const sweep = Effect.fn("Sweeper.sweep")(function*(
  { before, unfinishedBefore }: { readonly before: DateTime.Utc; readonly unfinishedBefore: DateTime.Utc }
) {
  const staging = yield* Staging
  const model = yield* FilesModel
  const removeUnneeded = Effect.fnUntraced(function*(objects: ReadonlyArray<StagedObject>) {
    // Only now, so that a job that was asked for while objects were listed counts.
    const needed = yield* model.needed(objects.map(({ id }) => id))
    const unneeded = objects.filter(({ id }) => !needed.has(id))
    yield* Effect.forEach(unneeded, ({ id }) => staging.remove(id), { discard: true })
    return unneeded.length
  })
  const removed = yield* staging.list.pipe(
    Stream.filter(({ storedAt }) => DateTime.isLessThan(storedAt, before)),
    Stream.grouped(batchSize),
    Stream.mapEffect(removeUnneeded),
    Stream.runFold(() => 0, (sum, count) => sum + count)
  )
  yield* Metric.update(swept, removed)
  return removed + (yield* staging.sweepUnfinished(unfinishedBefore))
})

/** Sweeps again and again what is older than `STAGING_GRACE`. */
export const layerConfig = Layer.effectDiscard(Effect.gen(function*() {
  const grace = yield* Config.Duration("STAGING_GRACE").pipe(Config.withDefault(Duration.hours(1)))
  const warn = RepeatedWarning.make()
  const round = Effect.gen(function*() {
    const now = yield* DateTime.now
    const removed = yield* sweep({
      before: DateTime.subtractDuration(now, grace),
      unfinishedBefore: DateTime.subtractDuration(now, Duration.times(grace, unfinishedFactor))
    })
    if (removed > 0) yield* Effect.logInfo(`${removed} files that no job needs were removed from the staging store`)
  }).pipe(Effect.catch(({ message }) => warn("the staging store can't be swept", message)))
  const schedule = Retry.endless(Duration.min(longest, Duration.divideUnsafe(grace, 4)))
  yield* Effect.forkScoped(Effect.repeat(round, schedule))
}))
