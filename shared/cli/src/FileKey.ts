/** Keys of the user's own, in files. */
import { Effect, Option } from "effect"
import { Flag } from "effect/cli"
import { readFileSync, statSync } from "node:fs"
import { ArgumentsInvalid } from "./Failures.ts"

export const keyFile = Flag.File("key-file", { mustExist: true }).pipe(
  Flag.withDescription(
    "A file with a key of your own, 32 bytes in hex or base64: the gateway uses it and does not keep it"
  ),
  Flag.optional
)

/** A file with a key is no larger than this, in bytes. */
const mostBytes = 1_024

/** The 32 bytes of a key by its text, which may end with a line break; undefined where it is none. */
export const keyOf = (text: string): Uint8Array | undefined => {
  const trimmed = text.trim()
  if (/^[0-9a-fA-F]{64}$/.test(trimmed)) return new Uint8Array(Buffer.from(trimmed, "hex"))
  // As base64 has 32 bytes, also in the form for URLs.
  if (/^[A-Za-z0-9+/_-]{43}=?$/.test(trimmed)) return new Uint8Array(Buffer.from(trimmed, "base64"))
  return undefined
}

/** The option of the client that has the key, of which nothing is ever printed. */
export const readKey = (path: Option.Option<string>) =>
  Effect.suspend(() => {
    if (Option.isNone(path)) return Effect.succeed({})
    const isSmall = statSync(path.value).size <= mostBytes
    const encryptionKey = isSmall ? keyOf(readFileSync(path.value, "utf8")) : undefined
    return encryptionKey === undefined
      ? Effect.fail(
        new ArgumentsInvalid({ message: `${path.value} has no key: write 32 bytes as 64 hex digits or in base64` })
      )
      : Effect.succeed({ encryptionKey })
  })
