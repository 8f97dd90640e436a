/** What was stored once is read as it was, by every release. */
import { assert, describe, it } from "@effect/vitest"
import { Result, Schema } from "effect"
import { readdirSync, readFileSync } from "node:fs"
import { fileOf, Fixture, folder, formats, storedOf } from "../fixtures/StoredFormats.ts"

const decodeFixture = Schema.decodeUnknownSync(Schema.fromJsonString(Fixture))

for (const { read, types } of formats) {
  describe.each(types)("%s", (type) => {
    const fixture = () => decodeFixture(readFileSync(fileOf(type), "utf8"))

    it("has a message that was stored in a real run (node test/fixtures/collect.ts takes one)", () => {
      assert.strictEqual(storedOf(fixture()).at(-1)?.headers["ce-type"], type)
    })

    it("is read and folded as it was when it was stored", () => {
      const { event, messages: _, state } = fixture()
      assert.deepStrictEqual(read(storedOf(fixture())), { event, state })
    })

    it("would not be read without one of its fields", () => {
      const stored = storedOf(fixture())
      const last = stored.at(-1)
      const fields: Readonly<Record<string, unknown>> = JSON.parse(new TextDecoder().decode(last?.data))
      const isNeeded = Object.keys(fields).some((name) => {
        const { [name]: _, ...rest } = fields
        const data = new TextEncoder().encode(JSON.stringify(rest))
        return Result.isFailure(Result.try(() => read([...stored.slice(0, -1), { ...stored.at(-1) ?? fail(), data }])))
      })
      assert.isTrue(isNeeded)
    })
  })
}

const fail = (): never => {
  throw new Error("a fixture has a message")
}

it("has no fixture of a type that is not known", () => {
  const known = formats.flatMap(({ types }) => types.map((type) => `${type}.json`))
  assert.deepStrictEqual(readdirSync(folder).toSorted(), known.toSorted())
})
