import { assert, layer } from "@effect/vitest"
import { status } from "@grpc/grpc-js"
import { Effect, Option, Schema } from "effect"
import { Admin } from "../../src/node/Admin.ts"
import { Faults } from "../../src/node/Faults.ts"
import * as Client from "./client.ts"
import { devnet, session as newSession } from "./layer.ts"

const place = { bucketName: "photos", fileName: "one" }
const chunk = Client.chunkOf(0, Client.random(4, 1_000))

const decode = Schema.decodeUnknownSync(Schema.Record(Schema.String, Schema.Unknown))

const admin = Effect.map(Admin, ({ url }) => {
  const base = Option.getOrThrow(url)
  const put = async (document: unknown) => {
    const response = await fetch(`${base}/faults`, { method: "PUT", body: JSON.stringify(document) })
    return { status: response.status, body: await response.json() }
  }
  const get = async (path: string) => decode(await (await fetch(`${base}${path}`)).json())
  const clear = async () => (await fetch(`${base}/faults`, { method: "DELETE" })).status
  return { base, put, get, clear }
})

/** A file with one chunk of four blocks, uploaded, and how to ask for its blocks. */
const uploaded = Effect.gen(function*() {
  const session = yield* newSession
  yield* Effect.promise(() => Client.upload(session, place, [chunk]))
  const block = (index: number) =>
    Client.download(session.client, {
      ...place,
      chunkCid: Client.textOf(chunk),
      chunkIndex: 0n,
      blockCid: Client.textOf(chunk.blocks[index] ?? chunk),
      blockIndex: BigInt(index),
      address: session.owner.address
    })
  const codes = () => Promise.all(chunk.blocks.map(async (_, index) => (await Client.refusal(block(index))).code))
  return { session, block, codes }
})
const fileId = (session: Client.Session) => Client.fileIdOf(session, place.bucketName, place.fileName)

layer(devnet({ DEVNET_ADMIN_PORT: "0" }), { excludeTestServices: true, timeout: 120_000 })("faults", (it) => {
  it.effect("are set, replaced, shown and cleared as a document that is checked", () =>
    Effect.gen(function*() {
      const { base, clear, get, put } = yield* admin
      yield* Effect.promise(async () => {
        assert.match(base, /^http:\/\/127\.0\.0\.1:\d+$/)
        const one = { delay: [{ rpc: "FileView", ms: 1 }] }
        const two = { lose: { share: 0.5 } }
        assert.deepStrictEqual(await get("/faults"), {})
        assert.deepStrictEqual(await put(one), { status: 200, body: one })
        assert.deepStrictEqual(await put(two), { status: 200, body: two })
        assert.deepStrictEqual(await get("/faults"), two)
        for (
          const wrong of [
            { unknown: 1 },
            { delay: [{ rpc: "FileView", ms: 1, more: true }] },
            { delay: [{ rpc: "Nothing", ms: 1 }] },
            { refuse: [{ rpc: "FileView", code: "OK" }] },
            { refuse: [{ rpc: "FileView", code: "UNAVAILABLE", every: 0 }] },
            { lose: { share: 2 } },
            { corrupt: { cids: ["x"] } },
            { stall: [{ rpc: "FileDownloadBlock", block_indexes: [32] }] },
            { node_addresses: [] },
            [],
            "text"
          ]
        ) assert.strictEqual((await put(wrong)).status, 400, JSON.stringify(wrong))
        assert.strictEqual((await fetch(`${base}/faults`, { method: "PUT", body: "{" })).status, 400)
        assert.deepStrictEqual(await get("/faults"), two)
        assert.strictEqual(await clear(), 204)
        assert.deepStrictEqual(await get("/faults"), {})
      })
    }))

  it.effect("refuse calls: all, every n-th, or the next n", () =>
    Effect.gen(function*() {
      const session = yield* newSession
      const { clear, put } = yield* admin
      const ask = () => Client.refusal(Client.ask(session.client, "connectionParams", {}))
      const codes = async (count: number) => {
        const found: Array<number> = []
        while (found.length < count) found.push((await ask()).code)
        return found
      }
      const { OK, UNAVAILABLE } = status
      const refuse = { rpc: "ConnectionParams", code: "UNAVAILABLE" }
      yield* Effect.promise(async () => {
        await put({ refuse: [{ ...refuse, message: "not now" }] })
        assert.deepStrictEqual(await ask(), { code: UNAVAILABLE, details: "not now" })
        await put({ refuse: [{ ...refuse, every: 3 }] })
        assert.deepStrictEqual(await codes(6), [OK, OK, UNAVAILABLE, OK, OK, UNAVAILABLE])
        await put({ refuse: [{ ...refuse, times: 2 }] })
        assert.deepStrictEqual(await codes(4), [UNAVAILABLE, UNAVAILABLE, OK, OK])
        // A further PUT begins to count anew.
        await put({ refuse: [{ ...refuse, times: 1 }] })
        assert.deepStrictEqual(await codes(2), [UNAVAILABLE, OK])
        await put({ refuse: [{ ...refuse, rpc: "BucketView" }] })
        assert.deepStrictEqual(await codes(1), [OK])
        await clear()
      })
    }))

  it.effect("delay calls, or never answer them, by the block if so asked", () =>
    Effect.gen(function*() {
      const { block, session } = yield* uploaded
      const { clear, put } = yield* admin
      yield* Effect.promise(async () => {
        const timed = async (index: number) => {
          const start = performance.now()
          await block(index)
          return performance.now() - start
        }
        await put({ delay: [{ rpc: "FileDownloadBlock", ms: 300, block_indexes: [1] }] })
        assert.isAtLeast(await timed(1), 290)
        await block(0)
        await put({ stall: [{ rpc: "FileDownloadBlock", block_indexes: [2] }] })
        await block(1)
        const stalled = session.client.fileDownloadBlock(
          { ...place, chunkCid: "", chunkIndex: 0n, blockCid: "", blockIndex: 2n, address: "" },
          { deadline: Date.now() + 200 }
        )
        const code = await new Promise((resolve) =>
          stalled.on("error", (error: { code: status }) => resolve(error.code))
        )
        assert.strictEqual(code, status.DEADLINE_EXCEEDED)

        const first = Client.chunkOf(0, Client.random(2))
        const other = { ...place, fileName: "two" }
        await Client.createFile(session, other)
        const nodeId = await Client.addChunk(session, other, first)
        await put({ refuse: [{ rpc: "FileUploadBlock", code: "RESOURCE_EXHAUSTED", block_indexes: [1] }] })
        await Client.stream(session.client, await Client.messagesOf(session, other, first, 0, nodeId))
        const refused = Client.stream(session.client, await Client.messagesOf(session, other, first, 1, nodeId))
        assert.strictEqual((await Client.refusal(refused)).code, status.RESOURCE_EXHAUSTED)
        await clear()
      })
    }))

  it.effect("lose, corrupt and cut short blocks that are downloaded", () =>
    Effect.gen(function*() {
      const { block, codes } = yield* uploaded
      const { clear, put } = yield* admin
      yield* Effect.promise(async () => {
        const { NOT_FOUND, OK } = status
        await put({ lose: { indexes: [0], cids: [Client.textOf(chunk.blocks[2] ?? chunk)] } })
        assert.deepStrictEqual(await codes(), [NOT_FOUND, OK, NOT_FOUND, OK])
        await put({ lose: { share: 1 } })
        assert.deepStrictEqual(await codes(), [NOT_FOUND, NOT_FOUND, NOT_FOUND, NOT_FOUND])
        await put({ lose: { share: 0 } })
        assert.deepStrictEqual(await codes(), [OK, OK, OK, OK])

        const good = chunk.blocks[1]?.bytes ?? Buffer.alloc(0)
        await put({ corrupt: { indexes: [1] } })
        const corrupt = (await block(1)).bytes
        assert.strictEqual(corrupt.length, good.length)
        assert.strictEqual(corrupt.filter((byte, index) => byte !== good[index]).length, 1)
        await put({ truncate: { indexes: [1] } })
        assert.isTrue((await block(1)).bytes.equals(good.subarray(0, good.length >> 1)))
        await clear()
        assert.isTrue((await block(1)).bytes.equals(good))
      })
    }))

  it.effect("hold, delay and forget fills", () =>
    Effect.gen(function*() {
      const session = yield* newSession
      const { clear, get, put } = yield* admin
      yield* Effect.promise(async () => {
        await Client.createFile(session, place)
        const nodeId = await Client.addChunk(session, place, chunk)
        const send = async (index: number) =>
          Client.stream(session.client, await Client.messagesOf(session, place, chunk, index, nodeId))
        const isFilled = (index: number) => Client.view(session, "isBlockFilled", [fileId(session), index, 0])
        const progress = async () => (await get("/state"))["fill_progress"]
        const blocks = async (count: number) => {
          const start = await session.provider.getBlockNumber()
          await Client.until(async () => await session.provider.getBlockNumber() >= start + count)
        }

        await put({ fills: { hold: true } })
        await send(0)
        await Client.until(async () => JSON.stringify(await progress()).includes(`"pending":1`))
        await blocks(5)
        assert.isFalse(await isFilled(0))
        await clear()
        await Client.until(async () => Boolean(await isFilled(0)))

        await put({ fills: { delay_ms: 700 } })
        const start = performance.now()
        await send(1)
        await Client.until(async () => Boolean(await isFilled(1)))
        assert.isAtLeast(performance.now() - start, 690)

        await put({ fills: { drop: 1 } })
        await send(2)
        await Client.until(async () => (await get("/state"))["fills"] === 0)
        assert.isFalse(await isFilled(2))
        // The second is not forgotten; and what was is taken once more.
        await send(3)
        await send(2)
        await Client.untilFilled(session, place)
        await clear()
      })
    }))

  it.effect("forget announcements, and name other addresses", () =>
    Effect.gen(function*() {
      const { session } = yield* uploaded
      const { clear, get, put } = yield* admin
      yield* Effect.promise(async () => {
        const request = { ...place, chunkCid: Client.textOf(chunk), chunkIndex: 0n, address: session.owner.address }
        const addresses = async () =>
          (await Client.ask(session.client, "fileDownloadChunkCreate", request)).blocks.map((one) => one.nodeAddress)
        const [own = ""] = await addresses()
        await put({ node_addresses: ["a:1", "b:2"] })
        assert.deepStrictEqual(await addresses(), ["a:1", "b:2", "a:1", "b:2"])
        const { blocks } = await Client.ask(session.client, "fileUploadChunkCreate", {
          chunk: Client.messageOf(chunk),
          bucketId: new Uint8Array(32),
          fileName: "x"
        })
        assert.deepStrictEqual(blocks.map((one) => one.nodeAddress), ["a:1", "b:2", "a:1", "b:2"])

        assert.isAbove(Number((await get("/state"))["announcements"]), 0)
        await put({ forget_announcements: true })
        assert.strictEqual((await get("/state"))["announcements"], 0)
        assert.deepStrictEqual(await addresses(), [own, own, own, own])
        assert.isTrue((await Client.downloadFile(session, place)).equals(Client.encodedOf([chunk])))
        await clear()
      })
    }))

  it.effect("are beside a count of what the node holds", () =>
    Effect.gen(function*() {
      const faults = yield* Faults
      const { get } = yield* admin
      yield* faults.set({})
      const state = yield* Effect.promise(() => get("/state"))
      assert.hasAllKeys(state, ["blocks", "references", "announcements", "fills", "fill_progress"])
      assert.isAbove(Number(state["blocks"]), 0)
      assert.isAtLeast(Number(state["references"]), Number(state["blocks"]))
    }))
})

layer(devnet())("a node without an admin port", (it) => {
  it.effect("has none", () =>
    Effect.gen(function*() {
      assert.isTrue(Option.isNone((yield* Admin).url))
    }))
})
