import { assert, it } from "@effect/vitest"
import { Schema } from "effect"
import { readFileSync } from "node:fs"
import { Document } from "../../src/node/Faults.ts"

it("faults are those that the guide to testing shows", () => {
  const guide = readFileSync(new URL("../../../../docs/testing.md", import.meta.url), "utf8")
  const [, files = ""] = /^## Files\n([^]*?)^## /m.exec(guide) ?? []
  const [, shown = ""] = /```json\n([^]*?)```/.exec(files) ?? []
  const decode = Schema.decodeUnknownSync(Schema.fromJsonString(Document), { onExcessProperty: "error" })
  const named = Array.from(files.matchAll(/^\| `(\w+)` \|/gm), ([, name = ""]) => name)
  assert.includeMembers(named, Object.keys(decode(shown)))
  assert.sameMembers(named, Object.keys(Document.fields))
})
