import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as DataFolder from "../src/DataFolder.ts"

const temporary = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "akave-async-test-"))),
  (folder) => Effect.sync(() => rmSync(folder, { recursive: true }))
)

it.live("a folder is held by one at a time, and free again when its scope has closed", () =>
  Effect.gen(function*() {
    const folder = join(yield* temporary, "data")
    yield* Effect.scoped(Effect.gen(function*() {
      yield* DataFolder.acquire(folder)
      const error = yield* Effect.flip(DataFolder.acquire(folder))
      assert.match(error.message, new RegExp(`in use .* \\(process ${process.pid}\\)`))
    }))
    yield* DataFolder.acquire(folder)
  }))

it.live("the lock of a process that is gone counts for nothing, even where its number lives on", () =>
  Effect.gen(function*() {
    const folder = yield* temporary
    writeFileSync(join(folder, "lock"), `${process.pid} 1`)
    yield* DataFolder.acquire(folder)
  }))

it.live("a folder that can't be used is reported in one sentence", () =>
  Effect.gen(function*() {
    const file = join(yield* temporary, "file")
    writeFileSync(file, "")
    const error = yield* Effect.flip(DataFolder.acquire(join(file, "data")))
    assert.match(error.message, /^The data folder .* can't be used: /)
  }))
