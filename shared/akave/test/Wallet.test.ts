import { assert, it } from "@effect/vitest"
import { ConfigProvider, Effect, Inspectable, Redacted, Schema } from "effect"
import { SigningKey, Transaction } from "ethers"
import { preparedOf, Wallet } from "../src/Wallet.ts"

/** The first of the accounts that every development chain funds. */
// A public development key: the first of every Anvil chain.
const digits = "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"
const address = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"

const prepared = {
  to: "0x5FbDB2315678afecb367f032d93F642f64180aa3",
  data: "0xe3f787e8",
  gasLimit: 180_000n,
  chainId: 31_337n
}
const fees = { maxFeePerGas: 3_000_000_000n, maxPriorityFeePerGas: 1_000_000_000n }

const built = (privateKey: string) => Effect.provide(Wallet, Wallet.layer(Redacted.make(privateKey)))

it.effect.each([digits, `0x${digits}`, digits.toUpperCase()])(
  "takes a private key, with or without 0x",
  (privateKey) =>
    Effect.gen(function*() {
      assert.strictEqual((yield* built(privateKey)).address, address)
    })
)

const order = "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141"
it.effect.each([
  "",
  "0x",
  digits.slice(1),
  `${digits}0`,
  `${digits}\n`,
  ` ${digits}`,
  `0X${digits}`,
  `g${digits.slice(1)}`,
  "0".repeat(64),
  order,
  "f".repeat(64)
])("refuses a bad private key without reporting it", (privateKey) =>
  Effect.gen(function*() {
    const error = yield* Effect.flip(built(privateKey))
    assert.strictEqual(error._tag, "InvalidArgument")
    assert.strictEqual(error.field, "private key")
    const reported = `${error.message} ${Inspectable.toStringUnknown(error)} ${error.stack}`
    if (privateKey.length > 2) assert.notInclude(reported, privateKey)
  }))

it.effect("reads the private key from the environment", () =>
  Effect.gen(function*() {
    assert.strictEqual((yield* Wallet).address, address)
  }).pipe(
    Effect.provide(Wallet.layerConfig),
    Effect.provide(ConfigProvider.layer(ConfigProvider.fromUnknown({ AKAVE_PRIVATE_KEY: digits })))
  ))

it.effect("signs what it was given, always to the same bytes", () =>
  Effect.gen(function*() {
    const wallet = yield* built(digits)
    const signed = yield* wallet.sign(prepared, { nonce: 7, fees })
    assert.deepStrictEqual(yield* wallet.sign(prepared, { nonce: 7, fees }), signed)
    assert.include(signed, { nonce: 7, from: address })

    const transaction = Transaction.from(signed.raw)
    assert.strictEqual(transaction.hash, signed.hash)
    assert.strictEqual(transaction.from, address)
    assert.include(transaction, { type: 2, nonce: 7, value: 0n, ...prepared, ...fees })
    assert.notInclude(Inspectable.toStringUnknown(wallet), digits)
  }))

const Count = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 2 ** 40 }))
it.effect.prop(
  "signs as ethers does, in both types, and reads back what it signed",
  [Count, Count, Schema.Boolean],
  ([nonce, price, isLegacy]) =>
    Effect.gen(function*() {
      const offer = { maxFeePerGas: BigInt(price), maxPriorityFeePerGas: BigInt(price) / 2n }
      const signed = yield* (yield* built(digits)).sign(prepared, { nonce, fees: { ...offer, isLegacy } })
      const expected = Transaction.from({
        ...prepared,
        nonce,
        ...(isLegacy ? { type: 0, gasPrice: offer.maxFeePerGas } : { type: 2, ...offer })
      })
      expected.signature = new SigningKey(`0x${digits}`).sign(expected.unsignedHash)
      assert.strictEqual(signed.raw, expected.serialized)
      assert.strictEqual(signed.hash, expected.hash)
      assert.deepStrictEqual(preparedOf(signed.raw), { ...prepared, isLegacy })
    })
)
