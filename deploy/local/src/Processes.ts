// oxlint-disable max-lines -- one process from its start to its end, each way that it may end included
/**
 * Native servers and services as processes that can be started, stopped, killed and started again.
 *
 * Each leads its own process group, so that Ctrl-C in a terminal reaches only the supervisor, which then stops them in
 * order. Their output goes straight into a log file and is read from there: they never wait for a supervisor that is
 * frozen or gone. That, the groups and other user ids are why this uses Node's own `spawn`.
 */
import { Clock, Deferred, Effect, Schema, type Scope, Semaphore } from "effect"
import { type ChildProcess, spawn } from "node:child_process"
import * as fs from "node:fs"
import { dirname } from "node:path"
import * as ProcessTable from "./ProcessTable.ts"
import { Reaper } from "./Reaper.ts"

export class ProcessFailed extends Schema.TaggedError<ProcessFailed>()("ProcessFailed", {
  name: Schema.String,
  /** What happened and, where the process said it, why. */
  reason: Schema.String,
  logFile: Schema.String
}) {
  override readonly message = `${this.name} ${this.reason} (log: ${this.logFile})`
}

/** What a process says of itself when it is ready: addresses, versions. */
export type Details = Readonly<Record<string, unknown>>

export interface Spec {
  readonly name: string
  readonly command: string
  readonly args: ReadonlyArray<string>
  /** The whole environment; nothing is inherited. */
  readonly env: Readonly<Record<string, string | undefined>>
  readonly cwd?: string
  readonly runAs?: { readonly uid: number; readonly gid: number } | undefined
  readonly logFile: string
  /** Names the running process for a later supervisor, which ends it before it starts its own. */
  readonly pidFile: string
  /** Runs before each start. */
  readonly prepare?: Effect.Effect<void, ProcessFailed>
  /** Reads one line of the log; gives the details if it is the line that says "ready". */
  readonly isReady: (line: string) => Details | undefined
  /** Runs once that line was seen, and completes the start. */
  readonly verify?: Effect.Effect<Details, ProcessFailed>
  /** The sentence that a person should read, out of the last lines of a process that ended. */
  readonly explain?: (lines: ReadonlyArray<string>) => string | undefined
  readonly readyWithinMillis?: number
  readonly stopSignal?: NodeJS.Signals
  readonly stopWithinMillis?: number
}

export interface Running {
  readonly pid: number
  readonly details: Details
  /** From the start of the process until it was ready. */
  readonly millis: number
}

export interface Ended {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  /** The last thing it said, in one sentence. */
  readonly lastWords: string
  /** How long it was ready; 0 if it never was. */
  readonly readyMillis: number
}

export interface Process {
  readonly name: string
  readonly logFile: string
  /** Starts it and waits until it is ready; one that already runs is left alone. */
  readonly start: Effect.Effect<Running, ProcessFailed>
  /** Asks it to stop, waits, and kills what is left. */
  readonly stop: Effect.Effect<void>
  readonly restart: Effect.Effect<Running, ProcessFailed>
  /**
   * SIGKILL, SIGSTOP and SIGCONT reach the process and all that it started, other signals the process only.
   * After SIGKILL it waits until the process is gone.
   */
  readonly kill: (signal: NodeJS.Signals) => Effect.Effect<void>
  /** Waits for the end of the present run, or reports that of the last one. */
  readonly exited: Effect.Effect<Ended>
  readonly pid: Effect.Effect<number | undefined>
  /** What it reported when it became ready; undefined while it does not run or is not ready. */
  readonly running: Effect.Effect<Running | undefined>
}

/** The process is stopped when the scope closes. Nothing runs until `start`. */
// oxlint-disable-next-line max-lines-per-function -- its operations share the run of the process
export const make = Effect.fnUntraced(function*(spec: Spec): Effect.fn.Return<Process, never, Reaper | Scope.Scope> {
  const reaper = yield* Reaper
  const turn = yield* Semaphore.make(1)
  const stopSignal = spec.stopSignal ?? "SIGTERM"
  let present: Run | undefined
  let last: Run | undefined

  const fail = (reason: string) => new ProcessFailed({ name: spec.name, reason, logFile: spec.logFile })

  const launch = Effect.gen(function*() {
    yield* endEarlierRun(spec.pidFile, stopSignal, stopWithin(spec))
    if (spec.prepare) yield* spec.prepare
    const run = yield* Effect.callback<Run, ProcessFailed>((resume) => {
      try {
        for (const file of [spec.logFile, spec.pidFile]) fs.mkdirSync(dirname(file), { recursive: true })
        rotate(spec.logFile)
        const log = fs.openSync(spec.logFile, "a")
        const logOffset = fs.fstatSync(log).size
        const child = spawn(spec.command, spec.args, {
          ...spec.runAs,
          ...(spec.cwd === undefined ? {} : { cwd: spec.cwd }),
          env: spec.env,
          detached: true,
          stdio: ["ignore", log, log]
        })
        fs.closeSync(log)
        if (child.pid === undefined) {
          child.once("error", (cause) => resume(fail(`can't be started: ${cause.message}`)))
          return
        }
        reaper.watch(child.pid, stopSignal)
        resume(Effect.succeed({ child, pid: child.pid, logOffset, exited: Deferred.makeUnsafe() }))
      } catch (cause) {
        resume(fail(`can't be started: ${cause instanceof Error ? cause.message : String(cause)}`))
      }
    })
    present = last = run
    fs.writeFileSync(spec.pidFile, `${ProcessTable.identity(run.pid) ?? ""}\n${placeOf(spec.pidFile)}\n`)
    yield* Effect.forkDetach(collect(run), { startImmediately: true })
    return run
  }).pipe(Effect.uninterruptible)

  /** Waits for the end of a run and clears up what it started. */
  const collect = Effect.fnUntraced(function*(run: Run) {
    const { code, signal } = yield* exitOf(run.child)
    const readyMillis = run.readyAt === undefined ? 0 : (yield* Clock.currentTimeMillis) - run.readyAt
    yield* endGroup(run.pid)
    reaper.forget(run.pid)
    fs.rmSync(spec.pidFile, { force: true })
    if (present === run) present = undefined
    const lines = lastLines(spec.logFile, run.logOffset)
    const lastWords = spec.explain?.(lines) ?? sentence(lines)
    yield* Deferred.succeed(run.exited, { code, signal, lastWords, readyMillis })
  })

  const untilReady = Effect.fnUntraced(function*(run: Run) {
    const follow = lineFollower(spec.logFile, run.logOffset)
    while (true) {
      for (const line of follow()) {
        const details = spec.isReady(line)
        if (details) return { ...details, ...(spec.verify ? yield* spec.verify : undefined) }
      }
      yield* Effect.sleep("20 millis")
    }
  })

  const startNow = Effect.gen(function*() {
    if (present?.running) return present.running
    const startedAt = yield* Clock.currentTimeMillis
    const run = yield* launch
    return yield* untilReady(run).pipe(
      Effect.raceFirst(
        Effect.flatMap(Deferred.await(run.exited), (ended) => fail(`stopped before it was ready: ${ended.lastWords}`))
      ),
      Effect.timeoutOrElse({
        duration: spec.readyWithinMillis ?? 60_000,
        orElse: () => fail(`was not ready in time: ${sentence(lastLines(spec.logFile, run.logOffset))}`)
      }),
      Effect.flatMap((details) =>
        Effect.map(Clock.currentTimeMillis, (now) => {
          run.running = { pid: run.pid, details, millis: now - startedAt }
          run.readyAt = now
          return run.running
        })
      ),
      Effect.onError(() => terminate(run))
    )
  })

  const terminate = Effect.fnUntraced(function*(run: Run) {
    ProcessTable.signal(run.pid, stopSignal)
    ProcessTable.signal(-run.pid, "SIGCONT")
    const ended = yield* Effect.timeoutOption(Deferred.await(run.exited), stopWithin(spec))
    if (ended._tag === "None") yield* killTree(run)
  })

  const killTree = (run: Run) =>
    Effect.suspend(() => {
      for (const pid of ProcessTable.tree(run.pid)) ProcessTable.signal(pid, "SIGKILL")
      return Effect.asVoid(Deferred.await(run.exited))
    })

  const start = turn.withPermit(startNow)
  const stopNow = Effect.suspend(() => present ? terminate(present) : Effect.void)
  const stop = turn.withPermit(stopNow)

  const kill = (signal: NodeJS.Signals) =>
    Effect.suspend(() => {
      if (!present) return Effect.void
      if (signal === "SIGKILL") return killTree(present)
      const pids = signal === "SIGSTOP" || signal === "SIGCONT" ? ProcessTable.tree(present.pid) : [present.pid]
      for (const pid of pids) ProcessTable.signal(pid, signal)
      return Effect.void
    })

  yield* Effect.addFinalizer(() => stop)
  return {
    name: spec.name,
    logFile: spec.logFile,
    start,
    stop,
    restart: turn.withPermit(Effect.andThen(stopNow, startNow)),
    kill,
    exited: Effect.suspend(() => last ? Deferred.await(last.exited) : Effect.never),
    pid: Effect.sync(() => present?.pid),
    running: Effect.sync(() => present?.running)
  }
})

/** What this process inherited from its own. */
export const inherited = (): Readonly<Record<string, string | undefined>> => ({ ...process.env })

/** The details of the JSON log line by which a service says that it is ready. */
export const readyLine = (line: string): Details | undefined => {
  const entry = jsonLine(line)
  return entry !== undefined && text(entry["message"]) === "ready" ? Object(entry["annotations"]) : undefined
}

/** Reads a log from a place on, and gives at each call the whole lines that came since. */
const lineFollower = (file: string, from: number) => {
  let offset = from
  let rest = Buffer.alloc(0)
  return (): ReadonlyArray<string> => {
    const added = readFrom(file, offset)
    offset += added.length
    const all = Buffer.concat([rest, added])
    const end = all.lastIndexOf("\n") + 1
    rest = all.subarray(end)
    return all.subarray(0, end).toString().split("\n").slice(0, -1)
  }
}

interface Run {
  readonly child: ChildProcess
  readonly pid: number
  readonly logOffset: number
  readonly exited: Deferred.Deferred<Ended>
  /** Set once it is ready. */
  running?: Running
  readyAt?: number
}

const stopWithin = (spec: Spec) => spec.stopWithinMillis ?? 15_000

const exitOf = (child: ChildProcess) =>
  Effect.callback<{ readonly code: number | null; readonly signal: NodeJS.Signals | null }>((resume) => {
    const done = () => resume(Effect.succeed({ code: child.exitCode, signal: child.signalCode }))
    if (child.exitCode !== null || child.signalCode !== null) return done()
    child.once("exit", done)
  })

/** The members of a group whose leader is gone get two seconds to follow it. */
const endGroup = Effect.fnUntraced(function*(group: number) {
  ProcessTable.signal(-group, "SIGTERM")
  for (let waited = 0; waited < 2_000 && ProcessTable.isGroupRunning(group); waited += 20) {
    yield* Effect.sleep("20 millis")
  }
  ProcessTable.signal(-group, "SIGKILL")
})

/** A folder keeps this number when it is moved, and no copy has it: a copied pid file names another stack's process. */
const placeOf = (pidFile: string) => `${fs.statSync(dirname(pidFile)).ino}`

/** Ends what an earlier supervisor left running because it, and its reaper, were killed. */
const endEarlierRun = Effect.fnUntraced(function*(pidFile: string, stopSignal: NodeJS.Signals, withinMillis: number) {
  const [written = "", place] = yield* Effect.sync(() =>
    fs.existsSync(pidFile) ? fs.readFileSync(pidFile, "utf8").split("\n") : []
  )
  const pid = ProcessTable.find(written)
  if (pid === undefined || (place && place !== placeOf(pidFile))) return
  ProcessTable.signal(pid, stopSignal)
  ProcessTable.signal(-pid, "SIGCONT")
  for (let waited = 0; waited < withinMillis && ProcessTable.find(written) !== undefined; waited += 20) {
    yield* Effect.sleep("20 millis")
  }
  for (const left of ProcessTable.find(written) === undefined ? [] : ProcessTable.tree(pid)) {
    ProcessTable.signal(left, "SIGKILL")
  }
  yield* endGroup(pid)
})

/** A log over this size is put aside at the next start, in place of the one put aside before. */
const maxLogBytes = 16 * 1024 * 1024

const rotate = (file: string) => {
  if (fs.existsSync(file) && fs.statSync(file).size > maxLogBytes) fs.renameSync(file, `${file}.1`)
}

/** At most this much of a log's end is looked at for a process's last words. */
const tailBytes = 16 * 1024

const lastLines = (file: string, from: number): ReadonlyArray<string> => {
  const size = fs.existsSync(file) ? fs.statSync(file).size : 0
  return readFrom(file, Math.max(from, size - tailBytes)).toString().split("\n").filter((line) => line.trim() !== "")
}

const readFrom = (file: string, offset: number): Buffer => {
  if (!fs.existsSync(file)) return Buffer.alloc(0)
  const log = fs.openSync(file, "r")
  try {
    const buffer = Buffer.alloc(Math.max(0, fs.fstatSync(log).size - offset))
    return buffer.subarray(0, fs.readSync(log, buffer, 0, buffer.length, offset))
  } finally {
    fs.closeSync(log)
  }
}

/** The last fatal or error entry of a service's log; else a line that names an error; else the last line. */
const sentence = (lines: ReadonlyArray<string>): string => {
  const entries = lines.map(jsonLine).filter((entry) => entry !== undefined)
  const worst = ["FATAL", "ERROR"].map((level) => entries.findLast((entry) => entry["level"] === level)).find(Boolean)
  if (worst) {
    // A defect's message only says that there was one; what it was is the first line of its cause.
    const cause = typeof worst["cause"] === "string" ? worst["cause"].split("\n").slice(0, 1) : []
    return [text(worst["message"]), ...cause].join(": ")
  }
  const line = lines.findLast((line) => /^\S*error\b/i.test(line)) ?? lines.at(-1)
  const entry = jsonLine(line ?? "")
  return entry ? text(entry["message"]) : line ?? "it said nothing"
}

const jsonLine = (line: string): Readonly<Record<string, unknown>> | undefined => {
  if (!line.startsWith("{")) return undefined
  try {
    return Object(JSON.parse(line))
  } catch {
    return undefined
  }
}

/** A log entry's message: one value, or a list of them. */
const text = (message: unknown): string => [message].flat().map(String).join(" ")
