/** Keys of callers' own. */
import { toBase64 } from "./Content.ts"
import { ArgumentInvalid } from "./Errors.ts"

/** The header that a key is sent in; none without a key. */
export const keyHeader = (key: Uint8Array | undefined): Readonly<Record<string, string>> => {
  if (key === undefined) return {}
  if (key.length !== 32) throw new ArgumentInvalid(`an encryption key has 32 bytes, not ${key.length}`)
  return { "x-encryption-key": toBase64(key) }
}
