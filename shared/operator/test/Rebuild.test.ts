import { assert, describe, it } from "@effect/vitest"
import { DateTime, Effect, Option, Result } from "effect"
import { parsePlace } from "../src/rebuild/AsOf.ts"
import { openingOf } from "../src/rebuild/Build.ts"
import * as RebuildSchema from "../src/rebuild/Schema.ts"
import * as RebuildSwitch from "../src/rebuild/Switch.ts"

const release = "abc, migration 7"
const marked = (mark: RebuildSchema.Mark) => Option.some<RebuildSchema.Found>({ mark: Option.some(mark) })
const building = (until: number | null, by = release) =>
  marked(RebuildSchema.Building.make({ release: by, until, indexes: [] }))

describe("a schema that is to be built in", () => {
  const opening = (found: Option.Option<RebuildSchema.Found>, until: number | null) =>
    openingOf(found, { release, until })

  it("is made where it is missing, or of another release, and gone on with where it is this build's", () => {
    for (const until of [null, 12]) {
      assert.deepStrictEqual(opening(Option.none(), until), { _tag: "Create" })
      assert.deepStrictEqual(opening(building(until), until), { _tag: "GoOn" })
      assert.deepStrictEqual(opening(building(until, "abd, migration 7"), until), { _tag: "Create" })
    }
  })

  it("is left alone where it is anything else", () => {
    const others = [
      Option.some<RebuildSchema.Found>({ mark: Option.none() }),
      building(11),
      marked(RebuildSchema.AsOf.make({ until: 12 })),
      marked(RebuildSchema.Before.make({ replacedAt: "2026-01-01T00:00:00.000Z" }))
    ]
    for (const found of others) {
      assert.strictEqual(opening(found, null)._tag, "Refuse")
      assert.strictEqual(opening(found, 12)._tag, "Refuse")
    }
  })

  it("is known by its comment, and by no other", () => {
    assert.deepStrictEqual(RebuildSchema.markOf(null), Option.none())
    assert.deepStrictEqual(RebuildSchema.markOf("our own notes"), Option.none())
    assert.deepStrictEqual(RebuildSchema.markOf("{\"akave-async\":{\"_tag\":\"Unknown\"}}"), Option.none())
    assert.deepStrictEqual(
      RebuildSchema.markOf("{\"akave-async\":{\"_tag\":\"AsOf\",\"until\":3}}"),
      Option.some(RebuildSchema.AsOf.make({ until: 3 }))
    )
  })

  it("has a name that Postgres keeps", () => {
    assert.strictEqual(
      RebuildSchema.beforeName("akave_async", "2026-11-27T10:57:27.123Z"),
      "akave_async_before_20261127t105727z"
    )
    const isRefused = (name: string) => Result.isFailure(Effect.runSync(Effect.result(RebuildSchema.validName(name))))
    for (const name of ["a", "_a1", "a".repeat(63)]) assert.isFalse(isRefused(name), name)
    for (const name of ["", "A", "1a", "a-b", "a\"b", "pg_a", "a".repeat(64)]) assert.isTrue(isRefused(name), name)
  })
})

it("a switch goes on, catches up, near or far, or is refused, as the two stand to each other and to the log", () => {
  const far = RebuildSwitch.mostUnderLock + 1
  const { compare } = RebuildSwitch
  for (const isForced of [false, true]) {
    assert.deepStrictEqual(compare(10, 10, 10, isForced), { _tag: "Ready" })
    assert.deepStrictEqual(compare(9, 10, 12, isForced), { _tag: "Ready" })
    assert.deepStrictEqual(compare(12, 10, 12, isForced), { _tag: "Behind", to: 12, isFar: false })
    assert.deepStrictEqual(compare(far, 0, far, isForced), { _tag: "Behind", to: far, isFar: true })
  }
  assert.strictEqual(compare(13, 10, 12, false)._tag, "Refused")
  assert.strictEqual(compare(13, 12, 12, false)._tag, "Refused")
  assert.deepStrictEqual(compare(13, 10, 12, true), { _tag: "Behind", to: 12, isFar: false })
  assert.deepStrictEqual(compare(13, 12, 12, true), { _tag: "Ready" })
})

it("a place is a sequence or a time", () => {
  assert.deepStrictEqual(parsePlace("1234"), Result.succeed({ sequence: 1234 }))
  for (const text of ["2026-01-31T12:00:00Z", "2026-01-31T13:00:00+01:00", "2026-01-31T12:00:00"]) {
    assert.deepStrictEqual(
      parsePlace(text),
      Result.succeed({ time: DateTime.toUtc(DateTime.makeUnsafe("2026-01-31T12:00:00Z")) }),
      text
    )
  }
  for (const text of ["", "-1", "1.5", "yesterday", "2026-13-01", "12:00", "Jan 1 2026"]) {
    const place = parsePlace(text)
    assert.isTrue(Result.isFailure(place), text)
    if (Result.isFailure(place)) assert.include(place.failure.message, "is no sequence and no time")
  }
})
