/** With which key files are encrypted, and names with them: one setting for buckets and files. */
import { Context, Option, Redacted, Result } from "effect"
import * as Ciphers from "./encoding/Encryption.ts"
import { InvalidArgument } from "./Errors.ts"

export interface EncryptionSettings {
  /** 32 bytes. The key of each file is derived from it and the names of bucket and file. */
  readonly key: Redacted.Redacted<Uint8Array>
  /** Whether the names of buckets and files are encrypted too; false by default. */
  readonly encryptsNames?: boolean
}

/** None where nothing is encrypted. */
export const Encryption = Context.Reference<Option.Option<EncryptionSettings>>("@akave-async/sdk/Encryption", {
  defaultValue: () => Option.none()
})

const keyBytes = 32

/** The settings, once they can be used. */
export const checkEncryption = (settings: EncryptionSettings): Result.Result<EncryptionSettings, InvalidArgument> =>
  Redacted.value(settings.key).length === keyBytes
    ? Result.succeed(settings)
    : Result.fail(new InvalidArgument({ field: "encryption key", reason: `it must be ${keyBytes} bytes long` }))

/** The names of buckets and files as they are on the wire and on chain, and back. */
export interface Names {
  bucket(name: string): string
  file(bucketName: string, name: string): string
  /** The plain name; what doesn't decrypt stays as it is. */
  plainBucket(onWire: string): string
  plainFile(bucketName: string, onWire: string): string
}

const plain: Names = {
  bucket: (name) => name,
  file: (_, name) => name,
  plainBucket: (onWire) => onWire,
  plainFile: (_, onWire) => onWire
}

export const namesOf = (settings: Option.Option<EncryptionSettings>): Names => {
  if (Option.isNone(settings) || settings.value.encryptsNames !== true) return plain
  const { key } = settings.value
  return {
    bucket: (name) => Ciphers.encryptBucketName(key, name),
    file: (bucketName, name) => Ciphers.encryptFileName(key, bucketName, name),
    plainBucket: (onWire) => Result.getOrElse(Ciphers.decryptBucketName(key, onWire), () => onWire),
    plainFile: (bucketName, onWire) => Result.getOrElse(Ciphers.decryptFileName(key, bucketName, onWire), () => onWire)
  }
}
