/** What every staging store must do. */
import { assert, describe, it } from "@effect/vitest"
import { DateTime, Deferred, Effect, Fiber, type Layer, Option, Stream } from "effect"
import { createHash, randomBytes, randomUUID } from "node:crypto"
import { ObjectId } from "../src/StagedObject.ts"
import { Staging } from "../src/Staging.ts"

const freshId = () => ObjectId.make(randomUUID())
const mebibyte = 1_048_576

function* pieces(bytes: Uint8Array): Generator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += 65_536) yield bytes.subarray(at, at + 65_536)
}
const streamOf = (bytes: Uint8Array) => Stream.fromIterable(pieces(bytes))
const hashOf = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex")
const readAll = (id: ObjectId, range?: { readonly start: number; readonly end: number }) =>
  Staging.use((staging) =>
    Effect.map(Stream.runCollect(staging.read(id, range)), (all) => new Uint8Array(Buffer.concat(all)))
  )
const idsOf = Staging.use((staging) => Effect.map(Stream.runCollect(staging.list), (all) => all.map(({ id }) => id)))

export const suite = <E>(name: string, layer: Layer.Layer<Staging, E>): void => {
  describe(name, () => {
    const test = (title: string, run: Effect.Effect<unknown, unknown, Staging>, timeout = 60_000) =>
      it.live(title, () => Effect.provide(run, layer), timeout)

    test(
      "can be used",
      Staging.use(({ check, description }) => {
        assert.isNotEmpty(description)
        return check
      })
    )

    for (const size of [0, 1, mebibyte - 1, mebibyte, mebibyte + 1, 40_000_000]) {
      test(
        `gives back ${size} bytes, whole and by ranges`,
        Effect.gen(function*() {
          const staging = yield* Staging
          const [id, bytes] = [freshId(), randomBytes(size)]
          const stored = yield* staging.put(id, streamOf(bytes))
          assert.deepInclude(stored, { id, size })
          assert.deepInclude(Option.getOrThrow(yield* staging.stat(id)), { id, size })
          assert.strictEqual(hashOf(yield* readAll(id)), hashOf(bytes))
          for (const [start, end] of [[0, 1], [size - 1, size], [Math.floor(size / 2), size], [0, 0]] as const) {
            if (start < 0 || end > size) continue
            const part = yield* readAll(id, { start, end })
            assert.strictEqual(hashOf(part), hashOf(bytes.subarray(start, end)), `${start} to ${end}`)
          }
          yield* staging.remove(id)
          assert.isTrue(Option.isNone(yield* staging.stat(id)))
          const error = yield* Effect.flip(readAll(id))
          assert.strictEqual(error._tag, "StagedMissing")
          // Once more is no error.
          yield* staging.remove(id)
        })
      )
    }

    test(
      "lists what is there, and nothing else",
      Effect.gen(function*() {
        const staging = yield* Staging
        const ids = [freshId(), freshId(), freshId()]
        yield* Effect.forEach(ids, (id) => staging.put(id, streamOf(randomBytes(10))))
        yield* staging.remove(ids[1] ?? freshId())
        const listed = yield* idsOf
        assert.includeMembers([...listed], [ids[0], ids[2]])
        assert.notInclude(listed, ids[1])
      })
    )

    test(
      "keeps nothing of a source that fails",
      Effect.gen(function*() {
        const staging = yield* Staging
        const id = freshId()
        const source = Stream.concat(streamOf(randomBytes(20_000_000)), Stream.fail("broken" as const))
        assert.strictEqual(yield* Effect.flip(staging.put(id, source)), "broken")
        assert.isTrue(Option.isNone(yield* staging.stat(id)))
        assert.notInclude(yield* idsOf, id)
        // The id may be used after all.
        yield* staging.put(id, streamOf(Buffer.from("whole")))
        assert.strictEqual(Buffer.from(yield* readAll(id)).toString(), "whole")
      })
    )

    test(
      "keeps nothing of a put that is interrupted",
      Effect.gen(function*() {
        const staging = yield* Staging
        const id = freshId()
        const halfway = yield* Deferred.make<void>()
        const source = Stream.concat(
          streamOf(randomBytes(20_000_000)),
          Stream.fromEffect(Effect.andThen(Deferred.succeed(halfway, undefined), Effect.never))
        )
        const fiber = yield* Effect.forkChild(staging.put(id, source))
        yield* Deferred.await(halfway)
        yield* Fiber.interrupt(fiber)
        assert.isTrue(Option.isNone(yield* staging.stat(id)))
        assert.notInclude(yield* idsOf, id)
      })
    )

    test(
      "takes an id once",
      Effect.gen(function*() {
        const staging = yield* Staging
        const id = freshId()
        yield* staging.put(id, streamOf(Buffer.from("first")))
        assert.strictEqual(
          (yield* Effect.flip(staging.put(id, streamOf(Buffer.from("second")))))._tag,
          "StagingUnavailable"
        )
        assert.strictEqual(Buffer.from(yield* readAll(id)).toString(), "first")
      })
    )

    test(
      "takes many at once",
      Effect.gen(function*() {
        const staging = yield* Staging
        const objects = Array.from({ length: 20 }, (_, n) => ({ id: freshId(), bytes: randomBytes(100_000 * (n + 1)) }))
        yield* Effect.forEach(objects, ({ bytes, id }) => staging.put(id, streamOf(bytes)), {
          concurrency: "unbounded"
        })
        for (const { bytes, id } of objects) assert.strictEqual(hashOf(yield* readAll(id)), hashOf(bytes))
      })
    )

    test(
      "sweeps nothing that is whole",
      Effect.gen(function*() {
        const staging = yield* Staging
        const id = freshId()
        yield* staging.put(id, streamOf(randomBytes(1_000)))
        yield* staging.sweepUnfinished(DateTime.add(yield* DateTime.now, { hours: 1 }))
        assert.isTrue(Option.isSome(yield* staging.stat(id)))
      })
    )
  })
}
