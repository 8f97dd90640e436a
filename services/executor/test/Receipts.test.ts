import { Address, TransactionHash } from "@akave-async/domain/Ethereum"
import type * as Wallet from "@akave-async/domain/Wallet"
import { Chain, type Receipt } from "@akave-async/sdk/Chain"
import { RpcError } from "@akave-async/sdk/Errors"
import { assert, it } from "@effect/vitest"
import { ConfigProvider, Context, DateTime, Effect, Fiber, Latch, Layer, Option } from "effect"
import { TestClock } from "effect/testing"
import { Receipts } from "../src/Receipts.ts"

const signer = Address.make("0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266")
const hash = (n: number) => TransactionHash.make(`0x${n.toString(16).padStart(64, "0")}`)
const claim = (nonce: number, ...earlier: ReadonlyArray<TransactionHash>): Wallet.Claim => ({
  signer,
  nonce,
  transaction: "0x02",
  transactionHash: hash(nonce),
  maxFeePerGas: 2n,
  maxPriorityFeePerGas: 1n,
  earlier,
  occurredAt: DateTime.makeUnsafe(0)
})
const receiptOf = (transactionHash: string, blockNumber: number): Receipt => ({
  transactionHash,
  blockNumber,
  blockHash: hash(99),
  status: "success",
  gasUsed: 21_000,
  from: signer,
  to: signer,
  logs: []
})

const refused = (method: string) => Effect.fail(new RpcError({ method, code: -32_600, details: "Unsupported method" }))

/**
 * A chain whose blocks hold transactions by hash; `hidden` ones have no receipt, as on a node that is behind. Questions for
 * blocks and transactions among the `refused` ones fail, and for `silent` ones have no answer.
 */
const bench = (confirmations = 1) =>
  Effect.gen(function*() {
    const world = {
      blocks: [[]] as Array<ReadonlyArray<string>>,
      hidden: new Set<string>(),
      refused: new Set<string | number>(),
      silent: new Set<string>(),
      used: 0,
      looks: 0,
      lookups: 0,
      polls: 0,
      heads: yield* Latch.make()
    }
    const find = (hash: string) => world.blocks.findLastIndex((block) => block.includes(hash))
    const chain = Layer.mock(Chain, {
      chainId: 31_337n,
      storageAddress: "",
      accessAddress: "",
      blockNumber: Effect.sync(() => {
        world.polls += 1
        return world.blocks.length - 1
      }),
      newHead: world.heads.await,
      blockReceipts: (number) =>
        Effect.suspend(() => {
          world.looks += 1
          if (world.refused.has(number)) return refused("eth_getBlockReceipts")
          return Effect.succeed((world.blocks[number] ?? []).map((hash) => receiptOf(hash, number)))
        }),
      receipt: (hash) =>
        Effect.suspend(() => {
          world.lookups += 1
          if (world.refused.has(hash)) return refused("eth_getTransactionReceipt")
          if (world.silent.has(hash)) return Effect.never
          const isTold = find(hash) !== -1 && !world.hidden.has(hash)
          return Effect.succeed(isTold ? Option.some(receiptOf(hash, find(hash))) : Option.none())
        }),
      transactionCount: (address) =>
        Effect.suspend(() =>
          world.refused.has(address) ? refused("eth_getTransactionCount") : Effect.succeed(world.used)
        ),
      // A foreign transaction of nonce n has the hash n + 1000.
      minedAt: ({ nonce }) =>
        Effect.sync(() => {
          const found = [hash(nonce), hash(nonce + 1000)].find((one) => find(one) !== -1)
          return found === undefined ? Option.none() : Option.some({ hash: found, blockNumber: find(found) })
        })
    })
    const settings = ConfigProvider.layer(ConfigProvider.fromUnknown({ CONFIRMATIONS: `${confirmations}` }))
    const context = yield* Layer.build(Receipts.layer.pipe(Layer.provide([chain, settings])))
    return { world, receipts: Context.get(context, Receipts) }
  })

const mine = (world: { blocks: Array<ReadonlyArray<string>> }, ...hashes: ReadonlyArray<string>) =>
  Effect.andThen(Effect.sync(() => world.blocks.push(hashes)), TestClock.adjust("1 second"))

it.effect("reports all that wait with one look at each block", () =>
  Effect.gen(function*() {
    const { receipts, world } = yield* bench()
    const waiting = yield* Effect.forEach([1, 2, 3], (n) =>
      Effect.forkScoped(receipts.await(claim(n)), { startImmediately: true }))
    yield* mine(world, hash(1), hash(2))
    yield* mine(world, hash(3))
    const mined = yield* Effect.forEach(waiting, Fiber.join)
    assert.deepStrictEqual(
      mined,
      [1, 2, 3].map((n) => ({ _tag: "Mined", receipt: receiptOf(hash(n), n === 3 ? 2 : 1) }))
    )
    assert.strictEqual(world.looks, 2)
  }))

it.effect("reports what was mined before it was asked for", () =>
  Effect.gen(function*() {
    const { receipts, world } = yield* bench()
    yield* mine(world, hash(1))
    assert.strictEqual((yield* receipts.await(claim(1)))._tag, "Mined")
  }))

it.effect("asks for no receipt of what was sent since the last look at a block", () =>
  Effect.gen(function*() {
    const { receipts, world } = yield* bench()
    const [sent, missed, known] = [claim(1), claim(2), claim(3)]
    yield* receipts.sent(sent, Effect.succeed("accepted"))
    const waiting = yield* Effect.forkScoped(receipts.await(sent), { startImmediately: true })
    yield* receipts.sent(missed, Effect.succeed("accepted"))
    yield* mine(world, hash(1), hash(2))
    assert.strictEqual((yield* Fiber.join(waiting))._tag, "Mined")
    assert.strictEqual(world.lookups, 0)
    // Its block was looked at before anybody waited for it.
    assert.strictEqual((yield* receipts.await(missed))._tag, "Mined")
    assert.strictEqual(world.lookups, 1)
    // What the node knew already may be in a block.
    yield* receipts.sent(known, Effect.succeed("already_known"))
    yield* Effect.forkScoped(receipts.await(known), { startImmediately: true })
    assert.strictEqual(world.lookups, 2)
  }))

it.effect("reports a transaction that was replaced, when it is the one that is mined", () =>
  Effect.gen(function*() {
    const { receipts, world } = yield* bench()
    const waiting = yield* Effect.forkScoped(receipts.await(claim(5, hash(50), hash(51))))
    yield* mine(world, hash(51))
    assert.deepStrictEqual(yield* Fiber.join(waiting), { _tag: "Mined", receipt: receiptOf(hash(51), 1) })
  }))

it.effect("waits for the blocks that confirm, and for the block that is left after a reorganisation", () =>
  Effect.gen(function*() {
    const { receipts, world } = yield* bench(3)
    const waiting = yield* Effect.forkScoped(receipts.await(claim(1)))
    yield* mine(world, hash(1))
    yield* mine(world)
    assert.isUndefined(waiting.pollUnsafe())
    world.blocks.splice(1)
    yield* mine(world)
    yield* mine(world, hash(1))
    yield* mine(world)
    assert.isUndefined(waiting.pollUnsafe())
    yield* mine(world)
    assert.deepStrictEqual(yield* Fiber.join(waiting), { _tag: "Mined", receipt: receiptOf(hash(1), 2) })
  }))

it.effect("finds a transaction in a block that another one has replaced", () =>
  Effect.gen(function*() {
    const { receipts, world } = yield* bench()
    const waiting = yield* Effect.forkScoped(receipts.await(claim(1)))
    yield* mine(world)
    yield* mine(world)
    world.blocks[1] = [hash(1)]
    world.used = 2
    yield* TestClock.adjust("5 seconds")
    assert.deepStrictEqual(yield* Fiber.join(waiting), { _tag: "Mined", receipt: receiptOf(hash(1), 1) })
  }))

it.effect("says that a nonce was used from elsewhere when a block shows it, and not before it is confirmed", () =>
  Effect.gen(function*() {
    const { receipts, world } = yield* bench(2)
    const waiting = yield* Effect.forkScoped(receipts.await(claim(1)))
    yield* mine(world, hash(1001))
    world.used = 2
    yield* TestClock.adjust("10 seconds")
    assert.isUndefined(waiting.pollUnsafe())
    yield* mine(world)
    yield* TestClock.adjust("5 seconds")
    assert.deepStrictEqual(yield* Fiber.join(waiting), { _tag: "Elsewhere", transactionHash: hash(1001) })
  }))

it.effect("takes a missing receipt for nothing while no block shows another transaction", () =>
  Effect.gen(function*() {
    const { receipts, world } = yield* bench()
    world.hidden.add(hash(1))
    yield* mine(world, hash(1))
    const waiting = yield* Effect.forkScoped(receipts.await(claim(1)))
    world.used = 2
    yield* TestClock.adjust("1 minute")
    assert.isUndefined(waiting.pollUnsafe())
    world.hidden.clear()
    yield* TestClock.adjust("5 seconds")
    assert.strictEqual((yield* Fiber.join(waiting))._tag, "Mined")
  }))

it.effect("reports what is mined though no block can be looked at", () =>
  Effect.gen(function*() {
    const { receipts, world } = yield* bench(2)
    for (let number = 0; number < 100; number++) world.refused.add(number)
    const waiting = yield* Effect.forkScoped(receipts.await(claim(1)), { startImmediately: true })
    yield* mine(world, hash(1))
    world.used = 2
    yield* TestClock.adjust("10 seconds")
    assert.isUndefined(waiting.pollUnsafe())
    yield* mine(world)
    yield* TestClock.adjust("5 seconds")
    assert.deepStrictEqual(yield* Fiber.join(waiting), { _tag: "Mined", receipt: receiptOf(hash(1), 1) })
  }))

it.effect("passes over a block that can't be looked at, and reports those after it", () =>
  Effect.gen(function*() {
    const { receipts, world } = yield* bench()
    world.refused.add(1)
    const waiting = yield* Effect.forkScoped(receipts.await(claim(1)), { startImmediately: true })
    yield* mine(world)
    yield* mine(world, hash(1))
    yield* TestClock.adjust("2 seconds")
    assert.deepStrictEqual(yield* Fiber.join(waiting), { _tag: "Mined", receipt: receiptOf(hash(1), 2) })
  }))

it.effect("does not let one claim's failing look hold another claim", () =>
  Effect.gen(function*() {
    const { receipts, world } = yield* bench()
    for (let number = 0; number < 100; number++) world.refused.add(number)
    world.refused.add(hash(1))
    const stranger = Address.make("0x70997970C51812dc3A010C7d01b50e0d17dc79C8")
    world.refused.add(stranger)
    const [first, second] = yield* Effect.forEach(
      [claim(1), claim(2), { ...claim(3), signer: stranger }],
      (one) => Effect.forkScoped(receipts.await(one), { startImmediately: true })
    )
    yield* mine(world, hash(1), hash(2))
    world.used = 3
    yield* TestClock.adjust("10 seconds")
    assert.strictEqual((yield* Fiber.join(second ?? assert.fail()))._tag, "Mined")
    assert.isUndefined(first?.pollUnsafe())
    world.refused.delete(hash(1))
    yield* TestClock.adjust("5 seconds")
    assert.strictEqual((yield* Fiber.join(first ?? assert.fail()))._tag, "Mined")
  }))

it.effect("reports the transaction that is mined, though the node reports nothing of the one that it replaced", () =>
  Effect.gen(function*() {
    const { receipts, world } = yield* bench()
    world.refused.add(hash(50)).add(1)
    const waiting = yield* Effect.forkScoped(receipts.await(claim(5, hash(50))), { startImmediately: true })
    yield* mine(world, hash(5))
    world.used = 6
    yield* TestClock.adjust("10 seconds")
    assert.deepStrictEqual(yield* Fiber.join(waiting), { _tag: "Mined", receipt: receiptOf(hash(5), 1) })
  }))

it.effect("does not wait for its first look, where blocks announce it", () =>
  Effect.gen(function*() {
    const { receipts, world } = yield* bench()
    world.silent.add(hash(1))
    const waiting = yield* Effect.forkScoped(receipts.await(claim(1)), { startImmediately: true })
    yield* mine(world, hash(1))
    assert.deepStrictEqual(yield* Fiber.join(waiting), { _tag: "Mined", receipt: receiptOf(hash(1), 1) })
  }))

/** A block that the chain reports. */
const report = (
  world: { readonly heads: Latch.Latch; readonly blocks: Array<ReadonlyArray<string>> },
  hash: string
) => Effect.andThen(Effect.sync(() => world.blocks.push([hash])), world.heads.release)

it.effect("looks at a block as soon as it is reported, and then seldom asks for one", () =>
  Effect.gen(function*() {
    const { receipts, world } = yield* bench()
    yield* TestClock.adjust("1 second")
    assert.isAtLeast(world.polls, 4)
    for (const n of [1, 2]) {
      const waiting = yield* Effect.forkScoped(receipts.await(claim(n)), { startImmediately: true })
      yield* report(world, hash(n))
      assert.deepStrictEqual(yield* Fiber.join(waiting), { _tag: "Mined", receipt: receiptOf(hash(n), n) })
    }
    world.polls = 0
    yield* TestClock.adjust("20 seconds")
    assert.strictEqual(world.polls, 4)
  }))

it.effect("asks for blocks as before when one comes that is not reported", () =>
  Effect.gen(function*() {
    const { receipts, world } = yield* bench()
    yield* report(world, hash(1))
    yield* receipts.await(claim(1))
    const waiting = yield* Effect.forkScoped(receipts.await(claim(2)), { startImmediately: true })
    world.blocks.push([hash(2)])
    yield* TestClock.adjust("5 seconds")
    assert.deepStrictEqual(yield* Fiber.join(waiting), { _tag: "Mined", receipt: receiptOf(hash(2), 2) })
    world.polls = 0
    yield* TestClock.adjust("1 second")
    assert.strictEqual(world.polls, 4)
  }))
