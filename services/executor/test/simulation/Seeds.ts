/** Many runs as tests: each test is a group of seeds, short enough for its result to be reported while the others run. */
import { assert, describe, it } from "@effect/vitest"
import { run } from "./Simulation.ts"

const groupSize = 250
/** In milliseconds; a run takes about four, on a machine that has nothing else to do. */
const timeout = 120_000

const setting = (name: string, otherwise: number): number => {
  const value = Number(process.env[name] ?? otherwise)
  if (!Number.isSafeInteger(value) || value < 0) throw new Error(`${name} is not a whole number`)
  return value
}
/** How many seeds are run in all, and the first of them. */
const runs = setting("SIMULATION_RUNS", 5_000)
const first = setting("SIMULATION_FIRST", 1)

/** Runs one of so many equal parts of the seeds; each part is a test file, so that they run side by side. */
export const suite = (part: number, parts: number) => {
  const from = first + Math.floor(runs * part / parts)
  const end = first + Math.floor(runs * (part + 1) / parts)
  const groups = Array.from({ length: Math.ceil((end - from) / groupSize) }, (_, n) => from + n * groupSize)
  describe.runIf(process.env["SIMULATION_SEED"] === undefined)("a run", () => {
    it.for(groups.map((from) => [from, Math.min(end, from + groupSize) - 1] as const))(
      "leaves every job as it must be, with seeds %d to %d",
      { timeout },
      ([from, to]) => {
        for (let seed = from; seed <= to; seed++) {
          assert.deepStrictEqual(run({ seed }).violations, [], `replay it with SIMULATION_SEED=${seed}`)
        }
      }
    )
  })
}
