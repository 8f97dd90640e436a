/** `akave-async rebuild` as a process, which is killed at places that a seed gives. */
import * as Stack from "@akave-async/local/Stack"
import { Effect, Schema } from "effect"
import { spawn } from "node:child_process"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { createInterface } from "node:readline"

const Line = Schema.fromJsonString(Schema.Struct({
  progress: Schema.optionalKey(Schema.Struct({ phase: Schema.String, done: Schema.Number, of: Schema.Number })),
  switched: Schema.optionalKey(Schema.Boolean),
  sequence: Schema.optionalKey(Schema.Number),
  error: Schema.optionalKey(Schema.Struct({ message: Schema.String }))
}))
const decode = Schema.decodeUnknownSync(Line)

export interface Ended {
  /** Whether it came to the switch. */
  readonly isSwitched: boolean
  /** The events that it found done when it began, and how far it came. */
  readonly from: number
  readonly to: number
  /** Seconds from its first report to its last. */
  readonly seconds: number
  /** The most resident memory, in MB. */
  readonly megabytes: number
  /** Each of its reports, with the second of it and the resident memory in MB. */
  readonly looks: ReadonlyArray<Look>
}
export interface Look {
  readonly phase: string
  readonly done: number
  readonly second: number
  readonly megabytes: number
}

/** Numbers from 0 to 1, the same for the same seed (mulberry32). */
export const random = (seed: number) => () => {
  seed = (seed + 0x6d2b79f5) | 0
  let mixed = Math.imul(seed ^ (seed >>> 15), 1 | seed)
  mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
  return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
}

/** As the guide to performance says. */
const NODE_OPTIONS = "--max-semi-space-size=64"

/** Runs it, and kills it by SIGKILL once it reports so many events done; a moment later where `delay` says so. */
export const run = (
  settings: Readonly<Record<string, string>>,
  kill?: { readonly at: number; readonly delay: number }
): Effect.Effect<Ended> =>
  Effect.callback((resume) => {
    const child = spawn(
      process.execPath,
      ["--disable-warning=ExperimentalWarning", join(Stack.repository, "shared/cli/src/main.ts"), "rebuild", "--json"],
      { env: { PATH: process.env["PATH"] ?? "", NODE_OPTIONS, ...settings }, stdio: ["ignore", "pipe", "inherit"] }
    )
    let [from, to, megabytes, isSwitched] = [-1, 0, 0, false]
    let [first, last] = [0, 0]
    const looks: Array<Look> = []
    createInterface({ input: child.stdout }).on("line", (text) => {
      const { error, progress, sequence, switched } = decode(text)
      if (error !== undefined) process.stderr.write(`${error.message}\n`)
      if (switched === true) isSwitched = true
      last = performance.now()
      if (from < 0) {
        from = progress?.done ?? 0
        first = last
      }
      to = progress?.done ?? sequence ?? to
      megabytes = Math.max(megabytes, memoryOf(child.pid, "VmHWM"))
      const phase = progress?.phase ?? "ended"
      looks.push({ phase, done: to, second: (last - first) / 1000, megabytes: memoryOf(child.pid, "VmRSS") })
      if (kill !== undefined && to >= kill.at) setTimeout(() => child.kill("SIGKILL"), kill.delay)
    })
    child.on("close", () =>
      resume(Effect.succeed({ isSwitched, from, to, seconds: (last - first) / 1000, megabytes, looks })))
    return Effect.sync(() =>
      child.kill("SIGKILL")
    )
  })

/** Of a process that may have ended, in MB. */
const memoryOf = (pid: number | undefined, field: "VmHWM" | "VmRSS"): number => {
  try {
    const [, kilobytes = "0"] =
      new RegExp(`${field}:\\s+(\\d+) kB`).exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? []
    return Number(kilobytes) * 1024 / 1e6
  } catch {
    return 0
  }
}

/** A rebuild reports after each run, and is killed so many milliseconds later at most: in the middle of one. */
const longestDelay = 300

/** Kills so many rebuilds one after the other at places between the events that are there, and lets one come to its end. */
export const killed = Effect.fnUntraced(function*(
  settings: Readonly<Record<string, string>>,
  { events, kills, seed }: { readonly events: number; readonly kills: number; readonly seed: number },
  onEnd: (ended: Ended) => Effect.Effect<void> = () => Effect.void
) {
  const next = random(seed)
  for (const at of Array.from({ length: kills }, () => Math.floor(next() * events)).toSorted((a, b) => a - b)) {
    yield* Effect.flatMap(run(settings, { at, delay: Math.floor(next() * longestDelay) }), onEnd)
  }
  return yield* run(settings)
})
