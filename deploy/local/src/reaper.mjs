/**
 * Ends a supervisor's processes when the supervisor itself is gone, however it died.
 *
 * It reads lines from the pipe that the supervisor holds open: `watch <process group> <signal>`,
 * `forget <process group>` and `remove <folder>`. When the pipe ends, every group still watched gets its signal and, if
 * it is alive after the grace period, SIGKILL. Then the folders are removed.
 */
import { rmSync } from "node:fs"
import { createInterface } from "node:readline"
import { setTimeout as sleep } from "node:timers/promises"

const graceMillis = 5_000
const groups = new Map()
const folders = []

for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => {})

const send = (group, signal) => {
  try {
    return process.kill(-group, signal)
  } catch {
    return false
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  const [verb, group, signal] = line.split(" ")
  if (verb === "remove") folders.push(line.slice("remove ".length))
  if (verb === "watch") groups.set(Number(group), signal)
  if (verb === "forget") groups.delete(Number(group))
}

for (const [group, signal] of groups) {
  send(group, signal)
  send(group, "SIGCONT")
}
const deadline = Date.now() + graceMillis
while (Date.now() < deadline && [...groups.keys()].some((group) => send(group, 0))) await sleep(50)
for (const group of groups.keys()) send(group, "SIGKILL")
// What a killed process started may still be writing its last.
for (const folder of folders) rmSync(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 })
