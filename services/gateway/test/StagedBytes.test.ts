import type { Caller } from "@akave-async/api/Caller"
import type { Current } from "@akave-async/eventing/JobEvents"
import { assert, it } from "@effect/vitest"
import { ConfigProvider, Effect, Layer } from "effect"
import { SqlError } from "effect/sql"
import { TestClock } from "effect/testing"
import { FilesModel, type Waiting } from "../src/FilesModel.ts"
import { StagedBytes } from "../src/StagedBytes.ts"

const caller = (account: string) => ({ account }) as Caller["Service"]
const upload = (revision: number) => ({ revision }) as Current
const away = new SqlError.SqlError({
  reason: new SqlError.ConnectionError({ message: "away", cause: "away", operation: "query" })
})

/** With a limit of 100 bytes, and a read model that gives what it is told to. */
const given = (waiting: () => Effect.Effect<Waiting, SqlError.SqlError>) =>
  StagedBytes.pipe(Effect.provide(
    StagedBytes.layerConfig.pipe(
      Layer.provide(Layer.mock(FilesModel, { waiting: () => Effect.suspend(waiting) })),
      Layer.provide(ConfigProvider.layer(ConfigProvider.fromUnknown({ STAGED_BYTES_PER_ACCOUNT: "100" })))
    )
  ))
const model = (bytes: number, applied: number) => () => Effect.succeed({ bytes, applied })

it.effect("counts what waits, what is on its way, and what comes of it", () =>
  Effect.gen(function*() {
    const { begin } = yield* given(model(40, 7))
    const first = yield* begin(caller("a"), 50)
    const { limit, waiting } = yield* Effect.flip(begin(caller("a"), 11))
    assert.deepStrictEqual({ limit, waiting }, { limit: 100, waiting: 90 })
    const growing = yield* begin(caller("a"), 0)
    yield* growing.add(10)
    assert.strictEqual((yield* Effect.flip(growing.add(1))).waiting, 100)
    first.settle(undefined)
    yield* growing.add(50)
    // Another account has its own.
    yield* begin(caller("b"), 60)
  }))

it.effect("counts an upload until the read model does", () => {
  let counted: Waiting = { bytes: 0, applied: 7 }
  return Effect.gen(function*() {
    const { begin } = yield* given(() => Effect.succeed(counted))
    const one = yield* begin(caller("a"), 60)
    one.settle(upload(9))
    one.settle(undefined)
    assert.strictEqual((yield* Effect.flip(begin(caller("a"), 60))).waiting, 60)
    counted = { bytes: 0, applied: 8 }
    yield* TestClock.adjust("1 second")
    assert.strictEqual((yield* Effect.flip(begin(caller("a"), 60))).waiting, 60)
    counted = { bytes: 60, applied: 9 }
    yield* TestClock.adjust("1 second")
    assert.strictEqual((yield* Effect.flip(begin(caller("a"), 60))).waiting, 60)
    // It has ended.
    counted = { bytes: 0, applied: 12 }
    yield* TestClock.adjust("1 second")
    yield* begin(caller("a"), 60)
  })
})

it.effect("goes on with its own count while the read model is away", () =>
  Effect.gen(function*() {
    const { begin } = yield* given(() => Effect.fail(away))
    yield* begin(caller("a"), 60)
    assert.strictEqual((yield* Effect.flip(begin(caller("a"), 60))).waiting, 60)
  }))
