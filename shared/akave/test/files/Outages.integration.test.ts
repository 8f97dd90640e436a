import { assert, it } from "@effect/vitest"
import { Deferred, Effect, Fiber, Layer } from "effect"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Buckets } from "../../src/Buckets.ts"
import { Files } from "../../src/Files.ts"
import { Devnet, started } from "../devnet.ts"
import { eventsOf } from "./Kills.ts"
import { cuttable, hashOf, misbehave, randomBytes, read, sdk } from "./network.ts"

const bucketName = "outages"

/** Uploads a file, and does something once this many of its blocks are stored. */
const interrupted = Effect.fnUntraced(function*<E, R>(
  name: string,
  bytes: Uint8Array,
  stored: number,
  outage: Effect.Effect<void, E, R>
) {
  const reached = yield* Deferred.make<void>()
  const fiber = yield* Effect.forkChild(
    (yield* Files).upload({ bucketName, name }, bytes, {
      onProgress: ({ blocks }) => {
        if (blocks.stored >= stored) Deferred.doneUnsafe(reached, Effect.void)
      }
    })
  )
  yield* Deferred.await(reached)
  yield* outage
  const { chunks, id } = yield* Fiber.join(fiber)
  assert.deepStrictEqual(yield* eventsOf(id), { created: 1, chunks, committed: 1 })
  assert.strictEqual(hashOf(yield* read({ bucketName, name })), hashOf(bytes))
})

it.live("an upload goes on after the node and the chain could not be reached", () =>
  Effect.gen(function*() {
    const devnet = yield* started({ DEVNET_BLOCK_TIME: "0.1", DEVNET_ADMIN_PORT: "0" })
    // Slow, too.
    const node = yield* cuttable(devnet.nodeAddress, 2)
    const chain = yield* cuttable(devnet.rpcUrl.replace("http://", ""), 10)
    const cut = Effect.gen(function*() {
      yield* node.cut
      yield* chain.cut
      yield* Effect.sleep("1 second")
      yield* node.mend
      yield* Effect.sleep("1 second")
      yield* chain.mend
    })
    yield* Effect.gen(function*() {
      // Blocks go the same way as all else.
      yield* misbehave({ node_addresses: [node.address] })
      yield* (yield* Buckets).createBucket(bucketName)
      yield* interrupted("cut among its blocks", randomBytes(3_000_000), 10, cut)
      yield* interrupted("cut at the end", randomBytes(3_000_000), 32, cut)
    }).pipe(
      Effect.provide(sdk({ nodeAddress: node.address, rpcUrl: `http://${chain.address}` })),
      Effect.provide(Layer.succeed(Devnet, devnet))
    )
  }).pipe(Effect.scoped), 240_000)

it.live(
  "an upload goes on after node and chain were killed and started again on their data",
  () =>
    Effect.gen(function*() {
      const folder = yield* Effect.acquireRelease(
        Effect.sync(() => mkdtempSync(join(tmpdir(), "akave-async-outage-"))),
        (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true }))
      )
      const settings = { DEVNET_BLOCK_TIME: "0.1", DEVNET_ADMIN_PORT: "0", DEVNET_DATA_DIR: folder }
      const first = yield* started(settings)
      const portOf = (address: string) => address.split(":").at(-1) ?? ""
      const again = {
        ...settings,
        DEVNET_NODE_PORT: portOf(first.nodeAddress),
        DEVNET_RPC_PORT: portOf(first.rpcUrl)
      }
      let running = first
      const restart = Effect.gen(function*() {
        yield* running.kill
        running = yield* started(again)
      })
      yield* Effect.gen(function*() {
        yield* (yield* Buckets).createBucket(bucketName)
        yield* interrupted("killed among its blocks", randomBytes(3_000_000), 10, restart)
        yield* interrupted("killed before it is filled", randomBytes(3_000_000), 32, restart)
      }).pipe(Effect.provide(sdk()), Effect.provide(Layer.succeed(Devnet, first)))
    }).pipe(Effect.scoped),
  240_000
)
