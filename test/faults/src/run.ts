/**
 * `npm run test:faults`: lets every fault happen to a stack under load, and ends with 0 only if no invariant was broken.
 * Its options are listed in docs/testing.md.
 */
import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect, Exit, Runtime, Schema, Scope } from "effect"
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { parseArgs } from "node:util"
import type { Violation } from "./Checker.ts"
import { rules } from "./Checker.ts"
import * as Faults from "./Faults.ts"
import * as Rig from "./Rig.ts"
import * as Suite from "./Suite.ts"
import type { Note } from "./World.ts"

class Refusal extends Schema.TaggedError<Refusal>()("Refusal", { reason: Schema.String }) {
  override readonly message = this.reason
}

interface Settings {
  readonly seed: number
  readonly faults: ReadonlyArray<Faults.Fault>
  /** How many random pairs take the place of single faults. */
  readonly pairs: number
  readonly jobs: number
  readonly rounds: number
  /** How long faults last, in hundredths of their usual time. */
  readonly pace: number
  readonly quietWithin: number
}

const readSettings = Effect.gen(function*() {
  const { values } = yield* Effect.try({
    try: () =>
      parseArgs({
        options: {
          seed: { type: "string" },
          faults: { type: "string" },
          pairs: { type: "string" },
          jobs: { type: "string" },
          rounds: { type: "string" },
          pace: { type: "string" },
          quiet: { type: "string" }
        }
      }),
    catch: (error) => new Refusal({ reason: error instanceof Error ? error.message : String(error) })
  })
  const count = (name: keyof typeof values, standard: number) => {
    const number = Number(values[name] ?? standard)
    return Number.isSafeInteger(number) && number >= 0
      ? Effect.succeed(number)
      : Effect.fail(new Refusal({ reason: `--${name} takes a number, not "${values[name]}".` }))
  }
  const wanted = values.faults?.split(",").map((name) => name.trim())
  const unknown = wanted?.find((name) => !Faults.all.some((fault) => isNamed(fault, name)))
  if (unknown !== undefined) {
    return yield* new Refusal({
      reason: `There is no fault ${unknown}; there are ${Faults.all.map(Faults.idOf).join(", ")}.`
    })
  }
  const settings: Settings = {
    seed: yield* count("seed", Date.now() % 1_000_000),
    faults: Faults.all.filter((fault) => wanted?.some((name) => isNamed(fault, name)) ?? true),
    pairs: yield* count("pairs", 0),
    jobs: yield* count("jobs", 300),
    rounds: yield* count("rounds", 1),
    pace: yield* count("pace", 100),
    quietWithin: yield* count("quiet", 180)
  }
  return settings
})

/** `7` names all faults of that number, `7.executor-nats` one of them. */
const isNamed = (fault: Faults.Fault, name: string): boolean =>
  name === Faults.idOf(fault) || name === `${fault.number}`

type Group = ReadonlyArray<Faults.Fault>

/** What happens, in its order; faults that need the same settings follow each other. */
const plan = Effect.fnUntraced(function*({ faults, pairs, rounds, seed }: Settings) {
  const random = yield* Rig.seededRandom(`plan ${seed}`)
  const pick = <A>(from: ReadonlyArray<A>): A | undefined => from[Math.floor(random() * from.length)]
  const groups: Array<Group> = []
  for (let round = 0; round < rounds; round++) {
    if (pairs === 0) groups.push(...faults.map((fault) => [fault]))
    for (let count = 0; count < pairs; count++) {
      const pair = pick(
        faults.flatMap((one) =>
          faults.filter((other) =>
            Faults.idOf(one) < Faults.idOf(other) && one.profile === other.profile
            && one.touches.every((part) => !other.touches.includes(part))
          ).map((other) => [one, other])
        )
      )
      if (pair === undefined) {
        return yield* new Refusal({ reason: "Of these faults no two can happen at the same time." })
      }
      groups.push(pair)
    }
  }
  return Map.groupBy(groups, ([fault]) => fault?.profile)
})

/** Faults that one stack sees at most: after each of them everything that the stack has stored is read. */
const turnsOfStack = 11

/** Violations of one rule that are shown at most. */
const shown = 10

const describe = (violations: ReadonlyArray<Violation>): ReadonlyArray<string> =>
  [...Map.groupBy(violations, ({ rule }) => rule)].flatMap(([rule, all]) => [
    `      ${rules[rule]}: ${all.length} times broken`,
    ...all.slice(0, shown).map(({ evidence }) => `        ${evidence}`)
  ])

const seconds = (millis: number | undefined) => millis === undefined ? "never" : `${(millis / 1000).toFixed(1)} s`

const line = ({ accepted, faults, jobs, millis, quietMillis, recoveryMillis, violations }: Suite.Outcome): string =>
  `${
    violations.length === 0 ? "ok    " : "BROKEN"
  } ${faults}: ${jobs} jobs (${accepted} accepted), ${violations.length} violations, `
  + `first completion after ${seconds(recoveryMillis)}, quiet after ${seconds(quietMillis)}, ${seconds(millis)} in all`

const columns = ["violations", "jobs", "accepted", "recovery", "quiet", "in all", "fault"]

const table = (outcomes: ReadonlyArray<Suite.Outcome>): string => {
  const rows = outcomes.map(({ accepted, faults, jobs, millis, quietMillis, recoveryMillis, violations }) => [
    `${violations.length}`,
    `${jobs}`,
    `${accepted}`,
    seconds(recoveryMillis),
    seconds(quietMillis),
    seconds(millis),
    faults
  ])
  const widths = columns.map((title, n) => Math.max(title.length, ...rows.map((row) => row[n]?.length ?? 0)))
  return [columns, ...rows].map((row) =>
    row.map((cell, n) => n === columns.length - 1 ? cell : cell.padStart(widths[n] ?? 0)).join("  ")
  ).join("\n")
}

const run = Effect.gen(function*() {
  const settings = yield* readSettings
  const folder = yield* Effect.sync(() => mkdtempSync(join(tmpdir(), "akave-async-faults-")))
  yield* Console.log(`Faults with seed ${settings.seed}: --seed ${settings.seed} draws the same again.`)
  const outcomes: Array<Suite.Outcome> = []
  const kept: Array<string> = []
  let stacks = 0

  for (const [profile, groups] of yield* plan(settings)) {
    const first = groups[0]?.[0]
    if (profile === undefined || first === undefined) continue
    const insteadOf = new Map([["18.disk", "18.limit"], ["24.full", "24.limit"]]).get(Faults.idOf(first))
    if (insteadOf !== undefined && !(yield* Faults.canMount(folder))) {
      yield* Console.log(
        `left out: ${
          Faults.idOf(first)
        } needs a file system of its own, and nothing can be mounted here; ${insteadOf} stands for it`
      )
      continue
    }
    const waiting = [...groups]
    while (waiting.length > 0) {
      const dataDir = join(folder, `${++stacks}`)
      const isSound = yield* Effect.gen(function*() {
        yield* Effect.sync(() => mkdirSync(dataDir, { recursive: true }))
        yield* Console.log(`stack ${stacks} (${profile.name}) in ${dataDir}`)
        const rig = yield* Rig.start({
          dataDir,
          profile,
          seed: `${settings.seed} ${stacks}`,
          pace: settings.pace / 100
        })
        const notes: Array<Note> = []
        for (let turn = 0; turn < turnsOfStack; turn++) {
          const faults = waiting.shift()
          if (faults === undefined) break
          const prefix = `f${outcomes.length}-${settings.seed}`
          const outcome = yield* Suite.run({ ...settings, rig, faults, notes, prefix })
          outcomes.push(outcome)
          yield* Console.log([line(outcome), ...describe(outcome.violations)].join("\n"))
          if (outcome.violations.length > 0) {
            yield* Effect.sync(() => {
              writeFileSync(join(dataDir, "notes.json"), JSON.stringify(notes, undefined, 1))
              writeFileSync(join(dataDir, "violations.json"), JSON.stringify(outcome.violations, undefined, 1))
            })
            // The next fault gets a stack on which nothing is broken yet.
            return false
          }
        }
        return true
      }).pipe(inScopeOfItsOwn)
      if (isSound) yield* Effect.sync(() => rmSync(dataDir, { recursive: true, force: true }))
      else kept.push(dataDir)
    }
  }

  const broken = outcomes.filter(({ violations }) => violations.length > 0)
  yield* Console.log(`\n${table(outcomes)}`)
  yield* Console.log(
    `\n${outcomes.length - broken.length} faults passed, ${broken.length} broke an invariant (seed ${settings.seed}).`
  )
  if (kept.length === 0) yield* Effect.sync(() => rmSync(folder, { recursive: true, force: true }))
  else yield* Console.log(`Data, logs, notes and violations are kept in ${kept.join(", ")}.`)
  process.exitCode = broken.length === 0 && outcomes.length > 0 ? 0 : 1
})

/** Everything that was started ends before the next one starts. */
const inScopeOfItsOwn = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.acquireUseRelease(
    Effect.sync(() => Scope.makeUnsafe()),
    (scope) => Effect.provideService(effect, Scope.Scope, scope),
    (scope) => Scope.close(scope, Exit.void)
  )

/** Does not wait for Node to tidy up: with sockets that were reset it can turn in a circle there for ever. */
const teardown: Runtime.Teardown = (exit) =>
  Runtime.defaultTeardown(exit, (code) => process.exit(code || process.exitCode))

run.pipe(
  Effect.catchTag(
    "Refusal",
    ({ reason }) => Effect.andThen(Console.error(reason), Effect.sync(() => void (process.exitCode = 1)))
  ),
  (program) => NodeRuntime.runMain(program, { teardown })
)
