import { assert, layer } from "@effect/vitest"
import { Effect, Fiber, Latch } from "effect"
import { existsSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import * as Processes from "../src/Processes.ts"
import { Reaper } from "../src/Reaper.ts"
import * as Supervisor from "../src/Supervisor.ts"

const program = join(import.meta.dirname, "fixtures", "service.mjs")

const service = Effect.fnUntraced(
  function*(name: string, needs: ReadonlyArray<string> = [], overrides: Partial<Processes.Spec> = {}) {
    const folder = (yield* Reaper).temporaryFolder()
    const process = yield* Processes.make({
      name,
      command: globalThis.process.execPath,
      args: [program],
      env: {},
      logFile: join(folder, "log"),
      pidFile: join(folder, "pid"),
      isReady: Processes.readyLine,
      ...overrides
    })
    yield* process.start
    return { process, address: "", needs }
  }
)

const until = Effect.fnUntraced(function*(condition: Effect.Effect<boolean>) {
  while (!(yield* condition)) yield* Effect.sleep("10 millis")
})

/** Kills a process and waits until another one is ready in its place. */
const killAndAwait = Effect.fnUntraced(function*({ process }: { readonly process: Processes.Process }) {
  const before = yield* process.pid
  yield* process.kill("SIGKILL")
  yield* until(Effect.map(process.running, (running) => running !== undefined && running.pid !== before))
})

/** Supervises, and notes what it is reported. */
const supervise = Effect.fnUntraced(
  function*(services: ReadonlyArray<Effect.Success<ReturnType<typeof service>>>, options: Supervisor.Options = {}) {
    const reported: Array<string> = []
    const fiber = yield* Effect.forkScoped(
      Supervisor.keepUp(services, {
        firstPause: 10,
        longestPause: 40,
        report: (text) => Effect.sync(() => void reported.push(text)),
        ...options
      }),
      { startImmediately: true }
    )
    return { reported, isRunning: () => fiber.pollUnsafe() === undefined, fiber }
  }
)

const pauses = (reported: ReadonlyArray<string>) => reported.map((text) => /again in (\S+ s)/.exec(text)?.[1])

layer(Reaper.layer, { excludeTestServices: true })("the supervisor", (it) => {
  it.effect("starts again what dies however often, reports it each time, and leaves the others alone", () =>
    Effect.gen(function*() {
      const [one, other] = [yield* service("one"), yield* service("other")]
      const untouched = yield* other.process.pid
      const { isRunning, reported } = yield* supervise([one, other], { steadyAfter: "1 hour" })
      for (let time = 0; time < 8; time++) yield* killAndAwait(one)
      assert.isTrue(isRunning())
      assert.strictEqual(yield* other.process.pid, untouched)
      assert.deepStrictEqual(pauses(reported), ["0.01 s", "0.02 s", ...Array.from({ length: 6 }, () => "0.04 s")])
      assert.match(reported[0] ?? "", /^one ended \(SIGKILL\), saying at last: .*\. Starting it again in 0\.01 s\.$/)
    }))

  it.effect("begins anew with its pauses for a process that was ready for a while", () =>
    Effect.gen(function*() {
      const one = yield* service("one")
      const { reported } = yield* supervise([one], { steadyAfter: 0 })
      for (let time = 0; time < 7; time++) yield* killAndAwait(one)
      assert.deepStrictEqual(pauses(reported), Array.from({ length: 7 }, () => "0.01 s"))
    }))

  it.effect("goes on with a process that can't be started, until it can", () =>
    Effect.gen(function*() {
      const file = join((yield* Reaper).temporaryFolder(), "broken")
      const one = yield* service("one", [], {
        prepare: Effect.suspend(() =>
          existsSync(file)
            ? Effect.fail(new Processes.ProcessFailed({ name: "one", reason: "has a broken folder", logFile: "log" }))
            : Effect.void
        )
      })
      const { isRunning, reported } = yield* supervise([one])
      writeFileSync(file, "")
      yield* one.process.kill("SIGKILL")
      yield* until(Effect.sync(() => reported.length >= 7))
      assert.isTrue(isRunning())
      assert.match(reported[3] ?? "", /^one has a broken folder \(log: log\)\. Starting it again in 0\.04 s\.$/)
      rmSync(file)
      yield* until(Effect.map(one.process.running, (running) => running !== undefined))
    }))

  it.effect("waits for what a process needs before it starts that again, and does not count that as its failure", () =>
    Effect.gen(function*() {
      const latch = yield* Latch.make(true)
      const need = yield* service("need", [], { prepare: latch.await })
      const one = yield* service("one", ["need"])
      const { reported } = yield* supervise([need, one])
      yield* latch.close
      for (let time = 0; time < 7; time++) {
        yield* need.process.kill("SIGKILL")
        yield* one.process.kill("SIGKILL")
        const isTold = () =>
          reported.some((text) => text.startsWith("one ended") && text.endsWith("when need can be reached."))
        yield* until(Effect.sync(isTold))
        assert.isUndefined(yield* one.process.pid)
        yield* latch.open
        yield* until(Effect.map(one.process.running, (running) => running !== undefined))
        yield* latch.close
        reported.length = 0
      }
      yield* latch.open
      yield* one.process.kill("SIGKILL")
      yield* until(Effect.sync(() => reported.length > 0))
      assert.deepStrictEqual(pauses(reported), ["0.01 s"])
    }))

  it.effect("stops with its scope", () =>
    Effect.gen(function*() {
      const one = yield* service("one")
      const { fiber } = yield* supervise([one])
      yield* Fiber.interrupt(fiber)
      yield* one.process.kill("SIGKILL")
      assert.isUndefined(yield* one.process.pid)
    }))
})
