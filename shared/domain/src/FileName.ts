/** The name of a file in its bucket, such as `2026/photos/cat.jpg`. */
import { Result, Schema } from "effect"
import { Base64Url } from "effect/encoding"

/** Bytes of a name in UTF-8 at most. */
export const maxBytes = 1_024

const byteLength = (text: string): number => new TextEncoder().encode(text).length

/**
 * A path of one or more segments, with a slash between them. No two names may be written or shown alike, and none may mean another
 * place to whoever takes it for the path of a file system or of a URL. Each rule is checked on its own, so that a refusal names the
 * rule that was broken.
 */
export const FileName = Schema.String.check(
  Schema.isNonEmpty({ message: "a file name has at least 1 character" }),
  Schema.makeFilter((name: string) =>
    name.isWellFormed() || "a file name is valid Unicode, without half of a surrogate pair"
  ),
  Schema.makeFilter((name: string) =>
    byteLength(name) <= maxBytes || `a file name has at most ${maxBytes} bytes in UTF-8`
  ),
  // oxlint-disable-next-line no-control-regex -- these are what it is about
  Schema.isPattern(/^[^\u0000-\u001f\u007f-\u009f\u2028\u2029]*$/u, {
    message: "a file name has no control characters"
  }),
  Schema.makeFilter((name: string) => name.normalize("NFC") === name || "a file name is in Unicode's form NFC"),
  Schema.makeFilter(
    (name: string) =>
      name.split("/").every((segment) => segment !== "") ||
      "a file name has no slash at its start or end, and no two in a row"
  ),
  Schema.makeFilter(
    (name: string) =>
      name.split("/").every((segment) => segment !== "." && segment !== "..") ||
      "a file name has no segment that is . or .."
  )
).pipe(Schema.brand("FileName"))
export type FileName = typeof FileName.Type

/** The name as one token of a NATS subject: base64url of its UTF-8. */
export const toToken = (name: FileName): string => Base64Url.encode(name)

/** The name that {@link toToken} made into this token. */
export const fromToken = (token: string): string => Result.getOrThrow(Base64Url.decodeString(token))
