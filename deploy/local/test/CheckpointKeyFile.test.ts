import { assert, it } from "@effect/vitest"
import { createPrivateKey } from "node:crypto"
import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as CheckpointKeyFile from "../src/CheckpointKeyFile.ts"

it("a stack that is given no key for checkpoints makes one that only its owner can read, and keeps it", () => {
  const folder = mkdtempSync(join(tmpdir(), "checkpoint-key-"))
  try {
    const file = join(folder, "checkpoint-key.pem")
    assert.deepStrictEqual(CheckpointKeyFile.settings(folder, { CHECKPOINT_KEY: "" }), { CHECKPOINT_KEY_FILE: file })
    const made = readFileSync(file, "utf8")
    assert.strictEqual(createPrivateKey(made).asymmetricKeyType, "ed25519")
    assert.strictEqual(statSync(file).mode & 0o777, 0o600)
    CheckpointKeyFile.settings(folder, {})
    assert.strictEqual(readFileSync(file, "utf8"), made)
  } finally {
    rmSync(folder, { recursive: true })
  }
})

it.each([{ CHECKPOINT_KEY: "a key" }, { CHECKPOINT_KEY_FILE: "a file" }])(
  "a key that is given is used: %o",
  (given) => {
    assert.deepStrictEqual(CheckpointKeyFile.settings("/nowhere", given), given)
  }
)
