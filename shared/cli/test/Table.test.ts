import { assert, describe, it } from "@effect/vitest"
import { Option } from "effect"
import { millisOf } from "../src/Flags.ts"
import { bar } from "../src/Output.ts"
import { fit } from "../src/Style.ts"
import * as Table from "../src/Table.ts"

const plain = { hasColor: false, width: undefined }

describe("a table", () => {
  const rows = [
    { job_id: "01a1fd96-6aed-70f8-9e47-556db4c9cbc3", status: "completed", reason: null },
    { job_id: "01a1fd96-6aed-70f8-9e47-556db4c9cbc4", status: "failed", reason: "a reason that is rather long" }
  ]
  const columns = ["job_id", "status", "reason"]

  it("has a head, and columns as wide as they need", () =>
    assert.deepStrictEqual(Table.table(rows, columns, plain), [
      "job_id                                status     reason",
      "01a1fd96-6aed-70f8-9e47-556db4c9cbc3  completed  -",
      "01a1fd96-6aed-70f8-9e47-556db4c9cbc4  failed     a reason that is rather long"
    ]))

  it.each([70, 60, 40])("in %i columns cuts what is widest, and never an id", (width) => {
    const lines = Table.table(rows, columns, { hasColor: false, width })
    assert.include(lines[2], "01a1fd96-6aed-70f8-9e47-556db4c9cbc4")
    if (width >= 60) { for (const line of lines) assert.isAtMost(line.length, width) }
    assert.include(lines[2], "…")
  })

  it("colours words that say how something is, where there are colours", () => {
    const [, first, second] = Table.table(rows, columns, { hasColor: true, width: undefined })
    assert.include(first, "\u001b[32mcompleted")
    assert.include(second, "\u001b[31mfailed")
  })

  it("has nothing in it that a terminal takes for a command", () => {
    const [, line] = Table.table([{ name: "a\u001b[2Jb\nc\u009bd" }], ["name"], plain)
    assert.strictEqual(line, "a [2Jb c d")
  })
})

it("fields are lines, those of objects indented", () => {
  const value = { status: "ok", result: { tx_hash: null, gas_used: 7 }, scopes: ["read", "write"], keys: [] }
  assert.deepStrictEqual(Table.fields(value, plain), [
    "status  ok",
    "result",
    "  tx_hash   -",
    "  gas_used  7",
    "scopes  read, write",
    "keys    -"
  ])
})

it.each([["abc", 5, "abc  "], ["abcdef", 4, "abc…"], ["日本語", 5, "日本…"], ["日本語", 6, "日本語"]])(
  "%s in %i columns",
  (text, width, expected) => assert.strictEqual(fit(text, width), expected)
)

it.each([["500ms", 500], ["30s", 30_000], ["30", 30_000], ["1.5m", 90_000], ["1h", 3_600_000]])(
  "%s is a time",
  (text, millis) => assert.deepStrictEqual(millisOf(text), Option.some(millis))
)
it.each(["", "soon", "-1s", "1w", "1 s"])("\"%s\" is no time", (text) => assert.isTrue(Option.isNone(millisOf(text))))

it("a bar shows how far something has come", () => {
  assert.strictEqual(bar(0, 4), `${"░".repeat(24)} 0/4`)
  assert.strictEqual(bar(2, 4), `${"█".repeat(12)}${"░".repeat(12)} 2/4`)
  assert.strictEqual(bar(0, 0), `${"█".repeat(24)} 0/0`)
})
