/** The keys that files are encrypted with: of accounts, from a secret of the gateway, and of clients, from their requests. */
import * as SecretSetting from "@akave-async/platform/SecretSetting"
import { Context, Effect, Layer, Option, Redacted } from "effect"
import { createHmac, hkdfSync } from "node:crypto"

/** Characters of the shortest secret. */
const minLength = 32

/** 32 bytes, from which the SDK derives the key of each file. */
export type FileKey = Redacted.Redacted<Uint8Array>

export interface AccountKey {
  readonly key: FileKey
  /** Which of the gateway's secrets it follows from. */
  readonly keyId: string
}

const keyOf = (secret: Redacted.Redacted, account: string): AccountKey => {
  const text = Redacted.value(secret)
  const info = `akave-async file encryption ${account}`
  return {
    key: Redacted.make(new Uint8Array(hkdfSync("sha256", text, new Uint8Array(), info, 32))),
    keyId: createHmac("sha256", text).update("akave-async file key id").digest("hex").slice(0, 16)
  }
}

export class FileKeys extends Context.Service<FileKeys, {
  /** The key that an account's files are encrypted with from now on; undefined where the gateway has no secret. */
  current(account: string): AccountKey | undefined
  /** The account's key with this id; undefined where the gateway does not have its secret any more. */
  find(account: string, keyId: string): FileKey | undefined
}>()("@akave-async/gateway/FileKeys") {
  /**
   * From `FILE_ENCRYPTION_SECRET`, and `FILE_ENCRYPTION_SECRET_BEFORE` for files that were encrypted before it was changed; each may be in
   * a file that is named by the same with `_FILE`.
   */
  static readonly layerConfig = Layer.effect(
    FileKeys,
    Effect.gen(function*() {
      const current = yield* SecretSetting.watched("FILE_ENCRYPTION_SECRET", minLength)
      const before = yield* SecretSetting.watched("FILE_ENCRYPTION_SECRET_BEFORE", minLength)
      return FileKeys.of({
        current: (account) => Option.getOrUndefined(Option.map(current(), (secret) => keyOf(secret, account))),
        find: (account, keyId) =>
          [current(), before()].flatMap(Option.toArray).map((secret) => keyOf(secret, account))
            .find((one) => one.keyId === keyId)?.key
      })
    })
  )
}

/** The key of an `X-Encryption-Key`, whose form was checked. */
export const ofClient = (base64: string): FileKey => Redacted.make(new Uint8Array(Buffer.from(base64, "base64")))
