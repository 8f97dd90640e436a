import { assert, it, layer } from "@effect/vitest"
import { Effect } from "effect"
import { cpSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import * as Processes from "../src/Processes.ts"
import * as ProcessTable from "../src/ProcessTable.ts"
import { Reaper } from "../src/Reaper.ts"

const service = join(import.meta.dirname, "fixtures", "service.mjs")

const temporary = Effect.map(Reaper, (reaper) => reaper.temporaryFolder())

const fake = Effect.fnUntraced(function*(overrides: Partial<Processes.Spec> = {}) {
  const folder = yield* temporary
  return yield* Processes.make({
    name: "fake",
    command: process.execPath,
    args: [service],
    env: {},
    logFile: join(folder, "fake.log"),
    pidFile: join(folder, "fake.pid"),
    isReady: Processes.readyLine,
    ...overrides
  })
})

layer(Reaper.layer, { excludeTestServices: true })("a process", (it) => {
  it.effect("starts, reports its details, stops in order, and starts again", () =>
    Effect.gen(function*() {
      const process = yield* fake()
      const first = yield* process.start
      assert.strictEqual((yield* process.start).pid, first.pid)
      assert.strictEqual(first.details["hasKey"], false)
      yield* process.stop
      assert.deepInclude(yield* process.exited, { code: 0, signal: null, lastWords: "stopped in order" })
      assert.isUndefined(yield* process.pid)
      const second = yield* process.restart
      assert.notStrictEqual(second.pid, first.pid)
    }))

  it.effect("takes all it started with it when it is killed", () =>
    Effect.gen(function*() {
      const process = yield* fake({ env: { WITH_CHILD: "1", PATH: "/usr/bin:/bin" } })
      const { details } = yield* process.start
      const child = Number(details["child"])
      assert.isDefined(ProcessTable.identity(child))
      yield* process.kill("SIGKILL")
      assert.strictEqual((yield* process.exited).signal, "SIGKILL")
      assert.isUndefined(ProcessTable.identity(child))
    }))

  it.effect("can be frozen, and is stopped all the same", () =>
    Effect.gen(function*() {
      const process = yield* fake()
      yield* process.start
      yield* process.kill("SIGSTOP")
      yield* process.stop
      assert.isUndefined(yield* process.pid)
    }))

  it.effect("that fails at its start says why in its own sentence", () =>
    Effect.gen(function*() {
      const process = yield* fake({ env: { FAIL_WITH: "Set NATS_URL." } })
      const error = yield* Effect.flip(process.start)
      assert.match(error.message, /^fake stopped before it was ready: Set NATS_URL\. \(log: .*fake\.log\)$/)
    }))

  it.effect("that never gets ready is given up and ended", () =>
    Effect.gen(function*() {
      const process = yield* fake({ isReady: () => undefined, readyWithinMillis: 500 })
      assert.include((yield* Effect.flip(process.start)).message, "was not ready in time")
      assert.isUndefined(yield* process.pid)
    }))

  it.effect("whose program is missing says so", () =>
    Effect.gen(function*() {
      const process = yield* fake({ command: "/nowhere/program" })
      assert.include((yield* Effect.flip(process.start)).message, "can't be started: spawn /nowhere/program ENOENT")
    }))

  it.effect("ends what an earlier supervisor left behind before it starts its own", () =>
    Effect.gen(function*() {
      const folder = yield* temporary
      const files = { logFile: join(folder, "a.log"), pidFile: join(folder, "a.pid") }
      const left = yield* fake(files)
      const { pid } = yield* left.start
      const later = yield* fake(files)
      const next = yield* later.start
      assert.notStrictEqual(next.pid, pid)
      assert.isUndefined(ProcessTable.identity(pid))
      assert.match(readFileSync(files.pidFile, "utf8"), new RegExp(`^${next.pid} `))
    }))

  it.effect("leaves alone the process of the stack that its folder is a copy of", () =>
    Effect.gen(function*() {
      const [folder, copy] = [yield* temporary, yield* temporary]
      const original = yield* fake({ logFile: join(folder, "a.log"), pidFile: join(folder, "a.pid") })
      const { pid } = yield* original.start
      cpSync(folder, copy, { recursive: true })
      const copied = yield* fake({ logFile: join(copy, "a.log"), pidFile: join(copy, "a.pid") })
      yield* copied.start
      assert.isDefined(ProcessTable.identity(pid))
    }))

  it.effect("leaves alone a stranger that has the number of an earlier run", () =>
    Effect.gen(function*() {
      const stranger = yield* fake()
      const { pid } = yield* stranger.start
      const folder = yield* temporary
      const pidFile = join(folder, "a.pid")
      writeFileSync(pidFile, `${pid} 1`)
      const process = yield* fake({ pidFile, logFile: join(folder, "a.log") })
      yield* process.start
      assert.isDefined(ProcessTable.identity(pid))
    }))
})

it("a service's ready line is known by its message, whether one value or a list", () => {
  const annotations = { address: "http://127.0.0.1:1" }
  assert.deepStrictEqual(Processes.readyLine(JSON.stringify({ message: "ready", annotations })), annotations)
  assert.deepStrictEqual(Processes.readyLine(JSON.stringify({ message: ["ready"], annotations })), annotations)
  assert.isUndefined(Processes.readyLine(JSON.stringify({ message: "ready to go", annotations })))
  assert.isUndefined(Processes.readyLine("ready"))
})
