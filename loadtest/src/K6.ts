/** Runs a scenario's script with k6. */
import { Reaper } from "@akave-async/local/Reaper"
import { Effect, Schema } from "effect"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { existsSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"
import type { Values } from "./Rules.ts"
import type { Samples } from "./Samples.ts"
import { type Settings, variablesOf } from "./Scenario.ts"

/** k6 came to no result. */
export class K6Failed extends Schema.TaggedError<K6Failed>()("K6Failed", {
  code: Schema.NullOr(Schema.Int),
  output: Schema.String
}) {
  override readonly message = `k6 ended with code ${this.code} and without a result:\n${this.output}`
}

const folder = fileURLToPath(new URL("..", import.meta.url))

/** Of what k6 writes to its log, so much is kept. */
const mostLines = 20

/**
 * Runs it; gives what k6 measured, and what went wrong in the script itself. Requests that fail are counted and not logged.
 * It leads a process group of its own, so that Ctrl-C reaches it once, from here.
 */
export const run = Effect.fnUntraced(function*(k6: string, settings: Settings, samples: Samples) {
  const reaper = yield* Reaper
  const summaryFile = join(reaper.temporaryFolder(), "summary.json")
  const child = yield* Effect.acquireRelease(
    Effect.sync(() => {
      const args = ["run", "--quiet", "--no-usage-report", "--log-format=raw", "--out", "json=-"]
      const child = spawn(k6, [...args, join(folder, `${settings.scenario}.ts`)], {
        detached: true,
        env: { ...withoutOptions(process.env), ...variablesOf(settings), SUMMARY_FILE: summaryFile },
        stdio: ["ignore", "pipe", "pipe"]
      })
      if (child.pid !== undefined) reaper.watch(child.pid, "SIGTERM")
      return child
    }),
    (child) =>
      Effect.promise(async () => {
        if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return
        child.kill("SIGKILL")
        await once(child, "close")
      })
  )
  const logged = new Set<string>()
  createInterface(child.stdout).on("line", (line) => samples.addLine(line))
  createInterface(child.stderr).on("line", (line) => logged.size < mostLines && logged.add(line))
  const code = yield* Effect.callback<number | null, K6Failed>((resume) => {
    child.once("close", (code) => resume(Effect.succeed(code)))
    child.once("error", ({ message }) => resume(new K6Failed({ code: null, output: message })))
  })
  if (child.pid !== undefined) reaper.forget(child.pid)
  const lines = [...logged].filter((line) => !/^(Request Failed|thresholds on metrics .*)$/.test(line))
  if (!existsSync(summaryFile)) return yield* new K6Failed({ code, output: lines.join("\n") })
  const values: Values = JSON.parse(readFileSync(summaryFile, "utf8"))
  return { values, lines }
}, Effect.scoped)

/** k6 reads its own variables before the scenario's options and would replace them. */
const withoutOptions = (env: NodeJS.ProcessEnv) =>
  Object.fromEntries(Object.entries(env).filter(([name]) => !name.startsWith("K6_")))
