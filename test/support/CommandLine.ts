/** The command line as an operator runs it, with the settings of a stack's services. */
import * as Stack from "@akave-async/local/Stack"
import { Effect } from "effect"
import { execFile } from "node:child_process"

export interface Outcome {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/** The settings that a stack's services have, for commands that work beside them. */
export const settingsOf = (
  { databaseUrl, gatewayUrl, natsUrl, nodeAddress }: Pick<
    Stack.Stack,
    "databaseUrl" | "gatewayUrl" | "natsUrl" | "nodeAddress"
  >
): Readonly<Record<string, string>> => ({
  NATS_URL: natsUrl,
  DATABASE_URL: databaseUrl,
  AKAVE_NODE_ADDRESS: nodeAddress,
  AKAVE_ASYNC_URL: gatewayUrl
})

/** Runs a command to its end. */
export const run = (
  args: ReadonlyArray<string>,
  stack: Parameters<typeof settingsOf>[0],
  env: Readonly<Record<string, string>> = {}
): Effect.Effect<Outcome> =>
  Effect.callback((resume) => {
    const options = {
      cwd: Stack.repository,
      env: { ...process.env, ...settingsOf(stack), ...env, NO_COLOR: "1" },
      maxBuffer: 64 * 1024 * 1024
    }
    const all = ["--disable-warning=ExperimentalWarning", "shared/cli/src/main.ts", ...args]
    const child = execFile(process.execPath, all, options, (error, stdout, stderr) => {
      resume(
        Effect.succeed({ code: error === null ? 0 : typeof error.code === "number" ? error.code : -1, stdout, stderr })
      )
    })
    return Effect.sync(() => void child.kill("SIGKILL"))
  })

/** The lines of JSON that a command has printed. */
// oxlint-disable-next-line typescript/no-explicit-any -- tests look into values of any shape
export const jsonLines = ({ stdout }: Outcome): ReadonlyArray<any> =>
  stdout.trim().split("\n").filter((line) => line !== "").map((line) => JSON.parse(line))
