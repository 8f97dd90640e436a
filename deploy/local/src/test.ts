/**
 * `npm test`, `npm run verify`, `npm run test:integration`: runs their sections one after the other, all of them even
 * if one fails, and closes with one line that counts every test and every static check.
 */
import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect, Schema } from "effect"
import { spawn } from "node:child_process"
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { repository } from "./Stack.ts"

interface Count {
  readonly passed: number
  readonly failed: number
  readonly skipped: number
}

interface Section {
  readonly title: string
  readonly run: Effect.Effect<Count>
}

const bin = (name: string) => join(repository, "node_modules", ".bin", name)

/** Runs a command with its output shown; gives its exit code. Interrupted, it stops the command and waits for it. */
const command = (program: string, ...args: ReadonlyArray<string>): Effect.Effect<number> =>
  Effect.callback((resume) => {
    const child = spawn(program, args, { cwd: repository, stdio: "inherit" })
    const ended = new Promise<void>((resolve) => {
      child.once("error", (cause) => {
        process.stderr.write(`${program} can't be started: ${cause.message}\n`)
        resume(Effect.succeed(127))
        resolve()
      })
      child.once("exit", (code) => {
        resume(Effect.succeed(code ?? 1))
        resolve()
      })
    })
    return Effect.promise(() => {
      child.kill("SIGTERM")
      return ended
    })
  })

/** A static check counts as one test. */
const check = (title: string, program: string, ...args: ReadonlyArray<string>): Section => ({
  title,
  run: Effect.map(
    command(bin(program), ...args),
    (code) => code === 0 ? { passed: 1, failed: 0, skipped: 0 } : { passed: 0, failed: 1, skipped: 0 }
  )
})

const Report = Schema.fromJsonString(Schema.Struct({
  numPassedTests: Schema.Int,
  numFailedTests: Schema.Int,
  numPendingTests: Schema.Int,
  numTodoTests: Schema.Int
}))

/** One of Vitest's projects. A run that fails for another reason than a test counts as one failure. */
const tests = (project: string): Section => ({
  title: `${project} tests`,
  run: Effect.acquireUseRelease(
    Effect.sync(() => mkdtempSync(join(tmpdir(), "akave-async-report-"))),
    Effect.fnUntraced(function*(folder) {
      const file = join(folder, "report.json")
      const reporters = ["--reporter=default", "--reporter=json", `--outputFile.json=${file}`]
      const code = yield* command(bin("vitest"), "run", "--project", project, "--passWithNoTests", ...reporters)
      const report = existsSync(file)
        ? Schema.decodeSync(Report)(readFileSync(file, "utf8"))
        : { numPassedTests: 0, numFailedTests: 0, numPendingTests: 0, numTodoTests: 0 }
      return {
        passed: report.numPassedTests,
        failed: code === 0 ? report.numFailedTests : Math.max(1, report.numFailedTests),
        skipped: report.numPendingTests + report.numTodoTests
      }
    }),
    (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true }))
  )
})

const types = check("types", "tsc", "-p", "tsconfig.json")
// k6 runs its scripts with globals of its own, so they are checked apart.
const loadtestTypes = check("types of the load test", "tsc", "-p", "loadtest")
const format = check("format", "dprint", "check")
const lint = check("lint", "oxlint", "--deny-warnings")

const tasks: Readonly<Record<string, ReadonlyArray<Section>>> = {
  test: [types, loadtestTypes, format, lint, tests("unit"), tests("integration"), tests("system")],
  verify: [types, loadtestTypes, format, lint, tests("unit")],
  "test:integration": [tests("integration"), tests("system")]
}

const run = Effect.gen(function*() {
  const failed: Array<string> = []
  const total = { passed: 0, failed: 0, skipped: 0 }
  for (const section of tasks[process.argv[2] ?? "test"] ?? []) {
    yield* Console.log(`\n── ${section.title}`)
    const count = yield* section.run
    total.passed += count.passed
    total.failed += count.failed
    total.skipped += count.skipped
    if (count.failed > 0) failed.push(section.title)
  }
  yield* Console.log(failed.length === 0 ? "" : `\nFailed: ${failed.join(", ")}.`)
  yield* Console.log(`${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`)
  process.exitCode = total.failed === 0 ? 0 : 1
})

NodeRuntime.runMain(run)
