import { assert, it, layer } from "@effect/vitest"
import { Effect } from "effect"
import {
  concat,
  hexlify,
  id as keccakOf,
  N,
  Signature,
  toBeHex,
  TypedDataEncoder,
  verifyTypedData,
  type Wallet,
  ZeroHash
} from "ethers"
import { Anvil } from "../src/Anvil.ts"
import {
  batchOf,
  type Block,
  blockOf,
  blockTypes,
  bucketIdOf,
  call,
  Chain,
  chunkOf,
  developerAccount,
  digest,
  domainOf,
  errorData,
  filesOf,
  indexPanic,
  later,
  nobody,
  nodeId,
  peerBlockIdOf,
  revertOf,
  selector,
  send,
  signed,
  storageInterface,
  storeChunk,
  text,
  user,
  view
} from "./devnet.ts"

// Published examples, signed by the first developer account.
const examples = [
  {
    verifyingContract: "0x4e7B1E9c3214C973Ff2fc680A9789E8579a5eD9d",
    chunkCID: "0x86b258127d599eb74c729f97",
    blockCID: "0xc00612ae8af29b5437ba40df50c46c0175c69b6dc3b3014ed19bda51e318f0f3",
    nodeId: "0x5a604f924e185f6ec5754156e331e9d52df8a669de7e1a060b90e636e0e9e818",
    nonce: 3456789012n,
    deadline: 1759859212n,
    bucketId: "0x930c2de1e6a9a0726f2d7bde19428453d9fdc11fa5c98205ce9b9e794bbd93a2",
    signature:
      "0x726683359604ffe042e73afd7adef9b7f6e13ffd0078999d31bd1cc8c119e1e8324d44cffdc2f771912e500c522082ee94e5f30ac5844c06497e3c49dab8b6de1b"
  },
  {
    verifyingContract: "0x23618e81E3f5cdF7f54C3d65f7FBc0aBf5B21E8f",
    chunkCID: "0xedf5fb5fdd325e462cd806f2",
    blockCID: "0xfbeeb197dd90574c97d5993fab0610403197db0f18133033755ec39cab7596c9",
    nodeId: "0x3a59ed631290287c86c90777b2d45926c1a860b1e90828963358d72fa8834389",
    nonce: 2345678901n,
    deadline: 1759862780n,
    bucketId: "0x95f7f023dbf92b2ab036280c44037485c0deec1d854046443bae8ae16c37bc86",
    signature:
      "0x47569b36d69bde9e8953cc8c6a01599f0a307850d25e9101c4b1338fbf562d58017bd4ecae535eb330ea7c7ca710fb0055d9d3697e2ebc18902aa32d252eb7361c"
  }
]

it("what these tests sign is what the published examples sign", async () => {
  const account = developerAccount(0)
  for (const { signature, verifyingContract, ...value } of examples) {
    const message = { ...value, chunkIndex: 0, blockIndex: 0 }
    const domain = domainOf(verifyingContract)
    assert.strictEqual(await account.signTypedData(domain, blockTypes, message), signature)
    assert.strictEqual(verifyTypedData(domain, blockTypes, message, signature), account.address)
  }
  assert.strictEqual(
    keccakOf(TypedDataEncoder.from(blockTypes).encodeType("StorageData")),
    "0x75964e579626783cd6e4cf1c13a9369da1fec3e3ef3b71e8dd962dceb5cfefd6"
  )
})

const wrongSigner = text("Invalid signature: Not signed by bucket owner")

layer(Chain)("blocks", (it) => {
  it.effect("have signatures of this domain", () =>
    Effect.gen(function*() {
      const { storage } = yield* filesOf()
      assert.deepStrictEqual(yield* view(storage, "eip712Domain"), [
        "0x0f",
        "Storage",
        "1",
        31337n,
        storage.address,
        ZeroHash,
        []
      ])
    }))

  it.effect("are filled by anybody, with the peer before the block in the events", () =>
    Effect.gen(function*() {
      const { bucketId, idOf, owner, storage } = yield* filesOf("file")
      const id = idOf("file")
      const [first, last] = [chunkOf("first"), chunkOf("last", 2)]
      yield* send(owner, storage, "addFileChunks", batchOf(bucketId, "file", [first, last]))
      const node = yield* user
      const fill = Effect.fnUntraced(function*(blockIndex: number) {
        const block = yield* signed(owner, storage, last, blockOf(bucketId, "file", last, 1, blockIndex))
        return yield* send(node, storage, "fillChunkBlock", [block])
      })
      const state = Effect.forEach(
        [
          ["isBlockFilled", id, 0, 1],
          ["isBlockFilled", id, 1, 1],
          ["isBlockFilled", id, 2, 1],
          ["isChunkFilled", id, 1],
          ["isFileFilled", id],
          ["isFileFilledV2", id],
          ["fileFillCounter", id]
        ] as const,
        ([name, ...parameters]) => view(storage, name, ...parameters)
      )

      const receipt = yield* fill(1)
      const blockCID = last.blocks[1] ?? ""
      const peerBlockId = peerBlockIdOf(id, 1, 1, blockCID)
      assert.deepStrictEqual(receipt.logs.map(({ data, topics }) => [data, ...topics]), [
        ["0x", keccakOf("AddPeerBlock(bytes32,bytes32)"), peerBlockId, nodeId],
        [
          concat([blockCID, nodeId]),
          keccakOf("FillChunkBlock(bytes32,uint256,uint256,bytes32,bytes32)"),
          id,
          toBeHex(1, 32),
          toBeHex(1, 32)
        ]
      ])
      // On the Akave network, which pays a reward beside it: 139,000 to 174,000.
      assert.isBelow(Number(receipt.gasUsed), 174_000)
      assert.strictEqual(yield* view(storage, "getPeerByPeerBlock", peerBlockId), nodeId)
      assert.deepStrictEqual(yield* state, [false, true, false, false, false, false, 0n])
      yield* fill(0)
      assert.deepStrictEqual(yield* state, [true, true, false, true, false, false, 1n])

      const blocks = yield* Effect.forEach(
        first.blocks,
        (_, index) => signed(owner, storage, first, blockOf(bucketId, "file", first, 0, index))
      )
      const receipts = yield* Effect.forEach([blocks.slice(1), blocks.slice(0, 1)], (part) =>
        send(node, storage, "fillChunkBlocks", [part]))
      assert.deepStrictEqual(
        receipts.map(({ logs }) =>
          logs.length
        ),
        [62, 2]
      )
      assert.deepStrictEqual(yield* state, [true, true, false, true, true, true, 2n])
      const [file] = yield* call(nobody, storage, "getFileById", [id])
      assert.deepStrictEqual(file.chunks.fulfilledBlocks.toArray(), [0xffffffffn, 3n])
    }))

  // On the Akave network: 2,430,000.
  it.effect("of a whole chunk cost no more than on the Akave network", () =>
    Effect.gen(function*() {
      const { bucketId, owner, storage } = yield* filesOf("my-file.txt")
      const { receipt } = yield* storeChunk(owner, storage, bucketId, "my-file.txt", chunkOf("chunk"))
      assert.isAtMost(Number(receipt.gasUsed), 2_430_000)
    }))

  it.effect("are filled after checks of chunk, deadline, signature, nonce, index and place in this order", () =>
    Effect.gen(function*() {
      const { bucketId, delegate, owner, storage } = yield* filesOf("file", "full")
      const [chunk, full] = [chunkOf("chunk", 2), chunkOf("full")]
      yield* send(owner, storage, "addFileChunks", batchOf(bucketId, "file", [chunk]))
      yield* send(owner, storage, "addFileChunks", batchOf(bucketId, "full", [full]))
      const filled = yield* signed(owner, storage, chunk, blockOf(bucketId, "file", chunk, 0, 0))
      yield* send(owner, storage, "fillChunkBlock", [filled])
      const refusal = (block: Block) => revertOf(nobody, storage, "fillChunkBlock", [block])
      const signedBy = (by: Wallet, block: Partial<Block>, of = chunk) =>
        Effect.flatMap(signed(by, storage, of, { ...filled, ...block }), refusal)
      const { nonce } = blockOf(bucketId, "file", chunk, 0, 0)

      // Each call also breaks every rule that comes after the one it is refused by, as far as the signature lets it.
      const used = { ...filled, blockIndex: 40 }
      for (const missing of [{ fileName: "none" }, { chunkIndex: 1 }, { bucketId: ZeroHash }]) {
        assert.strictEqual(yield* refusal({ ...used, deadline: 1n, signature: "0x", ...missing }), indexPanic)
      }
      assert.strictEqual(yield* refusal({ ...used, deadline: 1n, signature: "0x" }), text("Signature expired"))
      assert.strictEqual(
        yield* refusal({ ...used, signature: "0x" }),
        errorData("ECDSAInvalidSignatureLength(uint256)", 0)
      )
      assert.strictEqual(yield* refusal(used), wrongSigner)
      assert.strictEqual(yield* signedBy(delegate, used), wrongSigner)
      assert.strictEqual(yield* signedBy(owner, used), text("Nonce already used"))
      assert.strictEqual(yield* refusal(filled), text("Nonce already used"))
      // The Akave network refuses from 32 on, a devnet from the number of the chunk's blocks on.
      for (const blockIndex of [2, 31, 32, 255]) {
        assert.strictEqual(yield* signedBy(owner, { nonce, blockIndex }), selector("InvalidBlockIndex"))
      }
      assert.strictEqual(
        yield* signedBy(owner, { nonce, fileName: "full", blockIndex: 32 }, full),
        selector("InvalidBlockIndex")
      )
      assert.strictEqual(yield* signedBy(owner, { nonce, fileName: "full", blockIndex: 31 }, full), "no revert")
      assert.strictEqual(yield* signedBy(owner, { nonce }), selector("BlockAlreadyFilled"))
      assert.strictEqual(yield* signedBy(owner, { nonce, blockIndex: 1 }), "no revert")
      // Whether a block is one of the chunk's is not checked.
      assert.strictEqual(yield* signedBy(owner, { nonce, blockIndex: 1, blockCID: digest("other") }), "no revert")
    }))

  it.effect("are refused after their deadline, not at it", () =>
    Effect.gen(function*() {
      const { rpc } = yield* Anvil
      const { bucketId, owner, storage } = yield* filesOf("file")
      const chunk = chunkOf("chunk", 1)
      yield* send(owner, storage, "addFileChunks", batchOf(bucketId, "file", [chunk]))
      const block = yield* signed(owner, storage, chunk, blockOf(bucketId, "file", chunk, 0, 0))
      const data = storageInterface.encodeFunctionData("fillChunkBlock", [block])
      const at = (time: bigint) =>
        Effect.result(rpc("eth_call", [{ to: storage.address, data }, "latest", {}, { time: toBeHex(time) }]))
      assert.strictEqual((yield* at(later))._tag, "Success")
      assert.strictEqual((yield* at(later + 1n))._tag, "Failure")
      assert.strictEqual(
        yield* revertOf(nobody, storage, "fillChunkBlock", [{ ...block, deadline: 0n }]),
        text("Signature expired")
      )
    }))

  it.effect("are refused where anything signed differs", () =>
    Effect.gen(function*() {
      const { bucketId, owner, storage } = yield* filesOf("file", "copy", "other")
      const otherBucket = bucketIdOf("other bucket", owner.address)
      const chunk = chunkOf("chunk", 3)
      yield* send(owner, storage, "createBucket", ["other bucket"])
      yield* send(owner, storage, "createFile", [otherBucket, "file"])
      for (const [bucket, name] of [[bucketId, "file"], [bucketId, "copy"], [otherBucket, "file"]] as const) {
        yield* send(owner, storage, "addFileChunks", batchOf(bucket, name, [chunk]))
      }
      yield* send(owner, storage, "addFileChunks", batchOf(bucketId, "other", [chunkOf("other", 3)]))
      yield* send(owner, storage, "createFile", [bucketId, "two"])
      const full = chunkOf("chunk")
      yield* send(owner, storage, "addFileChunks", batchOf(bucketId, "two", [full, chunk]))

      const plain = blockOf(bucketId, "file", chunk, 0, 1)
      const block = yield* signed(owner, storage, chunk, plain)
      const refusal = (block: Block) => revertOf(nobody, storage, "fillChunkBlock", [block])
      assert.strictEqual(yield* refusal(block), "no revert")
      // The file is not signed, its chunk is.
      assert.strictEqual(yield* refusal({ ...block, fileName: "copy" }), "no revert")
      const differences: ReadonlyArray<Partial<Block>> = [
        { fileName: "other" },
        { fileName: "two", chunkIndex: 1 },
        { blockCID: digest("other") },
        { blockIndex: 2 },
        { nodeId: digest("other") },
        { nonce: block.nonce + 1n },
        { deadline: block.deadline + 1n },
        { bucketId: otherBucket }
      ]
      for (const difference of differences) {
        assert.strictEqual(yield* refusal({ ...block, ...difference }), wrongSigner, Object.keys(difference).join())
      }
      const message = { ...plain, chunkCID: chunk.cid }
      const domain = domainOf(storage.address)
      for (const other of [{ chainId: 1 }, { verifyingContract: nobody }, { name: "Other" }, { version: "2" }]) {
        const signature = yield* Effect.promise(() => owner.signTypedData({ ...domain, ...other }, blockTypes, message))
        assert.strictEqual(yield* refusal({ ...plain, signature }), wrongSigner)
      }
    }))

  it.effect("are refused where the signature is malformed", () =>
    Effect.gen(function*() {
      const { bucketId, owner, storage } = yield* filesOf("file")
      const chunk = chunkOf("chunk", 1)
      yield* send(owner, storage, "addFileChunks", batchOf(bucketId, "file", [chunk]))
      const block = yield* signed(owner, storage, chunk, blockOf(bucketId, "file", chunk, 0, 0))
      const { compactSerialized, r, s, v } = Signature.from(block.signature)
      const refusal = (signature: string) => revertOf(nobody, storage, "fillChunkBlock", [{ ...block, signature }])
      assert.strictEqual(yield* refusal(concat([r, s, toBeHex(v)])), "no revert")
      for (const [signature, length] of [[compactSerialized, 64], [concat([block.signature, "0x00"]), 66]] as const) {
        assert.strictEqual(yield* refusal(signature), errorData("ECDSAInvalidSignatureLength(uint256)", length))
      }
      // The other signature that belongs to the same key, which anybody can make of the first.
      const highS = toBeHex(N - BigInt(s), 32)
      assert.strictEqual(
        yield* refusal(concat([r, highS, toBeHex(55 - v)])),
        errorData("ECDSAInvalidSignatureS(bytes32)", highS)
      )
      for (const wrong of [0, 1, 26, 29, 255]) {
        assert.strictEqual(
          yield* refusal(concat([r, s, hexlify(Uint8Array.of(wrong))])),
          selector("ECDSAInvalidSignature")
        )
      }
      assert.strictEqual(
        yield* refusal(concat([ZeroHash, toBeHex(1, 32), toBeHex(27)])),
        selector("ECDSAInvalidSignature")
      )
    }))

  it.effect("are filled all or none", () =>
    Effect.gen(function*() {
      const { bucketId, owner, storage } = yield* filesOf("file")
      const chunk = chunkOf("chunk", 3)
      yield* send(owner, storage, "addFileChunks", batchOf(bucketId, "file", [chunk]))
      const [first, second] = yield* Effect.forEach(
        [0, 1],
        (index) => signed(owner, storage, chunk, blockOf(bucketId, "file", chunk, 0, index))
      )
      assert.isDefined(first)
      assert.isDefined(second)
      const refusal = (...blocks: ReadonlyArray<Block>) => revertOf(nobody, storage, "fillChunkBlocks", [blocks])
      assert.strictEqual(yield* refusal(), "no revert")
      assert.strictEqual(yield* refusal(first, second), "no revert")
      assert.strictEqual(yield* refusal(first, { ...second, nodeId: ZeroHash }), wrongSigner)
      assert.strictEqual(yield* refusal(first, first), text("Nonce already used"))
      const sameNonce = yield* signed(owner, storage, chunk, { ...second, nonce: first.nonce })
      assert.strictEqual(yield* refusal(first, sameNonce), text("Nonce already used"))
      const samePlace = yield* signed(owner, storage, chunk, { ...first, nonce: second.nonce })
      assert.strictEqual(yield* refusal(first, samePlace), selector("BlockAlreadyFilled"))
    }))

  it.effect("use up a nonce in their bucket only", () =>
    Effect.gen(function*() {
      const { bucketId, owner, storage } = yield* filesOf("file", "second")
      const other = bucketIdOf("other", owner.address)
      const chunk = chunkOf("chunk", 1)
      yield* send(owner, storage, "createBucket", ["other"])
      yield* send(owner, storage, "createFile", [other, "file"])
      for (const [bucket, name] of [[bucketId, "file"], [bucketId, "second"], [other, "file"]] as const) {
        yield* send(owner, storage, "addFileChunks", batchOf(bucket, name, [chunk]))
      }
      const block = yield* signed(owner, storage, chunk, blockOf(bucketId, "file", chunk, 0, 0))
      yield* send(owner, storage, "fillChunkBlock", [block])
      assert.strictEqual(
        yield* revertOf(nobody, storage, "fillChunkBlock", [{ ...block, fileName: "second" }]),
        text("Nonce already used")
      )
      const elsewhere = yield* signed(owner, storage, chunk, { ...block, bucketId: other })
      assert.strictEqual(yield* revertOf(nobody, storage, "fillChunkBlock", [elsewhere]), "no revert")
    }))

  it.effect("have their peers by their place in the chunk", () =>
    Effect.gen(function*() {
      const { bucketId, idOf, owner, storage } = yield* filesOf("file")
      const chunk = chunkOf("chunk", 2)
      yield* storeChunk(owner, storage, bucketId, "file", chunk)
      const id = idOf("file")
      const [first = "", second = ""] = chunk.blocks
      const peers = (...blocks: ReadonlyArray<string>) => view(storage, "getBlockPeersOfChunk", blocks, id, 0)
      const refusal = (blocks: ReadonlyArray<string>, of = id, index = 0) =>
        revertOf(nobody, storage, "getBlockPeersOfChunk", [blocks, of, index])
      assert.deepStrictEqual(yield* peers(first, second), [nodeId, nodeId])
      assert.deepStrictEqual(yield* peers(first), [nodeId])
      assert.deepStrictEqual(yield* peers(), [])
      assert.strictEqual(yield* refusal([second, first]), selector("NoPeersForCID"))
      assert.strictEqual(yield* refusal([first, second, second]), selector("NoPeersForCID"))
      assert.strictEqual(yield* refusal([first], idOf("none")), selector("NoPeersForCID"))
      assert.strictEqual(yield* refusal([first], id, 1), selector("NoPeersForCID"))
      const many = Array.from({ length: 33 }, () => first)
      assert.strictEqual(yield* refusal(many), selector("TooManyBlockCIDs"))
      assert.strictEqual(yield* refusal(many.slice(1)), selector("NoPeersForCID"))
      assert.strictEqual(yield* view(storage, "getPeerByPeerBlock", ZeroHash), ZeroHash)
    }))
})
