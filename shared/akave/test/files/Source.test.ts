import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Source from "../../src/files/Source.ts"

const bytes = Uint8Array.from({ length: 1_000 }, (_, n) => n % 256)
const parts = async function*() {
  for (let at = 0; at < bytes.length; at += 300) yield bytes.subarray(at, at + 300)
}
const stream = () =>
  new ReadableStream<Uint8Array>({
    start: (controller) => {
      controller.enqueue(bytes)
      controller.close()
    }
  })

/** All bytes, read by so many at once. */
const readAll = Effect.fnUntraced(function*(source: Source.Source, atOnce: number) {
  const { read } = yield* source.open
  const all: Array<number> = []
  while (true) {
    const into = new Uint8Array(atOnce)
    const length = yield* read(into)
    all.push(...into.subarray(0, length))
    if (length < atOnce) return Uint8Array.from(all)
  }
}, Effect.scoped)

const folder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "akave-async-source-"))),
  (folder) => Effect.sync(() => rmSync(folder, { recursive: true }))
)

describe("what is uploaded", () => {
  const sources: ReadonlyArray<readonly [string, Source.Uploadable, boolean, number | undefined]> = [
    ["bytes", bytes, true, 1_000],
    ["a Blob", new Blob([bytes]), true, 1_000],
    ["an iterable", parts(), false, undefined],
    ["a function", parts, true, undefined],
    ["a stream", stream(), false, undefined],
    ["a function that gives streams", stream, true, undefined]
  ]
  for (const [name, what, isRepeatable, size] of sources) {
    it.effect(`may be ${name}`, () =>
      Effect.gen(function*() {
        const source = yield* Source.from(what)
        assert.strictEqual(source.isRepeatable, isRepeatable)
        assert.strictEqual(source.size, size)
        assert.deepStrictEqual(yield* readAll(source, 333), bytes)
        if (isRepeatable) assert.deepStrictEqual(yield* readAll(source, 1_000), bytes)
      }))
  }

  it.effect("may be a file", () =>
    Effect.gen(function*() {
      const path = join(yield* folder, "file")
      writeFileSync(path, bytes)
      const source = yield* Source.from(path)
      assert.include(source, { size: 1_000, isRepeatable: true })
      assert.deepStrictEqual(yield* readAll(source, 64), bytes)
      assert.deepStrictEqual(yield* readAll(source, 2_000), bytes)
    }).pipe(Effect.scoped))

  it.effect("is an error where it can't be read", () =>
    Effect.gen(function*() {
      const missing = yield* Effect.flip(Source.from("/no/such/file"))
      assert.include(missing, { _tag: "SourceFailed", isRetryable: false })
      assert.include(missing.message, "ENOENT")
      const bad: ReadonlyArray<Source.Uploadable> = [
        (async function*() {
          yield "text" as never
        })(),
        (async function*() {
          yield bytes
          throw new Error("the end")
        })(),
        () => {
          throw new Error("no stream")
        }
      ]
      for (const what of bad) {
        const error = yield* Effect.flip(Effect.flatMap(Source.from(what), (source) => readAll(source, 5_000)))
        assert.strictEqual(error._tag, "SourceFailed")
      }
    }))
})
