import { NodeServices } from "@effect/platform-node"
import { assert, it } from "@effect/vitest"
import { ConfigProvider, Effect, FileSystem, Layer } from "effect"
import { readFile } from "node:fs/promises"
import { join } from "node:path"
import { NodeFolder } from "../../src/node/NodeFolder.ts"
import {
  type Announcement,
  type Fill,
  keyOf,
  mostUncertain,
  NodeState,
  type Reference
} from "../../src/node/NodeState.ts"

const announcement = (number: number, changes: Partial<Announcement> = {}): Announcement => ({
  fileId: "0xf1",
  index: number,
  chunk: `c${number}`,
  size: 10,
  blocks: [["d1", 100]],
  isCertain: false,
  ...changes
})
const reference = (blockIndex: number, digest: string, fileId = "0xf1"): Reference => ({
  fileId,
  chunkIndex: 0,
  blockIndex,
  digest,
  chunk: "c0"
})
const fill = ({ blockIndex, chunkIndex, digest, fileId }: Reference, nonce = "0x1"): Fill => ({
  fileId,
  chunkIndex,
  blockIndex,
  digest,
  bucketId: "0xb1",
  fileName: "one",
  nonce,
  deadline: 1,
  signature: "0x"
})

const dataDir = Effect.flatMap(FileSystem.FileSystem, (fs) => fs.makeTempDirectoryScoped({ prefix: "state-" }))
/** The state in this folder, as one start finds it. */
const run = <A, E>(dataDir: string, use: (state: NodeState["Service"]) => Effect.Effect<A, E>) =>
  Effect.flatMap(NodeState, use).pipe(
    Effect.provide(
      NodeState.layer.pipe(
        Layer.provide(NodeFolder.layer),
        Layer.provide(ConfigProvider.layer(ConfigProvider.fromUnknown({ DEVNET_DATA_DIR: dataDir }))),
        Layer.fresh
      )
    )
  )

it.layer(NodeServices.layer)("the node's state", (it) => {
  it.effect("is there again after a restart", () =>
    Effect.gen(function*() {
      const folder = yield* dataDir
      const [one, two, three] = [reference(0, "d1"), reference(1, "d2"), reference(0, "d1", "0xf2")]
      yield* run(folder, (state) =>
        Effect.gen(function*() {
          yield* state.announce(announcement(0))
          yield* state.store(one, fill(one))
          yield* state.store(two, fill(two))
          yield* state.store(three, undefined)
          yield* state.settle([...state.fills.values()].slice(0, 1))
        }))
      yield* run(folder, (state) =>
        Effect.sync(() => {
          assert.deepStrictEqual(state.announcement("0xf1", "c0"), announcement(0))
          assert.deepStrictEqual([...state.references("0xf1").values()], [one, two])
          assert.deepStrictEqual([...state.fills.values()], [fill(two)])
          assert.sameMembers([...state.files()], ["0xf1", "0xf2"])
          assert.deepStrictEqual(state.counts(), { announcements: 1, references: 3, fills: 1 })
        }))
      yield* run(folder, (state) =>
        Effect.gen(function*() {
          yield* state.release([...state.references("0xf1").values()])
          assert.isTrue(state.isReferenced("d1"))
          assert.isFalse(state.isReferenced("d2"))
          yield* state.release([...state.references("0xf2").values()])
          assert.isFalse(state.isReferenced("d1"))
          yield* state.forget("0xf1")
        }))
      yield* run(folder, (state) =>
        Effect.sync(() =>
          assert.deepStrictEqual(state.counts(), { announcements: 0, references: 0, fills: 0 })
        ))
    }))

  it.effect("has one block at a place, and lets go of the one before", () =>
    Effect.gen(function*() {
      yield* run(yield* dataDir, (state) =>
        Effect.gen(function*() {
          const first = reference(0, "d1")
          const second = reference(0, "d2")
          assert.isUndefined(yield* state.store(first, fill(first)))
          assert.deepStrictEqual(yield* state.store(second, fill(second, "0x2")), first)
          assert.isFalse(state.isReferenced("d1"))
          assert.strictEqual(state.fills.get(keyOf(second))?.nonce, "0x2")
          // What was replaced is no reason to let go of what is there now.
          yield* state.release([first])
          yield* state.settle([fill(second)])
          assert.isTrue(state.isReferenced("d2"))
          assert.strictEqual(state.fills.size, 1)
        }))
    }))

  it.effect("prefers announcements that the owner stands behind, and bounds the others", () =>
    Effect.gen(function*() {
      yield* run(yield* dataDir, (state) =>
        Effect.gen(function*() {
          yield* state.announce(announcement(0))
          yield* state.announce(announcement(0, { blocks: [["d2", 1]] }))
          assert.deepStrictEqual(state.announcement("0xf1", "c0")?.blocks, [["d2", 1]])
          yield* state.announce(announcement(0, { isCertain: true }))
          yield* state.announce(announcement(0, { blocks: [["d2", 1]] }))
          assert.deepStrictEqual(state.announcement("0xf1", "c0")?.blocks, [["d1", 100]])

          yield* Effect.forEach(
            Array.from({ length: mostUncertain + 1 }, (_, number) => announcement(number + 1)),
            state.announce,
            { concurrency: "unbounded", discard: true }
          )
          assert.strictEqual(state.counts().announcements, mostUncertain + 1)
          assert.isDefined(state.announcement("0xf1", "c0"))
          assert.isUndefined(state.announcement("0xf1", "c1"))
          assert.isDefined(state.announcement("0xf1", "c2"))
        }))
    }))

  it.effect("takes no more of the disk than it tells", () =>
    Effect.gen(function*() {
      const folder = yield* dataDir
      const one = reference(0, "d1")
      yield* run(folder, (state) =>
        Effect.gen(function*() {
          yield* state.store(reference(5, "d5"), undefined)
          for (let round = 0; round < 10; round++) {
            const changes = Array.from(
              { length: 500 },
              (_, number) =>
                number % 2 === 0
                  ? state.store(one, fill(one, `0x${number}`))
                  : Effect.suspend(() => state.settle([...state.fills.values()]))
            )
            yield* Effect.all(changes, { concurrency: "unbounded", discard: true })
          }
        }))
      const lines = (yield* Effect.promise(() => readFile(join(folder, "node", "state.journal"), "utf8"))).split("\n")
      assert.isBelow(lines.length, 4_500)
      yield* run(
        folder,
        (state) =>
          Effect.sync(() => assert.deepStrictEqual(state.counts(), { announcements: 0, references: 2, fills: 0 }))
      )
    }))
})
