import { NodeServices } from "@effect/platform-node"
import { assert, it } from "@effect/vitest"
import { ConfigProvider, Effect, Fiber, FileSystem, Logger, Path, type Scope, Stream } from "effect"
import { TestClock } from "effect/testing"
import { Wallet } from "ethers"
import * as Keys from "../src/Keys.ts"

const [one, two, three] = [Wallet.createRandom(), Wallet.createRandom(), Wallet.createRandom()]

/** A new folder, and what is logged while a test runs. */
const bench = Effect.gen(function*() {
  const files = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const folder = yield* files.makeTempDirectoryScoped()
  const said: Array<string> = []
  const put = Effect.fnUntraced(function*(name: string, text: string, mode = 0o600) {
    const file = path.join(folder, name)
    yield* files.writeFileString(file, text)
    yield* files.chmod(file, mode)
    return file
  })
  const logger = Logger.layer([Logger.make(({ message }) => void said.push(String(message)))])
  const wallets = (settings: Readonly<Record<string, string>>) =>
    Effect.provide(Keys.wallets, [logger, ConfigProvider.layer(ConfigProvider.fromUnknown(settings))])
  return { folder, put, said, logger, wallets }
})
type Bench = Effect.Success<typeof bench>
const test = (sentence: string, body: (of: Bench) => Effect.Effect<void, unknown, Needs>) =>
  it.effect(sentence, () => Effect.flatMap(bench, body).pipe(Effect.provide(NodeServices.layer)))
type Needs = FileSystem.FileSystem | Path.Path | Scope.Scope

const addresses = (wallets: ReadonlyArray<{ readonly address: string }>) => wallets.map(({ address }) => address)

test("takes the key of the settings, of a file, and those of a folder, each once", ({ folder, put, wallets }) =>
  Effect.gen(function*() {
    yield* put("b", `${two.privateKey}\n`)
    yield* put("a", three.privateKey.slice(2))
    yield* put("again", one.privateKey)
    yield* put(".hidden", "no key")
    const settings = { AKAVE_PRIVATE_KEY: one.privateKey, AKAVE_PRIVATE_KEYS_DIR: folder }
    assert.deepStrictEqual(addresses((yield* wallets(settings)).first), [one.address, three.address, two.address])
    const file = yield* put("file", one.privateKey)
    assert.deepStrictEqual(addresses((yield* wallets({ AKAVE_PRIVATE_KEY_FILE: file })).first), [one.address])
  }))

test("takes a key that is added to the folder later, once", ({ folder, put, wallets }) =>
  Effect.gen(function*() {
    const { added, first } = yield* wallets({ AKAVE_PRIVATE_KEYS_DIR: folder })
    assert.deepStrictEqual(addresses(first), [])
    const found: Array<string> = []
    const looking = yield* Effect.forkScoped(
      Stream.runForEach(added, ({ address }) => Effect.sync(() => found.push(address)))
    )
    const until = (count: number) =>
      Effect.repeat(
        Effect.andThen(TestClock.adjust("2 seconds"), Effect.promise(() => new Promise((done) => setTimeout(done, 5)))),
        { until: () => found.length >= count }
      )
    yield* put("one", one.privateKey)
    yield* until(1)
    yield* put("two", two.privateKey)
    yield* until(2)
    assert.deepStrictEqual(found, [one.address, two.address])
    yield* Fiber.interrupt(looking)
  }))

test("reports a file of the folder that can't be used, with what to do, and shows no key", ({ folder, put, said, wallets }) =>
  Effect.gen(function*() {
    const open = yield* put("open", one.privateKey, 0o644)
    const wrong = yield* put("wrong", `${two.privateKey}00`)
    const { first } = yield* wallets({ AKAVE_PRIVATE_KEY: three.privateKey, AKAVE_PRIVATE_KEYS_DIR: folder })
    assert.deepStrictEqual(addresses(first), [three.address])
    assert.includeMembers(said, [`${open} can be read by others: run chmod 600 ${open}`])
    assert.isTrue(said.some((text) => text.startsWith(`${wrong} is not a private key: `)))
    for (const { privateKey } of [one, two, three]) assert.notInclude(said.join("\n"), privateKey.slice(2))
  }))

for (
  const [what, settings, message] of [
    ["no key at all", {}, /^No key to sign with: set AKAVE_PRIVATE_KEY, /],
    ["a key that is none", { AKAVE_PRIVATE_KEY: "0x12" }, /^AKAVE_PRIVATE_KEY is not a private key: /],
    ["a file that is not there", { AKAVE_PRIVATE_KEY_FILE: "/nowhere/key" }, /^\/nowhere\/key can't be read: /],
    ["a key and a file", { AKAVE_PRIVATE_KEY: one.privateKey, AKAVE_PRIVATE_KEY_FILE: "/key" }, /, not both$/]
  ] as const
) {
  test(`refuses settings with ${what}`, ({ wallets }) =>
    Effect.gen(function*() {
      const refused = yield* Effect.flip(wallets(settings))
      assert.match(refused.message, message)
    }))
}

test("goes on with the settings' key where the folder can't be read", ({ said, wallets }) =>
  Effect.gen(function*() {
    const { first } = yield* wallets({ AKAVE_PRIVATE_KEY: one.privateKey, AKAVE_PRIVATE_KEYS_DIR: "/nowhere" })
    assert.deepStrictEqual(addresses(first), [one.address])
    assert.match(said.join("\n"), /^the folder of keys \/nowhere can't be read: /)
  }))
