/** A secret of a stack: what it is given or, where it is given none, a file of its own in its data folder. */
import { randomBytes } from "node:crypto"
import { existsSync, writeFileSync } from "node:fs"

/**
 * The settings of a secret, and of the one before it, among those that are given. Where there is none, a random one is made, in a file
 * that only its owner can read, and kept for the next start.
 * @param name Of the setting; with `_BEFORE` it is that of the secret before.
 */
export const settings = (
  name: string,
  file: string,
  given: Readonly<Record<string, string | undefined>>
): Readonly<Record<string, string>> => {
  const names = [name, `${name}_BEFORE`].flatMap((one) => [one, `${one}_FILE`])
  const own = Object.fromEntries(names.flatMap((one) => given[one] ? [[one, given[one]]] : []))
  if (name in own || `${name}_FILE` in own) return own
  if (!existsSync(file)) writeFileSync(file, `${randomBytes(32).toString("hex")}\n`, { mode: 0o600 })
  return { ...own, [`${name}_FILE`]: file }
}
