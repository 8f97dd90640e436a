/** The staging stores of this machine. */
import { assert, it } from "@effect/vitest"
import { DateTime, Effect, Stream } from "effect"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { mkdtempSync, readdirSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { Staging } from "../src/Staging.ts"
import { suite } from "./StagingSuite.ts"

const folder = () => mkdtempSync(join(tmpdir(), "staging-"))
suite("memory", Staging.layerMemory)
suite("folder", Staging.layerFolder(folder()))

const filesIn = (path: string) =>
  readdirSync(path, { recursive: true, withFileTypes: true }).filter((one) => one.isFile()).map(({ name }) => name)

/** Puts bytes without an end into a folder, in a process of its own. */
const endless = async (path: string, limit?: number) => {
  const program = fileURLToPath(new URL("fixtures/endless.ts", import.meta.url))
  const command = `ulimit -f ${
    limit ?? "unlimited"
  }; exec ${process.execPath} --disable-warning=ExperimentalWarning ${program} ${path} ${limit ?? ""}`
  const child = spawn("sh", ["-c", command], { stdio: ["ignore", "pipe", "inherit"] })
  const [line] = await once(child.stdout, "data")
  return { child, line: String(line) }
}

it.live("what a killed process leaves in a folder is no object, and is swept", () =>
  Effect.gen(function*() {
    const path = folder()
    const { child } = yield* Effect.promise(() => endless(path))
    yield* Effect.promise(async () => {
      child.kill("SIGKILL")
      await once(child, "exit")
    })
    assert.lengthOf(filesIn(path), 1)
    yield* Effect.gen(function*() {
      const staging = yield* Staging
      assert.lengthOf(yield* Stream.runCollect(staging.list), 0)
      assert.strictEqual(yield* staging.sweepUnfinished(DateTime.subtract(yield* DateTime.now, { hours: 1 })), 0)
      assert.strictEqual(yield* staging.sweepUnfinished(DateTime.add(yield* DateTime.now, { seconds: 1 })), 1)
    }).pipe(Effect.provide(Staging.layerFolder(path)))
    assert.deepStrictEqual(filesIn(path), [])
  }))

it.live("a folder without room says so, and keeps nothing", () =>
  Effect.gen(function*() {
    const path = folder()
    // Blocks of 512 bytes.
    const { child, line } = yield* Effect.promise(() => endless(path, 20_000))
    yield* Effect.sync(() => child.kill("SIGKILL"))
    assert.strictEqual(line.trim(), "StagingFull")
    assert.deepStrictEqual(filesIn(path), [])
  }))
