import { assert, it } from "@effect/vitest"
import { ConfigProvider, Effect, Result } from "effect"
import { AkaveNode, parseNodeAddress } from "../src/AkaveNode.ts"

it.each(["127.0.0.1:5500", "localhost:1", "connect.akave.ai:5500", "node_1:65535", "[::1]:5500"])(
  "%s is a node's address",
  (address) => assert.deepStrictEqual(parseNodeAddress(address), Result.succeed(address))
)

it.each([
  ["http://127.0.0.1:5500", /has a scheme/],
  ["grpc://connect.akave.ai:5500", /has a scheme/],
  ["connect.akave.ai", /port is missing/],
  ["[::1]", /port is missing/],
  ["127.0.0.1:0", /port is not between/],
  ["127.0.0.1:65536", /port is not between/],
  ["127.0.0.1:", /not a host and a port/],
  ["127.0.0.1:http", /not a host and a port/],
  [":5500", /not a host and a port/],
  ["::1:5500", /not a host and a port/],
  ["localhost:5500/path", /not a host and a port/],
  [" localhost:5500", /not a host and a port/],
  ["", /not a host and a port/]
])("%s is not a node's address", (address, reason) => {
  const parsed = parseNodeAddress(address)
  assert.isTrue(Result.isFailure(parsed))
  if (Result.isFailure(parsed)) {
    assert.match(parsed.failure.message, reason)
    assert.match(parsed.failure.message, /give it as host:port/)
  }
})

it.effect("reads the address from the environment, and refuses a bad one", () =>
  Effect.gen(function*() {
    const error = yield* Effect.flip(Effect.provide(AkaveNode, AkaveNode.layerConfig))
    assert.strictEqual(error._tag, "InvalidArgument")
  }).pipe(
    Effect.provide(ConfigProvider.layer(ConfigProvider.fromUnknown({ AKAVE_NODE_ADDRESS: "https://node:5500" })))
  ))
