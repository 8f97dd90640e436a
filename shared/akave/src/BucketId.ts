import { concat, getBytes, keccak256, toUtf8Bytes } from "ethers"

/**
 * The id that the Storage contract gives a bucket: keccak256 of the name's UTF-8 bytes followed by the owner's 20 bytes,
 * as 0x and 64 lower-case hex digits. So it is known before the bucket exists.
 */
export const bucketId = (name: string, owner: string): string =>
  keccak256(concat([toUtf8Bytes(name), getBytes(owner.toLowerCase())]))
