/** The key that signs a stack's checkpoints: what it is given or, where it is given none, a file of its own in its data folder. */
import { generateKeyPairSync } from "node:crypto"
import { existsSync, writeFileSync } from "node:fs"
import { join } from "node:path"

export const names = ["CHECKPOINT_KEY", "CHECKPOINT_KEY_FILE"] as const

/**
 * The settings of the key among those that are given. Where there is none, a key is made, in a file that only its owner can read, and
 * kept for the next start.
 */
export const settings = (
  dataDir: string,
  given: Readonly<Record<string, string | undefined>>
): Readonly<Record<string, string>> => {
  const own = Object.fromEntries(names.flatMap((name) => given[name] ? [[name, given[name]]] : []))
  if (Object.keys(own).length > 0) return own
  const file = join(dataDir, "checkpoint-key.pem")
  if (!existsSync(file)) {
    const { privateKey } = generateKeyPairSync("ed25519")
    writeFileSync(file, privateKey.export({ type: "pkcs8", format: "pem" }), { mode: 0o600 })
  }
  return { CHECKPOINT_KEY_FILE: file }
}
