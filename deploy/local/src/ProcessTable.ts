/** What the system tells of processes: /proc on Linux, ps elsewhere. */
import { execFileSync } from "node:child_process"
import { readdirSync, readFileSync } from "node:fs"

/**
 * Names one process among all that ever have its number: number and start time, or undefined where none runs.
 * A process that has ended and only waits to be collected does not run.
 */
export const identity = (pid: number): string | undefined => {
  if (process.platform !== "linux") {
    const startedAt = ps("-o", "lstart=", "-p", `${pid}`).trim()
    return startedAt === "" ? undefined : `${pid} ${startedAt}`
  }
  const stat = statOf(pid)
  return stat === undefined || stat.state === "Z" ? undefined : `${pid} ${stat.startTime}`
}

/** The process of an identity written down earlier, if it still runs. */
export const find = (written: string): number | undefined => {
  const pid = Number.parseInt(written, 10)
  return pid > 0 && identity(pid) === written.trim() ? pid : undefined
}

/** The name of the running program, without its folder. */
export const program = (pid: number): string | undefined => {
  const stat = process.platform === "linux" ? statOf(pid) : undefined
  return stat?.program ??
    (process.platform === "linux" ? undefined : ps("-o", "comm=", "-p", `${pid}`).trim().split("/").at(-1))
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

const statOf = (pid: number) => {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "utf8")
    // The program's name may hold spaces and parentheses, so fields are counted from the last one.
    const end = text.lastIndexOf(")")
    const fields = text.slice(end + 2).split(" ")
    return {
      program: text.slice(text.indexOf("(") + 1, end),
      state: fields[0],
      parent: Number(fields[1]),
      group: Number(fields[2]),
      startTime: fields[19]
    }
  } catch {
    return undefined
  }
}

const pids = () => readdirSync("/proc").map(Number).filter((pid) => pid > 0)

const parentsFromProc = () => pids().map((pid) => [pid, statOf(pid)?.parent ?? 0] as const)

const parentsFromPs = () =>
  ps("-A", "-o", "pid=,ppid=").split("\n").map((line) => {
    const [pid = 0, parent = 0] = line.trim().split(/\s+/).map(Number)
    return [pid, parent] as const
  })

const ps = (...args: ReadonlyArray<string>): string => {
  try {
    return execFileSync("ps", args, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] })
  } catch {
    return ""
  }
}
