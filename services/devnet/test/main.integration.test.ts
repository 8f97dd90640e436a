import { NodeServices } from "@effect/platform-node"
import { assert, it } from "@effect/vitest"
import { Deferred, Effect, Fiber, FileSystem, Schedule, Schema, Stream } from "effect"
import { ChildProcess, ChildProcessSpawner } from "effect/process"
import { networkInterfaces } from "node:os"
import { join } from "node:path"

const Line = Schema.fromJsonString(Schema.Struct({
  message: Schema.String,
  level: Schema.String,
  annotations: Schema.Struct({
    rpc_url: Schema.optionalKey(Schema.String),
    node_address: Schema.optionalKey(Schema.String),
    storage_address: Schema.optionalKey(Schema.String),
    access_address: Schema.optionalKey(Schema.String),
    chain_id: Schema.optionalKey(Schema.Int)
  })
}))

/** The devnet as its own process. */
const start = Effect.fnUntraced(function*(env: Record<string, string> = {}) {
  const devnet = yield* ChildProcess.make(process.execPath, [join(import.meta.dirname, "../src/main.ts")], {
    env: { DEVNET_RPC_PORT: "0", DEVNET_NODE_PORT: "0", DEVNET_BLOCK_TIME: "0.1", ...env },
    extendEnv: true,
    stdin: "ignore",
    forceKillAfter: "5 seconds"
  })
  const ready = yield* Deferred.make<typeof Line.Type>()
  const lines: Array<typeof Line.Type> = []
  const output = yield* devnet.stdout.pipe(
    Stream.decodeText(),
    Stream.splitLines,
    Stream.mapEffect((text) => Schema.decodeEffect(Line)(text)),
    Stream.runForEach((line) => {
      lines.push(line)
      return line.message === "ready" ? Deferred.succeed(ready, line) : Effect.void
    }),
    Effect.forkScoped
  )
  /** The exit code, once all output is read. */
  const ended = Effect.andThen(Fiber.await(output), devnet.exitCode)
  const untilReady = Effect.raceFirst(
    Deferred.await(ready),
    Effect.flatMap(ended, () => Effect.die(new Error(lines.map(({ message }) => message).join("\n"))))
  )
  return { devnet, ready: untilReady, lines, ended }
})

const answers = (rpcUrl: string) =>
  Effect.promise(() =>
    fetch(rpcUrl, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ jsonrpc: "2.0", id: 1, method: "eth_chainId", params: [] })
    }).then(() => true, () => false)
  )
const untilSilent = (rpcUrl: string) =>
  Effect.repeat(answers(rpcUrl), { until: (answered) => !answered, schedule: Schedule.spaced("20 millis") })

it.live("says that it is ready, and stops with its chain when asked to", () =>
  Effect.gen(function*() {
    for (const signal of ["SIGINT", "SIGTERM"] as const) {
      const { devnet, ended, lines, ready } = yield* start()
      const { annotations } = yield* ready
      const { access_address, chain_id, node_address, rpc_url = "", storage_address } = annotations
      assert.match(rpc_url, /^http:\/\/127\.0\.0\.1:\d+$/)
      assert.match(node_address ?? "", /^127\.0\.0\.1:\d+$/)
      assert.match(storage_address ?? "", /^0x[0-9a-fA-F]{40}$/)
      assert.match(access_address ?? "", /^0x[0-9a-fA-F]{40}$/)
      assert.strictEqual(chain_id, 31337)
      assert.isTrue(yield* answers(rpc_url))
      process.kill(devnet.pid, signal)
      assert.strictEqual(yield* ended, 0)
      assert.isFalse(yield* answers(rpc_url))
      assert.deepStrictEqual(lines.map(({ message }) => message), ["ready"])
    }
  }).pipe(Effect.provide(NodeServices.layer)))

it.live("leaves no chain behind when it is killed", () =>
  Effect.gen(function*() {
    const { devnet, ready } = yield* start()
    const { annotations: { rpc_url = "" } } = yield* ready
    process.kill(devnet.pid, "SIGKILL")
    yield* untilSilent(rpc_url)
  }).pipe(Effect.provide(NodeServices.layer)))

it.live("ends with one sentence when its chain dies", () =>
  Effect.gen(function*() {
    const fs = yield* FileSystem.FileSystem
    const spawner = yield* ChildProcessSpawner.ChildProcessSpawner
    const { devnet, ended, lines, ready } = yield* start({
      DEVNET_DATA_DIR: yield* fs.makeTempDirectoryScoped({ prefix: "devnet-" })
    })
    yield* ready
    const processes = yield* spawner.string(ChildProcess.make("ps", ["-A", "-o", "ppid=,pid=,comm="]))
    const anvil = new RegExp(`^ *${devnet.pid} +(\\d+) .*anvil`, "m").exec(processes)?.[1]
    process.kill(Number(anvil), "SIGKILL")
    assert.strictEqual(yield* ended, 1)
    assert.deepStrictEqual(lines.map(({ message }) => message), [
      "ready",
      "Anvil stopped unexpectedly: ended by a signal"
    ])
  }).pipe(Effect.provide(NodeServices.layer)))

it.live("ends with one sentence when a port is taken", () =>
  Effect.gen(function*() {
    const first = yield* start()
    const { annotations: { node_address = "", rpc_url = "" } } = yield* first.ready
    const cases = [
      [{ DEVNET_RPC_PORT: new URL(rpc_url).port }, /^Port \d+ for the chain's JSON-RPC is already in use/],
      [{ DEVNET_ADMIN_PORT: new URL(rpc_url).port }, /^The admin port \d+ cannot be listened on: free it/],
      [{ DEVNET_NODE_PORT: node_address.split(":")[1] ?? "" }, /^The node cannot listen on 127\.0\.0\.1:\d+/]
    ] as const
    for (const [env, sentence] of cases) {
      const second = yield* start({ ...env })
      assert.strictEqual(yield* second.ended, 1)
      assert.strictEqual(second.lines.length, 1)
      assert.match(second.lines[0]?.message ?? "", sentence)
    }
  }).pipe(Effect.provide(NodeServices.layer)))

it.live("ends with one sentence when a damaged chain is kept", () =>
  Effect.gen(function*() {
    const fs = yield* FileSystem.FileSystem
    const dataDir = yield* fs.makeTempDirectoryScoped({ prefix: "devnet-" })
    yield* fs.writeFileString(join(dataDir, "chain.json"), "damaged")
    const { ended, lines } = yield* start({ DEVNET_DATA_DIR: dataDir })
    assert.strictEqual(yield* ended, 1)
    assert.match(lines.map(({ message }) => message).join("\n"), /^The kept chain [^\n]*$/)
  }).pipe(Effect.provide(NodeServices.layer)))

const hasIPv6 = Object.values(networkInterfaces()).some((addresses) =>
  addresses?.some(({ address }) => address === "::1")
)

for (const host of ["::1", "::"]) {
  it.live(`listens on ${host}`, () =>
    Effect.gen(function*() {
      const { ready } = yield* start({ DEVNET_HOST: host })
      const { annotations } = yield* ready
      assert.match(annotations.rpc_url ?? "", /^http:\/\/\[::1\]:\d+$/)
      assert.match(annotations.node_address ?? "", /^\[::1\]:\d+$/)
      assert.isTrue(yield* answers(annotations.rpc_url ?? ""))
    }).pipe(Effect.provide(NodeServices.layer)), { skip: !hasIPv6 })
}

for (
  const [host, message] of [
    ["localhost", /DEVNET_HOST is missing or wrong: .*such as 127\.0\.0\.1/],
    ["192.0.2.1", /DEVNET_HOST is 192\.0\.2\.1, which is no address of this machine: set it to one/]
  ] as const
) {
  it.live(`refuses to listen on ${host}, and says what to set`, () =>
    Effect.gen(function*() {
      const { ended, lines } = yield* start({ DEVNET_HOST: host })
      assert.strictEqual(yield* ended, 1)
      assert.match(lines.at(-1)?.message ?? "", message)
    }).pipe(Effect.provide(NodeServices.layer)))
}
