import { assert, describe, it } from "@effect/vitest"
import * as Watchdog from "../src/Watchdog.ts"

const before: Watchdog.Look = {
  waiting: 5,
  unsettled: 3,
  maxUnsettled: 10,
  delivered: 40,
  isPaused: false,
  heard: 60,
  queued: 0
}
const heard: Watchdog.Look = { ...before, heard: 61 }

describe("compare", () => {
  it("finds a reader stalled that is owed events, has room for them and was given none", () => {
    assert.strictEqual(Watchdog.compare(before, heard), "stalled")
    assert.strictEqual(Watchdog.compare({ ...before, waiting: 0 }, heard), "stalled")
    assert.strictEqual(Watchdog.compare(before, before), "stalled")
    assert.strictEqual(Watchdog.compare(before, { ...heard, unsettled: 9 }), "stalled")
  })

  it("finds a reader deaf to which nothing came at all", () => {
    assert.strictEqual(Watchdog.compare(before, { ...before, waiting: 0 }), "deaf")
    assert.strictEqual(Watchdog.compare(before, { ...before, unsettled: 10 }), "deaf")
    assert.strictEqual(Watchdog.compare(before, { ...before, delivered: 41 }), "deaf")
  })

  it.for<readonly [string, Partial<Watchdog.Look>]>([
    ["all is handed out", { waiting: 0 }],
    ["as much is unsettled as may be", { unsettled: 10 }],
    ["more is unsettled than may be, since the limit was lowered", { unsettled: 11 }],
    ["something was delivered, to whomever", { delivered: 41 }],
    ["the consumer was made anew", { delivered: 0 }],
    ["a person holds deliveries back", { isPaused: true }],
    ["it has not taken yet what came", { queued: 1 }]
  ])("finds a reader fine where %s", ([, change]) => {
    assert.strictEqual(Watchdog.compare(before, { ...heard, ...change }), "fine")
  })

  it.for<readonly [string, Partial<Watchdog.Look>]>([
    ["a person holds deliveries back", { isPaused: true }],
    ["it has not taken yet what came", { queued: 1 }]
  ])("takes no reader for deaf where %s", ([, change]) => {
    assert.strictEqual(Watchdog.compare(before, { ...before, waiting: 0, ...change }), "fine")
  })
})

it("gives a stalled consumer two new readers before it makes the consumer anew", () => {
  assert.deepStrictEqual([1, 2, 3, 4].map(Watchdog.remedy), ["reader", "reader", "consumer", "consumer"])
})
