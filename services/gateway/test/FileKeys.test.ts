import { NodeServices } from "@effect/platform-node"
import { assert, it } from "@effect/vitest"
import { ConfigProvider, Effect, Layer, Redacted } from "effect"
import { createHmac, hkdfSync } from "node:crypto"
import { FileKeys } from "../src/FileKeys.ts"

const [first, second] = ["f".repeat(32), "s".repeat(32)]
const given = (settings: Readonly<Record<string, string>>) =>
  FileKeys.pipe(Effect.provide(
    FileKeys.layerConfig.pipe(
      Layer.provide([ConfigProvider.layer(ConfigProvider.fromUnknown(settings)), NodeServices.layer])
    )
  ))
const bytesOf = (key: Redacted.Redacted<Uint8Array> | undefined) =>
  key === undefined ? undefined : Buffer.from(Redacted.value(key)).toString("hex")

it.effect("derives an account's key from the secret as the documentation says", () =>
  Effect.gen(function*() {
    const keys = yield* given({ FILE_ENCRYPTION_SECRET: first })
    const key = keys.current("acme")
    const info = "akave-async file encryption acme"
    assert.strictEqual(
      bytesOf(key?.key),
      Buffer.from(hkdfSync("sha256", first, new Uint8Array(), info, 32)).toString("hex")
    )
    assert.strictEqual(
      key?.keyId,
      createHmac("sha256", first).update("akave-async file key id").digest("hex").slice(0, 16)
    )
    assert.notStrictEqual(bytesOf(keys.current("other")?.key), bytesOf(key?.key))
    assert.notInclude(`${JSON.stringify(key)} ${key}`, first)
  }))

it.effect("finds the keys of the secret before, and of no other", () =>
  Effect.gen(function*() {
    const before = (yield* given({ FILE_ENCRYPTION_SECRET: first })).current("acme")
    const keys = yield* given({ FILE_ENCRYPTION_SECRET: second, FILE_ENCRYPTION_SECRET_BEFORE: first })
    const now = keys.current("acme")
    assert.notStrictEqual(now?.keyId, before?.keyId)
    assert.strictEqual(bytesOf(keys.find("acme", before?.keyId ?? "")), bytesOf(before?.key))
    assert.strictEqual(bytesOf(keys.find("acme", now?.keyId ?? "")), bytesOf(now?.key))
    assert.isUndefined(keys.find("acme", "0".repeat(16)))
    const without = yield* given({ FILE_ENCRYPTION_SECRET: second })
    assert.isUndefined(without.find("acme", before?.keyId ?? ""))
  }))

it.effect("has none without a secret, and takes none that is short", () =>
  Effect.gen(function*() {
    assert.isUndefined((yield* given({})).current("acme"))
    const { message } = yield* Effect.flip(given({ FILE_ENCRYPTION_SECRET: "short" }))
    assert.include(message, "FILE_ENCRYPTION_SECRET has fewer than 32 characters")
    assert.notInclude(message, "short")
  }))
