import * as Log from "@akave-async/domain/Log"
import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, DateTime, Effect, FileSystem, Layer, Option, Result } from "effect"
import { generateKeyPairSync } from "node:crypto"
import * as Checkpoints from "../src/Checkpoints.ts"
import * as EventLogMemory from "../src/EventLogMemory.ts"
import * as HashChain from "../src/HashChain.ts"
import * as LogEvents from "../src/LogEvents.ts"

const pem = (): string => generateKeyPairSync("ed25519").privateKey.export({ type: "pkcs8", format: "pem" }).toString()
const keyOf = (text: string) =>
  Checkpoints.signingKey.pipe(
    Effect.provide(
      Layer.merge(FileSystem.layerNoop({}), ConfigProvider.layer(ConfigProvider.fromUnknown({ CHECKPOINT_KEY: text })))
    )
  )
const key = Effect.map(keyOf(pem()), Option.getOrThrow)
const at = DateTime.makeUnsafe("2026-01-01T00:00:00.000Z")
const place = { sequence: 7, hash: HashChain.genesis }

it.effect("a checkpoint is signed by its key, and any change to it shows", () =>
  Effect.gen(function*() {
    const signed = Checkpoints.sign(yield* key, place, at)
    assert.isTrue(Checkpoints.isSigned(signed))
    const changes: ReadonlyArray<Partial<Log.CheckpointSigned>> = [
      { sequence: 8 },
      { hash: "1".repeat(64) },
      { occurredAt: DateTime.add(at, { milliseconds: 1 }) },
      { publicKey: (yield* key).publicKey.replace(/^./, (first) => first === "A" ? "B" : "A") },
      { publicKey: "" },
      { signature: signed.signature.replace(/^./, (first) => first === "A" ? "B" : "A") },
      { signature: "" }
    ]
    for (const change of changes) assert.isFalse(Checkpoints.isSigned({ ...signed, ...change }), JSON.stringify(change))
  }))

describe("a key", () => {
  it.effect("is none where none is set", () => Effect.map(keyOf(""), (none) => assert.isTrue(Option.isNone(none))))

  it.effect.each([
    "something else",
    generateKeyPairSync("ed448").privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
    generateKeyPairSync("ed25519").publicKey.export({ type: "spki", format: "pem" }).toString()
  ])("that can't sign is refused with what to do, and not repeated", (text) =>
    Effect.gen(function*() {
      const { message } = yield* Effect.flip(keyOf(text))
      assert.match(message, /openssl genpkey -algorithm ed25519/)
      assert.notInclude(message, text)
    }))
})

describe("what is news", () => {
  it.each([
    ["anything but the record of the checkpoint before", 105, 100, 105, true],
    ["an event right behind a checkpoint whose record came later", 101, 100, 105, true],
    ["nothing, where only that record has come", 101, 100, 101, false],
    ["nothing, where the log stands as it did", 100, 100, 101, false],
    ["nothing, where a later place was signed meanwhile", 90, 100, 101, false]
  ])("%s", (_, sequence, before, record, expected) => {
    assert.strictEqual(Checkpoints.isNews(sequence, { sequence: before, record }), expected)
  })
})

it.effect("checkpoints are recorded where there is news, in the log itself, and idle logs get no more of them", () =>
  Effect.gen(function*() {
    const log = yield* EventLogMemory.open
    const own = yield* key
    const record = (sequence: number, minAge = 0) =>
      Checkpoints.record(log, own, { sequence, hash: HashChain.genesis }, "/test", minAge)
    assert.isTrue(Option.isNone(yield* record(0)))
    yield* log.append("a.b", { revision: 0 }, { id: "1", headers: {}, data: new Uint8Array() })
    assert.isTrue(Option.isSome(yield* record(1)))
    assert.isTrue(Option.isNone(yield* record(2)))
    yield* log.append("a.c", { revision: 0 }, { id: "2", headers: {}, data: new Uint8Array() })
    assert.isTrue(Option.isNone(yield* record(3, 60_000)), "too soon after the one before")
    assert.isTrue(Option.isSome(yield* record(3)))
    const { events } = yield* log.read(Log.subject("CheckpointSigned"))
    const recorded = events.map(LogEvents.codec.decode).filter(Result.isSuccess).map(({ success }) => success)
    assert.deepStrictEqual(recorded.map((one) => one._tag === "CheckpointSigned" && one.sequence), [1, 3])
  }))
