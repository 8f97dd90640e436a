import { Context, Effect, Layer, Option, Schema } from "effect"
import { Interface, isCallException, ZeroHash } from "ethers"
import { Anvil } from "./Anvil.ts"
import { Contracts } from "./Contracts.ts"

export class ChainUnavailable extends Schema.TaggedError<ChainUnavailable>()("ChainUnavailable", {
  cause: Schema.Defect()
}) {
  override readonly message = "The chain does not answer"
}

export interface Bucket {
  /** 0x and 64 hexadecimal digits. */
  readonly id: string
  readonly name: string
  readonly createdAt: Date
}

// Names are read as bytes, which have the same encoding: a contract accepts text that is not UTF-8, and one such name
// must not make an owner's whole list unreadable.
const bucketType = "tuple(bytes32 id, bytes name, uint256 createdAt, address owner, bytes32[] files)"
const storage = new Interface([
  `function getBucketByName(string, address, uint256, uint256) view returns (${bucketType})`,
  `function getOwnerBuckets(address, uint256, uint256, uint256, uint256) view returns (${bucketType}[])`,
  "error OffsetOutOfBounds()"
])
const offsetOutOfBounds = storage.getError("OffsetOutOfBounds")?.selector

/** id, name, createdAt in seconds, owner, files */
const BucketTuple = Schema.Tuple([
  Schema.String,
  Schema.String,
  Schema.BigInt,
  Schema.String,
  Schema.Array(Schema.String)
])
const decodeBucket = Schema.decodeUnknownEffect(Schema.Tuple([BucketTuple]))
const decodeBuckets = Schema.decodeUnknownEffect(Schema.Tuple([Schema.Array(BucketTuple)]))
const toBucket = ([id, name, createdAt]: typeof BucketTuple.Type): Bucket => ({
  id,
  name: Buffer.from(name.slice(2), "hex").toString("utf8"),
  createdAt: new Date(Number(createdAt) * 1000)
})

/** Buckets read by one call: about 9 000 gas each, and a call may use no more than a block. */
export const bucketsPerCall = 500

/** What the Storage contract says. */
export class Storage extends Context.Service<Storage, {
  bucketByName(name: string, owner: string): Effect.Effect<Option.Option<Bucket>, ChainUnavailable>
  /** In the order of the owner's list; none beyond its end, and none for a limit of 0. */
  ownerBuckets(owner: string, offset: bigint, limit: number): Effect.Effect<ReadonlyArray<Bucket>, ChainUnavailable>
}>()("@akave-async/devnet/Storage") {
  static readonly layer = Layer.effect(
    Storage,
    Effect.gen(function*() {
      const { provider } = yield* Anvil
      const { storageAddress } = yield* Contracts

      const read = (name: string, parameters: ReadonlyArray<unknown>, block: number | "latest") =>
        Effect.tryPromise({
          try: async () => {
            const data = storage.encodeFunctionData(name, parameters)
            const answer = await provider.call({ to: storageAddress, data, blockTag: block })
            return storage.decodeFunctionResult(name, answer).toArray(true)
          },
          catch: (cause) => new ChainUnavailable({ cause })
        })

      const bucketByName = Effect.fn("Storage.bucketByName")(function*(name: string, owner: string) {
        const [bucket] = yield* Effect.flatMap(
          read("getBucketByName", [name, owner, 0, 0], "latest"),
          (answer) => Effect.orDie(decodeBucket(answer))
        )
        return bucket[0] === ZeroHash ? Option.none() : Option.some(toBucket(bucket))
      })

      const ownerBuckets = Effect.fn("Storage.ownerBuckets")(function*(owner: string, offset: bigint, limit: number) {
        // One block for all calls, so that a bucket created or deleted meanwhile doesn't shift what is still to be read.
        const block = yield* Effect.tryPromise({
          try: () => provider.getBlockNumber(),
          catch: (cause) => new ChainUnavailable({ cause })
        })
        const buckets: Array<Bucket> = []
        while (buckets.length < limit) {
          const wanted = Math.min(bucketsPerCall, limit - buckets.length)
          const start = offset + BigInt(buckets.length)
          const [page] = yield* read("getOwnerBuckets", [owner, start, wanted, 0, 0], block).pipe(
            Effect.catchIf(
              ({ cause }) => isCallException(cause) && cause.data === offsetOutOfBounds,
              () => Effect.succeed([[]])
            ),
            Effect.flatMap((answer) => Effect.orDie(decodeBuckets(answer)))
          )
          buckets.push(...page.map(toBucket))
          if (page.length < wanted) break
        }
        return buckets
      })

      return Storage.of({ bucketByName, ownerBuckets })
    })
  )
}
