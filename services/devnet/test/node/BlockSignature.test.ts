import { assert, it } from "@effect/vitest"
import { Wallet } from "ethers"
import { randomBytes } from "node:crypto"
import { recovery } from "../../src/node/BlockSignature.ts"
import { bytesOf } from "../../src/node/Cids.ts"

const verifyingContract = "0x4e7B1E9c3214C973Ff2fc680A9789E8579a5eD9d"
const types = {
  StorageData: [
    { name: "chunkCID", type: "bytes" },
    { name: "blockCID", type: "bytes32" },
    { name: "chunkIndex", type: "uint256" },
    { name: "blockIndex", type: "uint8" },
    { name: "nodeId", type: "bytes32" },
    { name: "nonce", type: "uint256" },
    { name: "deadline", type: "uint256" },
    { name: "bucketId", type: "bytes32" }
  ]
}
const domain = { name: "Storage", version: "1", chainId: 31337, verifyingContract }
const signerOf = recovery(31337, verifyingContract)
/** A public development key. */
const wallet = new Wallet("0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80")
const owner = wallet.address.toLowerCase()

const sample = (nonce: Uint8Array) => {
  const hex = () => randomBytes(32).toString("hex")
  return {
    chunk: hex(),
    block: hex(),
    chunkIndex: 70_000,
    blockIndex: 31,
    nodeId: `0x${hex()}`,
    bucketId: `0x${hex()}`,
    nonce,
    deadline: 1_759_859_212n
  }
}
const messageOf = ({ block, chunk, nonce, ...rest }: ReturnType<typeof sample>) => ({
  chunkCID: bytesOf(chunk),
  blockCID: `0x${block}`,
  nonce: BigInt(`0x${Buffer.from(nonce).toString("hex") || "0"}`),
  ...rest
})

it("finds the signer that ethers signed for, whatever the length of the nonce", async () => {
  for (const length of [0, 1, 31, 32]) {
    const signed = sample(randomBytes(length))
    const signature = Buffer.from((await wallet.signTypedData(domain, types, messageOf(signed))).slice(2), "hex")
    assert.strictEqual(signerOf(signed, signature), owner)
    assert.notStrictEqual(signerOf({ ...signed, blockIndex: 30 }, signature), owner)
    assert.notStrictEqual(recovery(1, verifyingContract)(signed, signature), owner)
  }
})

it("knows no signer of what the contract refuses", async () => {
  const signed = sample(randomBytes(32))
  const signature = Buffer.from((await wallet.signTypedData(domain, types, messageOf(signed))).slice(2), "hex")
  const order = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n
  const s = order - BigInt(`0x${signature.subarray(32, 64).toString("hex")}`)
  const malleated = Buffer.concat([
    signature.subarray(0, 32),
    Buffer.from(s.toString(16).padStart(64, "0"), "hex"),
    Buffer.from([signature[64] === 27 ? 28 : 27])
  ])
  const v = (value: number) => Buffer.concat([signature.subarray(0, 64), Buffer.from([value])])
  for (
    const wrong of [
      malleated,
      v(0),
      v(1),
      v(29),
      signature.subarray(0, 64),
      Buffer.alloc(0),
      Buffer.alloc(65).fill(27, 64)
    ]
  ) assert.isUndefined(signerOf(signed, wrong))
})
