/** The owner's signature of a block, by EIP-712. */
import { getBytes, keccak256, toUtf8Bytes } from "ethers"
import { recover } from "tiny-secp256k1"
import { bytesOf } from "./Cids.ts"

export interface SignedBlock {
  /** Digests, 64 hexadecimal digits. */
  readonly chunk: string
  readonly block: string
  readonly chunkIndex: number
  readonly blockIndex: number
  /** 0x and 64 hexadecimal digits each. */
  readonly nodeId: string
  readonly bucketId: string
  /** At most 32 bytes, big-endian. */
  readonly nonce: Uint8Array
  /** Seconds since 1970. */
  readonly deadline: bigint
}

const hash = (bytes: Uint8Array): Buffer => Buffer.from(keccak256(bytes).slice(2), "hex")
const typeHash = hash(toUtf8Bytes(
  "StorageData(bytes chunkCID,bytes32 blockCID,uint256 chunkIndex,uint8 blockIndex,bytes32 nodeId," +
    "uint256 nonce,uint256 deadline,bytes32 bucketId)"
))
const domainTypeHash = hash(
  toUtf8Bytes("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)")
)

const word = (value: bigint | number): Buffer => Buffer.from(value.toString(16).padStart(64, "0"), "hex")
const padded = (bytes: Uint8Array): Buffer => Buffer.concat([Buffer.alloc(32 - bytes.length), bytes])

/** Half of the curve's order: a larger s is refused by the contract. */
const highestS = Buffer.from("7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0", "hex")

/** Tells whose signature a block has, for one Storage contract. */
export const recovery = (chainId: number, storageAddress: string) => {
  const domain = hash(Buffer.concat([
    domainTypeHash,
    hash(toUtf8Bytes("Storage")),
    hash(toUtf8Bytes("1")),
    word(chainId),
    padded(getBytes(storageAddress))
  ]))
  /** The signer's address in lower case; undefined where the 65 bytes are no signature that the contract accepts. */
  return (signed: SignedBlock, signature: Uint8Array): string | undefined => {
    const v = signature[64]
    if (signature.length !== 65 || (v !== 27 && v !== 28)) return undefined
    if (Buffer.compare(signature.subarray(32, 64), highestS) > 0) return undefined
    const message = hash(Buffer.concat([
      typeHash,
      hash(getBytes(bytesOf(signed.chunk))),
      Buffer.from(signed.block, "hex"),
      word(signed.chunkIndex),
      word(signed.blockIndex),
      getBytes(signed.nodeId),
      padded(signed.nonce),
      word(signed.deadline),
      getBytes(signed.bucketId)
    ]))
    const digest = hash(Buffer.concat([Buffer.from([0x19, 0x01]), domain, message]))
    try {
      const key = recover(digest, signature.subarray(0, 64), v === 27 ? 0 : 1)
      return key === null ? undefined : `0x${hash(key.subarray(1)).subarray(12).toString("hex")}`
    } catch {
      return undefined
    }
  }
}
