import { assert, describe, it } from "@effect/vitest"
import { DateTime, Duration, Effect, Result, Schema } from "effect"
import * as Delivery from "../src/Delivery.ts"
import { Id } from "../src/Webhook.ts"

const webhookId = Id.make("00112233445566aa")
const policy: Delivery.Policy = {
  firstPause: Duration.seconds(5),
  longestPause: Duration.hours(4),
  within: Duration.hours(24)
}
const now = DateTime.makeUnsafe("2026-01-01T00:00:00.000Z")
const attempt = { webhookId, sequence: 7, eventType: "akave.BucketCreated.v1", durationMillis: 3, answer: "" }
const failed: Delivery.Attempt = { ...attempt, isTaken: false, isLast: false, statusCode: 500 }
const taken: Delivery.Attempt = { ...attempt, isTaken: true, isLast: false, statusCode: 200 }

const after = (state: Delivery.State, made: Delivery.Attempt, at = now, jitter = 0) =>
  Result.getOrThrow(Delivery.recordAttempt(made, policy, jitter)(state, at)).reduce(Delivery.evolve, state)
    ?? assert.fail("nothing was recorded")

describe("the pause after failures", () => {
  it.each<readonly [failures: number, jitter: number, retryAfter: Duration.Duration | undefined, seconds: number]>([
    [1, 0, undefined, 5],
    [1, 1, undefined, 7.5],
    [2, 0, undefined, 10],
    [5, 0, undefined, 80],
    [12, 0, undefined, 10_240],
    [13, 0, undefined, 14_400],
    [400, 1, undefined, 14_400],
    [1, 0, Duration.seconds(30), 30],
    [5, 0, Duration.seconds(30), 80],
    [1, 0, Duration.days(3), 14_400]
  ])("of %s, with a jitter of %s, for one that asks for %o, is %s s", (failures, jitter, retryAfter, seconds) => {
    const pause = Delivery.pauseAfter(policy, failures, jitter, retryAfter)
    assert.strictEqual(Duration.toSeconds(pause), seconds)
  })
})

describe("a delivery", () => {
  it("is attempted at once, and not again once it was taken", () => {
    assert.deepStrictEqual(Delivery.due(undefined, undefined, now), { _tag: "Now" })
    const state = after(undefined, taken)
    assert.deepInclude(state, { outcome: "succeeded", attempts: 1 })
    assert.deepStrictEqual(Delivery.due(state, undefined, now), { _tag: "Over" })
  })

  it("is attempted again when its pause is over", () => {
    const state = after(undefined, failed)
    const at = DateTime.add(now, { seconds: 5 })
    assert.deepInclude(state, { outcome: "retrying", nextAttemptAt: at })
    assert.deepStrictEqual(Delivery.due(state, undefined, now), { _tag: "Later", at })
    assert.deepStrictEqual(Delivery.due(state, undefined, at), { _tag: "Now" })
    assert.deepInclude(after(state, failed, at), { attempts: 2, firstAttemptAt: now, lastAttemptAt: at })
  })

  it("is given up a day after its first attempt, and not before", () => {
    let state: Delivery.Delivery = after(undefined, failed)
    let at = now
    while (state.outcome === "retrying") {
      at = state.nextAttemptAt ?? assert.fail("there is no next attempt")
      state = after(state, failed, at)
    }
    assert.strictEqual(state.outcome, "given_up")
    const hours = Duration.toHours(DateTime.distance(now, at))
    assert.isTrue(hours > 20 && hours <= 24, `${hours}`)
    // 5 s, twice as long each time up to 4 h, and then every 4 h.
    assert.strictEqual(state.attempts, 17)
    assert.deepStrictEqual(Delivery.due(state, undefined, at), { _tag: "Over" })
  })

  it("is not attempted again where the endpoint says that it is gone", () => {
    assert.strictEqual(after(undefined, { ...failed, isLast: true }).outcome, "given_up")
  })

  it("that is asked for once more begins a new round, in which the first one is over", () => {
    const state = after(undefined, taken)
    assert.deepStrictEqual(Delivery.due(state, 20, now), { _tag: "Now" })
    const later = DateTime.add(now, { days: 9 })
    const again = after(state, { ...failed, resend: 20 }, later)
    assert.deepInclude(again, { outcome: "retrying", attempts: 2, attemptsOfRound: 1, firstAttemptAt: later })
    assert.deepStrictEqual(Delivery.due(again, undefined, later), { _tag: "Over" })
    assert.strictEqual(Delivery.due(again, 20, later)._tag, "Later")
    assert.deepStrictEqual(Delivery.due(again, 30, later), { _tag: "Now" })
  })
})

it.effect.prop("an attempt can be stored and read", [Delivery.Event], ([event]) =>
  Effect.gen(function*() {
    const codec = Schema.fromJsonString(Schema.toCodecJson(Delivery.Event))
    assert.deepStrictEqual(yield* Schema.decodeEffect(codec)(yield* Schema.encodeEffect(codec)(event)), event)
  }))
