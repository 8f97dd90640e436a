/** What earlier releases left on a kept chain: their contracts' code is replaced, their storage is read by this one's. */
import { Effect, Schema } from "effect"
import { AbiCoder, id as keccakOf, keccak256, toBeHex } from "ethers"
import type { Anvil } from "./Anvil.ts"

type Rpc = Anvil["Service"]["rpc"]

const Logs = Schema.Array(Schema.Struct({ topics: Schema.Array(Schema.String) }))
const decodeLogs = Schema.decodeUnknownEffect(Logs)
const decodeText = Schema.decodeUnknownEffect(Schema.String)

/** Calls on their way at once. */
const concurrency = 16

/** Until what a bucket takes became what it takes on the Akave network, owner, time and place shared its first slot. */
const moveBuckets = Effect.fnUntraced(function*(rpc: Rpc, address: string) {
  const filter = { address, fromBlock: "0x0", topics: [keccakOf("CreateBucket(bytes32,string,address)")] }
  const logs = yield* Effect.flatMap(rpc("eth_getLogs", [filter]), decodeLogs)
  const ids = new Set(logs.flatMap(({ topics }) => topics.slice(1, 2)))
  yield* Effect.forEach(ids, (id) =>
    Effect.gen(function*() {
      // The mapping of the buckets is at slot 2.
      const first = BigInt(keccak256(AbiCoder.defaultAbiCoder().encode(["bytes32", "uint256"], [id, 2])))
      const slot = (number: bigint) => toBeHex(first + number, 32)
      const packed = BigInt(yield* Effect.flatMap(rpc("eth_getStorageAt", [address, slot(0n), "latest"]), decodeText))
      // Deleted, or moved by a start that was killed before it replaced the code.
      if (packed === 0n || packed === BigInt(id)) return
      const owner = BigInt.asUintN(160, packed)
      const createdAt = BigInt.asUintN(64, packed >> 160n)
      const index = packed >> 224n
      // The name stays in the second slot, and no bucket has files. The first slot, which tells that all is done, is last.
      const words = [[2n, createdAt], [3n, index << 160n | owner], [0n, BigInt(id)]] as const
      for (const [number, word] of words) {
        yield* rpc("anvil_setStorageAt", [address, slot(number), toBeHex(word, 32)])
      }
    }), { concurrency, discard: true })
})

/** By the hash of the code: what must be done before this release's code can read what that one has kept. */
const releases: Readonly<Record<string, ReadonlyMap<string, typeof moveBuckets | undefined>>> = {
  Storage: new Map([
    // 0.1.0: buckets, which took less gas.
    ["0xa1ccd98917240deecd31736d67c02ebac1fb90043dca99127010e4014961a783", moveBuckets],
    // Buckets without files.
    ["0x381685aadc6a2d78a0693ef9c406bcd05cdc41949ce69c1db416f1f37f07dc52", undefined]
  ]),
  AccessManager: new Map([
    // 0.1.0: delegateAccess looked at the owner before the address.
    ["0xaa1924876f1b66206f786d047db2b78e9d0b9ed64c8c2b1166567da2bbc0998b", undefined],
    // Delegates, without access to files.
    ["0xaf271172617a1a37a43d2c90ea9fa8a025534f1c53db0ad3b1ecd41d73518f5f", undefined]
  ])
}

/**
 * Puts this release's code over that of an earlier one, and gives whether `code`, which is at the address, was one's.
 * No block may come meanwhile. The start after one that was killed in between completes what that one began.
 */
export const renew = Effect.fn("EarlierContracts.renew")(function*(
  rpc: Rpc,
  address: string,
  code: string,
  { contractName, deployedBytecode }: { readonly contractName: string; readonly deployedBytecode: string }
) {
  const known = releases[contractName]
  const hash = keccak256(code)
  if (known?.has(hash) !== true) return false
  yield* known.get(hash)?.(rpc, address) ?? Effect.void
  yield* rpc("anvil_setCode", [address, deployedBytecode])
  yield* Effect.logInfo(
    `The kept chain had an earlier release's ${contractName} contract: its code is now this release's`
  )
  return true
})
