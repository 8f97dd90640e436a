import { NodeServices } from "@effect/platform-node"
import { assert, it } from "@effect/vitest"
import { Effect, FileSystem } from "effect"
import { appendFile, readFile, writeFile } from "node:fs/promises"
import { join } from "node:path"
import * as Journal from "../../src/node/Journal.ts"

const newPath = Effect.gen(function*() {
  const fs = yield* FileSystem.FileSystem
  return join(yield* fs.makeTempDirectoryScoped({ prefix: "journal-" }), "records")
})
/** What a journal holds, after what is done with it. */
const opened = <A, E>(path: string, use: (journal: Journal.Journal) => Effect.Effect<A, E>) =>
  Effect.scoped(Effect.gen(function*() {
    const records: Array<unknown> = []
    const journal = yield* Journal.open(path, (record) => records.push(record))
    yield* use(journal)
    return records
  }))
const records = (path: string) => opened(path, () => Effect.void)

it.layer(NodeServices.layer)("a journal", (it) => {
  it.effect("gives back in order what was appended, many at a time", () =>
    Effect.gen(function*() {
      const path = yield* newPath
      const all = Array.from({ length: 500 }, (_, number) => ({ number, text: "ü\n" }))
      yield* opened(path, (journal) =>
        Effect.gen(function*() {
          yield* Effect.forEach(all, journal.append, { concurrency: "unbounded" })
          assert.strictEqual(journal.lines(), 500)
        }))
      assert.deepStrictEqual(yield* records(path), all)
      yield* opened(path, (journal) => journal.append("more"))
      assert.deepStrictEqual(yield* records(path), [...all, "more"])
    }))

  it.effect("leaves out a last line that was cut short, and goes on behind the others", () =>
    Effect.gen(function*() {
      const path = yield* newPath
      yield* opened(path, (journal) => Effect.andThen(journal.append("one"), journal.append("two")))
      const whole = yield* Effect.promise(() => readFile(path, "utf8"))
      const [first = "", second = ""] = whole.split("\n")
      for (const cut of [first.slice(0, 3), second, `${second.slice(0, -2)}\n`, `00000000 "two"\n`, "\u0000\u0000"]) {
        yield* Effect.promise(() => writeFile(path, `${first}\n${cut}`))
        assert.deepStrictEqual(yield* records(path), ["one"], cut)
        yield* opened(path, (journal) => journal.append("three"))
        assert.deepStrictEqual(yield* records(path), ["one", "three"], cut)
      }
    }))

  it.effect("is not read where a line before the last is damaged", () =>
    Effect.gen(function*() {
      const path = yield* newPath
      yield* opened(path, (journal) => journal.append("one"))
      const good = yield* Effect.promise(() => readFile(path, "utf8"))
      yield* Effect.promise(() => appendFile(path, `${good.replace("one", "own")}${good}`))
      const error = yield* Effect.flip(records(path))
      assert.match(error.message, /^The node's state .*records is damaged in line 2: move the file away/)
    }))

  it.effect("is replaced by what its owner knows, however much is appended meanwhile", () =>
    Effect.gen(function*() {
      const path = yield* newPath
      const known = new Set<number>()
      yield* opened(path, (journal) => {
        const append = (number: number) =>
          Effect.suspend(() => {
            known.add(number)
            return journal.append(number)
          })
        return Effect.gen(function*() {
          for (let number = 0; number < 100; number++) yield* append(number % 3)
          yield* Effect.all([append(10), journal.rewrite(() => known), append(11), append(12)], {
            concurrency: "unbounded"
          })
          assert.isBelow(journal.lines(), 10)
          yield* append(13)
        })
      })
      const found = yield* records(path)
      assert.deepStrictEqual(new Set(found), new Set([0, 1, 2, 10, 11, 12, 13]))
      assert.isBelow(found.length, 12)
    }))
})
