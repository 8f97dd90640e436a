/**
 * The test vectors of the storage network, which its own clients pass too. Left out are the two whose input is the stream of Go's `math/rand`,
 * which nothing here makes; their sizes are those of the codings that are tested.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted, Result } from "effect"
import { getAddress, recoverAddress, TypedDataEncoder } from "ethers"
import * as fc from "fast-check"
import { createCipheriv } from "node:crypto"
import * as BlockSignature from "../../src/BlockSignature.ts"
import { bucketId } from "../../src/BucketId.ts"
import { encodeChunk, plaintextPerChunk } from "../../src/encoding/ChunkCodec.ts"
import * as Cid from "../../src/encoding/Cid.ts"
import * as Dag from "../../src/encoding/Dag.ts"
import * as Encryption from "../../src/encoding/Encryption.ts"
import { matrixOf } from "../../src/encoding/ErasureCoding.ts"
import { fileId } from "../../src/FileId.ts"
import { parsePeerId } from "../../src/files/FileNode.ts"
import { Wallet } from "../../src/Wallet.ts"
import { privateKeys } from "../devnet.ts"

const hex = (bytes: Uint8Array | undefined) => Buffer.from(bytes ?? []).toString("hex")
const fromHex = (digits: string) => new Uint8Array(Buffer.from(digits, "hex"))
/** Byte n is n modulo 251. */
const pattern = (length: number) => Uint8Array.from({ length }, (_, n) => n % 251)

const plain = { dataBlocks: 32, parityBlocks: 0 }
const coded = { dataBlocks: 16, parityBlocks: 16 }
const chunksOf = (bytes: Uint8Array, coding: typeof plain) => {
  const size = plaintextPerChunk({ coding, isEncrypted: false })
  return Array.from(
    { length: Math.ceil(bytes.length / size) },
    (_, index) => encodeChunk(bytes.subarray(index * size, (index + 1) * size), { index, coding })
  )
}

describe("blocks, chunks and files", () => {
  it("have the bytes and the CIDs of the network", () => {
    const leaf = Dag.leaf(Uint8Array.of(0, 1, 2, 3))
    assert.strictEqual(hex(leaf), "0a0a08021204000102031804")
    assert.strictEqual(Cid.ofBlock(leaf), "bafybeicctvy32tvo74e2gbwz7soucjycipxm34vh5rw7bop6dscdzqk2ci")
    const blocks = [0, 1].map((byte) => {
      const block = Dag.leaf(Uint8Array.of(byte))
      return { cid: Cid.ofBlock(block), size: block.length }
    })
    assert.strictEqual(Dag.chunkRoot(blocks), "bafybeic4zf4jvutoqpcdtx4o4n4dmuxgayxdh2za3ialdgarfcvkvcr3ka")
    assert.strictEqual(blocks.reduce((sum, { size }) => sum + size, 0), 18)
  })

  const rows = [
    [127, plain, ["bafybeiclouakukigjczjqwtomgrsa5u3pxwthcunxoh76n5z3r3zwm4xce 136"]],
    [1_000_000, plain, ["bafybeibte7iyyhlsl2mhl2q24m5lxbkszmdg2qlidbkofadfkzqtiitlb4 1000014"]],
    [1_000_001, plain, ["bafybeih66wpmhhlmpxzvn2hmi2q6epcdfxynimiekuw456zd2rekxvi4ju 1000023"]],
    [2_000_000, plain, ["bafybeiecw5v52zvhlvksr3fvoygtmhg6l2gjysjpboz3wpdme5negs3h3u 2000028"]],
    [127, coded, ["bafybeig7klnncpzhatsef3ddzl6smpbw7lbklb7ngsj6wn6auqbul6iwny 544"]],
    [2_000_000, coded, ["bafybeiehefp33z6oajal7xiu4bknkrp2ozq7insyrrfdov63teaei3wp4e 4000480"]],
    [33_000_000, plain, [
      "bafybeian7rfjuzgpvap3v6v4gfpkedjkn6pffjx7q2zyq7yx4eoqz6siy4 32000448",
      "bafybeihw2c7bfjxhbgo6bs67mom7dhe7m6tske4frqrlivoladsehzmk4m 1000014"
    ], "bafybeicds7pilkzxrk46tzv2ufxt2dhqo5t76fnbpe4zp6ytt4s75jldb4"],
    [33_000_000, coded, [
      "bafybeibgugarni3yh3x5psgeo7xnoszzknv7d766nkdaxvnhimbhawyilm 32000480",
      "bafybeifm6fjwyprus3qiynx6o5hpymznf7eexgsz4jow4kx7lk45ppox7m 32000480",
      "bafybeies6w4i772buea5y4qbput65n2uereniphr2sqe632h45osfc5e6e 2000480"
    ], "bafybeigxbx45ugdg6ewvlwfiwx6bdrb5nsfuukkdmpv5l35zr5fiibs774"]
  ] as const
  for (const [size, coding, chunks, root] of rows) {
    it(`of ${size} bytes ${coding === coded ? "with" : "without"} parity are those of the network`, () => {
      const encoded = chunksOf(pattern(size), coding)
      assert.deepStrictEqual(encoded.map(({ cid, encodedSize }) => `${cid} ${encodedSize}`), [...chunks])
      if (root !== undefined) assert.strictEqual<string>(Dag.fileRoot(encoded), root)
    })
  }

  it("have these blocks among them", () => {
    const block = (size: number, coding: typeof plain, n: number) => chunksOf(pattern(size), coding)[0]?.blocks[n]?.cid
    assert.strictEqual(block(2_000_000, plain, 1), "bafybeieotfwx7eq2yq6bkpwzismruncezggcjbql7lszl5iwc6li4yzysa")
    assert.strictEqual(block(2_000_000, coded, 0), "bafybeid7hzrglqyqqqpyygxjj5uhepbsezw47ktzsfgeuuyfg2lvflxlsu")
    assert.strictEqual(block(2_000_000, coded, 31), "bafybeibvaeypzmezovtyhoykmfdquamcz6tyz4h7lmau47gwur3wvcxf5m")
  })

  it("are coded by this matrix", () => {
    assert.strictEqual(
      matrixOf(16, 16)[16]?.join(),
      "33,181,246,133,223,2,183,135,62,221,74,164,141,218,97,48"
    )
    const [chunk] = chunksOf(pattern(127), coded)
    const shard = (n: number) =>
      hex(Result.getOrElse(Dag.payloadOf(chunk?.blocks[n]?.data ?? new Uint8Array()), () => undefined))
    assert.deepStrictEqual([0, 16, 31].map(shard), ["000000000000007f00", "2156c92b597982562e", "9178c199fa721b0b21"])
  })
})

describe("encryption", () => {
  const master = Redacted.make(Uint8Array.from({ length: 32 }, (_, n) => n))

  it("derives the keys of the network, and gives its ciphertext", () => {
    const key = Encryption.fileKey(master, "bucket1", "file1")
    assert.strictEqual(hex(key), "9dec459025c675144fea12703d1c00cab354d25d1c6b194e7b121f1be71b5bd4")
    const nonce = Uint8Array.from({ length: 12 }, (_, n) => n)
    const sealed = Buffer.concat([...Encryption.sealChunk(key, 0, Buffer.from("hello"), nonce)])
    assert.strictEqual(hex(sealed), "000102030405060708090a0b9642f7a999be07ab8ce936393ddf2921ed42875049")
    assert.strictEqual(
      Buffer.from(Result.getOrElse(Encryption.openChunk(key, 0, sealed), () => new Uint8Array())).toString(),
      "hello"
    )
    assert.isTrue(Result.isFailure(Encryption.openChunk(key, 1, sealed)), "each place has a key of its own")
    const chunkKeys = [
      "a86f3017fdda45df13526daf0ce3a505cf5836cad513a275618961e058ce1293",
      "56895c56bf1fe0bc6959933742fb21b3b0512ddd290b6cab675293234790182f"
    ]
    for (const [index, chunkKey] of chunkKeys.entries()) {
      const cipher = createCipheriv("aes-256-gcm", fromHex(chunkKey), nonce)
      const expected = [nonce, cipher.update("hello"), cipher.final(), cipher.getAuthTag()]
      assert.strictEqual(
        hex(Buffer.concat([...Encryption.sealChunk(key, index, Buffer.from("hello"), nonce)])),
        hex(Buffer.concat(expected))
      )
    }
  })

  it("brings back any name, under the key and the bucket that it was encrypted with", () => {
    const other = Redacted.make(new Uint8Array(32))
    const names = fc.record({
      bucket: fc.string({ unit: "binary", maxLength: 300 }),
      name: fc.string({ unit: "binary" })
    })
    fc.assert(
      fc.property(names, ({ bucket, name }) => {
        const sealed = Encryption.encryptFileName(master, bucket, name)
        assert.strictEqual(sealed.length, 2 * (28 + Buffer.byteLength(name)))
        assert.deepStrictEqual(Encryption.decryptFileName(master, bucket, sealed), Result.succeed(name))
        for (
          const refused of [
            Encryption.decryptFileName(master, `${bucket}.`, sealed),
            Encryption.decryptFileName(other, bucket, sealed),
            Encryption.decryptFileName(master, bucket, `${sealed.slice(0, -1)}${sealed.endsWith("0") ? "1" : "0"}`)
          ]
        ) assert.instanceOf(Result.getOrUndefined(Result.flip(refused)), Encryption.DecryptionFailed)
        const sealedBucket = Encryption.encryptBucketName(master, bucket)
        assert.deepStrictEqual(Encryption.decryptBucketName(master, sealedBucket), Result.succeed(bucket))
      })
    )
  })

  it("encrypts names as the network does", () => {
    const bucket = Encryption.encryptBucketName(master, "my-bucket")
    const file = Encryption.encryptFileName(master, "my-bucket", "my-file.txt")
    assert.strictEqual(bucket, "30b8b0d87d93157efdabc535b3538a8209f0cd9d6932004b1b62892196ac42167aaef50ad1")
    assert.strictEqual(file, "d1d1aca5cf788ebff947ae166f8f8f9115ecd2d81ef441cbf05a6dc37519884197a49c0f2d7939")
    assert.deepStrictEqual(Encryption.decryptBucketName(master, bucket), Result.succeed("my-bucket"))
    assert.deepStrictEqual(Encryption.decryptFileName(master, "my-bucket", file), Result.succeed("my-file.txt"))
    for (const other of [file, "my-bucket", "", "00", bucket.toUpperCase()]) {
      assert.isTrue(Result.isFailure(Encryption.decryptBucketName(master, other)), other)
    }
  })
})

describe("identifiers", () => {
  it("are those of the contract", () => {
    const ofFirst = bucketId("my-bucket", "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266")
    assert.strictEqual(ofFirst, "0xa1d6970fbfcf02a0e7e25a720385007de3f56157f22707f211435459671aeb80")
    assert.strictEqual(
      fileId(ofFirst, "my-file.txt"),
      "0xd36f789c2e49f24163a28775fdafa9603b354ec83b9cc9fd8ff1f0d3c6a7cd55"
    )
    assert.strictEqual(
      bucketId("test1", "0xd25d1b870ec0162ebf0acf173f47b738ff0cb421"),
      "0x7d8b15e57405638fe772de6bb73b94345deb1f41fa1850654bc1f587a5a6afa7"
    )
    assert.strictEqual(
      fileId("0xc10fad62c0224052065576135ed2ae4d85d34432b4fb40796eadd9a991f064b9", "file1"),
      "0xeea1eddf9f4be315e978c6d0d25d1b870ec0162ebf0acf173f47b738ff0cb421"
    )
  })

  it("of nodes are read in both forms", () => {
    const binary = `002408011220${"07".repeat(32)}`
    assert.strictEqual(hex(parsePeerId("12D3KooWAHoEkEqnKzM5PXFygh2movVBCSX3k8tDsT2cneU68Gyt")), binary)
    for (const bad of ["", "12D3", "QmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWnPbdG", "node-1"]) {
      assert.isUndefined(parsePeerId(bad), bad)
    }
  })
})

describe("signatures of blocks", () => {
  const owner = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"
  const vectors = [
    {
      contract: "0x4e7B1E9c3214C973Ff2fc680A9789E8579a5eD9d",
      chunkCid: "86b258127d599eb74c729f97",
      blockDigest: "c00612ae8af29b5437ba40df50c46c0175c69b6dc3b3014ed19bda51e318f0f3",
      nodeId: "5a604f924e185f6ec5754156e331e9d52df8a669de7e1a060b90e636e0e9e818",
      nonce: 3456789012n,
      deadline: 1759859212,
      bucketId: "930c2de1e6a9a0726f2d7bde19428453d9fdc11fa5c98205ce9b9e794bbd93a2",
      signature: "726683359604ffe042e73afd7adef9b7f6e13ffd0078999d31bd1cc8c119e1e8" +
        "324d44cffdc2f771912e500c522082ee94e5f30ac5844c06497e3c49dab8b6de1b"
    },
    {
      contract: "0x23618e81E3f5cdF7f54C3d65f7FBc0aBf5B21E8f",
      chunkCid: "edf5fb5fdd325e462cd806f2",
      blockDigest: "fbeeb197dd90574c97d5993fab0610403197db0f18133033755ec39cab7596c9",
      nodeId: "3a59ed631290287c86c90777b2d45926c1a860b1e90828963358d72fa8834389",
      nonce: 2345678901n,
      deadline: 1759862780,
      bucketId: "95f7f023dbf92b2ab036280c44037485c0deec1d854046443bae8ae16c37bc86",
      signature: "47569b36d69bde9e8953cc8c6a01599f0a307850d25e9101c4b1338fbf562d58" +
        "017bd4ecae535eb330ea7c7ca710fb0055d9d3697e2ebc18902aa32d252eb7361c"
    }
  ]
  it("are over what EIP-712 has for the type, whatever the block", () => {
    const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length })
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
    const signed = fc.record({
      chainId: fc.bigInt({ min: 1n, max: 2n ** 64n }),
      contract: bytes(20),
      block: fc.record({
        chunkCid: bytes(36),
        blockDigest: bytes(32),
        chunkIndex: fc.nat(),
        blockIndex: fc.nat({ max: 255 }),
        nodeId: bytes(32),
        nonce: fc.bigInt({ min: 0n, max: 2n ** 256n - 1n }),
        deadline: fc.nat(),
        bucketId: bytes(32)
      })
    })
    fc.assert(
      fc.property(signed, ({ block, chainId, contract }) => {
        const verifyingContract = getAddress(`0x${hex(contract)}`)
        const { blockDigest: blockCID, chunkCid: chunkCID, ...others } = block
        assert.strictEqual(
          `0x${hex(BlockSignature.digestOf({ chainId, verifyingContract }, block))}`,
          TypedDataEncoder.hash({ name: "Storage", version: "1", chainId, verifyingContract }, types, {
            chunkCID,
            blockCID,
            ...others
          })
        )
      })
    )
  })

  for (const [n, vector] of vectors.entries()) {
    it.effect(`are those of the network (${n + 1})`, () =>
      Effect.gen(function*() {
        const digest = BlockSignature.digestOf({ chainId: 31_337n, verifyingContract: vector.contract }, {
          chunkCid: fromHex(vector.chunkCid),
          blockDigest: fromHex(vector.blockDigest),
          chunkIndex: 0,
          blockIndex: 0,
          nodeId: fromHex(vector.nodeId),
          nonce: vector.nonce,
          deadline: vector.deadline,
          bucketId: fromHex(vector.bucketId)
        })
        const signature = yield* (yield* Wallet).signDigest(digest)
        assert.strictEqual(hex(signature), vector.signature)
        assert.strictEqual(recoverAddress(digest, `0x${vector.signature}`), owner)
      }).pipe(Effect.provide(Wallet.layer(Redacted.make(privateKeys.first)))))
  }
})
