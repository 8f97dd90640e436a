/** The command line as an operator runs it, with the settings of a stack's services. */
import * as Stack from "@akave-async/local/Stack"
import { join } from "node:path"
import * as Packages from "./Packages.ts"

type Of = Pick<Stack.Stack, "databaseUrl" | "gatewayUrl" | "natsUrl" | "nodeAddress">

/** The settings that a stack's services have, for commands that work beside them. */
export const settingsOf = (
  { databaseUrl, gatewayUrl, natsUrl, nodeAddress }: Of
): Readonly<Record<string, string>> => ({
  NATS_URL: natsUrl,
  DATABASE_URL: databaseUrl,
  AKAVE_NODE_ADDRESS: nodeAddress,
  AKAVE_ASYNC_URL: gatewayUrl,
  NO_COLOR: "1"
})

/** What runs the command, before its arguments. */
export const program = [
  process.execPath,
  "--disable-warning=ExperimentalWarning",
  join(Stack.repository, "shared/cli/src/main.ts")
] as const

/** Runs a command to its end. */
export const run = (
  args: ReadonlyArray<string>,
  stack: Of,
  options: Partial<Parameters<typeof Packages.ran>[2]> = {}
) =>
  Packages.ran(program[0], [...program.slice(1), ...args], {
    cwd: Stack.repository,
    ...options,
    env: { ...settingsOf(stack), ...options.env }
  })
