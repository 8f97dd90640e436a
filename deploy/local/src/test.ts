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

interface Options {
  readonly env?: Readonly<Record<string, string>>
  /** Gets the output as it is shown. */
  readonly onOutput?: (chunk: Buffer) => void
}

/** Runs a command with its output shown; gives its exit code. Interrupted, it stops the command and waits for it. */
const command = (
  program: string,
  args: ReadonlyArray<string>,
  { env = {}, onOutput }: Options = {}
): Effect.Effect<number> =>
  Effect.callback((resume) => {
    const output = onOutput === undefined ? "inherit" : "pipe"
    const child = spawn(program, args, {
      cwd: repository,
      stdio: ["inherit", output, output],
      env: { ...process.env, ...env, ...(process.stdout.isTTY ? { FORCE_COLOR: "1" } : {}) }
    })
    for (const [from, to] of [[child.stdout, process.stdout], [child.stderr, process.stderr]] as const) {
      from?.on("data", (chunk: Buffer) => {
        onOutput?.(chunk)
        to.write(chunk)
      })
    }
    const ended = new Promise<void>((resolve) => {
      child.once("error", (cause) => {
        process.stderr.write(`${program} can't be started: ${cause.message}\n`)
        resume(Effect.succeed(127))
        resolve()
      })
      child.once("close", (code) => {
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
    command(bin(program), args),
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
const tests = (project: string, env: Readonly<Record<string, string>> = {}): Section => ({
  title: `${project} tests`,
  run: Effect.acquireUseRelease(
    Effect.sync(() => mkdtempSync(join(tmpdir(), "akave-async-report-"))),
    Effect.fnUntraced(function*(folder) {
      const file = join(folder, "report.json")
      // Tests write every secret that they use into this file, each in a line, and in all its forms.
      const secretsFile = join(folder, "secrets")
      let output = ""
      const reporters = ["--reporter=default", "--reporter=json", `--outputFile.json=${file}`]
      const code = yield* command(bin("vitest"), ["run", "--project", project, "--passWithNoTests", ...reporters], {
        env: { TEST_SECRETS_FILE: secretsFile, ...env },
        onOutput: (chunk) => {
          output += chunk.toString("latin1")
        }
      })
      const secrets: ReadonlyArray<string> = existsSync(secretsFile)
        ? readFileSync(secretsFile, "utf8").trim().split("\n")
        : []
      const shown = secrets.filter((secret) => output.includes(secret)).length
      if (shown > 0) yield* Console.error(`The output above has ${shown} secrets in it.`)
      const report = existsSync(file)
        ? Schema.decodeSync(Report)(readFileSync(file, "utf8"))
        : { numPassedTests: 0, numFailedTests: 0, numPendingTests: 0, numTodoTests: 0 }
      return {
        passed: report.numPassedTests,
        failed: (code === 0 ? report.numFailedTests : Math.max(1, report.numFailedTests)) + Math.min(shown, 1),
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
  test: [types, loadtestTypes, format, lint, tests("unit"), tests("integration"), tests("pairs"), tests("system")],
  verify: [types, loadtestTypes, format, lint, tests("unit", { SIMULATION_RUNS: "1000" })],
  "test:integration": [tests("integration"), tests("pairs"), tests("system")]
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
