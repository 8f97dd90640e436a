import { assert, it } from "@effect/vitest"
import { DateTime, Effect } from "effect"
import * as AtTime from "../src/AtTime.ts"
import * as EventLogMemory from "../src/EventLogMemory.ts"

const at = (second: number) => DateTime.makeUnsafe(second * 1_000)

it.effect.each<readonly [number, number]>([[0, 1], [1, 1], [2, 2], [3, 3], [8, 8], [9, 9]])(
  "the first event since second %d is the one at %d",
  ([second, sequence]) =>
    Effect.gen(function*() {
      const log = yield* EventLogMemory.open
      for (const [n, time] of [1, 2, undefined, 3, 3, 3, 7, 8].entries()) {
        const headers = time === undefined ? {} : { "ce-time": DateTime.formatIso(at(time)) }
        yield* log.append(`a.${n}`, { revision: 0 }, { id: `${n}`, headers, data: new Uint8Array() })
      }
      assert.strictEqual(yield* AtTime.firstSince(log, at(second)), sequence)
    })
)

it.effect("where events of several writers are in another order than their times, none is left out", () =>
  Effect.gen(function*() {
    const log = yield* EventLogMemory.open
    // Five were decided on before the others, and came after the first of these.
    for (const [n, time] of [1, 9, 2, 3, 4, 5, 6, 9, 9].entries()) {
      const headers = { "ce-time": DateTime.formatIso(at(time)) }
      yield* log.append(`a.${n}`, { revision: 0 }, { id: `${n}`, headers, data: new Uint8Array() })
    }
    assert.strictEqual(yield* AtTime.firstSince(log, at(8)), 2)
  }))

it.effect("in an empty log it is the one to come", () =>
  Effect.gen(function*() {
    assert.strictEqual(yield* AtTime.firstSince(yield* EventLogMemory.open, at(1)), 1)
  }))
