import { KeyId } from "@akave-async/domain/Account"
import { assert, describe, it } from "@effect/vitest"
import { Redacted } from "effect"
import { claimOf, publicKeyOf, secretOf } from "../src/KeySecrets.ts"

const master = Redacted.make("a master secret of enough length")
const keyId = KeyId.make("00112233445566aa")
const secret = (...args: [Redacted.Redacted, KeyId, number]) => Redacted.value(secretOf(...args))

describe("the secret of a key", () => {
  it("is the same each time, and another for each master secret, key and version", () => {
    const first = secret(master, keyId, 1)
    assert.strictEqual(secret(master, keyId, 1), first)
    const all = [
      first,
      secret(Redacted.make("another master secret of length"), keyId, 1),
      secret(master, KeyId.make("00112233445566ab"), 1),
      secret(master, keyId, 2)
    ]
    assert.lengthOf(new Set(all), 4)
  })

  it("names its key and version, and holds nothing of the master secret", () => {
    const text = secret(master, keyId, 12)
    assert.match(text, /^aag_sk_00112233445566aa_12_[A-Za-z0-9_-]{43}$/)
    assert.deepStrictEqual(claimOf(text), { keyId, version: 12 })
    assert.strictEqual(publicKeyOf(keyId), "aag_pk_00112233445566aa")
  })

  it.each([
    "",
    "aag_sk_",
    "aag_pk_00112233445566aa",
    "aag_sk_00112233445566AA_1_x",
    `aag_sk_00112233445566aa_0_${"x".repeat(43)}`
  ])(
    "is not %j",
    (text) => {
      assert.isUndefined(claimOf(text))
    }
  )
})
