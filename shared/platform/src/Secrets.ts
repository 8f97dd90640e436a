/**
 * The secrets that this process knows, so that no line of its log holds one: the last line of defence, behind `Redacted` and
 * messages that never name a value.
 */
import { Config, Redacted } from "effect"

/** A shorter text is found in too much that is none. */
const minLength = 8
const mask = "[secret]"

const forms = new Set<string>()
let pattern: RegExp | undefined

const formsOf = (secret: string): ReadonlyArray<string> => {
  const bytes = Buffer.from(secret)
  return [
    secret,
    // As it stands within a JSON text.
    JSON.stringify(secret).slice(1, -1),
    encodeURIComponent(secret),
    bytes.toString("base64").replace(/=+$/, ""),
    bytes.toString("base64url"),
    bytes.toString("hex"),
    bytes.toString("hex").toUpperCase()
  ]
}

/** Has a secret concealed from now on, in plain, base64, hexadecimal and URL-encoded form; an Ethereum key also without its `0x`. */
export const register = (secret: string): void => {
  for (const text of [secret, secret.replace(/^0x/, "")]) {
    if (text.length < minLength) continue
    for (const form of formsOf(text)) forms.add(form)
  }
  const longestFirst = [...forms].toSorted((a, b) => b.length - a.length)
  pattern = new RegExp(longestFirst.map((form) => form.replaceAll(/[\\^$.*+?()[\]{}|/-]/g, "\\$&")).join("|"), "g")
}

/** The text with every registered secret replaced. */
export const conceal = (text: string): string =>
  forms.size === 0 || pattern === undefined ? text : text.replaceAll(pattern, mask)

/** A setting that is a secret: it is registered when it is read. */
export const setting = (name: string): Config.Config<Redacted.Redacted> =>
  Config.map(Config.Redacted(name), (secret) => {
    register(Redacted.value(secret))
    return secret
  })
