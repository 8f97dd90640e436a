/** Files as the Storage contract has them, and the transactions that change them. Names are those on the wire. */
import { Context, DateTime, Effect, Layer, Option } from "effect"
import { hexlify, ZeroHash } from "ethers"
import { accessManager, commitFileTopic, createFileTopic, deleteFileTopic, storage } from "../Abi.ts"
import { bucketId } from "../BucketId.ts"
import type { MinedTransaction } from "../Buckets.ts"
import { Chain } from "../Chain.ts"
import * as Cid from "../encoding/Cid.ts"
import { type ContractError, RpcError, type UnknownRevert } from "../Errors.ts"
import { fileId } from "../FileId.ts"
import type { Prepared } from "../Wallet.ts"
import type { BlockSize } from "./BlockMessages.ts"

export interface OnChainChunk {
  readonly cid: Cid.Cid
  /** Bytes of all its blocks. */
  readonly encodedSize: number
  /** Bit n says that block n is filled. */
  readonly filled: number
}

export interface OnChainFile {
  /** 0x and 64 lower-case hex digits. */
  readonly id: string
  /** None until the file is committed; then sizes are those it was committed with. */
  readonly rootCid: Option.Option<Cid.Cid>
  readonly actualSize: number
  readonly encodedSize: number
  readonly createdAt: DateTime.Utc
  readonly chunks: ReadonlyArray<OnChainChunk>
}

/** What a transaction does to a file. */
export type FileChange = "create" | "commit" | "delete"

/** A chunk as a transaction adds it. */
export interface AddedChunk {
  readonly index: number
  readonly cid: Cid.Cid
  readonly encodedSize: number
  readonly blocks: ReadonlyArray<BlockSize>
}

interface Named {
  /** 0x and 64 hex digits. */
  readonly bucketId: string
  readonly name: string
}

type Refused = ContractError | UnknownRevert | RpcError

/**
 * Each `prepare…` gives the transaction for `from`, or why the contract would refuse it after what waits to be mined, where the
 * chain's node looks at that. Nothing is sent.
 */
export class FileContract extends Context.Service<FileContract, {
  /** The file in the state after a block, the latest one by default. */
  onChain(of: Named, block?: number): Effect.Effect<Option.Option<OnChainFile>, Refused>
  /** The transaction that last did this to a file, by its id; none where there is none, or the chain's node does not look back far enough. */
  lastTransaction(did: FileChange, fileId: string): Effect.Effect<Option.Option<MinedTransaction>, RpcError>
  hasBucket(of: { readonly bucketName: string; readonly owner: string }): Effect.Effect<boolean, Refused>
  prepareCreate(of: Named & { readonly from: string }): Effect.Effect<Prepared, Refused>
  /**
   * `gasBound` is the limit in gas units where the contract can't be asked, because an earlier chunk waits to be mined and the node does
   * not simulate on what waits.
   */
  prepareChunk(
    of: Named & { readonly from: string; readonly chunk: AddedChunk; readonly gasBound: Option.Option<bigint> }
  ): Effect.Effect<Prepared, Refused>
  prepareCommit(
    of: Named & {
      readonly from: string
      readonly rootCid: Cid.Cid
      readonly actualSize: number
      readonly encodedSize: number
    }
  ): Effect.Effect<Prepared, Refused>
  /** Holds the file's place in the bucket's list, so it is of use until that changes: see `isIndexChanged` of Buckets. */
  prepareDelete(
    of: Named & { readonly from: string; readonly bucketName: string; readonly owner: string }
  ): Effect.Effect<Prepared, Refused>
  preparePublicAccess(
    of: Named & { readonly from: string; readonly isPublic: boolean }
  ): Effect.Effect<Prepared, Refused>
}>()("@akave-async/sdk/FileContract") {
  static readonly layer: Layer.Layer<FileContract, never, Chain> = Layer.effect(
    FileContract,
    Effect.suspend(() => make)
  )
}

const topics = { create: createFileTopic, commit: commitFileTopic, delete: deleteFileTopic }

/** Gas units beyond what a call needs now, because what is mined before it can make it dearer. */
const spareGas = 30_000n

// oxlint-disable-next-line max-lines-per-function -- its calls share one contract
const make = Effect.gen(function*() {
  const { accessAddress, call, chainId, logs, simulate, storageAddress } = yield* Chain

  const view = Effect.fnUntraced(
    function*(
      name: "getBucketByName" | "getFileByName" | "getFileIndexById",
      args: ReadonlyArray<unknown>,
      block?: number
    ) {
      const answer = yield* call({ to: storageAddress, data: storage.encodeFunctionData(name, args) }, block)
      return yield* Effect.try({
        try: () => storage.decodeFunctionResult(name, answer),
        catch: () =>
          new RpcError({
            method: "eth_call",
            code: "BAD_DATA",
            details: `there is no Storage contract with files at ${storageAddress} on this chain`
          })
      })
    }
  )

  const onChain = Effect.fn("FileContract.onChain")(function*(of: Named, block?: number) {
    const [file] = yield* view("getFileByName", [of.bucketId, of.name], block)
    return file.id === ZeroHash ? Option.none() : Option.some(yield* toFile(file))
  })

  const lastTransaction: FileContract["Service"]["lastTransaction"] = Effect.fn("FileContract.lastTransaction")(
    function*(did, fileId) {
      const found = yield* logs({ address: storageAddress, topics: [topics[did], fileId] })
      return Option.map(
        Option.fromUndefinedOr(found.at(-1)),
        ({ blockNumber, transactionHash }) => ({ hash: transactionHash, blockNumber })
      )
    }
  )

  const hasBucket: FileContract["Service"]["hasBucket"] = Effect.fn("FileContract.hasBucket")(
    function*({ bucketName, owner }) {
      const [bucket] = yield* view("getBucketByName", [bucketName, owner.toLowerCase(), 0, 0])
      return bucket.id !== ZeroHash
    }
  )

  const prepare = (from: string, to: string, data: string) =>
    Effect.map(
      simulate({ from, to, data }, "pending"),
      (gas): Prepared => ({ to, data, gasLimit: gas + spareGas, chainId })
    )

  const prepareCreate: FileContract["Service"]["prepareCreate"] = Effect.fn("FileContract.prepareCreate")((of) =>
    prepare(of.from, storageAddress, storage.encodeFunctionData("createFile", [of.bucketId, of.name]))
  )

  const prepareChunk: FileContract["Service"]["prepareChunk"] = Effect.fn("FileContract.prepareChunk")((of) => {
    const { chunk, from, gasBound, name } = of
    const data = storage.encodeFunctionData("addFileChunks", [
      [Cid.toBytes(chunk.cid)],
      of.bucketId,
      name,
      [chunk.encodedSize],
      [chunk.blocks.map(({ cid }) => Cid.digest(cid))],
      [chunk.blocks.map(({ size }) => size)],
      chunk.index
    ])
    const prepared = prepare(from, storageAddress, data)
    if (Option.isNone(gasBound)) return prepared
    const bounded: Prepared = { to: storageAddress, data, gasLimit: gasBound.value, chainId }
    return Effect.catchIf(
      prepared,
      (error) => isRefusedAs(error, "FileChunkDuplicate"),
      (error) =>
        Effect.flatMap(onChain(of), (file) =>
          Option.isSome(file) && file.value.chunks.length < chunk.index
            ? Effect.succeed(bounded)
            : Effect.fail(error))
    )
  })

  const prepareCommit: FileContract["Service"]["prepareCommit"] = Effect.fn("FileContract.prepareCommit")((of) => {
    const args = [of.bucketId, of.name, of.encodedSize, of.actualSize, Cid.toBytes(of.rootCid)]
    return prepare(of.from, storageAddress, storage.encodeFunctionData("commitFile", args))
  })

  const prepareDelete: FileContract["Service"]["prepareDelete"] = Effect.fn("FileContract.prepareDelete")(
    function*({ bucketName, from, name, owner, ...of }) {
      const id = fileId(of.bucketId, name)
      const [index] = yield* view("getFileIndexById", [bucketName, id, owner.toLowerCase()])
      return yield* prepare(
        from,
        storageAddress,
        storage.encodeFunctionData("deleteFile", [id, of.bucketId, name, index])
      )
    }
  )

  const preparePublicAccess: FileContract["Service"]["preparePublicAccess"] = Effect.fn(
    "FileContract.preparePublicAccess"
  )(({ from, isPublic, name, ...of }) =>
    prepare(
      from,
      accessAddress,
      accessManager.encodeFunctionData("changePublicAccess", [fileId(of.bucketId, name), isPublic])
    )
  )

  return FileContract.of({
    onChain,
    lastTransaction,
    hasBucket,
    prepareCreate,
    prepareChunk,
    prepareCommit,
    prepareDelete,
    preparePublicAccess
  })
})

/** Whether the contract refused with this error. */
export const isRefusedAs = (
  error: { readonly _tag: string; readonly name?: unknown },
  name: ContractError["name"]
): boolean => error._tag === "ContractError" && error.name === name

/** What every client of the network writes as a CID: one of a dag-pb node, by SHA-256. */
const cidOf = (what: string, bytes: string): Effect.Effect<Cid.Cid, RpcError> =>
  Effect.mapError(
    Effect.fromResult(Cid.fromBytes(Buffer.from(bytes.slice(2), "hex"))),
    () =>
      new RpcError({
        method: "eth_call",
        code: "BAD_DATA",
        details: `the ${what}'s CID ${bytes} is not one of Akave's`
      })
  )

interface FileTuple {
  readonly id: string
  readonly fileCID: string
  readonly encodedSize: bigint
  readonly actualSize: bigint
  readonly createdAt: bigint
  readonly chunks: {
    readonly chunkCIDs: ReadonlyArray<string>
    readonly chunkSize: ReadonlyArray<bigint>
    readonly fulfilledBlocks: ReadonlyArray<bigint>
  }
}

const toFile = Effect.fnUntraced(function*(file: FileTuple) {
  const { chunkCIDs, chunkSize, fulfilledBlocks } = file.chunks
  const chunks = yield* Effect.forEach(
    chunkCIDs,
    (bytes, n) =>
      Effect.map(cidOf(`chunk ${n}`, hexlify(bytes)), (cid): OnChainChunk => ({
        cid,
        encodedSize: Number(chunkSize[n] ?? 0n),
        filled: Number(fulfilledBlocks[n] ?? 0n)
      }))
  )
  return {
    id: file.id,
    rootCid: file.fileCID === "0x" ? Option.none() : Option.some(yield* cidOf("file", file.fileCID)),
    actualSize: Number(file.actualSize),
    encodedSize: Number(file.encodedSize),
    createdAt: DateTime.makeUnsafe(Number(file.createdAt) * 1_000),
    chunks
  } satisfies OnChainFile
})

/** The ids that a file's names give. */
export const named = (bucketName: string, owner: string, name: string): Named => ({
  bucketId: bucketId(bucketName, owner),
  name
})
