/**
 * `npm run test:recovery [-- --loss log,database,both --rate N --seed N]`: loses the event log, the database, or both from under a
 * stack at work, restores them by the commands that the guides show, and ends with 0 only if everything holds that was promised.
 */
import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect, Exit, Runtime, Scope } from "effect"
import { mkdirSync, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { parseArgs } from "node:util"
import { rules } from "../faults/src/Checker.ts"
import * as Rig from "../faults/src/Rig.ts"
import * as Recovery from "./Recovery.ts"

const { values } = parseArgs({
  options: {
    loss: { type: "string", default: "log,database,both" },
    rate: { type: "string", default: "10" },
    seed: { type: "string", default: `${Date.now() % 1_000_000}` }
  }
})
const losses = ["log", "database", "both"] as const
const wanted = losses.filter((loss) => values.loss.split(",").includes(loss))
const rate = Number(values.rate)
if (wanted.length === 0 || !(rate > 0)) {
  process.stderr.write("--loss takes some of log,database,both, and --rate a number of buckets a second\n")
  process.exit(2)
}

const profile: Rig.Profile = { name: "recovery", env: { devnet: { DEVNET_BLOCK_TIME: "1" } } }

/** Findings of a kind that are shown. */
const shown = 10

const one = (loss: Recovery.Loss, folder: string) =>
  Effect.gen(function*() {
    const dataDir = join(folder, loss)
    yield* Effect.sync(() => mkdirSync(dataDir))
    yield* Console.log(`\nloss of ${loss === "both" ? "log and database" : `the ${loss}`}, in ${dataDir}`)
    const rig = yield* Rig.start({ dataDir, profile, seed: `${values.seed} ${loss}` })
    const outcome = yield* Recovery.run({
      rig,
      loss,
      notes: [],
      rate,
      margin: 8_000,
      quietWithin: 180_000,
      report: Console.log
    })
    const { accepted, completedAfter, lost, restoredMillis, unexplained, violations } = outcome
    yield* Console.log([
      `  ${accepted} accepted, ${lost} lost with the log; restored in ${
        (restoredMillis / 1_000).toFixed(1)
      } s, ${completedAfter} jobs completed since`,
      `  on chain, and explained by no job: ${unexplained.length}`,
      ...unexplained.slice(0, shown).map((found) => `    ${found}`),
      ...violations.slice(0, shown).map(({ evidence, rule }) => `  BROKEN ${rules[rule]}: ${evidence}`),
      violations.length === 0 ? "  all that was promised holds" : `  ${violations.length} violations`
    ].join("\n"))
    return violations.length === 0
  })

const inScopeOfItsOwn = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.acquireUseRelease(
    Effect.sync(() => Scope.makeUnsafe()),
    (scope) => Effect.provideService(effect, Scope.Scope, scope),
    (scope) => Scope.close(scope, Exit.void)
  )

const program = Effect.gen(function*() {
  const folder = mkdtempSync(join(tmpdir(), "akave-recovery-"))
  yield* Console.log(`seed ${values.seed}`)
  const sound = yield* Effect.forEach(wanted, (loss) => inScopeOfItsOwn(one(loss, folder)))
  const isSound = sound.every((one) => one)
  if (isSound) rmSync(folder, { recursive: true, force: true })
  else yield* Console.log(`Data and logs are kept in ${folder}`)
  process.exitCode = isSound ? 0 : 1
})

/** As the fault suite: sockets that were reset can keep Node from its end. */
const teardown: Runtime.Teardown = (exit) =>
  Runtime.defaultTeardown(exit, (code) => process.exit(code || process.exitCode))

NodeRuntime.runMain(program, { teardown })
