import { assert, describe, it } from "@effect/vitest"
import { DateTime, Effect, Result, Schema } from "effect"
import * as IdempotencyKey from "../src/IdempotencyKey.ts"
import * as Job from "../src/Job.ts"

const now = DateTime.makeUnsafe("2026-01-01T00:00:00.000Z")
const use = {
  account: "local",
  keyHash: IdempotencyKey.Hash.make("ab".repeat(32)),
  requestHash: IdempotencyKey.Hash.make("cd".repeat(32)),
  jobId: Job.Id.make("019845e1-682f-7b02-a706-3b2422d13aec")
}
const used = IdempotencyKey.IdempotencyKeyUsed.make({ ...use, occurredAt: now })

describe("a key", () => {
  it("stands for the request of its first use", () => {
    assert.deepStrictEqual(IdempotencyKey.useFor(use)(undefined, now), Result.succeed([used]))
    assert.deepStrictEqual(IdempotencyKey.evolve(undefined, used), used)
  })

  it("stands for that request for ever, whichever job the repetition would have become", () => {
    const jobId = Job.Id.make("019845e1-682f-7b02-a706-3b2422d13aed")
    assert.deepStrictEqual(IdempotencyKey.useFor({ ...use, jobId })(used, now), Result.succeed([]))
    const later = IdempotencyKey.IdempotencyKeyUsed.make({ ...use, jobId, occurredAt: now })
    assert.deepStrictEqual(IdempotencyKey.evolve(used, later), used)
  })

  it("does not stand for another request", () => {
    const requestHash = IdempotencyKey.Hash.make("ef".repeat(32))
    const decision = IdempotencyKey.useFor({ ...use, requestHash })(used, now)
    assert.deepStrictEqual(decision, Result.fail(new IdempotencyKey.KeyReused()))
  })
})

it.effect.prop(
  "an event of any key can be stored and read",
  [IdempotencyKey.Event],
  ([event]) =>
    Effect.gen(function*() {
      const codec = Schema.fromJsonString(Schema.toCodecJson(IdempotencyKey.Event))
      const text = yield* Schema.encodeEffect(codec)(event)
      assert.deepStrictEqual(yield* Schema.decodeEffect(codec)(text), event)
    })
)
