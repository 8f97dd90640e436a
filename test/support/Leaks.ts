/** The secrets that a test run uses, and where they must not be: in a stack's logs, event log and database, and in the output. */
import { appendFileSync, existsSync, readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"

/** Forms in which a secret may have been written. */
const formsOf = (secret: string): ReadonlyArray<string> => {
  const bytes = Buffer.from(secret)
  return [
    ...new Set([
      secret,
      encodeURIComponent(secret),
      bytes.toString("base64").replace(/=+$/, ""),
      bytes.toString("base64url"),
      bytes.toString("hex")
    ])
  ]
}

const known = new Set<string>()

/** Has a secret looked for from now on, and gives it back. An Ethereum key is looked for without its `0x`. */
export const register = (secret: string): string => {
  const bare = secret.replace(/^0x/, "")
  if (known.has(bare)) return secret
  known.add(bare)
  // Of the run's output, which only the runner sees.
  const file = process.env["TEST_SECRETS_FILE"]
  if (file !== undefined) appendFileSync(file, `${formsOf(bare).join("\n")}\n`)
  return secret
}

/** What a file holds; nothing, where it goes meanwhile: the servers that write it may still run. */
const contentOf = (file: string): Buffer => {
  try {
    return readFileSync(file)
  } catch (cause) {
    if (existsSync(file)) throw cause
    return Buffer.alloc(0)
  }
}

/** The files below a folder that hold a secret, in any form. */
export const filesWithSecrets = (folder: string): ReadonlyArray<string> => {
  const needles = [...known].flatMap(formsOf).map((form) => Buffer.from(form))
  return readdirSync(folder, { recursive: true, withFileTypes: true }).flatMap((entry) => {
    if (!entry.isFile()) return []
    const file = join(entry.parentPath, entry.name)
    const bytes = contentOf(file)
    return needles.some((needle) => bytes.includes(needle)) ? [file] : []
  })
}
