import { NodeServices } from "@effect/platform-node"
import { assert, it } from "@effect/vitest"
import { ConfigProvider, Effect, FileSystem, Layer } from "effect"
import { join } from "node:path"
import { NodeFolder } from "../../src/node/NodeFolder.ts"
import { NodeIdentity, peerIdOf } from "../../src/node/NodeIdentity.ts"

it("writes a public key as a libp2p peer id", () => {
  const { bytes, text } = peerIdOf(Buffer.alloc(32, 7))
  assert.strictEqual(text, "12D3KooWAHoEkEqnKzM5PXFygh2movVBCSX3k8tDsT2cneU68Gyt")
  assert.strictEqual(bytes.toString("hex"), `002408011220${"07".repeat(32)}`)
})

const identity = (values: Record<string, string>) =>
  Effect.gen(function*() {
    return yield* NodeIdentity
  }).pipe(
    Effect.provide(
      NodeIdentity.layer.pipe(
        Layer.provide(NodeFolder.layer),
        Layer.provide(ConfigProvider.layer(ConfigProvider.fromUnknown(values))),
        Layer.fresh
      )
    )
  )

it.effect("keeps its identity in its folder, for nobody else to read", () =>
  Effect.gen(function*() {
    const fs = yield* FileSystem.FileSystem
    const dataDir = yield* fs.makeTempDirectoryScoped({ prefix: "identity-" })
    const first = yield* identity({ DEVNET_DATA_DIR: dataDir })
    assert.deepStrictEqual(yield* identity({ DEVNET_DATA_DIR: dataDir }), first)
    assert.match(first.text, /^12D3KooW[1-9A-HJ-NP-Za-km-z]{44}$/)
    assert.strictEqual(first.onChain, `0x${first.bytes.subarray(6).toString("hex")}`)
    const file = join(dataDir, "node", "identity.pem")
    assert.strictEqual((yield* fs.stat(file)).mode & 0o777, 0o600)

    yield* fs.writeFileString(file, "damaged")
    const error = yield* Effect.flip(identity({ DEVNET_DATA_DIR: dataDir }))
    assert.match(error.message, /^The node's key .*identity\.pem cannot be used: move it away/)
  }).pipe(Effect.provide(NodeServices.layer)))

it.effect("is another node each time where nothing is kept", () =>
  Effect.gen(function*() {
    assert.notStrictEqual((yield* identity({})).text, (yield* identity({})).text)
  }).pipe(Effect.provide(NodeServices.layer)))
