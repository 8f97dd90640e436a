import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import {
  ContractFactory,
  id as keccakOf,
  Interface,
  toBeHex,
  type Wallet,
  ZeroAddress,
  ZeroHash,
  zeroPadValue
} from "ethers"
import { Anvil } from "../src/Anvil.ts"
import listPolicyArtifact from "../src/artifacts/ListPolicy.json" with { type: "json" }
import { Chain, filesOf, nobody, revertOf, selector, send, type Target, text, user, view } from "./devnet.ts"

/** A policy that anybody may initialize. */
const deployPolicy = Effect.fnUntraced(function*(from: Wallet) {
  const { provider } = yield* Anvil
  const address = yield* Effect.promise(async () => {
    const factory = new ContractFactory(listPolicyArtifact.abi, listPolicyArtifact.bytecode, from)
    const contract = await factory.deploy()
    await provider.send("evm_mine", [])
    await contract.waitForDeployment()
    return contract.getAddress()
  })
  return { address, interface: new Interface(listPolicyArtifact.abi) } satisfies Target
})

layer(Chain)("access", (it) => {
  it.effect("is public where owner or delegate say so", () =>
    Effect.gen(function*() {
      const { access, delegate, idOf, owner, storage, bucketId } = yield* filesOf("file")
      const id = idOf("file")
      const stranger = yield* user
      const isPublic = view(access, "getFileAccessInfo", id)
      const mayRead = view(access, "getValidateAccess", id, stranger.address, "0x")
      assert.deepStrictEqual(yield* isPublic, [ZeroAddress, false])
      const receipt = yield* send(owner, access, "changePublicAccess", [id, true])
      assert.deepStrictEqual(receipt.logs.map(({ data, topics }) => [data, ...topics]), [
        [toBeHex(1, 32), keccakOf("PublicAccessChanged(bytes32,bool)"), id]
      ])
      assert.deepStrictEqual([yield* isPublic, yield* mayRead], [[ZeroAddress, true], true])
      yield* send(owner, access, "changePublicAccess", [id, true])
      assert.deepStrictEqual([yield* isPublic, yield* mayRead], [[ZeroAddress, true], true])
      yield* send(delegate, access, "changePublicAccess", [id, false])
      assert.deepStrictEqual([yield* isPublic, yield* mayRead], [[ZeroAddress, false], false])

      // It is the id's, also while there is no such file.
      yield* send(owner, access, "changePublicAccess", [id, true])
      yield* send(owner, storage, "deleteFile", [id, bucketId, "file", 0])
      assert.deepStrictEqual([yield* isPublic, yield* mayRead], [[ZeroAddress, false], false])
      yield* send(owner, storage, "createFile", [bucketId, "file"])
      assert.deepStrictEqual([yield* isPublic, yield* mayRead], [[ZeroAddress, true], true])
    }))

  it.effect("is changed after checks of existence and caller in this order", () =>
    Effect.gen(function*() {
      const { access, bucketId, delegate, idOf, owner } = yield* filesOf("file")
      const stranger = yield* user
      const refusal = (from: Wallet, name: string, id: string) =>
        revertOf(from.address, access, name, [id, name === "changePublicAccess" ? true : nobody])
      for (const name of ["changePublicAccess", "setFilePolicy"]) {
        assert.strictEqual(yield* refusal(stranger, name, idOf("none")), selector("FileDoesNotExist"))
        assert.strictEqual(yield* refusal(stranger, name, idOf("file")), selector("NotBucketOwner"))
        assert.strictEqual(yield* refusal(owner, name, idOf("file")), "no revert")
      }
      assert.strictEqual(yield* refusal(stranger, "setBucketPolicy", ZeroHash), selector("BucketNotFound"))
      assert.strictEqual(yield* refusal(stranger, "setBucketPolicy", bucketId), selector("NotBucketOwner"))
      assert.strictEqual(yield* refusal(owner, "setBucketPolicy", bucketId), "no revert")

      assert.strictEqual(yield* refusal(delegate, "changePublicAccess", idOf("file")), "no revert")
      assert.strictEqual(yield* refusal(delegate, "setFilePolicy", idOf("file")), selector("NotBucketOwner"))
      assert.strictEqual(yield* refusal(delegate, "setBucketPolicy", bucketId), selector("NotBucketOwner"))
      yield* send(owner, access, "removeAccess", [bucketId, delegate.address])
      assert.strictEqual(yield* refusal(delegate, "changePublicAccess", idOf("file")), selector("NotBucketOwner"))
    }))

  it.effect("is given by a file's policy to those on its list", () =>
    Effect.gen(function*() {
      const { access, bucketId, delegate, idOf, owner } = yield* filesOf("file")
      const id = idOf("file")
      const guest = yield* user
      const policy = yield* deployPolicy(owner)
      yield* send(owner, policy, "initialize", [owner.address])
      const readers = Effect.forEach(
        [owner, delegate, guest],
        ({ address }) => view(access, "getValidateAccess", id, address, "0x1234")
      )
      assert.deepStrictEqual(yield* readers, [true, false, false])
      const receipt = yield* send(owner, access, "setFilePolicy", [id, policy.address])
      assert.deepStrictEqual(receipt.logs.map(({ data, topics }) => [data, ...topics]), [
        ["0x", keccakOf("PolicyChanged(bytes32,address)"), id, zeroPadValue(policy.address, 32).toLowerCase()]
      ])
      assert.strictEqual(yield* view(access, "getPolicy", id), policy.address)
      assert.deepStrictEqual(yield* view(access, "getFileAccessInfo", id), [policy.address, false])
      assert.deepStrictEqual(yield* readers, [true, false, false])
      yield* send(owner, policy, "assignRole", [guest.address])
      assert.deepStrictEqual(yield* readers, [true, false, true])
      yield* send(owner, policy, "revokeRole", [guest.address])
      assert.deepStrictEqual(yield* readers, [true, false, false])
      yield* send(owner, access, "changePublicAccess", [id, true])
      assert.deepStrictEqual(yield* readers, [true, true, true])
      yield* send(owner, access, "changePublicAccess", [id, false])
      yield* send(owner, policy, "assignRole", [guest.address])
      yield* send(owner, access, "setFilePolicy", [id, ZeroAddress])
      assert.deepStrictEqual(yield* readers, [true, false, false])

      const unknown = idOf("none")
      assert.strictEqual(yield* view(access, "getPolicy", unknown), ZeroAddress)
      assert.deepStrictEqual(yield* view(access, "getFileAccessInfo", unknown), [ZeroAddress, false])
      for (const reader of [owner.address, ZeroAddress]) {
        assert.strictEqual(yield* view(access, "getValidateAccess", unknown, reader, "0x"), false)
      }

      const changed = yield* send(owner, access, "setBucketPolicy", [bucketId, policy.address])
      assert.deepStrictEqual(changed.logs[0]?.topics[1], bucketId)
      for (const reader of [owner.address, nobody]) {
        assert.strictEqual(yield* view(access, "getValidateAccessToBucket", bucketId, reader, "0x"), true)
      }
    }))

  it.effect("a list is its owner's, who is chosen once", () =>
    Effect.gen(function*() {
      const [owner, stranger] = [yield* user, yield* user]
      const policy = yield* deployPolicy(owner)
      const refusal = (from: Wallet, name: string, who: string) => revertOf(from.address, policy, name, [who])
      assert.strictEqual(yield* refusal(owner, "initialize", ZeroAddress), selector("InvalidAddress"))
      assert.strictEqual(yield* refusal(owner, "assignRole", nobody), selector("NotThePolicyOwner"))
      yield* send(stranger, policy, "initialize", [owner.address])
      assert.strictEqual(yield* view(policy, "owner"), owner.address)
      for (const who of [stranger.address, ZeroAddress]) {
        assert.strictEqual(yield* refusal(stranger, "initialize", who), text("Already initialized"))
      }
      yield* send(owner, policy, "assignRole", [nobody])
      assert.strictEqual(yield* view(policy, "validateAccess", nobody, "0x"), true)
      assert.strictEqual(yield* view(policy, "validateAccess", stranger.address, "0x"), false)
      for (
        const [name, listed] of [["assignRole", "AlreadyWhitelisted"], ["revokeRole", "NotWhitelisted"]] as const
      ) {
        assert.strictEqual(yield* refusal(stranger, name, ZeroAddress), selector("NotThePolicyOwner"))
        assert.strictEqual(yield* refusal(owner, name, ZeroAddress), selector("InvalidAddress"))
        const who = name === "assignRole" ? nobody : stranger.address
        assert.strictEqual(yield* refusal(owner, name, who), selector(listed))
      }
      yield* send(owner, policy, "revokeRole", [nobody])
      assert.strictEqual(yield* view(policy, "validateAccess", nobody, "0x"), false)
    }))
})
