/** Aggregates of one kind that a process holds in memory, from the log as it grows: to look one up asks nobody. */
import * as Retry from "@akave-async/platform/Retry"
import { Effect, Latch } from "effect"
import { LogUnavailable, type StoredEvent } from "./EventLog.ts"
import { ofKind } from "./Recent.ts"
import { Tail } from "./Tail.ts"

/** What the log held when this began must have come within this. */
const patience = "2 seconds"

/**
 * Hands over all events of a kind, in order, and each new one within a moment, for as long as the scope lives.
 * @returns Waits until all have come that the log held when this began; fails where they don't come in time.
 */
export const follow = Effect.fnUntraced(function*(kind: string, onEvent: (event: StoredEvent) => void) {
  const tail = yield* Tail
  const known = yield* Latch.make()
  let next = 1
  yield* Effect.gen(function*() {
    yield* tail.caughtUp
    const { take } = yield* tail.follow(ofKind(kind), next)
    while (true) {
      // What the log held by now comes at once: after a moment without an event, all of it has come.
      const events = yield* take(known.isOpen() ? "1 minute" : "20 millis")
      for (const event of events) {
        next = event.sequence + 1
        onEvent(event)
      }
      if (events.length === 0) yield* known.open
    }
  }).pipe(Effect.scoped, Effect.retry(Retry.endless("500 millis")), Effect.forkScoped)

  const waiting = known.await.pipe(
    Effect.timeoutOrElse({
      duration: patience,
      orElse: () => Effect.fail(new LogUnavailable({ operation: `read ${kind}s`, cause: "they have not come" }))
    })
  )
  return Effect.suspend(() => known.isOpen() ? Effect.void : waiting)
})
