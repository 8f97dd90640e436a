/** Secrets in files that nobody else can read. */
import { Effect, FileSystem, Redacted, Schema } from "effect"
import * as Secrets from "./Secrets.ts"

/** A file can't be used as a secret; says why, and what to do. */
export class SecretFileRefused extends Schema.TaggedError<SecretFileRefused>()("SecretFileRefused", {
  reason: Schema.String
}) {
  override readonly message = this.reason
}

/** The text of a file, without white space around it. Fails where its group or others may read, write or run it. */
export const read = Effect.fnUntraced(function*(file: string) {
  const files = yield* FileSystem.FileSystem
  const unreadable = (error: { readonly message: string }) =>
    new SecretFileRefused({ reason: `${file} can't be read: ${error.message}` })
  const { mode } = yield* Effect.mapError(files.stat(file), unreadable)
  if ((mode & 0o077) !== 0) {
    return yield* new SecretFileRefused({ reason: `${file} can be read by others: run chmod 600 ${file}` })
  }
  const secret = (yield* Effect.mapError(files.readFileString(file), unreadable)).trim()
  Secrets.register(secret)
  return Redacted.make(secret)
})
