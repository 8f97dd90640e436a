import { assert, it } from "@effect/vitest"
import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as MasterSecretFile from "../src/MasterSecretFile.ts"

const inFolder = (test: (folder: string) => void) => () => {
  const folder = mkdtempSync(join(tmpdir(), "akave-async-test-"))
  try {
    test(folder)
  } finally {
    rmSync(folder, { recursive: true })
  }
}

it(
  "a stack that is given no master secret has one of its own, which it keeps and nobody else can read",
  inFolder((folder) => {
    const file = join(folder, "master-secret")
    assert.deepStrictEqual(MasterSecretFile.settings(folder, { MASTER_SECRET: "" }), { MASTER_SECRET_FILE: file })
    const secret = readFileSync(file, "utf8")
    assert.match(secret, /^[0-9a-f]{64}\n$/)
    assert.strictEqual(statSync(file).mode & 0o777, 0o600)
    MasterSecretFile.settings(folder, {})
    assert.strictEqual(readFileSync(file, "utf8"), secret)
  })
)

it.each([
  { MASTER_SECRET: "a secret", MASTER_SECRET_BEFORE_FILE: "a file" },
  { MASTER_SECRET_FILE: "a file" }
])("one that is given %o gets that alone", (given) => {
  assert.deepStrictEqual(MasterSecretFile.settings("/nowhere", { ...given, JWT_SECRET: "another" }), given)
})
