import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import { type LaneReport, state } from "../src/LaneReports.ts"

const idle: LaneReport = { owner: "0xa", steps: 0, isStalled: false }
const busy: LaneReport = { owner: "0xa", steps: 2, isStalled: false, quietMillis: 100, waitsFor: "waits for a block" }
const stalled: LaneReport = { ...busy, steps: 3, isStalled: true, quietMillis: 45_000, waitsFor: "waits for funds" }

it.effect("lanes that get on, or have nothing to do, are described in a sentence", () =>
  Effect.gen(function*() {
    assert.strictEqual(yield* state([idle]), "0xa has 0 steps under way")
    assert.strictEqual(
      yield* state([idle, busy, { ...idle, owner: "0xb" }]),
      "0xa has 2 steps under way. 0xb has 0 steps under way"
    )
  }))

it.effect("a lane is stalled if an executor says so and none gets on with it", () =>
  Effect.gen(function*() {
    const sentence = "0xa has 3 steps under way and has finished none for 45 s; the oldest waits for funds"
    assert.strictEqual((yield* Effect.flip(state([stalled]))).message, sentence)
    assert.strictEqual((yield* Effect.flip(state([idle, stalled]))).message, sentence)
    assert.strictEqual(yield* state([busy, stalled]), "0xa has 5 steps under way")
    assert.include((yield* Effect.flip(state([busy, { ...stalled, owner: "0xb" }]))).message, "0xb has 3 steps")
  }))

it.effect("no executor is as bad as one that is stalled", () =>
  Effect.gen(function*() {
    assert.strictEqual((yield* Effect.flip(state([]))).message, "no executor answers")
  }))
