/** What the owner of a bucket signs for each block, so that one node, and no other, may record it on chain: EIP-712. */
import { concat, getBytes, id, keccak256, toBeHex, zeroPadValue } from "ethers"

export interface Domain {
  readonly chainId: bigint
  /** Address of the Storage contract. */
  readonly verifyingContract: string
}

export interface SignedBlock {
  /** 36 bytes. */
  readonly chunkCid: Uint8Array
  /** 32 bytes. */
  readonly blockDigest: Uint8Array
  readonly chunkIndex: number
  readonly blockIndex: number
  /** The node's public key: 32 bytes. */
  readonly nodeId: Uint8Array
  /** Never used before by this owner in this bucket. */
  readonly nonce: bigint
  /** Unix time in seconds. */
  readonly deadline: number
  /** 32 bytes. */
  readonly bucketId: Uint8Array
}

const word = (value: bigint | number): string => toBeHex(value, 32)

const domainType = id("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)")
const blockType = id(
  "StorageData(bytes chunkCID,bytes32 blockCID,uint256 chunkIndex,uint8 blockIndex,bytes32 nodeId,uint256 nonce,uint256 deadline,bytes32 bucketId)"
)
const [domainName, domainVersion] = [id("Storage"), id("1")]

const separatorOf = ({ chainId, verifyingContract }: Domain): string =>
  keccak256(
    concat([domainType, domainName, domainVersion, word(chainId), zeroPadValue(verifyingContract.toLowerCase(), 32)])
  )

/** The 32 bytes that are signed: those of EIP-712 for the domain "Storage", version "1", and the type `StorageData`. */
export const digestOf = (domain: Domain, block: SignedBlock): Uint8Array => {
  const message = keccak256(concat([
    blockType,
    keccak256(block.chunkCid),
    block.blockDigest,
    word(block.chunkIndex),
    word(block.blockIndex),
    block.nodeId,
    word(block.nonce),
    word(block.deadline),
    block.bucketId
  ]))
  return getBytes(keccak256(concat(["0x1901", separatorOf(domain), message])))
}
