import { NodeServices } from "@effect/platform-node"
import { assert, it } from "@effect/vitest"
import { Clock, Effect, Fiber, FileSystem, Layer, Schedule } from "effect"
import { getCreateAddress, parseEther, toBeHex, Wallet } from "ethers"
import { createServer } from "node:net"
import { join } from "node:path"
import { gunzipSync } from "node:zlib"
import { Anvil } from "../src/Anvil.ts"
import accessManagerArtifact from "../src/artifacts/AccessManager.json" with { type: "json" }
import storageArtifact from "../src/artifacts/Storage.json" with { type: "json" }
import { Contracts } from "../src/Contracts.ts"
import {
  accessInterface,
  bucketIdOf,
  call,
  developerAccount,
  fileIdOf,
  nobody,
  revertOf,
  selector,
  send,
  storageInterface,
  user,
  view,
  withSettings
} from "./devnet.ts"

const chain = (values?: Record<string, string>) =>
  withSettings(Contracts.layer.pipe(Layer.provideMerge(Anvil.layer), Layer.provide(NodeServices.layer)), values)

/** Runs on a chain of its own, which ends with the effect. */
const onChain = (values?: Record<string, string>) => Effect.provide(chain(values), { local: true })

const folder = Effect.flatMap(FileSystem.FileSystem, (fs) => fs.makeTempDirectoryScoped({ prefix: "devnet-" }))

const until = <A, E, R>(effect: Effect.Effect<A, E, R>, holds: (value: A) => boolean) =>
  Effect.repeat(effect, { until: holds, schedule: Schedule.spaced("20 millis") })

/** Creates a bucket and gives what must be found again. */
const createBucket = Effect.fnUntraced(function*(name: string) {
  const { storageAddress } = yield* Contracts
  const owner = yield* user
  const storage = { address: storageAddress, interface: storageInterface }
  const receipt = yield* send(owner, storage, "createBucket", [name])
  return { owner: owner.address, name, receipt, storageAddress }
})

/** The bucket's state, transaction, receipt and event are on the chain. */
const isKept = Effect.fnUntraced(function*({ name, owner, receipt, storageAddress }: Bucket) {
  const { provider } = yield* Anvil
  assert.strictEqual((yield* Contracts).storageAddress, storageAddress)
  yield* Effect.promise(async () => {
    const data = storageInterface.encodeFunctionData("getBucketIndexByName", [name, owner])
    const index = storageInterface.decodeFunctionResult(
      "getBucketIndexByName",
      await provider.call({ to: storageAddress, data })
    )
    assert.isTrue(index["exists"])
    const found = await provider.getTransactionReceipt(receipt.hash)
    assert.strictEqual(found?.blockHash, receipt.blockHash)
    assert.strictEqual((await provider.getTransaction(receipt.hash))?.from, owner)
    assert.strictEqual((await provider.getBlock(receipt.blockNumber))?.hash, receipt.blockHash)
    const logs = await provider.getLogs({
      address: storageAddress,
      fromBlock: 0,
      topics: (receipt.logs[0]?.topics ?? []).slice()
    })
    assert.deepStrictEqual(logs.map(({ transactionHash }) => transactionHash), [receipt.hash])
  })
})
type Bucket = Effect.Success<ReturnType<typeof createBucket>>

it.live("a chain that is stopped keeps the last block that anybody has seen", () =>
  Effect.gen(function*() {
    const kept = onChain({ DEVNET_DATA_DIR: yield* folder, DEVNET_BLOCK_TIME: "0.05" })
    for (let n = 0; n < 3; n++) {
      let last = { number: "0x0", hash: "" }
      const watched = yield* Effect.gen(function*() {
        const { rpcUrl } = yield* Anvil
        // A reader of its own, which goes on until the chain is gone.
        const body = JSON.stringify({
          jsonrpc: "2.0",
          id: 1,
          method: "eth_getBlockByNumber",
          params: ["latest", false]
        })
        const headers = { "content-type": "application/json" }
        const watching = Effect.tryPromise(async () => {
          while (true) {
            const response = await fetch(rpcUrl, { method: "POST", headers, body })
            last = Object(await response.json()).result
          }
        })
        const fiber = yield* Effect.forkDetach(Effect.exit(watching), { startImmediately: true })
        const head = Number(last.number)
        yield* until(Effect.sync(() => Number(last.number)), (number) => number > head + 5)
        return fiber
      }).pipe(kept)
      yield* Fiber.join(watched)
      const found = yield* Effect.flatMap(
        Anvil,
        ({ provider }) => Effect.promise(() => provider.getBlock(Number(last.number)))
      ).pipe(kept)
      assert.strictEqual(found?.hash, last.hash)
    }
  }).pipe(Effect.provide(NodeServices.layer)))

it.live("a kept chain survives a stop", () =>
  Effect.gen(function*() {
    const kept = onChain({ DEVNET_DATA_DIR: yield* folder })
    const first = yield* createBucket("first").pipe(kept)
    const second = yield* Effect.andThen(isKept(first), createBucket("second")).pipe(kept)
    yield* Effect.andThen(isKept(first), isKept(second)).pipe(kept)
  }).pipe(Effect.provide(NodeServices.layer)))

it.live("a kept chain survives the death of its process, up to the last block", () =>
  Effect.gen(function*() {
    const fs = yield* FileSystem.FileSystem
    const dataDir = yield* folder
    const kept = onChain({ DEVNET_DATA_DIR: dataDir })
    const bucket = yield* Effect.gen(function*() {
      const { pid, stopped } = yield* Anvil
      const bucket = yield* createBucket("durable")
      const files = Effect.forEach(["chain.json", "chain.journal"], (name) =>
        Effect.orElseSucceed(fs.readFileString(`${dataDir}/${name}`), () => ""))
      yield* until(files, (texts) =>
        texts.some((text) => text.includes(bucket.receipt.hash)))
      process.kill(pid, "SIGKILL")
      const error = yield* Effect.flip(stopped)
      assert.strictEqual(error.message, "Anvil stopped unexpectedly: ended by a signal")
      return bucket
    }).pipe(kept)
    yield* isKept(bucket).pipe(kept)
  }).pipe(Effect.provide(NodeServices.layer)))

it.live("receipts and logs stay readable beyond the states that are held", () =>
  Effect.gen(function*() {
    const { rpc } = yield* Anvil
    const bucket = yield* createBucket("old")
    yield* rpc("anvil_mine", [toBeHex(1000)])
    yield* isKept(bucket)
  }).pipe(onChain()))

it.live("full blocks don't raise the base fee beyond what clients pay", () =>
  Effect.gen(function*() {
    const { provider, rpc } = yield* Anvil
    const baseFee = Effect.promise(async () => (await provider.getBlock("latest"))?.baseFeePerGas ?? 0n)
    yield* rpc("anvil_setNextBlockBaseFeePerGas", [toBeHex(100_000_000_000n)])
    yield* until(baseFee, (fee) => fee > 50_000_000_000n)
    yield* until(baseFee, (fee) => fee <= 1_000_000_000n)
  }).pipe(onChain()))

it.live("the base fee follows the blocks where it is not held", () =>
  Effect.gen(function*() {
    const { provider, rpc } = yield* Anvil
    const before = yield* Effect.promise(() => provider.getBlockNumber())
    yield* rpc("anvil_setNextBlockBaseFeePerGas", [toBeHex(1_000_000_000_000n)])
    // Blocks of a tenth of a second, each at most an eighth below the one before it: held, it would be set back within ten.
    const later = yield* until(
      Effect.promise(() => provider.getBlock("latest")),
      (block) => (block?.number ?? 0) >= before + 15
    )
    assert.isAbove(Number(later?.baseFeePerGas), 10_000_000_000)
  }).pipe(onChain({ DEVNET_HOLD_BASE_FEE: "false" })))

it.live("a fresh chain has the development accounts, the chain id and the block's size", () =>
  Effect.gen(function*() {
    const { provider } = yield* Anvil
    const [balance, { chainId }, block] = yield* Effect.promise(() =>
      Promise.all([
        provider.getBalance("0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"),
        provider.getNetwork(),
        provider.getBlock("latest")
      ])
    )
    assert.strictEqual(balance, parseEther("10000"))
    assert.strictEqual(chainId, 31337n)
    assert.strictEqual(block?.gasLimit, 30_000_000n)
  }).pipe(onChain()))

it.live("two fresh chains have their contracts at the same addresses", () =>
  Effect.gen(function*() {
    const addresses = Effect.map(Contracts, ({ accessAddress, storageAddress }) => ({ accessAddress, storageAddress }))
    assert.deepStrictEqual(yield* addresses.pipe(onChain()), yield* addresses.pipe(onChain()))
  }))

it.live("a taken port is reported in one sentence", () =>
  Effect.gen(function*() {
    const port = yield* Effect.acquireRelease(
      Effect.callback<{ readonly number: number; readonly close: () => void }>((resume) => {
        const server = createServer()
        server.listen(0, "127.0.0.1", () => {
          const address = server.address()
          if (address === null || typeof address === "string") throw new Error("no port")
          resume(Effect.succeed({ number: address.port, close: () => server.close() }))
        })
      }),
      ({ close }) => Effect.sync(close)
    )
    const error = yield* Effect.flip(Effect.asVoid(Anvil).pipe(onChain({ DEVNET_RPC_PORT: String(port.number) })))
    assert.strictEqual(error._tag, "RpcPortTaken")
    assert.strictEqual(
      error.message,
      `Port ${port.number} for the chain's JSON-RPC is already in use: free it, or set DEVNET_RPC_PORT to another port`
    )
  }))

it.live("a damaged chain is reported in one sentence and left as it is", () =>
  Effect.gen(function*() {
    const fs = yield* FileSystem.FileSystem
    const dataDir = yield* folder
    const path = `${dataDir}/chain.json`
    for (const text of ["", `{"block":`, "{}"]) {
      yield* fs.writeFileString(path, text)
      const error = yield* Effect.flip(Effect.asVoid(Anvil).pipe(onChain({ DEVNET_DATA_DIR: dataDir })))
      assert.strictEqual(error._tag, "StateUnreadable")
      assert.match(error.message, /^The kept chain .*chain\.json cannot be read: move the file away [^\n]*$/)
      assert.strictEqual(yield* fs.readFileString(path), text)
    }
  }).pipe(Effect.provide(NodeServices.layer)))

// Both have the first developer account's buckets old-one and old-two.
for (const fixture of ["chain-0.1.0", "chain-before-files"]) {
  it.live(`${fixture} goes on, with this release's code over what its contracts have kept`, () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const dataDir = yield* folder
      const dump = yield* fs.readFile(join(import.meta.dirname, `fixtures/${fixture}.json.gz`))
      yield* fs.writeFile(`${dataDir}/chain.json`, gunzipSync(dump))
      const values = { DEVNET_DATA_DIR: dataDir }
      const kept = onChain(values)
      /** Without what replaces the code. */
      const chainAlone = Effect.provide(withSettings(Anvil.layer.pipe(Layer.provide(NodeServices.layer)), values), {
        local: true
      })
      const deployer = developerAccount(9).address
      const storage = { address: getCreateAddress({ from: deployer, nonce: 0 }), interface: storageInterface }
      const access = { address: getCreateAddress({ from: deployer, nonce: 1 }), interface: accessInterface }
      const codes = Effect.flatMap(
        Anvil,
        ({ provider }) =>
          Effect.promise(() => Promise.all([storage, access].map(({ address }) => provider.getCode(address))))
      )
      const newCodes = [storageArtifact.deployedBytecode, accessManagerArtifact.deployedBytecode]
      const wallet = Effect.map(Anvil, ({ provider }) => new Wallet(developerAccount(0).privateKey, provider))
      const owner = developerAccount(0).address
      const idOf = (name: string) => bucketIdOf(name, owner)
      const buckets = view(storage, "getOwnerBuckets", owner, 0, 9, 0, 9)
      const long = "a name of more than 32 characters"

      // What the earlier contracts do beyond the fixture.
      const [before, oldCodes] = yield* Effect.gen(function*() {
        const from = yield* wallet
        for (const name of ["gone", long]) yield* send(from, storage, "createBucket", [name])
        yield* send(from, storage, "deleteBucket", [idOf("gone"), "gone", 2])
        yield* send(from, access, "delegateAccess", [idOf("old-two"), nobody])
        return [yield* buckets, yield* codes] as const
      }).pipe(chainAlone)

      yield* Effect.gen(function*() {
        const { pid, stopped } = yield* Anvil
        yield* Contracts
        assert.deepStrictEqual(yield* codes, newCodes)
        assert.deepStrictEqual(yield* buckets, before)
        // What has changed without a block is kept too.
        yield* until(
          fs.readFileString(`${dataDir}/chain.json`),
          (text) => newCodes.every((code) => text.includes(code.slice(2)))
        )
        process.kill(pid, "SIGKILL")
        yield* Effect.flip(stopped)
      }).pipe(kept)
      yield* Effect.gen(function*() {
        const { rpc } = yield* Anvil
        assert.deepStrictEqual(yield* codes, newCodes)
        // As if the start had been killed a moment before it replaced the code.
        yield* rpc("anvil_setCode", [storage.address, oldCodes[0]])
      }).pipe(chainAlone)

      yield* Effect.gen(function*() {
        const from = yield* wallet
        assert.deepStrictEqual(yield* codes, newCodes)
        assert.deepStrictEqual(yield* buckets, before)
        for (const name of ["old-one", "old-two", long]) {
          yield* send(from, storage, "createFile", [idOf(name), "my-file.txt"])
        }
        const [bucket] = yield* call(nobody, storage, "getBucketByName", [long, owner, 0, 9])
        assert.deepStrictEqual(bucket.files.toArray(), [fileIdOf(idOf(long), "my-file.txt")])
        assert.strictEqual(yield* revertOf(nobody, storage, "createFile", [idOf("old-two"), "other"]), "no revert")
        assert.strictEqual(
          yield* revertOf(nobody, storage, "createFile", [idOf("old-one"), "other"]),
          selector("BucketInvalidOwner")
        )
        yield* send(from, storage, "createBucket", ["gone"])
        assert.deepStrictEqual(
          yield* Effect.forEach(
            ["old-one", "old-two", long, "gone"],
            (name) => view(storage, "getBucketIndexByName", name, owner)
          ),
          [[0n, true], [1n, true], [2n, true], [3n, true]]
        )
      }).pipe(kept)
    }).pipe(Effect.provide(NodeServices.layer)))
}

it.live("a kept chain with other contracts is refused", () =>
  Effect.gen(function*() {
    const dataDir = yield* folder
    yield* Effect.gen(function*() {
      const { rpc } = yield* Anvil
      const { storageAddress } = yield* Contracts
      yield* rpc("anvil_setCode", [storageAddress, "0x60006000fd"])
      yield* rpc("anvil_mine", [toBeHex(1)])
    }).pipe(onChain({ DEVNET_DATA_DIR: dataDir }))
    const error = yield* Effect.flip(Effect.asVoid(Contracts).pipe(onChain({ DEVNET_DATA_DIR: dataDir })))
    assert.strictEqual(error._tag, "OtherContracts")
  }).pipe(Effect.provide(NodeServices.layer)))

it.live("impossible settings are refused", () =>
  Effect.gen(function*() {
    for (
      const values of [{ DEVNET_BLOCK_TIME: "0" }, { DEVNET_BLOCK_TIME: "fast" }, { DEVNET_RPC_PORT: "65536" }]
    ) {
      const error = yield* Effect.flip(Effect.asVoid(Anvil).pipe(onChain(values)))
      assert.strictEqual(error._tag, "ConfigError")
    }
  }))

it.live("blocks come by themselves, and their times are those of the clock", () =>
  Effect.gen(function*() {
    const { provider } = yield* Anvil
    const first = yield* Effect.promise(() => provider.getBlock("latest"))
    const last = yield* until(
      Effect.promise(() => provider.getBlock("latest")),
      (block) => (block?.number ?? 0) > (first?.number ?? 0) + 30
    )
    const now = Math.floor((yield* Clock.currentTimeMillis) / 1000)
    assert.isAtMost(last?.timestamp ?? Number.NaN, now)
    assert.isAtLeast(last?.timestamp ?? Number.NaN, now - 2)
  }).pipe(onChain({ DEVNET_BLOCK_TIME: "0.05" })))

it.live("idle blocks of a large state come more slowly, and faster again when a transaction waits", () =>
  Effect.gen(function*() {
    const { provider, rpcUrl } = yield* Anvil
    const address = "0x00000000000000000000000000000000000000cc"
    const calls = Array.from({ length: 40_000 }, (_, id) => ({
      jsonrpc: "2.0",
      id,
      method: "anvil_setStorageAt",
      params: [address, toBeHex(id, 32), toBeHex(1, 32)]
    }))
    const headers = { "content-type": "application/json" }
    yield* Effect.promise(() => fetch(rpcUrl, { method: "POST", headers, body: JSON.stringify(calls) }))
    const times: Array<number> = []
    yield* Effect.gen(function*() {
      const number = yield* Effect.promise(() => provider.getBlockNumber())
      times[number] ??= yield* Clock.currentTimeMillis
      // Ten blocks would have come in this time.
      return times.some((time, block) => time - (times[block - 1] ?? time) > 500)
    }).pipe((look) => until(look, (isSlow) => isSlow))
    const sender = yield* user
    yield* Effect.promise(async () => (await sender.sendTransaction({ to: sender.address })).wait())
  }).pipe(onChain({ DEVNET_BLOCK_TIME: "0.05" })))
