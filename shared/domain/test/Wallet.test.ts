import { assert, describe, it } from "@effect/vitest"
import { DateTime, Effect, Schema } from "effect"
import { Address, TransactionHash } from "../src/Ethereum.ts"
import * as Job from "../src/Job.ts"
import * as Wallet from "../src/Wallet.ts"

const jobId = Job.Id.make("019845e1-682f-7b02-a706-3b2422d13aec")
const signer = Address.make("0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266")
const [first, second] = [TransactionHash.make(`0x${"01".repeat(32)}`), TransactionHash.make(`0x${"02".repeat(32)}`)]
const occurredAt = DateTime.makeUnsafe(0)
const signed = { signer, nonce: 7, transaction: "0x02", maxFeePerGas: 9n, maxPriorityFeePerGas: 1n, occurredAt }

const opened = Wallet.WalletOpened.make({ signer, nextNonce: 7, occurredAt })
const claimed = Wallet.NonceClaimed.make({ ...signed, jobId, transactionHash: first })
const replaced = Wallet.TransactionReplaced.make({
  ...signed,
  jobId,
  transactionHash: second,
  earlier: [first],
  nextNonce: 12
})
const forgone = Wallet.ClaimForgone.make({ jobId, signer, nextNonce: 12, occurredAt })

describe("the next nonce", () => {
  it.for<[string, Wallet.Event, number]>([
    ["of an opened wallet is the chain's", opened, 7],
    ["after a claim is the one after it", claimed, 8],
    ["after a replacement is what it was", replaced, 12],
    ["after a job was given up is what it was", forgone, 12]
  ])("%s", ([, event, next]) => {
    assert.strictEqual(Wallet.evolve(Wallet.initial, event), next)
  })
})

describe("a claim", () => {
  it("is made by the claiming of a nonce, and changed by a replacement", () => {
    const { _tag, ...fields } = claimed
    assert.deepStrictEqual(Wallet.claimOf(claimed), { ...fields, earlier: [] })
    const changed = Wallet.claimOf(replaced)
    assert.deepInclude(changed, { jobId, nonce: 7, transactionHash: second })
    assert.deepStrictEqual(Wallet.hashes(changed), [first, second])
  })

  it("is in no other event", () => {
    assert.isUndefined(Wallet.claimOf(opened as Wallet.Event))
    assert.isUndefined(Wallet.claimOf(forgone as Wallet.Event))
  })
})

const Fee = Schema.BigInt.check(Schema.isBetweenBigInt({ minimum: 0n, maximum: 10n ** 15n }))
const Fees = Schema.Struct({ maxFeePerGas: Fee, maxPriorityFeePerGas: Fee })

describe("raised fees", () => {
  it.effect.prop(
    "are an eighth higher at least, as high as the market, and within the cap",
    [Fees, Fees, Fee],
    ([had, market, cap]) =>
      Effect.sync(() => {
        const raised = Wallet.raise(had, market, cap)
        if (raised === undefined) {
          assert.isTrue(had.maxFeePerGas * 9n + 8n > cap * 8n)
          return
        }
        assert.isTrue(raised.maxFeePerGas * 8n >= had.maxFeePerGas * 9n)
        assert.isTrue(raised.maxFeePerGas > had.maxFeePerGas)
        assert.isTrue(raised.maxFeePerGas <= cap)
        assert.isTrue(
          raised.maxFeePerGas >= market.maxFeePerGas || raised.maxFeePerGas === cap || market.maxFeePerGas > cap
        )
        assert.isTrue(raised.maxPriorityFeePerGas <= raised.maxFeePerGas)
        const tip = raised.maxPriorityFeePerGas
        assert.isTrue(tip * 8n >= had.maxPriorityFeePerGas * 9n || tip === raised.maxFeePerGas)
      })
  )

  it.for<[string, Wallet.Fees, Wallet.Fees, bigint, Wallet.Fees | undefined]>([
    ["take an eighth more where the market asks for less", fees(80n, 8n), fees(10n, 1n), 1000n, fees(90n, 9n)],
    ["follow the market where it asks for more", fees(80n, 8n), fees(500n, 50n), 1000n, fees(500n, 50n)],
    ["stop at the cap", fees(80n, 8n), fees(5000n, 50n), 1000n, fees(1000n, 50n)],
    ["are none beyond the cap", fees(900n, 8n), fees(5000n, 50n), 1000n, undefined],
    ["round up", fees(1n, 0n), fees(0n, 0n), 1000n, fees(2n, 1n)]
  ])("%s", ([, had, market, cap, then]) => {
    assert.deepStrictEqual(Wallet.raise(had, market, cap), then)
  })
})

function fees(maxFeePerGas: bigint, maxPriorityFeePerGas: bigint): Wallet.Fees {
  return { maxFeePerGas, maxPriorityFeePerGas }
}
