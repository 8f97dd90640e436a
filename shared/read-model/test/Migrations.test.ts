import { readModelMigration } from "@akave-async/platform/Postgres"
import { assert, it } from "@effect/vitest"
import { migrations } from "../src/Migrations.ts"

it("migrations are numbered in order, and the last is the one that readers of the read model expect", () => {
  const numbers = Object.keys(migrations).map((name) => Number(name.slice(0, 4)))
  assert.deepStrictEqual(numbers, Array.from({ length: readModelMigration }, (_, n) => n + 1))
})
