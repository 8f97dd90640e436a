/** What the processes of a stack use, as Linux reports it in /proc. */
import type * as Stack from "@akave-async/local/Stack"
import { readFileSync } from "node:fs"
import { join } from "node:path"

/** Linux counts CPU in hundredths of a second. */
const millisPerTick = 10

const statOf = (stack: Stack.Stack, name: string) => {
  const [pid = ""] = /\d+/.exec(readFileSync(join(stack.dataDir, "run", `${name}.pid`), "utf8")) ?? []
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8")
  // The name, which comes second, may hold anything.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ").map(Number)
  return { cpuMillis: ((fields[11] ?? 0) + (fields[12] ?? 0)) * millisPerTick, pages: fields[21] ?? 0 }
}

/** The CPU that a process has used, in milliseconds; its children's is not counted. */
export const cpuMillis = (stack: Stack.Stack, name: string): number => statOf(stack, name).cpuMillis

const pageBytes = 4096
/** Resident memory in MB. */
export const memory = (stack: Stack.Stack, name: string): number => statOf(stack, name).pages * pageBytes / 1e6
