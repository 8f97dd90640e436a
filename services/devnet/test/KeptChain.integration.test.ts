import { NodeServices } from "@effect/platform-node"
import { assert, it } from "@effect/vitest"
import { Effect, FileSystem, Layer, Record, Schedule, Schema } from "effect"
import { Transaction, type Wallet } from "ethers"
import { join } from "node:path"
import { gunzipSync } from "node:zlib"
import { Anvil } from "../src/Anvil.ts"
import { Contracts } from "../src/Contracts.ts"
import { isOutgrown } from "../src/KeptChain.ts"
import { storageInterface, user, withSettings } from "./devnet.ts"

const folder = Effect.flatMap(FileSystem.FileSystem, (fs) => fs.makeTempDirectoryScoped({ prefix: "devnet-" }))

/** A chain of its own that mines when it is asked to, after its first block, and ends with the effect. */
const kept = (dataDir: string, values: Record<string, string> = {}) =>
  Effect.provide(
    withSettings(Contracts.layer.pipe(Layer.provideMerge(Anvil.layer), Layer.provide(NodeServices.layer)), {
      DEVNET_DATA_DIR: dataDir,
      DEVNET_BLOCK_TIME: "600",
      ...values
    }),
    { local: true }
  )

const rpc = (method: string, ...params: ReadonlyArray<unknown>) =>
  Effect.flatMap(Anvil, (anvil) => anvil.rpc(method, params))
const mine = rpc("evm_mine")
const Head = Schema.Struct({
  number: Schema.String,
  hash: Schema.String,
  /** Random. */
  mixHash: Schema.String,
  baseFeePerGas: Schema.String
})
const head = Effect.flatMap(rpc("eth_getBlockByNumber", "latest", false), Schema.decodeUnknownEffect(Head))

const read = (path: string) =>
  Effect.flatMap(FileSystem.FileSystem, (fs) => fs.readFileString(path).pipe(Effect.orElseSucceed(() => "")))
const journalOf = (dataDir: string) => join(dataDir, "chain.journal")
const dumpOf = (dataDir: string) => join(dataDir, "chain.json")
/** Waits until the latest block is in this file. */
const isIn = (path: string) =>
  Effect.flatMap(
    head,
    ({ mixHash }) =>
      Effect.repeat(read(path), { until: (text) => text.includes(mixHash), schedule: Schedule.spaced("20 millis") })
  )
/** Mines until a block is reported by a line: no dump is due any more. */
const isJournalling = (dataDir: string) =>
  Effect.repeat(
    Effect.andThen(
      mine,
      Effect.raceFirst(
        Effect.as(isIn(journalOf(dataDir)), true),
        Effect.as(isIn(dumpOf(dataDir)), false)
      )
    ),
    { until: (isLine) => isLine }
  )

/** Ends the chain at once, with nothing saved after this. */
const kill = Effect.gen(function*() {
  const { pid, stopped } = yield* Anvil
  process.kill(pid, "SIGKILL")
  yield* Effect.flip(stopped)
})

const sendRaw = Effect.fnUntraced(function*(from: Wallet, fields: Parameters<Wallet["signTransaction"]>[0]) {
  const signed = yield* Effect.promise(() =>
    from.signTransaction({ chainId: 31337, gasLimit: 1_000_000n, type: 2, maxFeePerGas: 10n ** 11n, ...fields })
  )
  yield* rpc("eth_sendRawTransaction", signed)
  const { hash } = Transaction.from(signed)
  assert.isNotNull(hash)
  return hash
})
const createBucket = Effect.fnUntraced(function*(from: Wallet, name: string, nonce: number) {
  const { storageAddress } = yield* Contracts
  return yield* sendRaw(from, {
    to: storageAddress,
    data: storageInterface.encodeFunctionData("createBucket", [name]),
    nonce
  })
})

const Dump = Schema.Struct({
  accounts: Schema.Record(
    Schema.String,
    Schema.Struct({
      balance: Schema.String,
      nonce: Schema.Int,
      code: Schema.String,
      storage: Schema.Record(Schema.String, Schema.String)
    })
  ),
  best_block_number: Schema.Unknown,
  block: Schema.Unknown,
  blocks: Schema.Array(
    Schema.StructWithRest(Schema.Struct({ header: Schema.Record(Schema.String, Schema.String) }), [
      Schema.Record(Schema.String, Schema.Unknown)
    ])
  ),
  transactions: Schema.Array(
    Schema.StructWithRest(Schema.Struct({ info: Schema.Record(Schema.String, Schema.Unknown) }), [
      Schema.Record(Schema.String, Schema.Unknown)
    ])
  )
})
const decodeDump = Schema.decodeUnknownEffect(Schema.fromJsonString(Dump))

/** All that Anvil dumps, without traces and by number and hash. Slots of zeros, which Anvil holds once it has read them, are as none. */
const dump = Effect.gen(function*() {
  const hex = yield* Effect.flatMap(rpc("anvil_dumpState"), Schema.decodeUnknownEffect(Schema.String))
  const { accounts, blocks, transactions, ...rest } = yield* decodeDump(
    gunzipSync(Buffer.from(hex.slice(2), "hex")).toString()
  )
  return {
    ...rest,
    accounts: Record.map(
      accounts,
      (account) => ({ ...account, storage: Record.filter(account.storage, (value) => BigInt(value) !== 0n) })
    ),
    // Every Anvil has a first block of its own, beside that of the dump that it loads.
    blocks: Object.fromEntries(
      blocks.flatMap((block) => block.header["number"] === "0x0" ? [] : [[Number(block.header["number"]), block]])
    ),
    transactions: Object.fromEntries(
      transactions.map((
        one
      ) => [String(one.info["transaction_hash"]), { ...one, info: { ...one.info, traces: [], exit: "" } }])
    )
  }
})

it("a dump is due where the journal has outgrown the dump, and not for a small one", () => {
  assert.isFalse(isOutgrown(15_000_000, 1_000))
  assert.isTrue(isOutgrown(17_000_000, 1_000))
  assert.isFalse(isOutgrown(17_000_000, 18_000_000))
  assert.isTrue(isOutgrown(19_000_000, 18_000_000))
})

it.live("a journal keeps all that a dump keeps: state, blocks, transactions and receipts", () =>
  Effect.gen(function*() {
    const dataDir = yield* folder
    const [before, last] = yield* Effect.gen(function*() {
      const owner = yield* user
      yield* isJournalling(dataDir)
      const dumped = yield* read(dumpOf(dataDir))
      const { storageAddress } = yield* Contracts
      for (let nonce = 0; nonce < 40; nonce++) yield* createBucket(owner, `bucket-${nonce}`, nonce)
      yield* mine
      yield* rpc("anvil_mine", "0x5")
      // The same name again, which the contract refuses; a deletion; a transfer in the oldest form; a new contract.
      const refused = yield* createBucket(owner, "bucket-0", 40)
      const data = storageInterface.encodeFunctionData("getBucketByName", ["bucket-3", owner.address, 0, 0])
      const bucket = yield* rpc("eth_call", { to: storageAddress, data }, "latest").pipe(
        Effect.flatMap(Schema.decodeUnknownEffect(Schema.String))
      )
      const id: string = storageInterface.decodeFunctionResult("getBucketByName", bucket)[0].id
      const deletion = storageInterface.encodeFunctionData("deleteBucket", [id, "bucket-3", 3])
      yield* sendRaw(owner, { to: storageAddress, data: deletion, nonce: 41 })
      yield* sendRaw(owner, {
        type: 0,
        to: "0x00000000000000000000000000000000000000aa",
        value: 5n,
        nonce: 42,
        maxFeePerGas: null,
        gasPrice: 10n ** 11n
      })
      yield* mine
      yield* sendRaw(owner, { data: "0x60016000556001600055600160005260206000f3", nonce: 43 })
      yield* Effect.andThen(mine, mine)
      yield* isIn(journalOf(dataDir))
      const receipt = yield* rpc("eth_getTransactionReceipt", refused)
      assert.deepInclude(receipt, { status: "0x0" })
      assert.strictEqual(yield* read(dumpOf(dataDir)), dumped)
      const result = [yield* dump, yield* head] as const
      yield* kill
      return result
    }).pipe(kept(dataDir))

    yield* Effect.gen(function*() {
      // The devnet mines one block when it starts.
      const next = yield* head
      assert.strictEqual(Number(next.number), Number(last.number) + 1)
      const { accounts, blocks, transactions } = yield* dump
      assert.deepStrictEqual(accounts, before.accounts)
      assert.deepStrictEqual(transactions, before.transactions)
      delete blocks[Number(next.number)]
      assert.deepStrictEqual(blocks, before.blocks)
      // An empty block's base fee is an eighth below, as it would have been without the restart.
      const fee = BigInt(last.baseFeePerGas)
      assert.strictEqual(BigInt(next.baseFeePerGas), fee - fee / 8n)
    }).pipe(kept(dataDir))
  }).pipe(Effect.provide(NodeServices.layer)))

it.live("a stop leaves one dump, for the next start to load as it is", () =>
  Effect.gen(function*() {
    const dataDir = yield* folder
    const last = yield* Effect.gen(function*() {
      yield* isJournalling(dataDir)
      yield* mine
      return yield* head
    }).pipe(kept(dataDir))
    assert.lengthOf((yield* read(journalOf(dataDir))).trim().split("\n"), 1)
    assert.include(yield* read(dumpOf(dataDir)), last.mixHash)
  }).pipe(Effect.provide(NodeServices.layer)))

it.live("what a block writes does not grow with the chain", () =>
  Effect.gen(function*() {
    const fs = yield* FileSystem.FileSystem
    const dataDir = yield* folder
    yield* Effect.gen(function*() {
      const owner = yield* user
      yield* isJournalling(dataDir)
      const dumped = (yield* fs.stat(dumpOf(dataDir))).mtime
      const size = Effect.map(fs.stat(journalOf(dataDir)), ({ size }) => Number(size))
      const written = Effect.fnUntraced(function*(block: Effect.Effect<unknown, unknown, Anvil | Contracts>) {
        yield* isJournalling(dataDir)
        const before = yield* size
        yield* Effect.andThen(block, isIn(journalOf(dataDir)))
        return (yield* size) - before
      })
      const first = yield* written(Effect.andThen(createBucket(owner, "name-1000", 0), mine))
      for (let nonce = 1; nonce <= 200; nonce++) yield* createBucket(owner, `name-${1000 + nonce}`, nonce)
      yield* Effect.andThen(mine, rpc("anvil_mine", "0x20"))
      const later = yield* written(Effect.andThen(createBucket(owner, "name-2000", 201), mine))
      assert.isBelow(Math.abs(later - first), 200)
      assert.isBelow(yield* written(mine), 700)
      assert.deepStrictEqual((yield* fs.stat(dumpOf(dataDir))).mtime, dumped)
    }).pipe(kept(dataDir))
  }).pipe(Effect.provide(NodeServices.layer)))

it.live("what is changed by hand survives a kill once a block has followed it", () =>
  Effect.gen(function*() {
    const dataDir = yield* folder
    const address = "0x00000000000000000000000000000000000000bb"
    const slot = `0x${"00".repeat(31)}07`
    const [owner, last] = yield* Effect.gen(function*() {
      const owner = yield* user
      yield* isJournalling(dataDir)
      // In the same block as a transaction, whose own changes a line could hold.
      yield* rpc("hardhat_setBalance", address, "0x123")
      yield* rpc("anvil_setStorageAt", address, slot, slot)
      yield* createBucket(owner, "beside", 0)
      yield* Effect.andThen(mine, isIn(dumpOf(dataDir)))
      // Blocks that are gone, and others in their place.
      yield* isJournalling(dataDir)
      yield* rpc("anvil_reorg", 1, [])
      yield* Effect.andThen(mine, isIn(dumpOf(dataDir)))
      const last = yield* head
      yield* kill
      return [owner, last] as const
    }).pipe(kept(dataDir))
    yield* Effect.gen(function*() {
      assert.strictEqual(yield* rpc("eth_getBalance", address, "latest"), "0x123")
      assert.strictEqual(yield* rpc("eth_getStorageAt", address, slot, "latest"), slot)
      assert.strictEqual(yield* rpc("eth_getTransactionCount", owner.address, "latest"), "0x1")
      assert.deepInclude(yield* rpc("eth_getBlockByNumber", last.number, false), { hash: last.hash })
    }).pipe(kept(dataDir))
  }).pipe(Effect.provide(NodeServices.layer)))

it.live("a line or a dump that a kill left unfinished costs nothing of what was kept before", () =>
  Effect.gen(function*() {
    const fs = yield* FileSystem.FileSystem
    const dataDir = yield* folder
    const journal = journalOf(dataDir)
    const session = Effect.gen(function*() {
      yield* isJournalling(dataDir)
      const last = yield* head
      yield* kill
      return last
    }).pipe(kept(dataDir))
    yield* session
    const first = yield* session
    yield* fs.writeFileString(journal, `{"hash":"0x00","header":{"num`, { flag: "a" })
    yield* fs.writeFileString(`${dumpOf(dataDir)}.next`, "{")
    const found = Effect.flatMap(
      rpc("eth_getBlockByNumber", first.number, false),
      (block) => Effect.sync(() => assert.deepInclude(block, { hash: first.hash }))
    )
    yield* found.pipe(kept(dataDir))
    // A dump that came after the lines, killed before the journal was begun anew.
    const stale = `${(yield* read(journal)).replace(/"dump":"\w+"/, `"dump":"${"0".repeat(64)}"`)}{"hash":"0x00"}\n`
    yield* fs.writeFileString(journal, stale)
    yield* found.pipe(kept(dataDir))
  }).pipe(Effect.provide(NodeServices.layer)))

it.live("a damaged journal is reported in one sentence and left as it is", () =>
  Effect.gen(function*() {
    const fs = yield* FileSystem.FileSystem
    const dataDir = yield* folder
    const journal = journalOf(dataDir)
    yield* Effect.gen(function*() {
      yield* isJournalling(dataDir)
      yield* rpc("anvil_mine", "0x3")
      yield* Effect.andThen(isIn(journalOf(dataDir)), kill)
    }).pipe(kept(dataDir))
    const [first = "", second = "", ...rest] = (yield* read(journal)).split("\n")
    for (
      const lines of [[first, "damaged", ...rest], [first, ...rest], [first, second, ...rest.slice(1)], ["", ...rest]]
    ) {
      const text = lines.join("\n")
      yield* fs.writeFileString(journal, text)
      const error = yield* Effect.flip(Effect.asVoid(Anvil).pipe(kept(dataDir)))
      assert.strictEqual(error._tag, "JournalUnreadable")
      assert.match(
        error.message,
        /^The kept chain's journal .*chain\.journal cannot be read: move its whole folder away [^\n]*$/
      )
      assert.strictEqual(yield* read(journal), text)
    }
  }).pipe(Effect.provide(NodeServices.layer)))
