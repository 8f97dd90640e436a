import type { JobExplanation, TimelineEntry } from "@akave-async/client/effect"
import { assert, describe, it } from "@effect/vitest"
import { lines } from "../src/Timeline.ts"

const hash = `0x${"0a".repeat(32)}`
const none = { attempt: null, tx_hash: null, nonce: null, max_fee_per_gas: null, error: null, executor: null }
const entry = (time: string, step: TimelineEntry["step"], rest: Partial<TimelineEntry> = {}): TimelineEntry => ({
  sequence: 1,
  time: `2026-11-${time}Z`,
  step,
  message: "",
  ...none,
  waited_ms: null,
  waited_for: null,
  ...rest
})
const timeline = [
  entry("21T23:59:55.853", "requested", { message: "bucket.create of my-bucket" }),
  entry("21T23:59:55.871", "started", {
    message: "attempt 1 begun",
    executor: "A1",
    waited_ms: 18,
    waited_for: "executor"
  }),
  entry("21T23:59:55.912", "submitted", {
    message: "sent with nonce 7, for at most 3 gwei per gas unit",
    tx_hash: hash,
    executor: "A1",
    waited_ms: 41,
    waited_for: "preparation"
  }),
  entry("22T00:00:07.136", "completed", {
    message: "mined in block 27, 149000 gas units used",
    tx_hash: hash,
    executor: "B2",
    waited_ms: 11_224,
    waited_for: "chain"
  })
]
const fees = { gas_used: null, effective_gas_price: null, max_fee_per_gas: null, paid_wei: null, at_most_wei: null }
const explanation: JobExplanation = {
  job_id: "01a1fd96-6aed-70f8-9e47-556db4c9cbc3",
  operation: "bucket.create",
  bucket_name: "my-bucket",
  file_name: null,
  owner: "0xA",
  status: "completed",
  summary: "bucket.create of my-bucket was completed",
  timeline,
  waiting: null,
  fees: {
    gas_used: 149_000,
    effective_gas_price: "1000000007",
    max_fee_per_gas: "3000000000",
    paid_wei: "149000001043000",
    at_most_wei: "149000001043000"
  }
}
const waiting = {
  reason: "executors_away",
  detail: "no executor answers",
  advice: "start an executor: accepted jobs wait, and none is lost, however long it takes until there is one",
  executor: null,
  deadline: null
} as const
const queued: JobExplanation = { ...explanation, status: "queued", timeline: timeline.slice(0, 1), waiting, fees }

describe("an explanation", () => {
  it("has a line for each event, with its time, what passed since, its step and its words", () =>
    assert.deepStrictEqual(lines(explanation, { hasColor: false, width: undefined }), [
      "01a1fd96-6aed-70f8-9e47-556db4c9cbc3  completed",
      "bucket.create of my-bucket was completed",
      "",
      "2026-11-21, UTC",
      "23:59:55.853             requested       bucket.create of my-bucket",
      "23:59:55.871     +18 ms  started         attempt 1 begun (executor A1)",
      "23:59:55.912     +41 ms  submitted       sent with nonce 7, for at most 3 gwei per gas unit",
      `              ${hash}`,
      "2026-11-22, UTC",
      "00:00:07.136    +11.2 s  completed       mined in block 27, 149000 gas units used (executor B2; waited for the chain)",
      "",
      "fee  149000001043000 wei (0.000149000001043 ether): 149000 gas units for 1.000000007 gwei each"
    ]))

  it("of a job that waits says what for, and what to do", () =>
    assert.deepStrictEqual(lines(queued, { hasColor: false, width: 80 }), [
      "01a1fd96-6aed-70f8-9e47-556db4c9cbc3  queued",
      "bucket.create of my-bucket",
      "",
      "2026-11-21, UTC",
      "23:59:55.853             requested       bucket.create of my-bucket",
      "",
      "waiting now:  no executor answers (executors_away)",
      "what to do:   start an executor: accepted jobs wait, and none is lost, however",
      "              long it takes until there is one"
    ]))

  it.each([80, 100])("fits %i columns, and cuts no transaction hash", (width) => {
    for (const one of [explanation, queued]) {
      const shown = lines(one, { hasColor: false, width })
      for (const line of shown) assert.isAtMost(line.length, width, line)
      if (one === explanation) assert.include(shown.join("\n"), hash)
    }
  })

  it("calls a bound a bound, and says where nothing is recorded", () => {
    const last = (change: Partial<JobExplanation["fees"]>) =>
      lines({ ...explanation, fees: { ...explanation.fees, ...change } }, { hasColor: false, width: undefined }).at(-1)
    assert.strictEqual(
      last({ effective_gas_price: null, paid_wei: null, at_most_wei: "447000000000000" }),
      "fee  at most 447000000000000 wei (0.000447 ether): 149000 gas units for at most 3 gwei each; what was paid is not recorded"
    )
    assert.strictEqual(last(fees), "fee  not recorded")
  })

  it("has colours where there are any, and nothing that a terminal would take for a command", () => {
    const evil = {
      ...queued,
      bucket_name: "a\u001b[2Jb",
      timeline: [{ ...timeline[0], message: "\u001b[2J" } as TimelineEntry]
    }
    assert.notInclude(lines(evil, { hasColor: false, width: 80 }).join("\n"), "\u001b")
    assert.include(lines(queued, { hasColor: true, width: 80 }).join("\n"), "\u001b[33mwaiting now:\u001b[0m")
  })
})
