import { IPCArchivalAPIService, IPCNodeAPIService } from "@akave-async/proto/ipcnode"
import { assert, layer } from "@effect/vitest"
import { Client, credentials, type MethodDefinition, type ServiceError, status } from "@grpc/grpc-js"
import { Effect } from "effect"
import { solidityPackedKeccak256, type Wallet } from "ethers"
import { connect } from "node:http2"
import { Anvil } from "../src/Anvil.ts"
import { Contracts } from "../src/Contracts.ts"
import * as Devnet from "../src/Devnet.ts"
import { IpcNode } from "../src/IpcNode.ts"
import { defaultPage } from "../src/node/Views.ts"
import { bucketsPerCall } from "../src/Storage.ts"
import { send, storageInterface, user, withSettings } from "./devnet.ts"

/** Asks the node by a client of its own. */
const ask = <A, B>(method: MethodDefinition<A, B>, request: A) =>
  Effect.gen(function*() {
    const { address } = yield* IpcNode
    const client = yield* Effect.acquireRelease(
      Effect.sync(() => new Client(address, credentials.createInsecure())),
      (client) => Effect.sync(() => client.close())
    )
    return yield* Effect.callback<B, ServiceError>((resume) => {
      const { path, requestSerialize, responseDeserialize } = method
      client.makeUnaryRequest(path, requestSerialize, responseDeserialize, request, (error, response) => {
        if (error !== null) return resume(Effect.fail(error))
        if (response !== undefined) resume(Effect.succeed(response))
      })
    })
  })

const refusal = <A, B>(method: MethodDefinition<A, B>, request: A) =>
  Effect.map(Effect.flip(ask(method, request)), ({ code, details }) => ({ code, details }))

const createBucket = Effect.fnUntraced(function*(owner: Wallet, name: string) {
  const { provider } = yield* Anvil
  const { storageAddress } = yield* Contracts
  const receipt = yield* send(owner, { address: storageAddress, interface: storageInterface }, "createBucket", [name])
  const block = yield* Effect.promise(() => provider.getBlock(receipt.blockNumber))
  return new Date((block?.timestamp ?? 0) * 1000)
})

layer(withSettings(Devnet.layer))("the node", (it) => {
  it.effect("reports where chain and contracts are", () =>
    Effect.gen(function*() {
      const { rpcUrl } = yield* Anvil
      const { accessAddress, storageAddress } = yield* Contracts
      const params = yield* ask(IPCNodeAPIService.connectionParams, {})
      assert.deepStrictEqual(params, { dialUri: rpcUrl, storageAddress, accessAddress })
    }))

  it.effect("shows a bucket to whoever names its owner, in any case", () =>
    Effect.gen(function*() {
      const owner = yield* user
      const createdAt = yield* createBucket(owner, "photos")
      const id = solidityPackedKeccak256(["string", "address"], ["photos", owner.address]).slice(2)
      const upperCase = `0x${owner.address.slice(2).toUpperCase()}`
      for (const address of [owner.address, owner.address.toLowerCase(), upperCase]) {
        const bucket = yield* ask(IPCNodeAPIService.bucketView, { name: "photos", address })
        assert.deepStrictEqual(bucket, { id, name: "photos", createdAt })
      }
    }))

  it.effect("has no bucket of another name or owner", () =>
    Effect.gen(function*() {
      const owner = yield* user
      const other = yield* user
      yield* createBucket(owner, "photos")
      for (const [name, { address }] of [["videos", owner], ["", owner], ["photos", other]] as const) {
        assert.deepStrictEqual(yield* refusal(IPCNodeAPIService.bucketView, { name, address }), {
          code: status.NOT_FOUND,
          details: "BucketNotFound"
        })
      }
    }))

  it.effect("refuses what is no address", () =>
    Effect.gen(function*() {
      const { address: valid } = yield* user
      const expected = {
        code: status.INVALID_ARGUMENT,
        details: "The address is not 0x and 40 hexadecimal digits"
      }
      for (
        const address of ["", "0x", valid.slice(2), `${valid}0`, `${valid.slice(0, -1)}g`, ` ${valid}`, "vitalik.eth"]
      ) {
        assert.deepStrictEqual(
          yield* refusal(IPCNodeAPIService.bucketView, { name: "x", address }),
          expected
        )
        assert.deepStrictEqual(
          yield* refusal(IPCNodeAPIService.bucketList, { address, offset: 0n, limit: 1n }),
          expected
        )
      }
    }))

  it.effect("lists buckets in pages", () =>
    Effect.gen(function*() {
      const owner = yield* user
      const times: Array<Date> = []
      for (const name of ["a", "b", "c"]) times.push(yield* createBucket(owner, name))
      const list = (offset: bigint, limit: bigint, address = owner.address) =>
        ask(IPCNodeAPIService.bucketList, { address, offset, limit })
      const names = (offset: bigint, limit: bigint) =>
        Effect.map(list(offset, limit), ({ buckets }) => buckets.map(({ name }) => name))

      assert.deepStrictEqual((yield* list(1n, 1n)).buckets, [{ name: "b", createdAt: times[1] }])
      assert.deepStrictEqual(yield* names(0n, 2n), ["a", "b"])
      assert.deepStrictEqual(yield* names(2n, 2n), ["c"])
      assert.deepStrictEqual(yield* names(0n, 9_223_372_036_854_775_807n), ["a", "b", "c"])
      assert.deepStrictEqual(yield* names(3n, 2n), [])
      assert.deepStrictEqual(yield* names(4n, 2n), [])
      assert.deepStrictEqual(yield* names(9_223_372_036_854_775_807n, 2n), [])
      const stranger = yield* user
      assert.deepStrictEqual((yield* list(0n, 2n, stranger.address)).buckets, [])
      assert.deepStrictEqual((yield* list(5n, 2n, stranger.address)).buckets, [])
      assert.deepStrictEqual(
        yield* refusal(IPCNodeAPIService.bucketList, { address: owner.address, offset: -1n, limit: 2n }),
        { code: status.INVALID_ARGUMENT, details: "The offset is negative" }
      )
    }))

  it.effect("gives the default page for a limit of 0 or fewer, and long pages whole", () =>
    Effect.gen(function*() {
      const { provider } = yield* Anvil
      const { storageAddress } = yield* Contracts
      const owner = yield* user
      const total = bucketsPerCall + 1
      const names = Array.from({ length: total }, (_, index) => `bucket ${index}`)
      yield* Effect.promise(async () => {
        for (const [nonce, name] of names.entries()) {
          await owner.sendTransaction({
            to: storageAddress,
            data: storageInterface.encodeFunctionData("createBucket", [name]),
            nonce,
            gasLimit: 200_000,
            maxFeePerGas: 150_000_000_000n,
            maxPriorityFeePerGas: 1n
          })
        }
        while (await provider.getTransactionCount(owner.address, "latest") < total) await provider.send("evm_mine", [])
      })
      const list = (offset: bigint, limit: bigint) =>
        Effect.map(
          ask(IPCNodeAPIService.bucketList, { address: owner.address, offset, limit }),
          ({ buckets }) => buckets.map(({ name }) => name)
        )
      assert.deepStrictEqual(yield* list(0n, 0n), names.slice(0, defaultPage))
      assert.deepStrictEqual(yield* list(1n, -5n), names.slice(1, 1 + defaultPage))
      assert.deepStrictEqual(yield* list(0n, 10_000n), names)
      assert.deepStrictEqual(yield* list(0n, BigInt(bucketsPerCall)), names.slice(0, bucketsPerCall))
      assert.deepStrictEqual(yield* list(1n, BigInt(bucketsPerCall)), names.slice(1))
    }))

  it.effect("shows names that are not text", () =>
    Effect.gen(function*() {
      const { provider } = yield* Anvil
      const { storageAddress } = yield* Contracts
      const owner = yield* user
      yield* createBucket(owner, "before")
      // createBucket("\xff"), which no client's encoder would write.
      const data = storageInterface.encodeFunctionData("createBucket", ["x"]).replace(/78(0+)$/, "ff$1")
      yield* Effect.promise(async () => {
        const sent = await owner.sendTransaction({ to: storageAddress, data })
        await provider.send("evm_mine", [])
        await sent.wait()
      })
      const { buckets } = yield* ask(IPCNodeAPIService.bucketList, { address: owner.address, offset: 0n, limit: 9n })
      assert.deepStrictEqual(buckets.map(({ name }) => name), ["before", "\uFFFD"])
    }))

  it.effect("has no archive", () =>
    Effect.gen(function*() {
      const { code } = yield* refusal(IPCArchivalAPIService.fileResolveBlock, { blockCid: "bafy" })
      assert.strictEqual(code, status.NOT_FOUND)
    }))

  it.effect("bears any number of keepalive pings", () =>
    Effect.gen(function*() {
      const { address } = yield* IpcNode
      const session = yield* Effect.acquireRelease(
        Effect.sync(() => connect(`http://${address}`)),
        (session) => Effect.sync(() => session.destroy())
      )
      const ping = Effect.callback<void, Error>((resume) => {
        session.ping((error) => resume(error === null ? Effect.void : Effect.fail(error)))
      })
      yield* Effect.callback<void>((resume) => {
        session.once("connect", () => resume(Effect.void))
      })
      for (let count = 0; count < 50; count++) yield* ping
      assert.isFalse(session.closed)
    }))
})

const inContainer = {
  DEVNET_HOST: "0.0.0.0",
  DEVNET_PUBLIC_RPC_URL: "http://devnet.test:8545",
  DEVNET_PUBLIC_NODE_ADDRESS: "devnet.test:5500"
}
layer(withSettings(Devnet.layer, inContainer))(
  "a node in a container",
  (it) => {
    it.effect("names the chain as clients reach it", () =>
      Effect.gen(function*() {
        const { dialUri } = yield* ask(IPCNodeAPIService.connectionParams, {})
        assert.strictEqual(dialUri, "http://devnet.test:8545")
      }))

    it.effect("names itself as clients reach it", () =>
      Effect.gen(function*() {
        const cid = "bafybeicctvy32tvo74e2gbwz7soucjycipxm34vh5rw7bop6dscdzqk2ci"
        const { blocks } = yield* ask(IPCNodeAPIService.fileUploadChunkCreate, {
          chunk: { cid, index: 0n, size: 4n, blocks: [{ cid, size: 12n }] },
          bucketId: new Uint8Array(32),
          fileName: "one"
        })
        assert.deepStrictEqual(blocks.map(({ nodeAddress }) => nodeAddress), ["devnet.test:5500"])
      }))
  }
)
