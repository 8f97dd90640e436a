/** What the contracts say of files and chunks. */
import { Context, Effect, Layer, Option, Schema } from "effect"
import { Interface, isCallException, ZeroAddress, ZeroHash } from "ethers"
import { Anvil } from "../Anvil.ts"
import { Contracts } from "../Contracts.ts"
import { ChainUnavailable } from "../Storage.ts"
import { digestOfBytes } from "./Cids.ts"

export interface File {
  readonly id: string
  readonly name: string
  /** The root CID, 0x and hexadecimal digits; 0x until the file is committed. */
  readonly rootCid: string
  readonly encodedSize: bigint
  readonly actualSize: bigint
  readonly createdAt: Date
  readonly chunks: ReadonlyArray<{ readonly cid: string; readonly encodedSize: bigint }>
}
export interface Head {
  readonly number: number
  readonly hash: string
  /** Seconds since 1970. */
  readonly timestamp: number
}

// Names are read as bytes, as in Storage.ts.
const bucketType = "tuple(bytes32 id, bytes name, uint256 createdAt, address owner, bytes32[] files)"
const chunksType = "tuple(bytes[] chunkCIDs, uint256[] chunkSize, uint32[] fulfilledBlocks)"
const fileType = "tuple(bytes32 id, bytes fileCID, bytes32 bucketId, bytes name, uint256 encodedSize, " +
  `uint256 createdAt, uint256 actualSize, ${chunksType} chunks)`
const fillType = "tuple(bytes32 blockCID, bytes32 nodeId, bytes32 bucketId, uint256 chunkIndex, uint256 nonce, " +
  "uint8 blockIndex, string fileName, bytes signature, uint256 deadline)"
export const storage = new Interface([
  `function getBucketByName(string, address, uint256, uint256) view returns (${bucketType})`,
  `function getBucketsByIds(bytes32[]) view returns (${bucketType}[])`,
  `function getFileById(bytes32) view returns (${fileType})`,
  "function getFileOwner(bytes32) view returns (address)",
  "function getChunkByIndex(bytes32, uint256) view returns (bytes, uint256)",
  "function isBlockFilled(bytes32, uint8, uint256) view returns (bool)",
  `function fillChunkBlocks(${fillType}[])`,
  "function addFileChunk(bytes chunkCID, bytes32 bucketId, string fileName, uint256 encodedChunkSize, " +
  "bytes32[] cids, uint256[] chunkBlocksSizes, uint256 chunkIndex)",
  "function addFileChunks(bytes[] cids, bytes32 bucketId, string fileName, uint256[] encodedChunkSizes, " +
  "bytes32[][] chunkBlocksCIDs, uint256[][] chunkBlockSizes, uint256 startingChunkIndex)",
  "event AddFileChunk(bytes32 indexed id, bytes32 indexed bucketId, string indexed name, address owner)",
  "event DeleteFile(bytes32 indexed id, bytes32 indexed bucketId, string indexed name, address owner)",
  "error OffsetOutOfBounds()",
  "error BlockAlreadyFilled()",
  "error InvalidBlockIndex()"
])
const access = new Interface(["function getFileAccessInfo(bytes32) view returns (address, bool)"])
const offsetOutOfBounds = storage.getError("OffsetOutOfBounds")?.selector
const topicOf = (event: string) => storage.getEvent(event)?.topicHash ?? ZeroHash

const FileTuple = Schema.Tuple([
  Schema.String,
  Schema.String,
  Schema.String,
  Schema.String,
  Schema.BigInt,
  Schema.BigInt,
  Schema.BigInt,
  Schema.Tuple([Schema.Array(Schema.String), Schema.Array(Schema.BigInt), Schema.Array(Schema.BigInt)])
])
const decodeFile = Schema.decodeUnknownEffect(Schema.Tuple([FileTuple]))
const BucketTuple = Schema.Tuple([
  Schema.String,
  Schema.String,
  Schema.BigInt,
  Schema.String,
  Schema.Array(Schema.String)
])
const decodeBucket = Schema.decodeUnknownEffect(Schema.Tuple([BucketTuple]))
const decodeBuckets = Schema.decodeUnknownEffect(Schema.Tuple([Schema.Array(BucketTuple)]))
const decodeChunk = Schema.decodeUnknownEffect(Schema.Tuple([Schema.String, Schema.BigInt]))
const decodeAddress = Schema.decodeUnknownEffect(Schema.Tuple([Schema.String]))
const decodeBoolean = Schema.decodeUnknownEffect(Schema.Tuple([Schema.Boolean]))
const decodeAccess = Schema.decodeUnknownEffect(Schema.Tuple([Schema.String, Schema.Boolean]))

/** Ids read by one call: about 2 500 gas each, and a call may use no more than a block. */
const idsPerCall = 2_000

/** What the Storage and AccessManager contracts say of files, at the latest block. */
export class FileContract extends Context.Service<FileContract, {
  readonly head: Effect.Effect<Head, ChainUnavailable>
  blockHash(number: number): Effect.Effect<string | undefined, ChainUnavailable>
  bucketOwner(bucketId: string): Effect.Effect<Option.Option<string>, ChainUnavailable>
  /** Ids of a bucket's files, in the order of its list; none beyond its end or without the bucket. */
  fileIds(
    bucketName: string,
    owner: string,
    offset: bigint,
    limit: number
  ): Effect.Effect<ReadonlyArray<string>, ChainUnavailable>
  file(fileId: string): Effect.Effect<Option.Option<File>, ChainUnavailable>
  exists(fileId: string): Effect.Effect<boolean, ChainUnavailable>
  isPublic(fileId: string): Effect.Effect<boolean, ChainUnavailable>
  /** The CID of a file's chunk, 0x and hexadecimal digits. */
  chunkCid(fileId: string, index: number): Effect.Effect<Option.Option<string>, ChainUnavailable>
  /** False too where there is no such chunk. */
  isBlockFilled(fileId: string, chunkIndex: number, blockIndex: number): Effect.Effect<boolean, ChainUnavailable>
  /** Ids of the files that were deleted in these blocks, the last one included. */
  deleted(from: number, to: number): Effect.Effect<ReadonlyArray<string>, ChainUnavailable>
  /** Digests and sizes of a chunk's blocks, from the latest transaction to Storage that added it. */
  blocksOf(
    fileId: string,
    chunk: string
  ): Effect.Effect<Option.Option<ReadonlyArray<readonly [string, number]>>, ChainUnavailable>
}>()("@akave-async/devnet/FileContract") {
  static readonly layer = Layer.effect(
    FileContract,
    // oxlint-disable-next-line max-lines-per-function -- its operations share one way to ask
    Effect.gen(function*() {
      const { provider } = yield* Anvil
      const { accessAddress, storageAddress } = yield* Contracts

      const ask = <A>(run: () => Promise<A>) =>
        Effect.tryPromise({ try: run, catch: (cause) => new ChainUnavailable({ cause }) })
      const read = (
        to: string,
        contract: Interface,
        name: string,
        parameters: ReadonlyArray<unknown>,
        blockTag: number | "latest" = "latest"
      ) =>
        ask(async () => {
          const answer = await provider.call({ to, data: contract.encodeFunctionData(name, parameters), blockTag })
          return contract.decodeFunctionResult(name, answer).toArray(true)
        })
      const readStorage = (name: string, parameters: ReadonlyArray<unknown>) =>
        read(storageAddress, storage, name, parameters)
      const logs = (event: string, fileId: string | null, fromBlock: number, toBlock: number | "latest") =>
        ask(() => provider.getLogs({ address: storageAddress, topics: [topicOf(event), fileId], fromBlock, toBlock }))

      const bucketOwner = Effect.fn("FileContract.bucketOwner")(function*(bucketId: string) {
        const [[bucket]] = yield* Effect.flatMap(
          readStorage("getBucketsByIds", [[bucketId]]),
          (answer) => Effect.orDie(decodeBuckets(answer))
        )
        return bucket === undefined || bucket[3] === ZeroAddress ? Option.none() : Option.some(bucket[3])
      })

      const idsIn = (bucketName: string, owner: string, offset: bigint, limit: number, block: number) =>
        read(storageAddress, storage, "getBucketByName", [bucketName, owner, offset, limit], block).pipe(
          Effect.flatMap((answer) => Effect.orDie(decodeBucket(answer))),
          Effect.map(([bucket]) => bucket[4]),
          Effect.catchIf(
            ({ cause }) => isCallException(cause) && cause.data === offsetOutOfBounds,
            () => Effect.succeed([])
          )
        )
      const fileIds = Effect.fn("FileContract.fileIds")(
        function*(bucketName: string, owner: string, offset: bigint, limit: number) {
          // One block for all calls, so that a file created or deleted meanwhile doesn't shift what is still to be read.
          const block = yield* ask(() => provider.getBlockNumber())
          const ids: Array<string> = []
          while (ids.length < limit) {
            const wanted = Math.min(idsPerCall, limit - ids.length)
            const page = yield* idsIn(bucketName, owner, offset + BigInt(ids.length), wanted, block)
            ids.push(...page)
            if (page.length < wanted) break
          }
          return ids
        }
      )

      const file = Effect.fn("FileContract.file")(function*(fileId: string) {
        const [found] = yield* Effect.flatMap(
          readStorage("getFileById", [fileId]),
          (answer) => Effect.orDie(decodeFile(answer))
        )
        const [id, rootCid, , name, encodedSize, createdAt, actualSize, [cids, sizes]] = found
        if (id === ZeroHash) return Option.none()
        return Option.some<File>({
          id,
          name: Buffer.from(name.slice(2), "hex").toString("utf8"),
          rootCid,
          encodedSize,
          actualSize,
          createdAt: new Date(Number(createdAt) * 1000),
          chunks: cids.map((cid, index) => ({ cid, encodedSize: sizes[index] ?? 0n }))
        })
      })

      /** A view that reverts where there is no such chunk. */
      const ofChunk = <A, B>(otherwise: B) => (effect: Effect.Effect<A, ChainUnavailable>) =>
        Effect.catchIf(
          effect,
          ({ cause }) => isCallException(cause) && cause.data !== null,
          () => Effect.succeed(otherwise)
        )

      return FileContract.of({
        head: ask(() => provider.getBlock("latest")).pipe(
          Effect.flatMap((block) =>
            block?.hash == null
              ? Effect.fail(new ChainUnavailable({ cause: new Error("There is no latest block") }))
              : Effect.succeed({ number: block.number, hash: block.hash, timestamp: block.timestamp })
          )
        ),
        blockHash: (number) => Effect.map(ask(() => provider.getBlock(number)), (block) => block?.hash ?? undefined),
        bucketOwner,
        fileIds,
        file,
        exists: (fileId) =>
          readStorage("getFileOwner", [fileId]).pipe(
            Effect.flatMap((answer) => Effect.orDie(decodeAddress(answer))),
            Effect.map(([owner]) => owner !== ZeroAddress)
          ),
        isPublic: (fileId) =>
          read(accessAddress, access, "getFileAccessInfo", [fileId]).pipe(
            Effect.flatMap((answer) => Effect.orDie(decodeAccess(answer))),
            Effect.map(([, isPublic]) => isPublic)
          ),
        chunkCid: (fileId, index) =>
          readStorage("getChunkByIndex", [fileId, index]).pipe(
            Effect.flatMap((answer) => Effect.orDie(decodeChunk(answer))),
            Effect.map(([cid]) => Option.some(cid)),
            ofChunk(Option.none())
          ),
        isBlockFilled: (fileId, chunkIndex, blockIndex) =>
          readStorage("isBlockFilled", [fileId, blockIndex, chunkIndex]).pipe(
            Effect.flatMap((answer) => Effect.orDie(decodeBoolean(answer))),
            Effect.map(([isFilled]) => isFilled),
            ofChunk(false)
          ),
        deleted: (from, to) =>
          Effect.map(logs("DeleteFile", null, from, to), (found) => found.flatMap(({ topics }) => topics[1] ?? [])),
        blocksOf: Effect.fn("FileContract.blocksOf")(function*(fileId, chunk) {
          const found = yield* logs("AddFileChunk", fileId, 0, "latest")
          for (const hash of new Set(found.map(({ transactionHash }) => transactionHash).toReversed())) {
            const transaction = yield* ask(() => provider.getTransaction(hash))
            const blocks = transaction === null ? undefined : addedBlocks(transaction.data, chunk)
            if (blocks !== undefined) return Option.some(blocks)
          }
          return Option.none()
        })
      })
    })
  )
}

const Added = Schema.Struct({
  chunks: Schema.Array(Schema.String),
  digests: Schema.Array(Schema.Array(Schema.String)),
  sizes: Schema.Array(Schema.Array(Schema.BigInt))
})

/**
 * The blocks of a chunk as a call of addFileChunk or addFileChunks names them; undefined where the call data is of something
 * else, or of other chunks.
 */
export const addedBlocks = (
  data: string,
  chunk: string
): ReadonlyArray<readonly [digest: string, size: number]> | undefined => {
  const call = storage.parseTransaction({ data })
  if (call?.name !== "addFileChunk" && call?.name !== "addFileChunks") return undefined
  const args = call.args.toArray(true)
  const { chunks, digests, sizes } = Schema.decodeUnknownSync(Added)(
    call.name === "addFileChunk"
      ? { chunks: [args[0]], digests: [args[4]], sizes: [args[5]] }
      : { chunks: args[0], digests: args[4], sizes: args[5] }
  )
  const place = chunks.findIndex((cid) => digestOfBytes(cid) === chunk)
  const found = digests[place]
  return found?.map((digest, index) => [digest.slice(2), Number(sizes[place]?.[index] ?? 0)] as const)
}
