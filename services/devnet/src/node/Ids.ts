import { concat, keccak256, toUtf8Bytes } from "ethers"

/** keccak256(name ‖ owner), as the Storage contract has it. 0x and 64 hexadecimal digits. */
export const bucketIdOf = (bucketName: string, owner: string): string =>
  keccak256(concat([toUtf8Bytes(bucketName), owner]))

/** keccak256(bucketId ‖ name), as the Storage contract has it. */
export const fileIdOf = (bucketId: string, fileName: string): string =>
  keccak256(concat([bucketId, toUtf8Bytes(fileName)]))
