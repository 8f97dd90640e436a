/** What the system knows of processes: /proc on Linux, ps elsewhere. */
import { readdirSync, readlinkSync, realpathSync } from "node:fs"
import { ps, statOf } from "./ProcessIdentity.mjs"

export { find, identity } from "./ProcessIdentity.mjs"

/** The name of the running program, without its folder. */
export const program = (pid: number): string | undefined => {
  const stat = process.platform === "linux" ? statOf(pid) : undefined
  return stat?.program ??
    (process.platform === "linux" ? undefined : ps("-o", "comm=", "-p", `${pid}`).trim().split("/").at(-1))
}

/** Whether a server works on this folder, as servers do that make their data folder their working directory. */
export const isAt = (pid: number, folder: string): boolean => {
  if (process.platform !== "linux") return ps("-o", "command=", "-p", `${pid}`).includes(folder)
  try {
    return readlinkSync(`/proc/${pid}/cwd`) === realpathSync(folder)
  } catch {
    // Another user's process, which can't be a server on a folder of this user.
    return false
  }
}

/** The process and everything it started, directly or not: children leave their parent's group if they like. */
export const tree = (root: number): ReadonlyArray<number> => {
  const parents = process.platform === "linux" ? parentsFromProc() : parentsFromPs()
  const found = [root]
  for (const pid of found) found.push(...[...parents].filter(([, parent]) => parent === pid).map(([child]) => child))
  return found
}

/** Whether any member of a process group runs; those that only wait to be collected don't count. */
export const isGroupRunning = (group: number): boolean =>
  signal(-group, 0)
  && (process.platform !== "linux" || pids().map(statOf).some((stat) => stat?.group === group && stat.state !== "Z"))

/** False where there is no such process, or group if the number is negative. */
export const signal = (pid: number, name: NodeJS.Signals | 0): boolean => {
  try {
    return process.kill(pid, name)
  } catch {
    return false
  }
}

const pids = () => readdirSync("/proc").map(Number).filter((pid) => pid > 0)

const parentsFromProc = () => pids().map((pid) => [pid, statOf(pid)?.parent ?? 0] as const)

const parentsFromPs = () =>
  ps("-A", "-o", "pid=,ppid=").split("\n").map((line) => {
    const [pid = 0, parent = 0] = line.trim().split(/\s+/).map(Number)
    return [pid, parent] as const
  })
