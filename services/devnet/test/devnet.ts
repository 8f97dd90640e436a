import { NodeServices } from "@effect/platform-node"
import { ConfigProvider, Effect, Layer } from "effect"
import {
  HDNodeWallet,
  id as keccakOf,
  Interface,
  isCallException,
  Mnemonic,
  randomBytes,
  solidityPackedKeccak256,
  toBigInt,
  Wallet
} from "ethers"
import { Anvil } from "../src/Anvil.ts"
import accessManagerArtifact from "../src/artifacts/AccessManager.json" with { type: "json" }
import storageArtifact from "../src/artifacts/Storage.json" with { type: "json" }
import { Contracts } from "../src/Contracts.ts"

/** The settings of a devnet on free ports, in place of the environment. */
export const settings = (values: Record<string, string> = {}) =>
  ConfigProvider.layer(ConfigProvider.fromUnknown({
    DEVNET_RPC_PORT: "0",
    DEVNET_NODE_PORT: "0",
    DEVNET_BLOCK_TIME: "0.1",
    ...values
  }))

export const withSettings = <A, E, R>(layer: Layer.Layer<A, E, R>, values?: Record<string, string>) =>
  layer.pipe(Layer.provide(settings(values)))

/** The chain with its contracts, without a node. */
export const Chain = withSettings(
  Contracts.layer.pipe(Layer.provideMerge(Anvil.layer), Layer.provide(NodeServices.layer))
)

export const developerAccount = (index: number) =>
  HDNodeWallet.fromMnemonic(
    Mnemonic.fromPhrase("test test test test test test test test test test test junk"),
    `m/44'/60'/0'/0/${index}`
  )

export const storageInterface = new Interface(storageArtifact.abi)
export const accessInterface = new Interface(accessManagerArtifact.abi)

/** An account that nobody else uses, with coins. */
export const user = Effect.gen(function*() {
  const { provider, rpc } = yield* Anvil
  const wallet = Wallet.createRandom()
  yield* rpc("anvil_setBalance", [wallet.address, "0xd3c21bcecceda1000000"])
  return new Wallet(wallet.privateKey, provider)
})

export interface Target {
  readonly address: string
  readonly interface: Interface
}

/** Sends a transaction, has it mined at once and gives its receipt. */
export const send = (from: Wallet, to: Target, name: string, parameters: ReadonlyArray<unknown>) =>
  Effect.gen(function*() {
    const { provider } = yield* Anvil
    return yield* Effect.promise(async () => {
      const sent = await from.sendTransaction({
        to: to.address,
        data: to.interface.encodeFunctionData(name, parameters)
      })
      await provider.send("evm_mine", [])
      const receipt = await sent.wait()
      if (receipt === null) throw new Error("no receipt")
      return receipt
    })
  })

export const call = (from: string, to: Target, name: string, parameters: ReadonlyArray<unknown>) =>
  Effect.gen(function*() {
    const { provider } = yield* Anvil
    const answer = yield* Effect.promise(() =>
      provider.call({ from, to: to.address, data: to.interface.encodeFunctionData(name, parameters) })
    )
    return to.interface.decodeFunctionResult(name, answer)
  })

/** The revert data of a call that must fail. */
export const revertOf = (from: string, to: Target, name: string, parameters: ReadonlyArray<unknown>) =>
  Effect.gen(function*() {
    const { provider } = yield* Anvil
    return yield* Effect.promise(async () => {
      try {
        await provider.call({ from, to: to.address, data: to.interface.encodeFunctionData(name, parameters) })
      } catch (error) {
        if (isCallException(error)) return error.data
        throw error
      }
      return "no revert"
    })
  })

/** The revert data of an error without arguments. */
export const selector = (name: string) => keccakOf(`${name}()`).slice(0, 10)
/** The revert data of an error with arguments. */
export const errorData = (signature: string, ...values: ReadonlyArray<unknown>) =>
  new Interface([`error ${signature}`]).encodeErrorResult(signature, values)
/** The revert data of an error that is a text. */
export const text = (message: string) => errorData("Error(string)", message)
/** The revert data of a failed check of the language itself. */
export const panic = (code: string) => `0x4e487b71${code.padStart(64, "0")}`
export const indexPanic = panic("32")
export const nobody = "0x00000000000000000000000000000000000000aa"

export const bucketIdOf = (name: string, owner: string) => solidityPackedKeccak256(["string", "address"], [name, owner])
export const fileIdOf = (bucketId: string, name: string) =>
  solidityPackedKeccak256(["bytes32", "string"], [bucketId, name])
export const peerBlockIdOf = (fileId: string, chunkIndex: number, blockIndex: number, blockCID: string) =>
  solidityPackedKeccak256(["bytes32", "uint256", "uint8", "bytes32"], [fileId, chunkIndex, blockIndex, blockCID])

export const contracts = Effect.gen(function*() {
  const { accessAddress, storageAddress } = yield* Contracts
  const storage: Target = { address: storageAddress, interface: storageInterface }
  const access: Target = { address: accessAddress, interface: accessInterface }
  return { storage, access }
})

/** An owner with some buckets. */
export const ownerWith = Effect.fnUntraced(function*(...names: ReadonlyArray<string>) {
  const { access, storage } = yield* contracts
  const owner = yield* user
  for (const name of names) yield* send(owner, storage, "createBucket", [name])
  return { owner, storage, access, idOf: (name: string) => bucketIdOf(name, owner.address) }
})

/** An owner with a bucket that has some files, and a delegate of the owner. */
export const filesOf = Effect.fnUntraced(function*(...names: ReadonlyArray<string>) {
  const { access, idOf, owner, storage } = yield* ownerWith("bucket")
  const bucketId = idOf("bucket")
  const delegate = yield* user
  yield* send(owner, access, "delegateAccess", [bucketId, delegate.address])
  for (const name of names) yield* send(owner, storage, "createFile", [bucketId, name])
  return { owner, delegate, storage, access, bucketId, idOf: (name: string) => fileIdOf(bucketId, name) }
})

/** The answer of a view as plain values: an array where it has more than one. */
export const view = (to: Target, name: string, ...parameters: ReadonlyArray<unknown>) =>
  Effect.map(call(nobody, to, name, parameters), (answer): unknown => {
    const values = answer.toArray(true)
    return values.length === 1 ? values[0] : values
  })

/** As it is signed and as it is kept: the digest in a CID of a block. */
export const digest = (text: string) => keccakOf(text)
/** The CID of a chunk or a file, 36 bytes. */
export const cid = (text: string) => `0x01701220${digest(text).slice(2)}`

export interface Chunk {
  readonly cid: string
  readonly size: number
  readonly blocks: ReadonlyArray<string>
}
/** A chunk whose CID and blocks follow from its name. */
export const chunkOf = (name: string, blocks = 32): Chunk => ({
  cid: cid(name),
  size: blocks * 1_000_014,
  blocks: Array.from({ length: blocks }, (_, index) => digest(`${name} ${index}`))
})
/** What addFileChunks takes. */
export const batchOf = (bucketId: string, fileName: string, chunks: ReadonlyArray<Chunk>, start = 0) => [
  chunks.map(({ cid }) => cid),
  bucketId,
  fileName,
  chunks.map(({ size }) => size),
  chunks.map(({ blocks }) => blocks),
  chunks.map(({ blocks }) => blocks.map(() => 1_000_014)),
  start
]

/** What the owner of a bucket signs for a block. */
export const blockTypes = {
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
export const domainOf = (verifyingContract: string) => ({
  name: "Storage",
  version: "1",
  chainId: 31337,
  verifyingContract
})
export const nodeId = digest("node")

/** The far end of what a test signs. */
export const later = 4_000_000_000n

/** What fillChunkBlock takes for a block of a chunk, without a signature. */
export const blockOf = (bucketId: string, fileName: string, chunk: Chunk, chunkIndex: number, blockIndex: number) => ({
  blockCID: chunk.blocks[blockIndex] ?? digest("none"),
  nodeId,
  bucketId,
  chunkIndex,
  nonce: toBigInt(randomBytes(32)),
  blockIndex,
  fileName,
  signature: "0x",
  deadline: later
})
export type Block = ReturnType<typeof blockOf>

export const signed = (by: Wallet, storage: Target, chunk: Chunk, block: Block) =>
  Effect.promise(async () => ({
    ...block,
    signature: await by.signTypedData(domainOf(storage.address), blockTypes, { ...block, chunkCID: chunk.cid })
  }))

/** Adds a chunk to a file and fills it. */
export const storeChunk = Effect.fnUntraced(function*(
  owner: Wallet,
  storage: Target,
  bucketId: string,
  fileName: string,
  chunk: Chunk,
  chunkIndex = 0
) {
  yield* send(owner, storage, "addFileChunks", batchOf(bucketId, fileName, [chunk], chunkIndex))
  const blocks = yield* Effect.forEach(
    chunk.blocks,
    (_, index) => signed(owner, storage, chunk, blockOf(bucketId, fileName, chunk, chunkIndex, index))
  )
  return { blocks, receipt: yield* send(owner, storage, "fillChunkBlocks", [blocks]) }
})
