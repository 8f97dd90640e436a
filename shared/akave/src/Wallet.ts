/** The key that signs transactions. It is in no message, span or error. */
import { Config, Context, Effect, Layer, Redacted } from "effect"
import { computeAddress, getBytes, hexlify, Transaction } from "ethers"
import { signRecoverable } from "tiny-secp256k1"
import type { Fees } from "./Chain.ts"
import { InvalidArgument } from "./Errors.ts"

/** A call that is ready to be signed, but for its nonce and fees. */
export interface Prepared {
  readonly to: string
  /** 0x and hex digits. */
  readonly data: string
  /** Gas units. */
  readonly gasLimit: bigint
  readonly chainId: bigint
}

export interface Signed {
  /** The transaction as the chain takes it: 0x and lower-case hex digits. */
  readonly raw: string
  /** The transaction's hash, known before it is sent: 0x and 64 lower-case hex digits. */
  readonly hash: string
  readonly nonce: number
  readonly from: string
}

export class Wallet extends Context.Service<Wallet, {
  /** With EIP-55's checksum. */
  readonly address: string
  /** Signs a transaction of no value, of type 2 or 0. The same arguments always give the same bytes. */
  sign(prepared: Prepared, with_: { readonly nonce: number; readonly fees: Fees }): Effect.Effect<Signed>
  /** Signs 32 bytes as they are: r, s and 27 or 28, 65 bytes together. */
  signDigest(digest: Uint8Array): Effect.Effect<Uint8Array>
}>()("@akave-async/sdk/Wallet") {
  /** From a secp256k1 private key: 64 hex digits, with or without 0x. */
  static readonly layer = (privateKey: Redacted.Redacted): Layer.Layer<Wallet, InvalidArgument> =>
    Layer.effect(Wallet, make(privateKey))

  /** Reads `AKAVE_PRIVATE_KEY`. */
  static readonly layerConfig: Layer.Layer<Wallet, InvalidArgument | Config.ConfigError> = Layer.unwrap(
    Effect.map(Config.Redacted("AKAVE_PRIVATE_KEY"), (privateKey) => Wallet.layer(privateKey))
  )
}

const make = Effect.fnUntraced(function*(privateKey: Redacted.Redacted) {
  const { address, key } = yield* keyOf(privateKey)

  const sign: Wallet["Service"]["sign"] = Effect.fn("Wallet.sign")((prepared, { fees, nonce }) =>
    Effect.sync((): Signed => {
      const { isLegacy = false, maxFeePerGas, maxPriorityFeePerGas } = fees
      const { chainId, data, gasLimit, to } = prepared
      const transaction = Transaction.from({
        chainId,
        nonce,
        to,
        data,
        gasLimit,
        ...(isLegacy ? { type: 0, gasPrice: maxFeePerGas } : { type: 2, maxFeePerGas, maxPriorityFeePerGas })
      })
      // libsecp256k1 as WebAssembly: the same signatures (RFC 6979, low s) as ethers makes, four times as fast.
      const { recoveryId, signature } = signRecoverable(getBytes(transaction.unsignedHash), key)
      transaction.signature = {
        r: hexlify(signature.subarray(0, 32)),
        s: hexlify(signature.subarray(32)),
        yParity: recoveryId === 0 ? 0 : 1
      }
      const { hash, serialized: raw } = transaction
      if (hash === null) throw new Error("a signed transaction has a hash")
      return { raw, hash, nonce, from: address }
    })
  )

  const signDigest = (digest: Uint8Array) =>
    Effect.sync(() => {
      const { recoveryId, signature } = signRecoverable(digest, key)
      return Uint8Array.of(...signature, 27 + recoveryId)
    })

  return Wallet.of({ address, sign, signDigest })
})

/** What a signed transaction asks for, so that it can be signed again with another nonce or other fees. */
export const preparedOf = (raw: string): Prepared & { readonly isLegacy: boolean } => {
  const { chainId, data, gasLimit, to, type } = Transaction.from(raw)
  if (to === null) throw new Error("a transaction that creates a contract is none of ours")
  return { to, data, gasLimit, chainId, isLegacy: type === 0 }
}

/** What a library says of a bad key may hold the key, so its words are dropped. */
const keyOf = (privateKey: Redacted.Redacted) =>
  Effect.try({
    try: () => {
      const [, digits] = /^(?:0x)?([0-9a-fA-F]{64})$/.exec(Redacted.value(privateKey)) ?? []
      // Zero and numbers beyond the curve's order have no address.
      return { key: getBytes(`0x${digits}`), address: computeAddress(`0x${digits}`) }
    },
    catch: () =>
      new InvalidArgument({
        field: "private key",
        reason: "it must be 64 hex digits, with or without 0x, and a key of the curve secp256k1"
      })
  })
