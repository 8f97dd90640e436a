import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { id as keccakOf, ZeroAddress, ZeroHash } from "ethers"
import { Anvil } from "../src/Anvil.ts"
import { deployerKey } from "../src/DevnetAccounts.ts"
import {
  call,
  Chain,
  contracts,
  developerAccount,
  fileIdOf,
  indexPanic,
  nobody,
  ownerWith,
  revertOf,
  selector,
  send,
  storageInterface,
  type Target,
  user
} from "./devnet.ts"

/** The names of a page of an owner's buckets. */
const namesOf = (
  storage: Target,
  owner: string,
  offset: number | bigint = 0,
  limit: number | bigint = 1000,
  fileOffset = 0
) =>
  Effect.map(
    call(nobody, storage, "getOwnerBuckets", [owner, offset, limit, fileOffset, 0]),
    ([buckets]) => Array.from(buckets, (bucket: { readonly name: string }) => bucket.name)
  )

layer(Chain)("contracts", (it) => {
  it.effect("say what they are", () =>
    Effect.gen(function*() {
      const { provider } = yield* Anvil
      const { access, storage } = yield* contracts
      const read = (name: string) => Effect.map(call(nobody, storage, name, []), ([value]): unknown => value)
      assert.strictEqual(yield* read("MAX_BLOCKS_PER_FILE"), 1024n)
      assert.strictEqual(yield* read("MAX_BLOCK_SIZE"), 1_000_000n)
      assert.strictEqual(yield* read("version"), "1.0.0")
      assert.strictEqual(yield* read("getChainID"), 31337n)
      assert.strictEqual(yield* read("accessManager"), access.address)
      assert.strictEqual((yield* call(nobody, access, "storageContract", []))[0], storage.address)
      const before = yield* Effect.promise(() => provider.getBlock("latest"))
      assert.isAtLeast(Number(yield* read("timestamp")), before?.timestamp ?? Number.NaN)
    }))

  it.effect("let only the deployer choose the contract beside them", () =>
    Effect.gen(function*() {
      const { access, storage } = yield* contracts
      const stranger = yield* user
      const refused = selector("WrongAuthority")
      assert.strictEqual(yield* revertOf(stranger.address, storage, "setAccessManager", [nobody]), refused)
      assert.strictEqual(yield* revertOf(stranger.address, access, "setStorageContract", [nobody]), refused)
      const deployer = developerAccount(9)
      assert.strictEqual(deployer.privateKey, deployerKey)
      yield* call(deployer.address, storage, "setAccessManager", [nobody])
      yield* call(deployer.address, access, "setStorageContract", [nobody])
    }))

  it.effect("a revert's data is a plain string with the bare error", () =>
    Effect.gen(function*() {
      const { rpcUrl } = yield* Anvil
      const { storage } = yield* contracts
      const input = storageInterface.encodeFunctionData("deleteBucket", [ZeroHash, "", 0])
      for (const method of ["eth_call", "eth_estimateGas"]) {
        const answer = yield* Effect.promise(async () => {
          const response = await fetch(rpcUrl, {
            method: "POST",
            headers: { "content-type": "application/json" },
            body: JSON.stringify({
              jsonrpc: "2.0",
              id: 1,
              method,
              params: [{ from: nobody, to: storage.address, input }]
            })
          })
          return response.json()
        })
        assert.deepInclude(answer, {
          error: { code: 3, message: `execution reverted: custom error 0x938a92b7`, data: "0x938a92b7" }
        })
      }
    }))
})

layer(Chain)("createBucket", (it) => {
  it.effect("keeps name, owner and time, returns the id and reports it in an event", () =>
    Effect.gen(function*() {
      const { provider } = yield* Anvil
      const { idOf, owner, storage } = yield* ownerWith()
      assert.strictEqual((yield* call(owner.address, storage, "createBucket", ["photos"]))[0], idOf("photos"))
      const receipt = yield* send(owner, storage, "createBucket", ["photos"])
      assert.deepStrictEqual(receipt.logs.map(({ topics }) => topics), [[
        keccakOf("CreateBucket(bytes32,string,address)"),
        idOf("photos"),
        keccakOf("photos"),
        `0x${owner.address.slice(2).toLowerCase().padStart(64, "0")}`
      ]])
      const block = yield* Effect.promise(() => provider.getBlock(receipt.blockNumber))
      const [bucket] = yield* call(nobody, storage, "getBucketByName", ["photos", owner.address, 0, 0])
      assert.deepStrictEqual(bucket.toArray(true), [
        idOf("photos"),
        "photos",
        BigInt(block?.timestamp ?? 0),
        owner.address,
        []
      ])
    }))

  // On the Akave network: 148,000 to 166,000 for a short name, up to 211,000 for a long one, 52,000 to 64,000 for a deletion.
  it.effect("costs about what it costs on the Akave network, and so does a deletion", () =>
    Effect.gen(function*() {
      const { idOf, owner, storage } = yield* ownerWith()
      const gas = (name: string, ...parameters: ReadonlyArray<unknown>) =>
        Effect.map(send(owner, storage, name, parameters), ({ gasUsed }) => Number(gasUsed))
      const isNear = (actual: number, expected: number) => assert.approximately(actual, expected, expected / 10)
      isNear(yield* gas("createBucket", "first"), 166_000)
      isNear(yield* gas("createBucket", "my-bucket"), 148_000)
      isNear(yield* gas("createBucket", "x".repeat(63)), 193_000)
      isNear(yield* gas("deleteBucket", idOf("first"), "first", 0), 58_000)
      isNear(yield* gas("deleteBucket", idOf("my-bucket"), "my-bucket", 1), 52_000)
    }))

  it.effect("derives the ids that clients derive", () =>
    Effect.gen(function*() {
      const { storage } = yield* contracts
      assert.strictEqual(
        (yield* call("0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266", storage, "createBucket", ["my-bucket"]))[0],
        "0xa1d6970fbfcf02a0e7e25a720385007de3f56157f22707f211435459671aeb80"
      )
      assert.strictEqual(
        (yield* call("0xd25d1b870ec0162ebf0acf173f47b738ff0cb421", storage, "createBucket", ["test1"]))[0],
        "0x7d8b15e57405638fe772de6bb73b94345deb1f41fa1850654bc1f587a5a6afa7"
      )
    }))

  it.effect("refuses a name that its owner has, and gives it to another owner", () =>
    Effect.gen(function*() {
      const { owner, storage } = yield* ownerWith("shared")
      const other = yield* user
      assert.strictEqual(
        yield* revertOf(owner.address, storage, "createBucket", ["shared"]),
        selector("BucketAlreadyExists")
      )
      yield* send(other, storage, "createBucket", ["shared"])
      assert.deepStrictEqual(yield* namesOf(storage, other.address), ["shared"])
    }))

  it.effect("accepts any name", () =>
    Effect.gen(function*() {
      const names = ["", "ä", "x".repeat(300)]
      const { owner, storage } = yield* ownerWith(...names)
      assert.deepStrictEqual(yield* namesOf(storage, owner.address), names)
    }))
})

layer(Chain)("deleteBucket", (it) => {
  it.effect("puts the last bucket into the hole and frees the name", () =>
    Effect.gen(function*() {
      const { idOf, owner, storage } = yield* ownerWith("a", "b", "c")
      const indexOf = (name: string) =>
        Effect.map(
          call(nobody, storage, "getBucketIndexByName", [name, owner.address]),
          (answer): ReadonlyArray<unknown> => answer.toArray()
        )
      assert.deepStrictEqual((yield* call(owner.address, storage, "deleteBucket", [idOf("a"), "a", 0]))[0], true)
      const receipt = yield* send(owner, storage, "deleteBucket", [idOf("a"), "a", 0])
      assert.deepStrictEqual(receipt.logs.map(({ topics }) => topics), [[
        keccakOf("DeleteBucket(bytes32,string,address)"),
        idOf("a"),
        keccakOf("a"),
        `0x${owner.address.slice(2).toLowerCase().padStart(64, "0")}`
      ]])
      assert.deepStrictEqual(yield* namesOf(storage, owner.address), ["c", "b"])
      assert.deepStrictEqual(yield* indexOf("c"), [0n, true])
      assert.deepStrictEqual(yield* indexOf("b"), [1n, true])
      assert.deepStrictEqual(yield* indexOf("a"), [0n, false])

      yield* send(owner, storage, "deleteBucket", [idOf("b"), "b", 1])
      assert.deepStrictEqual(yield* namesOf(storage, owner.address), ["c"])
      yield* send(owner, storage, "createBucket", ["a"])
      assert.deepStrictEqual(yield* namesOf(storage, owner.address), ["c", "a"])
      assert.deepStrictEqual(yield* indexOf("a"), [1n, true])
      yield* send(owner, storage, "deleteBucket", [idOf("c"), "c", 0])
      yield* send(owner, storage, "deleteBucket", [idOf("a"), "a", 0])
      assert.deepStrictEqual(yield* namesOf(storage, owner.address), [])
    }))

  it.effect("checks existence, caller, name, emptiness and place in this order", () =>
    Effect.gen(function*() {
      const { access, idOf, owner, storage } = yield* ownerWith("full", "empty")
      const stranger = yield* user
      const delegate = yield* user
      yield* send(owner, access, "delegateAccess", [idOf("full"), delegate.address])
      yield* send(owner, access, "delegateAccess", [idOf("empty"), delegate.address])
      yield* send(owner, storage, "createFile", [idOf("full"), "file"])
      const refusal = (from: string, id: string, name: string, index: number) =>
        revertOf(from, storage, "deleteBucket", [id, name, index])

      // Each call also breaks every rule that comes after the one it is refused by.
      assert.strictEqual(yield* refusal(stranger.address, idOf("unknown"), "wrong", 7), selector("BucketNonexists"))
      assert.strictEqual(yield* refusal(stranger.address, idOf("full"), "wrong", 7), selector("BucketInvalidOwner"))
      assert.strictEqual(yield* refusal(owner.address, idOf("full"), "wrong", 7), selector("BucketInvalid"))
      assert.strictEqual(yield* refusal(owner.address, idOf("full"), "full", 7), selector("BucketNonempty"))
      assert.strictEqual(yield* refusal(owner.address, idOf("empty"), "empty", 2), indexPanic)
      assert.strictEqual(yield* refusal(owner.address, idOf("empty"), "empty", 0), selector("IndexMismatch"))
      // A delegate passes for the owner until the name, with which only the owner makes the id.
      assert.strictEqual(yield* refusal(delegate.address, idOf("full"), "full", 0), selector("BucketInvalid"))
      assert.strictEqual(yield* refusal(delegate.address, idOf("empty"), "empty", 1), selector("BucketInvalid"))

      assert.strictEqual(yield* refusal(owner.address, idOf("full"), "full", 0), selector("BucketNonempty"))
      assert.strictEqual(yield* refusal(owner.address, idOf("empty"), "empty", 1), "no revert")
      yield* send(owner, storage, "deleteFile", [fileIdOf(idOf("full"), "file"), idOf("full"), "file", 0])
      assert.strictEqual(yield* refusal(owner.address, idOf("full"), "full", 0), "no revert")
    }))
})

layer(Chain)("views", (it) => {
  const zero = [ZeroHash, "", 0n, ZeroAddress, []]

  it.effect("give zeros for what does not exist", () =>
    Effect.gen(function*() {
      const { idOf, owner, storage } = yield* ownerWith("known")
      const [unknown] = yield* call(nobody, storage, "getBucketByName", ["unknown", owner.address, 0, 9])
      assert.deepStrictEqual(unknown.toArray(true), zero)
      const index = yield* call(nobody, storage, "getBucketIndexByName", ["unknown", owner.address])
      assert.deepStrictEqual(index.toArray(), [0n, false])
      const [byIds] = yield* call(nobody, storage, "getBucketsByIds", [[idOf("unknown"), idOf("known")]])
      assert.deepStrictEqual(byIds[0].toArray(true), zero)
      assert.strictEqual(byIds[1].name, "known")
    }))

  it.effect("cut an owner's list into pages", () =>
    Effect.gen(function*() {
      const { owner, storage } = yield* ownerWith("a", "b", "c")
      const page = (offset: number, limit: number | bigint) => namesOf(storage, owner.address, offset, limit)
      assert.deepStrictEqual(yield* page(0, 2), ["a", "b"])
      assert.deepStrictEqual(yield* page(2, 2), ["c"])
      assert.deepStrictEqual(yield* page(1, 2n ** 256n - 1n), ["b", "c"])
      assert.deepStrictEqual(yield* page(3, 2), [])
      assert.deepStrictEqual(yield* page(1, 0), [])
      assert.deepStrictEqual(yield* page(0, 0), ["a"])
      assert.strictEqual(
        yield* revertOf(nobody, storage, "getOwnerBuckets", [owner.address, 4, 2, 0, 0]),
        selector("OffsetOutOfBounds")
      )
      const stranger = yield* user
      assert.deepStrictEqual(yield* namesOf(storage, stranger.address, 0, 0), [])
      assert.strictEqual(
        yield* revertOf(nobody, storage, "getOwnerBuckets", [stranger.address, 1, 0, 0, 0]),
        selector("OffsetOutOfBounds")
      )
    }))

  it.effect("cut a bucket's files into pages", () =>
    Effect.gen(function*() {
      const { idOf, owner, storage } = yield* ownerWith("full", "empty")
      for (const name of ["a", "b", "c"]) yield* send(owner, storage, "createFile", [idOf("full"), name])
      const files = ["a", "b", "c"].map((name) => fileIdOf(idOf("full"), name))
      const page = (fileOffset: number, fileLimit: number) =>
        Effect.map(
          call(nobody, storage, "getBucketByName", ["full", owner.address, fileOffset, fileLimit]),
          ([bucket]) => bucket.files.toArray()
        )
      assert.deepStrictEqual(yield* page(0, 2), files.slice(0, 2))
      assert.deepStrictEqual(yield* page(1, 9), files.slice(1))
      assert.deepStrictEqual(yield* page(0, 0), [])
      assert.deepStrictEqual(yield* page(3, 9), [])
      const beyond = selector("OffsetOutOfBounds")
      assert.strictEqual(yield* revertOf(nobody, storage, "getBucketByName", ["full", owner.address, 4, 9]), beyond)
      assert.strictEqual(yield* revertOf(nobody, storage, "getBucketByName", ["none", owner.address, 1, 9]), beyond)

      // One bucket with too few files fails a whole list.
      assert.deepStrictEqual(yield* namesOf(storage, owner.address, 0, 1, 3), ["full"])
      assert.strictEqual(yield* revertOf(nobody, storage, "getOwnerBuckets", [owner.address, 0, 2, 1, 0]), beyond)

      const ids = [idOf("full"), idOf("unknown"), idOf("empty")]
      const [byIds] = yield* call(nobody, storage, "getBucketsByIds", [ids])
      assert.deepStrictEqual(byIds[0].files.toArray(), [])
      const [withFiles] = yield* call(nobody, storage, "getBucketsByIdsWithFiles", [ids, 0, 9, 0, 2])
      assert.deepStrictEqual(withFiles[0].files.toArray(), files.slice(0, 2))
      assert.strictEqual(withFiles[1].id, ZeroHash)
      assert.strictEqual(withFiles[2].name, "empty")
      const [second] = yield* call(nobody, storage, "getBucketsByIdsWithFiles", [ids, 2, 9, 0, 9])
      assert.deepStrictEqual(second.map((bucket: { readonly name: string }) => bucket.name), ["empty"])
      assert.strictEqual(yield* revertOf(nobody, storage, "getBucketsByIdsWithFiles", [ids, 4, 9, 0, 9]), beyond)
    }))
})

layer(Chain)("AccessManager", (it) => {
  it.effect("lets an owner give access and take it away", () =>
    Effect.gen(function*() {
      const { access, idOf, owner } = yield* ownerWith("shared")
      const delegate = yield* user
      const allowed = (who: string, name = "shared") =>
        Effect.map(call(nobody, access, "isBucketOwnerOrDelegate", [idOf(name), who]), ([answer]): unknown => answer)
      assert.deepStrictEqual([yield* allowed(owner.address), yield* allowed(delegate.address)], [true, false])
      const given = yield* send(owner, access, "delegateAccess", [idOf("shared"), delegate.address])
      assert.strictEqual(given.logs[0]?.topics[0], keccakOf("AccessDelegated(bytes32,address)"))
      yield* send(owner, access, "delegateAccess", [idOf("shared"), delegate.address])
      assert.deepStrictEqual([yield* allowed(owner.address), yield* allowed(delegate.address)], [true, true])
      const taken = yield* send(owner, access, "removeAccess", [idOf("shared"), delegate.address])
      assert.strictEqual(taken.logs[0]?.topics[0], keccakOf("AccessRemoved(bytes32,address)"))
      assert.deepStrictEqual([yield* allowed(owner.address), yield* allowed(delegate.address)], [true, false])
      assert.deepStrictEqual([yield* allowed(ZeroAddress), yield* allowed(ZeroAddress, "unknown")], [false, false])
    }))

  it.effect("checks existence, address and owner in this order", () =>
    Effect.gen(function*() {
      const { access, idOf, owner } = yield* ownerWith("mine")
      const delegate = yield* user
      yield* send(owner, access, "delegateAccess", [idOf("mine"), delegate.address])
      const refusal = (from: string, name: string, bucket: string, who: string) =>
        revertOf(from, access, name, [idOf(bucket), who])
      assert.strictEqual(
        yield* refusal(delegate.address, "delegateAccess", "unknown", ZeroAddress),
        selector("BucketNotFound")
      )
      assert.strictEqual(
        yield* refusal(delegate.address, "delegateAccess", "mine", ZeroAddress),
        selector("InvalidAddress")
      )
      assert.strictEqual(
        yield* refusal(delegate.address, "delegateAccess", "mine", nobody),
        selector("NotBucketOwner")
      )
      assert.strictEqual(
        yield* refusal(owner.address, "delegateAccess", "mine", ZeroAddress),
        selector("InvalidAddress")
      )
      assert.strictEqual(
        yield* refusal(delegate.address, "removeAccess", "unknown", nobody),
        selector("BucketNotFound")
      )
      assert.strictEqual(yield* refusal(delegate.address, "removeAccess", "mine", nobody), selector("NotBucketOwner"))
      assert.strictEqual(yield* refusal(owner.address, "removeAccess", "mine", nobody), selector("NoDelegatedAccess"))
      assert.strictEqual(yield* refusal(owner.address, "removeAccess", "mine", delegate.address), "no revert")
    }))
})
