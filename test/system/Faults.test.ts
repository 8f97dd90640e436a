/** Some of the faults of `npm run test:faults`, at a quicker pace: that the machinery works, and that they break nothing. */
import * as Stack from "@akave-async/local/Stack"
import { assert, it } from "@effect/vitest"
import { Effect, Exit, Scope } from "effect"
import { afterAll, beforeAll } from "vitest"
import * as Faults from "../faults/src/Faults.ts"
import * as Rig from "../faults/src/Rig.ts"
import * as Suite from "../faults/src/Suite.ts"
import type { Note } from "../faults/src/World.ts"
import * as Recovery from "../recovery/Recovery.ts"

const scope = Scope.makeUnsafe()
const notes: Array<Note> = []
let rig: Rig.Rig

/** Deep enough for the reorganisations, in blocks that come twice as fast. */
const profile: Rig.Profile = {
  name: "careful",
  env: { devnet: { DEVNET_BLOCK_TIME: "0.5" }, executor: { CONFIRMATIONS: "6" } }
}

beforeAll(async () => {
  const make = Effect.gen(function*() {
    return yield* Rig.start({ dataDir: yield* Stack.temporaryFolder, profile, seed: "system test", pace: 0.3 })
  })
  rig = await Effect.runPromise(Effect.provideService(make, Scope.Scope, scope))
})
afterAll(() => Effect.runPromise(Scope.close(scope, Exit.void)))

const faultOf = (id: string) => {
  const fault = Faults.all.find((one) => Faults.idOf(one) === id)
  if (fault === undefined) throw new Error(`There is no fault ${id}`)
  return fault
}

it.live.each([{ ids: ["4", "12"] }, { ids: ["8", "15"] }, { ids: ["13"] }])(
  "no invariant is broken by $ids",
  ({ ids }) =>
    Effect.gen(function*() {
      const faults = ids.map(faultOf)
      const outcome = yield* Suite.run({
        rig,
        faults,
        notes,
        jobs: 20,
        prefix: `faults-${ids.join("-")}`,
        quietWithin: 60
      })
      assert.deepStrictEqual(outcome.violations, [])
      assert.isAtLeast(outcome.accepted, 10)
      assert.isDefined(outcome.recoveryMillis)
    })
)

it.live("no invariant is broken by the loss of the event log, once it is restored from the archive", () =>
  Effect.gen(function*() {
    const outcome = yield* Recovery.run({
      rig,
      loss: "log",
      notes,
      rate: 5,
      margin: 2_000,
      quietWithin: 60_000,
      report: () => Effect.void
    })
    assert.deepStrictEqual(outcome.violations, [])
    assert.isAtLeast(outcome.accepted, 10)
    assert.isAtLeast(outcome.completedAfter, 5)
  }))
