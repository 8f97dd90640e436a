/** Folds the log into the read model as it grows. */
import { EventLog, type StoredEvent } from "@akave-async/eventing/EventLog"
import * as Measure from "@akave-async/platform/Measure"
import * as RepeatedWarning from "@akave-async/platform/RepeatedWarning"
import * as Retry from "@akave-async/platform/Retry"
import * as Trace from "@akave-async/platform/Trace"
import * as Checkpoint from "@akave-async/read-model/Checkpoint"
import * as Reader from "@akave-async/read-model/Reader"
import * as ReadModel from "@akave-async/read-model/ReadModel"
import { Clock, Effect, Metric, Stream } from "effect"
import * as JobMetrics from "./JobMetrics.ts"

const newerEvents = Measure.counter(
  "akave.projection.newer_events",
  "Events that were archived and not projected, because only a newer release knows their type"
)
const warnOfNewer = RepeatedWarning.make()

/** Reports what is archived and not projected. */
const report = Effect.fnUntraced(function*({ newer, unreadable }: Reader.Run) {
  yield* Effect.forEach(unreadable, (message) => Effect.logError(message), { discard: true })
  if (newer.length === 0) return
  yield* Metric.update(newerEvents, newer.length)
  const types = [...new Set(newer)].toSorted().join(", ")
  yield* warnOfNewer(`events of types that a newer release knows are archived and not projected: ${types}`)
})

/**
 * Applies what of these events follows on the checkpoint, in one transaction, and gives how many it were.
 * @param ahead The same events, if they were read ahead.
 */
export const apply = Effect.fn("Projector.apply")(function*(stored: ReadonlyArray<StoredEvent>, ahead?: Reader.Run) {
  yield* Effect.annotateCurrentSpan({ "projector.events": stored.length })
  const begun = yield* Clock.currentTimeNanos
  const run = yield* ReadModel.apply(stored, ahead)
  if (run === undefined) return 0
  yield* report(run)
  yield* JobMetrics.report(run.changes)
  yield* Trace.processed("project", run.stored, begun)
  return run.stored.length
})

/** Under load events are collected before they are read, so that they are written in fewer transactions: so many milliseconds… */
const pausePerEvent = 1
/** …and never more. */
const longestPause = 40

/** Applies all there is and all that comes, for ever. What fails is tried again from the checkpoint. */
export const run = Effect.suspend(() => {
  const warn = RepeatedWarning.make()
  return Effect.gen(function*() {
    // There from the start, so that the first one is a change.
    yield* Metric.update(newerEvents, 0)
    const log = yield* EventLog
    const { hash, sequence } = yield* Checkpoint.verified
    yield* Effect.logInfo("projecting").pipe(Effect.annotateLogs({ from: sequence + 1 }))
    const reader = yield* Reader.make(hash, { hasChanges: true })
    // Gives all that has come since it was last asked, up to the log's read-ahead.
    const take = yield* Stream.toPull(log.subscribe(sequence + 1))
    const end = yield* log.lastSequence
    let pause = 0
    const next = Effect.gen(function*() {
      if (pause > 0) yield* Effect.sleep(pause)
      const events: Array<StoredEvent> = []
      // What the log held at the start comes for certain; in long runs most of its jobs are written once.
      do events.push(...(yield* take))
      while (events.length < Reader.runSize && (events.at(-1)?.sequence ?? end) < end)
      pause = Math.min(longestPause, pausePerEvent * (events.length - 1))
      yield* reader.add(events)
      return { stored: events, run: yield* reader.close }
    })
    // While one run is written, the next one is read.
    yield* Stream.fromEffectRepeat(next).pipe(
      Stream.buffer({ capacity: 1 }),
      Stream.runForEach(({ run, stored }) => apply(stored, run))
    )
  }).pipe(
    Effect.scoped,
    Effect.tapError((error) => warn(error.message, error.cause)),
    Effect.retry(Retry.endless("500 millis"))
  )
})
