import { assert, describe, it } from "@effect/vitest"
import { mutations } from "./Mutations.ts"
import * as Plan from "./Plan.ts"
import { run } from "./Simulation.ts"

/** A broken executor is noticed within so many runs, with a wide margin. */
const mostRuns = 600

const seed = process.env["SIMULATION_SEED"]

describe.runIf(seed === undefined)("the simulation", () => {
  it("takes the same course for the same seed, and another one for another", () => {
    const hashes = [1, 2, 3].map((seed) => run({ seed, isTraced: true }).hash)
    assert.deepStrictEqual([1, 2, 3].map((seed) => run({ seed, isTraced: true }).hash), hashes)
    assert.strictEqual(new Set(hashes).size, 3)
  })

  it("reports the same of a run that is traced and of one that is not", () => {
    const { ends, violations } = run({ seed: 4 })
    const traced = run({ seed: 4, isTraced: true })
    assert.deepStrictEqual({ ends, violations }, { ends: traced.ends, violations: traced.violations })
    assert.isNotEmpty(traced.trace)
    assert.isNotEmpty(ends)
  })

  it("sees buckets created and deleted, and jobs that fail, are cancelled, and take back what they did", {
    timeout: 120_000
  }, () => {
    const ends = new Set(Array.from({ length: 300 }, (_, n) => run({ seed: n + 1 }).ends).flat())
    assert.includeMembers(Array.from(ends), [
      "bucket.create completed",
      "bucket.create failed",
      "bucket.create cancelled",
      "bucket.delete completed",
      "pair.create completed",
      "pair.create failed",
      "crate.fill completed",
      "crate.fill failed",
      "crate.fill cancelled"
    ])
  })

  it("works on through two days in which everything is stopped or nothing happens for most of each hour", {
    timeout: 60_000
  }, () => {
    const [minute, hour] = [60_000, 3_600_000]
    const hours = Array.from({ length: 48 }, (_, n) => n)
    const plan: Plan.Change = {
      ...Plan.calm,
      isLong: true,
      executors: 2,
      blockTime: 2_000,
      faultsEnd: hours.length * minute,
      pauses: hours.map((n) => ({
        of: n % 2 === 0 ? "everything" : "idle",
        at: n * hour + minute,
        lasts: hour - minute
      })),
      jobs: hours.map((n) => ({
        name: `bucket-${n}`,
        operation: "bucket.create",
        at: n * hour,
        cancelAfter: undefined
      }))
    }
    const { ends, violations } = run({ seed: 1, plan })
    assert.deepStrictEqual(violations, [])
    assert.deepStrictEqual(ends, hours.map(() => "bucket.create completed"))
  })

  it.for(Object.entries(mutations))("notices %s", { timeout: 120_000 }, ([, mutation]) => {
    const isNoticed = Array.from({ length: mostRuns }, (_, n) => n + 1).some((seed) =>
      run({ seed, mutation }).violations.length > 0
    )
    assert.isTrue(isNoticed)
  })
})

describe.runIf(seed !== undefined)("the run that is asked for", () => {
  it("leaves every job as it must be", () => {
    const { trace, violations } = run({ seed: Number(seed), isTraced: true })
    console.log(trace.join("\n"))
    assert.deepStrictEqual(violations, [])
  })
})
