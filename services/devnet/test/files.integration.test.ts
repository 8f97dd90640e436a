import { assert, describe, layer } from "@effect/vitest"
import { Effect } from "effect"
import {
  AbiCoder,
  concat,
  id as keccakOf,
  Interface,
  solidityPackedKeccak256,
  Wallet,
  ZeroAddress,
  ZeroHash
} from "ethers"
import { Anvil } from "../src/Anvil.ts"
import {
  batchOf,
  blockOf,
  bucketIdOf,
  call,
  Chain,
  chunkOf,
  cid,
  contracts,
  developerAccount,
  fileIdOf,
  filesOf,
  indexPanic,
  nobody,
  panic,
  revertOf,
  selector,
  send,
  signed,
  storageInterface,
  storeChunk,
  type Target,
  text,
  user,
  view
} from "./devnet.ts"

const zeroFile = [ZeroHash, "0x", ZeroHash, "", 0n, 0n, 0n, [[], [], []]]
const addressTopic = (address: string) => `0x${address.slice(2).toLowerCase().padStart(64, "0")}`

const listOf = (storage: Target, owner: string) =>
  Effect.map(
    call(nobody, storage, "getBucketByName", ["bucket", owner, 0, 100]),
    ([bucket]): unknown => bucket.files.toArray()
  )

layer(Chain)((it) => {
  describe("files", () => {
    it.effect("are kept with name, bucket and time, and reported in an event", () =>
      Effect.gen(function*() {
        const { provider } = yield* Anvil
        const { bucketId, idOf, owner, storage } = yield* filesOf()
        const id = idOf("my-file.txt")
        assert.strictEqual((yield* call(owner.address, storage, "createFile", [bucketId, "my-file.txt"]))[0], id)
        const receipt = yield* send(owner, storage, "createFile", [bucketId, "my-file.txt"])
        assert.deepStrictEqual(receipt.logs.map(({ data, topics }) => [data, ...topics]), [[
          addressTopic(owner.address),
          keccakOf("CreateFile(bytes32,bytes32,string,address)"),
          id,
          bucketId,
          keccakOf("my-file.txt")
        ]])
        const block = yield* Effect.promise(() => provider.getBlock(receipt.blockNumber))
        const file = [id, "0x", bucketId, "my-file.txt", 0n, BigInt(block?.timestamp ?? 0), 0n, [[], [], []]]
        assert.deepStrictEqual(yield* view(storage, "getFileById", id), file)
        assert.deepStrictEqual(yield* view(storage, "getFileByName", bucketId, "my-file.txt"), file)
        assert.deepStrictEqual(
          yield* view(storage, "getFullFileInfo", "bucket", "my-file.txt", bucketId, owner.address),
          [file, 0n, true]
        )
        assert.deepStrictEqual(yield* view(storage, "getFileIndexById", "bucket", id, owner.address), [0n, true])
        assert.strictEqual(yield* view(storage, "getFileOwner", id), owner.address)
        assert.deepStrictEqual(yield* listOf(storage, owner.address), [id])
        // On the Akave network: 183,000.
        assert.approximately(Number(receipt.gasUsed), 170_000, 17_000)
      }))

    // The packed hashes are what clients compute, and this bucket and file are published examples.
    it.effect("have the ids that clients derive", () =>
      Effect.gen(function*() {
        const { provider } = yield* Anvil
        const { storage } = yield* contracts
        const wallet = new Wallet(developerAccount(0).privateKey, provider)
        const owner = wallet.address
        assert.strictEqual(owner, "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266")
        const bucketId = bucketIdOf("my-bucket", owner)
        assert.strictEqual(bucketId, "0xa1d6970fbfcf02a0e7e25a720385007de3f56157f22707f211435459671aeb80")
        const fileId = "0xd36f789c2e49f24163a28775fdafa9603b354ec83b9cc9fd8ff1f0d3c6a7cd55"
        assert.strictEqual(fileIdOf(bucketId, "my-file.txt"), fileId)
        assert.strictEqual(
          fileIdOf("0xc10fad62c0224052065576135ed2ae4d85d34432b4fb40796eadd9a991f064b9", "file1"),
          "0xeea1eddf9f4be315e978c6d0d25d1b870ec0162ebf0acf173f47b738ff0cb421"
        )
        yield* send(wallet, storage, "createBucket", ["my-bucket"])
        assert.strictEqual((yield* call(owner, storage, "createFile", [bucketId, "my-file.txt"]))[0], fileId)
      }))

    it.effect("may have any name: empty, long, or not even text", () =>
      Effect.gen(function*() {
        const { provider } = yield* Anvil
        const { bucketId, owner, storage } = yield* filesOf("", "x".repeat(300))
        const name = "0x00ff80c328fe"
        const data = concat([
          storageInterface.getFunction("createFile")?.selector ?? "0x",
          AbiCoder.defaultAbiCoder().encode(["bytes32", "bytes"], [bucketId, name])
        ])
        yield* Effect.promise(async () => {
          const sent = await owner.sendTransaction({ to: storage.address, data })
          await provider.send("evm_mine", [])
          await sent.wait()
        })
        const id = solidityPackedKeccak256(["bytes32", "bytes"], [bucketId, name])
        // The name as bytes, whose encoding is that of a text.
        const asBytes = new Interface([
          "function getFileById(bytes32) view returns (tuple(bytes32, bytes, bytes32, bytes name, uint256, uint256, uint256, tuple(bytes[], uint256[], uint32[])))"
        ])
        const [file] = yield* call(nobody, { address: storage.address, interface: asBytes }, "getFileById", [id])
        assert.strictEqual(file.name, name)
        assert.deepStrictEqual(yield* listOf(storage, owner.address), [
          fileIdOf(bucketId, ""),
          fileIdOf(bucketId, "x".repeat(300)),
          id
        ])
      }))

    it.effect("are created after checks of bucket, caller and name in this order", () =>
      Effect.gen(function*() {
        const { bucketId, delegate, owner, storage } = yield* filesOf("file")
        const stranger = yield* user
        const refusal = (from: string, bucket: string, name: string) =>
          revertOf(from, storage, "createFile", [bucket, name])
        assert.strictEqual(yield* refusal(stranger.address, ZeroHash, "file"), selector("BucketNonexists"))
        assert.strictEqual(yield* refusal(stranger.address, bucketId, "file"), selector("BucketInvalidOwner"))
        assert.strictEqual(yield* refusal(owner.address, bucketId, "file"), selector("FileAlreadyExists"))
        assert.strictEqual(yield* refusal(delegate.address, bucketId, "file"), selector("FileAlreadyExists"))
        assert.strictEqual(yield* refusal(delegate.address, bucketId, "other"), "no revert")
      }))

    it.effect("are zeros where there are none, and complete", () =>
      Effect.gen(function*() {
        const { bucketId, idOf, owner, storage } = yield* filesOf("file")
        assert.deepStrictEqual(yield* view(storage, "getFileById", idOf("none")), zeroFile)
        assert.deepStrictEqual(yield* view(storage, "getFileByName", bucketId, "none"), zeroFile)
        assert.deepStrictEqual(
          yield* view(storage, "getFullFileInfo", "bucket", "none", bucketId, owner.address),
          [zeroFile, 0n, false]
        )
        assert.deepStrictEqual(yield* view(storage, "getFileIndexById", "bucket", idOf("none"), owner.address), [
          0n,
          false
        ])
        assert.strictEqual(yield* view(storage, "getFileOwner", idOf("none")), ZeroAddress)
        for (const name of ["none", "file"]) {
          assert.strictEqual(yield* view(storage, "isFileFilled", idOf(name)), true)
          assert.strictEqual(yield* view(storage, "isFileFilledV2", idOf(name)), true)
          assert.strictEqual(yield* view(storage, "fileFillCounter", idOf(name)), 0n)
          assert.strictEqual(yield* view(storage, "fileRewardClaimed", idOf(name)), false)
          assert.strictEqual(yield* revertOf(nobody, storage, "getChunkByIndex", [idOf(name), 0]), indexPanic)
          assert.strictEqual(yield* revertOf(nobody, storage, "isBlockFilled", [idOf(name), 0, 0]), indexPanic)
          assert.strictEqual(yield* revertOf(nobody, storage, "isChunkFilled", [idOf(name), 0]), panic("11"))
        }
      }))

    it.effect("are not in another bucket", () =>
      Effect.gen(function*() {
        const { bucketId, idOf, owner, storage } = yield* filesOf("first", "file")
        yield* send(owner, storage, "createBucket", ["other"])
        assert.deepStrictEqual(yield* view(storage, "getFileIndexById", "bucket", idOf("file"), owner.address), [
          1n,
          true
        ])
        for (const [bucket, of] of [["other", owner.address], ["bucket", nobody]] as const) {
          assert.deepStrictEqual(yield* view(storage, "getFileIndexById", bucket, idOf("file"), of), [0n, false])
          const [[id], ...place] = yield* call(nobody, storage, "getFullFileInfo", [bucket, "file", bucketId, of])
          assert.deepStrictEqual([id, ...place], [idOf("file"), 0n, false])
        }
      }))
  })

  describe("commitFile", () => {
    const chunk = chunkOf("chunk", 2)

    it.effect("keeps sizes and CID, and reports it in an event", () =>
      Effect.gen(function*() {
        const { bucketId, idOf, owner, storage } = yield* filesOf("file")
        yield* storeChunk(owner, storage, bucketId, "file", chunkOf("first"))
        yield* storeChunk(owner, storage, bucketId, "file", chunk, 1)
        const size = 34 * 1_000_014
        const parameters = [bucketId, "file", size, 5, cid("file")]
        assert.strictEqual((yield* call(owner.address, storage, "commitFile", parameters))[0], idOf("file"))
        const receipt = yield* send(owner, storage, "commitFile", parameters)
        assert.deepStrictEqual(receipt.logs.map(({ data, topics }) => [data, ...topics]), [[
          addressTopic(owner.address),
          keccakOf("CommitFile(bytes32,bytes32,string,address)"),
          idOf("file"),
          bucketId,
          keccakOf("file")
        ]])
        // On the Akave network, which pays a reward beside it: 160,000 to 240,000.
        assert.isBelow(Number(receipt.gasUsed), 240_000)
        const [file] = yield* call(nobody, storage, "getFileById", [idOf("file")])
        assert.deepStrictEqual([file.encodedSize, file.actualSize, file.fileCID], [BigInt(size), 5n, cid("file")])
        assert.deepStrictEqual(file.chunks.toArray(true), [
          [cid("first"), cid("chunk")],
          [BigInt(32 * 1_000_014), BigInt(2 * 1_000_014)],
          [0xffffffffn, 3n]
        ])
        assert.strictEqual(yield* view(storage, "fileRewardClaimed", idOf("file")), true)
      }))

    it.effect("checks bucket, caller, an earlier commit, blocks, CID and size in this order", () =>
      Effect.gen(function*() {
        const { bucketId, delegate, owner, storage } = yield* filesOf("committed", "filled", "unfilled", "empty")
        const stranger = yield* user
        for (const name of ["committed", "filled"]) yield* storeChunk(owner, storage, bucketId, name, chunk)
        yield* send(owner, storage, "commitFile", [bucketId, "committed", chunk.size, 5, cid("file")])
        yield* send(owner, storage, "addFileChunks", batchOf(bucketId, "unfilled", [chunk]))
        const refusal = (from: string, name: string, fileCID: string, size: number, bucket = bucketId) =>
          revertOf(from, storage, "commitFile", [bucket, name, size, 5, fileCID])

        // Each call also breaks every rule that comes after the one it is refused by.
        assert.strictEqual(
          yield* refusal(stranger.address, "committed", "0x", 1, ZeroHash),
          selector("BucketNonexists")
        )
        assert.strictEqual(yield* refusal(stranger.address, "committed", "0x", 1), selector("BucketInvalidOwner"))
        assert.strictEqual(yield* refusal(owner.address, "committed", "0x", 1), selector("FileFullyUploaded"))
        assert.strictEqual(yield* refusal(owner.address, "unfilled", "0x", 1), selector("FileNotFilled"))
        assert.strictEqual(yield* refusal(owner.address, "filled", "0x", 1), selector("InvalidFileCID"))
        for (const size of [0, chunk.size - 1, chunk.size + 1]) {
          assert.strictEqual(yield* refusal(owner.address, "filled", cid("file"), size), selector("InvalidEncodedSize"))
        }
        // Without chunks no size is right.
        for (const name of ["empty", "none"]) {
          for (const size of [0, 1]) {
            assert.strictEqual(yield* refusal(owner.address, name, cid("file"), size), selector("InvalidEncodedSize"))
          }
        }
        for (const from of [owner, delegate]) {
          assert.strictEqual(yield* refusal(from.address, "filled", cid("file"), chunk.size), "no revert")
        }
      }))
  })

  describe("deleteFile", () => {
    const chunk = chunkOf("chunk", 2)

    it.effect("puts the last file into the hole", () =>
      Effect.gen(function*() {
        const { bucketId, idOf, owner, storage } = yield* filesOf("a", "b", "c")
        const remove = (name: string, index: number) => [idOf(name), bucketId, name, index]
        assert.strictEqual((yield* call(owner.address, storage, "deleteFile", remove("a", 0)))[0], true)
        const receipt = yield* send(owner, storage, "deleteFile", remove("a", 0))
        assert.deepStrictEqual(receipt.logs.map(({ data, topics }) => [data, ...topics]), [[
          addressTopic(owner.address),
          keccakOf("DeleteFile(bytes32,bytes32,string,address)"),
          idOf("a"),
          bucketId,
          keccakOf("a")
        ]])
        const places = Effect.forEach(
          ["a", "b", "c"],
          (name) => view(storage, "getFileIndexById", "bucket", idOf(name), owner.address)
        )
        assert.deepStrictEqual(yield* listOf(storage, owner.address), [idOf("c"), idOf("b")])
        assert.deepStrictEqual(yield* places, [[0n, false], [1n, true], [0n, true]])
        yield* send(owner, storage, "deleteFile", remove("b", 1))
        assert.deepStrictEqual(yield* places, [[0n, false], [0n, false], [0n, true]])
        yield* send(owner, storage, "createFile", [bucketId, "a"])
        assert.deepStrictEqual(yield* listOf(storage, owner.address), [idOf("c"), idOf("a")])
        assert.deepStrictEqual(yield* places, [[1n, true], [0n, false], [0n, true]])
        yield* send(owner, storage, "deleteFile", remove("a", 1))
        yield* send(owner, storage, "deleteFile", remove("c", 0))
        assert.deepStrictEqual(yield* listOf(storage, owner.address), [])
        assert.strictEqual(
          yield* revertOf(owner.address, storage, "deleteBucket", [bucketId, "bucket", 0]),
          "no revert"
        )
      }))

    it.effect("checks bucket, caller, file, name and place in this order", () =>
      Effect.gen(function*() {
        const { bucketId, delegate, idOf, owner, storage } = yield* filesOf("a", "b")
        yield* send(owner, storage, "createBucket", ["other"])
        const other = bucketIdOf("other", owner.address)
        const stranger = yield* user
        const refusal = (from: string, id: string, name: string, index: number, bucket = bucketId) =>
          revertOf(from, storage, "deleteFile", [id, bucket, name, index])

        // Each call also breaks every rule that comes after the one it is refused by.
        assert.strictEqual(
          yield* refusal(stranger.address, idOf("none"), "a", 7, ZeroHash),
          selector("BucketNonexists")
        )
        assert.strictEqual(yield* refusal(stranger.address, idOf("none"), "a", 7), selector("BucketInvalidOwner"))
        assert.strictEqual(yield* refusal(owner.address, idOf("none"), "a", 7), selector("FileNotExists"))
        assert.strictEqual(yield* refusal(owner.address, idOf("b"), "a", 7), selector("FileInvalid"))
        assert.strictEqual(yield* refusal(owner.address, idOf("b"), "b", 7, other), selector("FileInvalid"))
        for (const index of [0, 2, 7]) {
          assert.strictEqual(yield* refusal(owner.address, idOf("b"), "b", index), selector("IndexMismatch"))
        }
        for (const from of [owner, delegate]) {
          assert.strictEqual(yield* refusal(from.address, idOf("b"), "b", 1), "no revert")
        }
      }))

    it.effect("leaves nothing to a file of the same name, except peers, used nonces and the reward", () =>
      Effect.gen(function*() {
        const { bucketId, delegate, idOf, owner, storage } = yield* filesOf("file")
        const id = idOf("file")
        const { blocks } = yield* storeChunk(owner, storage, bucketId, "file", chunk)
        yield* send(owner, storage, "commitFile", [bucketId, "file", chunk.size, 5, cid("file")])
        yield* send(delegate, storage, "deleteFile", [id, bucketId, "file", 0])
        assert.deepStrictEqual(yield* view(storage, "getFileById", id), zeroFile)
        assert.strictEqual(yield* view(storage, "fileFillCounter", id), 0n)

        const receipt = yield* send(delegate, storage, "createFile", [bucketId, "file"])
        assert.strictEqual(receipt.logs[0]?.data, addressTopic(delegate.address))
        assert.strictEqual(yield* revertOf(owner.address, storage, "fillChunkBlocks", [blocks]), indexPanic)
        // The chunk before was the last one of its file.
        const full = chunkOf("chunk")
        yield* send(owner, storage, "addFileChunks", batchOf(bucketId, "file", [full, chunk]))
        const [file] = yield* call(nobody, storage, "getFileById", [id])
        assert.deepStrictEqual(file.chunks.fulfilledBlocks.toArray(), [0n, 0n])
        assert.deepStrictEqual([file.fileCID, file.encodedSize, file.actualSize], ["0x", 0n, 0n])
        assert.strictEqual(yield* view(storage, "isFileFilled", id), false)

        // The chunk has its CID again, so what was signed for it is signed for this one too.
        assert.strictEqual(
          yield* revertOf(owner.address, storage, "fillChunkBlocks", [blocks]),
          text("Nonce already used")
        )
        const again = yield* signed(owner, storage, full, blockOf(bucketId, "file", full, 0, 0))
        assert.strictEqual(yield* revertOf(owner.address, storage, "fillChunkBlock", [again]), "no revert")

        yield* send(owner, storage, "deleteFile", [id, bucketId, "file", 0])
        yield* send(owner, storage, "deleteBucket", [bucketId, "bucket", 0])
        const peers = yield* view(storage, "getBlockPeersOfChunk", chunk.blocks, id, 0)
        assert.deepStrictEqual(peers, blocks.map(({ nodeId }) => nodeId))
        assert.strictEqual(yield* view(storage, "fileRewardClaimed", id), true)
      }))
  })
})
