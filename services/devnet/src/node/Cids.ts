import { CID } from "multiformats/cid"

const dagPb = 0x70
const sha256 = 0x12
/** CIDv1, dag-pb, SHA-256 of 32 bytes. */
const prefix = Buffer.from("01701220", "hex")

/** The SHA-256 digest, 64 hexadecimal digits, of a CIDv1 of a dag-pb node; undefined for any other text. */
export const digestOf = (text: string): string | undefined => {
  // A CID of this kind has 59 characters in base32; no base makes it twice as long, and base58 is quadratic in the length.
  if (text.length > 118) return undefined
  try {
    const { code, multihash, version } = CID.parse(text)
    if (version !== 1 || code !== dagPb || multihash.code !== sha256 || multihash.size !== 32) return undefined
    return Buffer.from(multihash.digest).toString("hex")
  } catch {
    return undefined
  }
}

/** The CID, in base32, of a dag-pb node with this digest of 64 hexadecimal digits. */
export const cidOf = (digest: string): string =>
  CID.decode(Buffer.concat([prefix, Buffer.from(digest, "hex")])).toString()

/** The binary form of that CID, 36 bytes, as 0x and hexadecimal digits. */
export const bytesOf = (digest: string): string => `0x${prefix.toString("hex")}${digest}`

/** The digest in the binary form of such a CID; undefined for other bytes. Both as hexadecimal digits, bytes with 0x. */
export const digestOfBytes = (bytes: string): string | undefined =>
  bytes.length === 74 && bytes.startsWith("0x01701220") ? bytes.slice(10) : undefined

/** The text of a CID's binary form, whatever its kind; empty where the bytes are none. */
export const textOf = (bytes: string): string => {
  try {
    return CID.decode(Buffer.from(bytes.slice(2), "hex")).toString()
  } catch {
    return ""
  }
}
