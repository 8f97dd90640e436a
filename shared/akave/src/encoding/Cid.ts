/** CIDs as Akave's network has them: version 1, of a dag-pb node, by SHA-256, written in base32. */
import { Result, Schema } from "effect"
import { base32 } from "multiformats/bases/base32"
import { createHash } from "node:crypto"

export const Cid = Schema.NonEmptyString.pipe(Schema.brand("Cid"))
export type Cid = typeof Cid.Type

export class InvalidCid extends Schema.TaggedError<InvalidCid>()("InvalidCid", { text: Schema.String }) {
  override readonly message = `${
    JSON.stringify(this.text.slice(0, 100))
  } is not a CID of version 1 of a dag-pb node by SHA-256, in base32`
  readonly isRetryable = false
}

/** Version 1, dag-pb, SHA-256, 32 bytes. */
const prefix = Uint8Array.of(0x01, 0x70, 0x12, 0x20)
const length = prefix.length + 32

/** Checks a CID's text. */
export const parse = (text: string): Result.Result<Cid, InvalidCid> => {
  try {
    const bytes = base32.decode(text)
    // Another text of the same bytes would be taken for another block.
    return isOurs(bytes) && base32.encode(bytes) === text ? Result.succeed(text as Cid) : refuse(text)
  } catch {
    return refuse(text)
  }
}

/** The CID of these 36 bytes, which is how chunks and files have it on chain. */
export const fromBytes = (bytes: Uint8Array): Result.Result<Cid, InvalidCid> =>
  isOurs(bytes) ? Result.succeed(base32.encode(bytes) as Cid) : refuse(Buffer.from(bytes).toString("hex"))

/** The CID of the block with this SHA-256, which is how blocks are named on chain. */
export const fromDigest = (digest: Uint8Array): Cid => {
  const bytes = new Uint8Array(length)
  bytes.set(prefix)
  bytes.set(digest, prefix.length)
  return base32.encode(bytes) as Cid
}

/** The CID of an encoded block, which may be given in parts that follow each other. */
export const ofBlock = (...parts: ReadonlyArray<Uint8Array>): Cid => {
  const hash = createHash("sha256")
  for (const part of parts) hash.update(part)
  return fromDigest(hash.digest())
}

/** 36 bytes. */
export const toBytes = (cid: Cid): Uint8Array => base32.decode(cid)

/** The SHA-256 that it holds: 32 bytes. */
export const digest = (cid: Cid): Uint8Array => toBytes(cid).subarray(prefix.length)

const isOurs = (bytes: Uint8Array): boolean => bytes.length === length && prefix.every((byte, n) => bytes[n] === byte)

const refuse = (text: string) => Result.fail(new InvalidCid({ text }))
