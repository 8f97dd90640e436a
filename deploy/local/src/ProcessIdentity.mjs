// @ts-check
/** Distinguishes a process from all others that ever have its number. Plain JavaScript: the bootstrap needs it on any Node. */
import { execFileSync } from "node:child_process"
import { readFileSync } from "node:fs"

/**
 * Names one process among all that ever have its number: number and start time, or undefined where none runs.
 * A process that has ended and only waits to be collected does not run.
 *
 * @param {number} pid
 * @returns {string | undefined}
 */
export const identity = (pid) => {
  if (process.platform !== "linux") {
    const startedAt = ps("-o", "lstart=", "-p", `${pid}`).trim()
    return startedAt === "" ? undefined : `${pid} ${startedAt}`
  }
  const stat = statOf(pid)
  return stat === undefined || stat.state === "Z" ? undefined : `${pid} ${stat.startTime}`
}

/**
 * The process of an identity written down earlier, if it still runs.
 *
 * @param {string} written
 * @returns {number | undefined}
 */
export const find = (written) => {
  const pid = Number.parseInt(written, 10)
  return pid > 0 && identity(pid) === written.trim() ? pid : undefined
}

/**
 * What Linux knows of a process.
 *
 * @param {number} pid
 */
export const statOf = (pid) => {
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

/**
 * What `ps` prints elsewhere; nothing where it fails.
 *
 * @param {ReadonlyArray<string>} args
 * @returns {string}
 */
export const ps = (...args) => {
  try {
    return execFileSync("ps", args, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] })
  } catch {
    return ""
  }
}
