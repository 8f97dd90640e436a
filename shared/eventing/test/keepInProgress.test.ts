import { assert, it } from "@effect/vitest"
import { Deferred, Duration, Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { type Delivery, keepInProgress, LogUnavailable } from "../src/EventLog.ts"

const ackWait = Duration.seconds(9)

const delivery = (inProgress: Delivery["inProgress"]): Delivery => ({
  event: { sequence: 1, subject: "a", headers: {}, data: new Uint8Array() },
  deliveryCount: 1,
  ack: Effect.void,
  nak: () => Effect.void,
  term: () => Effect.void,
  inProgress
})

it.effect("gives a sign every third of the ack wait until the work is done, and none after", () =>
  Effect.gen(function*() {
    let signs = 0
    const work = yield* Deferred.make<string>()
    const working = yield* Deferred.await(work).pipe(
      keepInProgress(delivery(Effect.sync(() => void signs++)), ackWait),
      Effect.forkChild
    )
    yield* TestClock.adjust("2999 millis")
    assert.strictEqual(signs, 0)
    yield* TestClock.adjust("1 millis")
    assert.strictEqual(signs, 1)
    yield* TestClock.adjust("27 seconds")
    assert.strictEqual(signs, 10)
    yield* Deferred.succeed(work, "done")
    assert.strictEqual(yield* Fiber.join(working), "done")
    yield* TestClock.adjust("1 minute")
    assert.strictEqual(signs, 10)
  }))

it.effect.each(
  [
    ["fails", Effect.fail(new LogUnavailable({ operation: "in progress", cause: "away" }))],
    ["hangs", Effect.never]
  ] as const
)("gives the next signs in their time after one that %s", ([, trouble]) =>
  Effect.gen(function*() {
    let signs = 0
    const sign = Effect.suspend(() => ++signs === 2 ? trouble : Effect.void)
    yield* Effect.never.pipe(keepInProgress(delivery(sign), ackWait), Effect.forkChild)
    yield* TestClock.adjust("6 seconds")
    assert.strictEqual(signs, 2)
    yield* TestClock.adjust("12 seconds")
    assert.isAtLeast(signs, 5)
  }))
