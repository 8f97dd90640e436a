import { assert, it } from "@effect/vitest"
import { ConfigProvider, Effect, Layer, Option } from "effect"
import { durability, Nats } from "../src/Nats.ts"

const untold = "as often as its sync_interval says (2m unless set; tell it by NATS_SYNC_INTERVAL)"

it.for(
  [
    ["2.9.10", Option.none(), "every 2m"],
    ["2.9.25", Option.some("always"), "every 2m"],
    ["1.4.1", Option.some("10s"), "every 2m"],
    ["2.10.0", Option.none(), untold],
    ["2.10.0", Option.some("10s"), "every 10s"],
    ["2.12.1", Option.some("always"), "at every write"],
    ["3.0.0-dev", Option.some("1m"), "every 1m"]
  ] as const
)("tells how durable nats-server %s with sync_interval %j is", ([version, setting, when]) => {
  assert.strictEqual(durability(version, setting), `nats-server ${version}, synced to disk ${when}`)
})

it.effect("says at once that nothing answers at NATS_URL", () =>
  Effect.gen(function*() {
    const settings = ConfigProvider.layer(ConfigProvider.fromUnknown({ NATS_URL: "nats://127.0.0.1:1" }))
    const error = yield* Effect.flip(Layer.build(Layer.provide(Nats.layerConfig("test"), settings)))
    assert.strictEqual(error.message, "NATS did not answer at 127.0.0.1:1; start nats-server or set NATS_URL")
  }))
