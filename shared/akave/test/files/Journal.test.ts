import { assert, describe, it } from "@effect/vitest"
import { DateTime, Effect, Layer, Option } from "effect"
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { type Entry, UploadJournal } from "../../src/files/Journal.ts"

const key = { chainId: 31_337n, storageAddress: "0xAB", fileId: `0x${"0".repeat(64)}` }
const entry: Entry = {
  version: 1,
  uploadId: "an upload",
  dataBlocks: 16,
  parityBlocks: 16,
  isEncrypted: true,
  startedAt: DateTime.makeUnsafe("2026-01-02T03:04:05Z")
}

const folder = mkdtempSync(join(tmpdir(), "akave-async-journal-"))
const inFolder = (name: string) => UploadJournal.layerFolder(join(folder, name))

for (const [name, layer] of [["in memory", UploadJournal.layerMemory], ["in a folder", inFolder("all")]] as const) {
  describe(`a journal ${name}`, () => {
    it.effect("has what was put, until it is removed", () =>
      Effect.gen(function*() {
        const journal = yield* UploadJournal
        assert.deepStrictEqual(yield* journal.get(key), Option.none())
        yield* journal.put(key, entry)
        // An address has one meaning in any case.
        assert.deepStrictEqual(yield* journal.get({ ...key, storageAddress: "0xab" }), Option.some(entry))
        assert.deepStrictEqual(yield* journal.get({ ...key, chainId: 1n }), Option.none())
        yield* journal.put(key, { ...entry, uploadId: "another" })
        assert.deepStrictEqual(yield* journal.get(key), Option.some({ ...entry, uploadId: "another" }))
        yield* journal.remove(key)
        yield* journal.remove(key)
        assert.deepStrictEqual(yield* journal.get(key), Option.none())
      }).pipe(Effect.provide(layer)))
  })
}

describe("a journal in a folder", () => {
  it.effect("is there again, for its owner only", () =>
    Effect.gen(function*() {
      yield* Effect.flatMap(UploadJournal, (journal) => journal.put(key, entry)).pipe(
        Effect.provide(Layer.fresh(inFolder("kept")))
      )
      const [file = "", ...others] = readdirSync(join(folder, "kept"))
      assert.deepStrictEqual(others, [])
      assert.strictEqual(statSync(join(folder, "kept", file)).mode & 0o777, 0o600)
      const found = yield* Effect.flatMap(UploadJournal, (journal) => journal.get(key)).pipe(
        Effect.provide(Layer.fresh(inFolder("kept")))
      )
      assert.deepStrictEqual(found, Option.some(entry))
    }))

  it.effect("is an error where it can't be used", () =>
    Effect.gen(function*() {
      yield* Effect.flatMap(UploadJournal, (journal) => journal.put(key, entry)).pipe(
        Effect.provide(inFolder("broken"))
      )
      const [file = ""] = readdirSync(join(folder, "broken"))
      const path = join(folder, "broken", file)
      writeFileSync(path, readFileSync(path, "utf8").slice(0, 20))
      const error = yield* Effect.flip(
        Effect.flatMap(UploadJournal, (journal) => journal.get(key)).pipe(Effect.provide(inFolder("broken")))
      )
      assert.include(error, { _tag: "JournalFailed", path })
      const inFile = UploadJournal.layerFolder(join(path, "folder"))
      const refused = yield* Effect.flip(
        Effect.flatMap(UploadJournal, (journal) => journal.put(key, entry)).pipe(Effect.provide(inFile))
      )
      assert.strictEqual(refused._tag, "JournalFailed")
      rmSync(folder, { recursive: true })
    }))
})
