import { Address, TransactionHash } from "@akave-async/domain/Ethereum"
import type { Claim } from "@akave-async/domain/Wallet"
import { Chain } from "@akave-async/sdk/Chain"
import { TransactionRefused } from "@akave-async/sdk/Errors"
import { Wallet } from "@akave-async/sdk/Wallet"
import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Context, DateTime, Effect, Fiber, Layer, Redacted } from "effect"
import { TestClock } from "effect/testing"
import { isMinable, type Look, type Memory, remember, run, type Task, taskOf } from "../src/Keeper.ts"
import { Ledger } from "../src/Ledger.ts"
import { Shortages } from "../src/Shortages.ts"

/** The first key of every Anvil chain: a public development key. */
const publicDevelopmentKey = "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"

/** A wallet of which nonces up to 10 were given out before the last look, in block 100 at second 0. */
const memory: Memory = { nextNonce: 10, used: 4, usedSince: { head: 100, time: 0 } }
const look = (change: Partial<Look>): Look => ({ head: 101, used: 4, pending: 10, nextNonce: 10, ...change })

describe("the keeper's task", () => {
  it.for<[string, Look, number, Partial<Task> | undefined]>([
    ["is none while the node knows all that was given out", look({}), 1_000, undefined],
    ["is none where all is mined", look({ used: 10 }), 1_000, undefined],
    [
      "leaves what was given out since the last look to those who claimed it",
      look({ nextNonce: 20 }),
      1_000,
      undefined
    ],
    ["is what the node does not know", look({ pending: 7, nextNonce: 20 }), 1_000, { from: 7, to: 10, isStuck: false }],
    ["is all that is not mined where the node's pool is empty", look({ pending: 4 }), 1_000, { from: 4, to: 10 }],
    ["begins at what is mined where the node's two counts disagree", look({ pending: 2 }), 1_000, { from: 4, to: 10 }],
    ["follows the chain back when a reorganisation takes blocks away", look({ used: 1, pending: 1 }), 1_000, {
      from: 1,
      to: 10,
      isStuck: false
    }],
    ["is no raise of fees before three blocks went by", look({ head: 102 }), 3_000, undefined],
    ["is to raise fees when three blocks held nothing of the wallet", look({ head: 103 }), 3_000, {
      from: 4,
      to: 10,
      isStuck: true,
      isImpatient: false
    }],
    ["is no raise of fees where the chain stands still", look({ head: 100 }), 600_000, undefined],
    ["is to raise what the market would take after half a minute", look({ head: 130 }), 30_000, { isImpatient: true }]
  ])("%s", ([, seen, time, task]) => {
    const given = taskOf(memory, seen, time)
    if (task === undefined) assert.isUndefined(given)
    else assert.deepInclude(given, task)
  })

  it("counts blocks from the last one in which the wallet got on", () => {
    const before = remember(undefined, look({ head: 50, used: 3 }), 10)
    assert.deepStrictEqual(before.usedSince, { head: 50, time: 10 })
    const same = remember(before, look({ head: 60, used: 3 }), 20)
    assert.deepStrictEqual(same.usedSince, { head: 50, time: 10 })
    const after = remember(same, look({ head: 61, used: 4 }), 30)
    assert.deepStrictEqual(after, { nextNonce: 10, used: 4, usedSince: { head: 61, time: 30 } })
  })
})

it("knows an offer that the base fee has outgrown", () => {
  const market = { maxFeePerGas: 21n, maxPriorityFeePerGas: 1n }
  const offer = (maxFeePerGas: bigint) => ({ maxFeePerGas, maxPriorityFeePerGas: 1n })
  assert.isTrue(isMinable(offer(10n), { ...market, baseFeePerGas: 10n }))
  assert.isFalse(isMinable(offer(9n), { ...market, baseFeePerGas: 10n }))
  // Without a base fee, the gas price is what counts.
  assert.isTrue(isMinable(offer(21n), { ...market, isLegacy: true }))
  assert.isFalse(isMinable(offer(20n), { ...market, isLegacy: true }))
})

it.effect("reports every claim behind the first one that the wallet can't pay for, also those that wait in the node's pool", () =>
  Effect.gen(function*() {
    const signer = Address.make("0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266")
    const fees = { maxFeePerGas: 3n, maxPriorityFeePerGas: 1n }
    const wallet = Context.get(yield* Layer.build(Wallet.layer(Redacted.make(publicDevelopmentKey))), Wallet)
    const claims = yield* Effect.forEach([4, 5, 6], (nonce) =>
      Effect.map(
        wallet.sign({ to: signer, data: "0x", gasLimit: 100n, chainId: 31_337n }, { nonce, fees }),
        ({ hash, raw }): Claim => ({
          signer,
          nonce,
          transaction: raw,
          transactionHash: TransactionHash.make(hash),
          ...fees,
          occurredAt: DateTime.makeUnsafe(0),
          earlier: []
        })
      ))
    const [, second, third] = claims as [Claim, Claim, Claim]
    let isPaid = false
    const chain = Layer.mock(Chain, {
      chainId: 31_337n,
      storageAddress: "",
      accessAddress: "",
      blockNumber: Effect.succeed(9),
      transactionCount: (_, at) => Effect.succeed(at === "latest" ? 4 : 5),
      fees: Effect.succeed(fees),
      balance: () => Effect.succeed(350n),
      // The last one waits behind the gap.
      transactionKnown: (hash) => Effect.succeed(hash === third.transactionHash),
      send: () =>
        isPaid
          ? Effect.succeed("accepted")
          : Effect.fail(new TransactionRefused({ reason: "insufficient_funds", message: "insufficient funds" }))
    })
    const ledger = Layer.mock(Ledger, {
      signer,
      nextNonce: Effect.succeed(7),
      issued: (from) =>
        Effect.succeed({
          nextNonce: 7,
          claims: new Map(claims.filter((one) => one.nonce >= from).map((one) => [one.nonce, one]))
        }),
      replace: () => Effect.succeed([])
    })
    const shortages = Context.get(yield* Layer.build(Shortages.layer), Shortages)
    yield* run.pipe(
      Effect.provide([chain, ledger, Layer.succeed(Shortages, shortages)]),
      Effect.provide(ConfigProvider.layer(ConfigProvider.fromUnknown({}))),
      Effect.forkScoped
    )
    const reported = yield* Effect.forkScoped(Effect.forEach([second, third], shortages.await, { concurrency: 2 }))
    yield* TestClock.adjust("5 seconds")
    for (const { balance, needed, transactions } of yield* Fiber.join(reported)) {
      assert.deepStrictEqual({ balance, needed, transactions }, { balance: 350n, needed: 600n, transactions: 2 })
    }
    isPaid = true
    const over = yield* Effect.forkScoped(shortages.untilOver(third))
    yield* TestClock.adjust("6 seconds")
    yield* Fiber.join(over)
  }))
