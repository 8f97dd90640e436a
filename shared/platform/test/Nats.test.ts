import { assert, it } from "@effect/vitest"
import { ConfigProvider, Effect, Layer, Option } from "effect"
import { durability, Nats } from "../src/Nats.ts"

const unreported = "as often as its sync_interval says (2m unless set; NATS_SYNC_INTERVAL says it here)"

it.for(
  [
    ["2.9.10", Option.none(), "every 2m"],
    ["2.9.25", Option.some("always"), "every 2m"],
    ["1.4.1", Option.some("10s"), "every 2m"],
    ["2.10.0", Option.none(), unreported],
    ["2.10.0", Option.some("10s"), "every 10s"],
    ["2.12.1", Option.some("always"), "at every write"],
    ["3.0.0-dev", Option.some("1m"), "every 1m"]
  ] as const
)("reports how durable nats-server %s with sync_interval %j is", ([version, setting, when]) => {
  assert.strictEqual(durability(version, setting), `nats-server ${version}, synced to disk ${when}`)
})

it.effect("says at once, for each server, that nothing answers at NATS_URL", () =>
  Effect.gen(function*() {
    const settings = ConfigProvider.layer(ConfigProvider.fromUnknown({ NATS_URL: "127.0.0.1:1,127.0.0.1:2" }))
    const { message } = yield* Effect.flip(Layer.build(Layer.provide(Nats.layerConfig("test"), settings)))
    const refused = "the connection is refused (ECONNREFUSED); start nats-server or set NATS_URL"
    assert.match(message, /^NATS can't be used: /)
    for (const server of ["127.0.0.1:1", "127.0.0.1:2"]) assert.include(message, `${server}: ${refused}`)
  }))
