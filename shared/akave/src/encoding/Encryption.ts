/** How files and names are encrypted: AES-256-GCM under keys that HKDF-SHA256 derives from one master key. */
import { Redacted, Result, Schema } from "effect"
import {
  type CipherGCM,
  createCipheriv,
  createDecipheriv,
  createHash,
  createHmac,
  hkdfSync,
  randomBytes
} from "node:crypto"

export class DecryptionFailed extends Schema.TaggedError<DecryptionFailed>()("DecryptionFailed", {
  what: Schema.String
}) {
  override readonly message = `${this.what} can't be decrypted: the key is another one, or it was not encrypted so`
  readonly isRetryable = false
}

const [keyLength, nonceLength, tagLength] = [32, 12, 16]

/** Bytes that encryption adds to each chunk: its nonce and its tag. */
export const encryptionOverhead = nonceLength + tagLength

/** HKDF-SHA256 without a salt, 32 bytes. */
const derive = (key: Uint8Array, info: string): Uint8Array =>
  new Uint8Array(hkdfSync("sha256", key, new Uint8Array(), info, keyLength))

/** Bytes that are encrypted at once. */
const pieceLength = 1_048_576

/** Nonce, ciphertext and tag, in this order, under the key derived for `info`. */
function* seal(key: Uint8Array, info: string, plaintext: Uint8Array, nonce: Uint8Array): Generator<Uint8Array> {
  const cipher = createCipheriv("aes-256-gcm", derive(key, info), nonce)
  yield nonce
  for (let at = 0; at < plaintext.length; at += pieceLength) {
    yield cipher.update(plaintext.subarray(at, at + pieceLength))
  }
  // In this mode nothing is left for the end.
  cipher.final()
  yield cipher.getAuthTag()
}

const open = (key: Uint8Array, info: string, sealed: Uint8Array, what: string) => {
  const failed = Result.fail(new DecryptionFailed({ what }))
  if (sealed.length < encryptionOverhead) return failed
  const decipher = createDecipheriv("aes-256-gcm", derive(key, info), sealed.subarray(0, nonceLength))
  decipher.setAuthTag(sealed.subarray(sealed.length - tagLength))
  const plaintext = decipher.update(sealed.subarray(nonceLength, sealed.length - tagLength))
  try {
    decipher.final()
    return Result.succeed<Uint8Array>(plaintext)
  } catch {
    return failed
  }
}

/** The key of a file, from the master key and the names of bucket and file as they are on the wire. */
export const fileKey = (master: Redacted.Redacted<Uint8Array>, bucketName: string, name: string): Uint8Array =>
  derive(Redacted.value(master), `${bucketName}/${name}`)

/**
 * The nonce of a chunk. It follows from the plaintext, so that an upload that is made again gives the same bytes, and so that no two
 * plaintexts share one under the same key; and from the upload, so that two uploads of one content can't be told from those of two.
 */
export const chunkNonce = (fileKey: Uint8Array, uploadId: string, index: number, plaintext: Uint8Array): Uint8Array =>
  createHmac("sha256", derive(fileKey, "akave-async chunk nonce"))
    .update(JSON.stringify([uploadId, index]))
    .update(createHash("sha256").update(plaintext).digest())
    .digest()
    .subarray(0, nonceLength)

/** An encrypted chunk, in parts that follow each other: nonce, ciphertext and tag. The key is one for each place in the file. */
export const sealChunk = (
  fileKey: Uint8Array,
  index: number,
  plaintext: Uint8Array,
  nonce: Uint8Array
): Iterable<Uint8Array> => seal(fileKey, String(index), plaintext, nonce)

/**
 * Encrypts the chunks of a file as its bytes come, each under a random nonce. What it gives is, chunk by chunk, what {@link sealChunk}
 * gives.
 * @param length Plaintext bytes of a full chunk.
 */
export const chunkSealer = (fileKey: Uint8Array, length: number) => {
  let index = 0
  let left = 0
  let cipher: CipherGCM | undefined
  const end = (): Array<Uint8Array> => {
    if (cipher === undefined) return []
    cipher.final()
    const tag = cipher.getAuthTag()
    cipher = undefined
    return [tag]
  }
  return {
    /** What follows from further bytes, in order. */
    update: (bytes: Uint8Array): Array<Uint8Array> => {
      const sealed: Array<Uint8Array> = []
      for (let at = 0; at < bytes.length;) {
        if (cipher === undefined) {
          const nonce = randomBytes(nonceLength)
          cipher = createCipheriv("aes-256-gcm", derive(fileKey, String(index++)), nonce)
          left = length
          sealed.push(nonce)
        }
        const piece = bytes.subarray(at, at + left)
        sealed.push(cipher.update(piece))
        at += piece.length
        left -= piece.length
        if (left === 0) sealed.push(...end())
      }
      return sealed
    },
    /** What ends the last chunk. */
    end
  }
}

/** The plaintext of an encrypted chunk. */
export const openChunk = (
  fileKey: Uint8Array,
  index: number,
  sealed: Uint8Array
): Result.Result<Uint8Array, DecryptionFailed> => open(fileKey, String(index), sealed, `Chunk ${index}`)

/** The same name is always encrypted to the same text, since the ids on chain follow from it. */
const sealName = (master: Redacted.Redacted<Uint8Array>, info: string, name: string): string => {
  const key = Redacted.value(master)
  const nonce = createHmac("sha256", key).update(name).digest().subarray(0, nonceLength)
  return Buffer.concat([...seal(key, info, Buffer.from(name), nonce)]).toString("hex")
}

const openName = (master: Redacted.Redacted<Uint8Array>, info: string, sealed: string) => {
  const what = `The name ${JSON.stringify(sealed)}`
  if (!/^([0-9a-f]{2})+$/.test(sealed)) return Result.fail(new DecryptionFailed({ what }))
  return Result.map(
    open(Redacted.value(master), info, Buffer.from(sealed, "hex"), what),
    (name) => Buffer.from(name).toString("utf8")
  )
}

const bucketInfo = "bucket"

/** A bucket's name as lower-case hex digits. */
export const encryptBucketName = (master: Redacted.Redacted<Uint8Array>, name: string): string =>
  sealName(master, bucketInfo, name)

export const decryptBucketName = (
  master: Redacted.Redacted<Uint8Array>,
  sealed: string
): Result.Result<string, DecryptionFailed> => openName(master, bucketInfo, sealed)

/** A file's name as lower-case hex digits; the bucket's name is the plain one. */
export const encryptFileName = (master: Redacted.Redacted<Uint8Array>, bucketName: string, name: string): string =>
  sealName(master, bucketName, name)

export const decryptFileName = (
  master: Redacted.Redacted<Uint8Array>,
  bucketName: string,
  sealed: string
): Result.Result<string, DecryptionFailed> => openName(master, bucketName, sealed)
