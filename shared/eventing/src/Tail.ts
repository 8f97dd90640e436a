/**
 * The log as it grows, read once for all that follow it in this process: live streams of events, and requests that wait for
 * a job. What is older than the tail remembers is read from the log itself.
 */
import type * as Job from "@akave-async/domain/Job"
import * as RepeatedWarning from "@akave-async/platform/RepeatedWarning"
import * as Retry from "@akave-async/platform/Retry"
import { Context, type Duration, Effect, Latch, Layer, Metric, type Scope, Stream } from "effect"
import { EventLog, LogUnavailable, type Sequence, type StoredEvent } from "./EventLog.ts"
import { type CutOff, Follower, Followers } from "./Followers.ts"
import { Recent } from "./Recent.ts"

/** Events that are remembered, so that who comes a little late costs the log nothing. */
const keep = 5_000
/** Older events that are read from the log at a time. */
const pageSize = 1_000
/** A tail that has not begun within this is away. */
const patience = "2 seconds"

export interface Following {
  /** The next events, in order and without gap. Waits for one as long as is given; then there are none. */
  readonly take: (wait: Duration.Input) => Effect.Effect<ReadonlyArray<StoredEvent>, CutOff | LogUnavailable>
}

export class Tail extends Context.Service<Tail, {
  /**
   * Follows the events from this sequence on that a filter matches: the subject of an aggregate, or all of an owner
   * (`Recent.ofOwner`).
   */
  follow(filter: string, from: Sequence): Effect.Effect<Following, LogUnavailable, Scope.Scope>
  /** Cuts off all that follow: the process is about to end. */
  readonly cutAll: Effect.Effect<void>
  /** What is remembered of a job's events. */
  recent(jobId: Job.Id): ReadonlyArray<StoredEvent>
  /** Waits until all that the log holds when this is called is remembered, or was. */
  readonly caughtUp: Effect.Effect<void, LogUnavailable>
  /** The sequence of the next event to come. */
  readonly next: Effect.Effect<Sequence, LogUnavailable>
}>()("@akave-async/eventing/Tail") {
  static readonly layer = Layer.effect(
    Tail,
    Effect.gen(function*() {
      const log = yield* EventLog
      const begun = yield* Latch.make()
      const followers = new Followers()
      let recent = new Recent(1, keep)

      const push = (events: ReadonlyArray<StoredEvent>) => {
        for (const event of events) {
          recent.push(event)
          followers.offer(event)
        }
      }
      const warn = RepeatedWarning.make()
      yield* Effect.gen(function*() {
        if (!begun.isOpen()) {
          recent = new Recent(Math.max(1, (yield* log.lastSequence) - keep + 1), keep)
          yield* begun.open
        }
        yield* Stream.runForEachArray(log.subscribe(recent.next), (events) => Effect.sync(() => push(events)))
      }).pipe(
        Effect.tapError((error) => warn("live events have stopped", error.message)),
        Effect.retry(Retry.endless("500 millis")),
        Effect.forkScoped
      )

      const whenBegun = begun.await.pipe(
        Effect.timeoutOrElse({
          duration: patience,
          orElse: () => Effect.fail(new LogUnavailable({ operation: "follow", cause: "it has not been read yet" }))
        })
      )

      const follow = Effect.fnUntraced(function*(filter: string, from: Sequence) {
        yield* whenBegun
        const follower = new Follower()
        yield* Effect.acquireRelease(
          Metric.modify(followersOpen, 1),
          () => Effect.andThen(Metric.modify(followersOpen, -1), Effect.sync(() => followers.remove(filter, follower)))
        )
        let next = from
        let isLive = false
        const take: Following["take"] = (wait) =>
          Effect.suspend(() => {
            if (isLive) return follower.take(wait)
            if (next >= recent.first) {
              isLive = true
              follower.next = Math.max(next, recent.next)
              followers.add(filter, follower)
              const events = recent.from(filter, next)
              return events.length > 0 ? Effect.succeed(events) : follower.take(wait)
            }
            // What the log holds by now is past what the tail has read by now.
            const read = recent.next
            return Effect.flatMap(log.page(filter, next, pageSize), (events) => {
              next = Math.max((events.at(-1)?.sequence ?? 0) + 1, events.length < pageSize ? read : 0)
              return events.length > 0 ? Effect.succeed(events) : take(wait)
            })
          })
        return { take }
      })

      const caughtUp = Effect.flatMap(
        log.lastSequence,
        (last) => Effect.retry(Effect.suspend(() => recent.next > last ? Effect.void : Effect.fail(behind)), catchUp)
      )

      return Tail.of({
        caughtUp,
        cutAll: Effect.sync(() => followers.cutAll()),
        follow,
        recent: (jobId) => recent.ofJob(jobId),
        next: Effect.map(whenBegun, () => recent.next)
      })
    })
  )
}

const behind = new LogUnavailable({ operation: "follow", cause: "its latest events have not come" })
const catchUp = Retry.within(patience, "2 millis")

const followersOpen = Metric.gauge("akave.gateway.followers", {
  description: "Live streams of events, and requests that wait for a job"
})
