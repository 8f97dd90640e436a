import { concat, keccak256, toUtf8Bytes } from "ethers"

/**
 * The id that the Storage contract gives a file: keccak256 of the bucket's id (0x and 64 hex digits) followed by the UTF-8
 * bytes of the name, as 0x and 64 lower-case hex digits. So it is known before the file exists.
 */
export const fileId = (bucketId: string, name: string): string => keccak256(concat([bucketId, toUtf8Bytes(name)]))
