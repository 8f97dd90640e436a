/** The master secret of a stack: what it is given or, where it is given none, a file of its own in its data folder. */
import { randomBytes } from "node:crypto"
import { existsSync, writeFileSync } from "node:fs"
import { join } from "node:path"

const names = ["MASTER_SECRET", "MASTER_SECRET_BEFORE"].flatMap((name) => [name, `${name}_FILE`])

/**
 * The settings of the master secret among those that are given. Where there is none, a random one is made, in a file that only its
 * owner can read, and kept for the next start.
 */
export const settings = (
  dataDir: string,
  given: Readonly<Record<string, string | undefined>>
): Readonly<Record<string, string>> => {
  const own = Object.fromEntries(names.flatMap((name) => given[name] ? [[name, given[name]]] : []))
  if ("MASTER_SECRET" in own || "MASTER_SECRET_FILE" in own) return own
  const file = join(dataDir, "master-secret")
  if (!existsSync(file)) writeFileSync(file, `${randomBytes(32).toString("hex")}\n`, { mode: 0o600 })
  return { ...own, MASTER_SECRET_FILE: file }
}
