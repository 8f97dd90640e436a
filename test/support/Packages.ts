/** The packages for npm, built as they are published and installed in an empty folder, as a stranger would. */
import * as Stack from "@akave-async/local/Stack"
import { Effect } from "effect"
import { execFile, spawn } from "node:child_process"
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { promisify } from "node:util"

const run = promisify(execFile)

/** The tarballs of all packages. */
export const built = Effect.gen(function*() {
  const folder = yield* Stack.temporaryFolder
  const script = join(Stack.repository, "deploy/packages/build.ts")
  const { stdout } = yield* Effect.promise(() =>
    run(process.execPath, ["--disable-warning=ExperimentalWarning", script, folder])
  )
  return stdout.trim().split("\n")
})

/** A folder with nothing in it but these packages. */
export const installed = Effect.fnUntraced(function*(...packages: ReadonlyArray<string>) {
  const folder = yield* Stack.temporaryFolder
  writeFileSync(join(folder, "package.json"), JSON.stringify({ private: true, type: "module" }))
  yield* Effect.promise(() =>
    run("npm", ["install", "--no-audit", "--no-fund", "--prefer-offline", ...packages], { cwd: folder })
  )
  return folder
})

export interface Ran {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** Runs a program to its end; `onOutput` may end it by a signal. */
export const ran = (
  program: string,
  args: ReadonlyArray<string>,
  { cwd, env = {}, onOutput }: {
    readonly cwd: string
    readonly env?: Readonly<Record<string, string | undefined>>
    readonly onOutput?: (output: string, kill: (signal: NodeJS.Signals) => void) => void
  }
): Effect.Effect<Ran> =>
  Effect.callback((resume) => {
    const child = spawn(program, args, { cwd, env: { ...process.env, ...env } })
    let [stdout, stderr] = ["", ""]
    const heard = () => onOutput?.(stdout + stderr, (signal) => child.kill(signal))
    child.stdout.on("data", (text) => {
      stdout += text
      heard()
    })
    child.stderr.on("data", (text) => {
      stderr += text
      heard()
    })
    child.on("close", (code) => resume(Effect.succeed({ code, stdout, stderr })))
    return Effect.sync(() => void child.kill())
  })
