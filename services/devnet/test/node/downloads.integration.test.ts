import { IPCArchivalAPIService } from "@akave-async/proto/ipcnode"
import { assert, layer } from "@effect/vitest"
import { Client as RawClient, credentials, status } from "@grpc/grpc-js"
import { Effect } from "effect"
import { readFile, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { Contracts } from "../../src/Contracts.ts"
import { IpcNode } from "../../src/IpcNode.ts"
import { Blocks } from "../../src/node/Blocks.ts"
import { Faults } from "../../src/node/Faults.ts"
import { FillQueue } from "../../src/node/FillQueue.ts"
import { NodeFolder } from "../../src/node/NodeFolder.ts"
import { NodeState } from "../../src/node/NodeState.ts"
import { accessInterface } from "../devnet.ts"
import * as Client from "./client.ts"
import { devnet, session as newSession } from "./layer.ts"

const photo = (fileName: string) => ({ bucketName: "photos", fileName })
const notFound = { code: status.NOT_FOUND, details: "file not exists" }
const noBucket = { code: status.NOT_FOUND, details: "BucketNotFound" }

const blockRequest = (session: Client.Session, place: Client.Place, chunk: Client.Chunk, blockIndex: number) => ({
  ...place,
  chunkCid: Client.textOf(chunk),
  chunkIndex: BigInt(chunk.index),
  blockCid: Client.textOf(chunk.blocks[blockIndex] ?? chunk),
  blockIndex: BigInt(blockIndex),
  address: session.owner.address
})

layer(devnet(), { excludeTestServices: true, timeout: 120_000 })("files on the node", (it) => {
  it.effect("are found by bucket, owner and name alone", () =>
    Effect.gen(function*() {
      const session = yield* newSession
      const other = yield* newSession
      yield* Effect.promise(async () => {
        const { client, owner: { address } } = session
        await Client.createFile(session, photo("one"))
        for (const wrong of [{ ...photo("one"), bucketName: "videos", address }]) {
          assert.deepStrictEqual(await Client.refusal(Client.ask(client, "fileView", wrong)), noBucket)
          assert.deepStrictEqual(await Client.refusal(Client.ask(client, "fileDownloadCreate", wrong)), noBucket)
        }
        for (const wrong of [{ ...photo("two"), address }, { ...photo("one"), address: other.owner.address }]) {
          assert.deepStrictEqual(await Client.refusal(Client.ask(client, "fileView", wrong)), notFound)
          assert.deepStrictEqual(await Client.refusal(Client.ask(client, "fileDownloadCreate", wrong)), notFound)
          assert.deepStrictEqual(
            await Client.refusal(
              Client.ask(client, "fileDownloadRangeCreate", { ...wrong, startIndex: 0n, endIndex: 1n })
            ),
            notFound
          )
        }
        for (const name of ["fileView", "fileDownloadCreate"] as const) {
          assert.deepStrictEqual(await Client.refusal(Client.ask(client, name, { ...photo("one"), address: "0x" })), {
            code: status.INVALID_ARGUMENT,
            details: "The address is not 0x and 40 hexadecimal digits"
          })
        }
        assert.strictEqual(
          (await Client.ask(client, "fileView", { ...photo("one"), address: address.toLowerCase() })).fileName,
          "one"
        )
      })
    }))

  it.effect("are listed in pages, in the order of the chain", () =>
    Effect.gen(function*() {
      const session = yield* newSession
      yield* Effect.promise(async () => {
        const { client, owner: { address } } = session
        for (const name of ["a", "b", "c"]) await Client.createFile(session, photo(name))
        const list = async (offset: bigint, limit: bigint, bucketName = "photos") =>
          (await Client.ask(client, "fileList", { bucketName, address, offset, limit })).list.map(({ name }) => name)
        assert.deepStrictEqual(await list(0n, 2n), ["a", "b"])
        assert.deepStrictEqual(await list(1n, 1n), ["b"])
        assert.deepStrictEqual(await list(0n, 0n), ["a", "b", "c"])
        assert.deepStrictEqual(await list(1n, -1n), ["b", "c"])
        assert.deepStrictEqual(await list(3n, 2n), [])
        assert.deepStrictEqual(await list(4n, 2n), [])
        assert.deepStrictEqual(await list(9_223_372_036_854_775_807n, 2n), [])
        assert.deepStrictEqual(await list(0n, 2n, "videos"), [])
        assert.deepStrictEqual(await list(7n, 2n, "videos"), [])
        assert.deepStrictEqual(
          await Client.refusal(
            Client.ask(client, "fileList", { bucketName: "photos", address, offset: -1n, limit: 1n })
          ),
          { code: status.INVALID_ARGUMENT, details: "The offset is negative" }
        )
      })
    }))

  it.effect("are public where the access manager says so", () =>
    Effect.gen(function*() {
      const session = yield* newSession
      const { accessAddress } = yield* Contracts
      yield* Effect.promise(async () => {
        await Client.createFile(session, photo("one"))
        const request = { ...photo("one"), address: session.owner.address }
        assert.isFalse((await Client.ask(session.client, "fileView", request)).isPublic)
        const fileId = Client.fileIdOf(session, "photos", "one")
        const data = accessInterface.encodeFunctionData("changePublicAccess", [fileId, true])
        const sent = await session.owner.sendTransaction({ to: accessAddress, data })
        await session.provider.send("evm_mine", [])
        await sent.wait()
        assert.isTrue((await Client.ask(session.client, "fileView", request)).isPublic)
      })
    }))

  it.effect("are downloaded in ranges of chunks, whatever index a client names for a chunk", () =>
    Effect.gen(function*() {
      const session = yield* newSession
      yield* Effect.promise(async () => {
        const { client, owner: { address } } = session
        const place = photo("three")
        const chunks = [
          Client.chunkOf(0, Client.random(32, 20)),
          Client.chunkOf(1, Client.random(32, 20)),
          Client.chunkOf(2, Client.random(1, 20))
        ]
        await Client.upload(session, place, chunks)
        const range = async (startIndex: bigint, endIndex: bigint) =>
          (await Client.ask(client, "fileDownloadRangeCreate", { ...place, address, startIndex, endIndex })).chunks
            .map(({ cid }) => chunks.findIndex((chunk) => Client.textOf(chunk) === cid))
        assert.deepStrictEqual(await range(1n, 3n), [1, 2])
        assert.deepStrictEqual(await range(0n, 1n), [0])
        assert.deepStrictEqual(await range(0n, 3n), [0, 1, 2])
        for (const [start, end] of [[-1n, 1n], [1n, 1n], [2n, 1n], [0n, 4n], [3n, 4n]] as const) {
          assert.strictEqual((await Client.refusal(range(start, end))).code, status.INVALID_ARGUMENT)
        }

        const [first, second, last] = chunks
        assert.isDefined(first)
        assert.isDefined(second)
        assert.isDefined(last)
        const chunk = (chunkCid: string, chunkIndex: bigint) =>
          Client.ask(client, "fileDownloadChunkCreate", { ...place, chunkCid, chunkIndex, address })
        for (const index of [0n, 1n, 2n, 7n, -1n]) {
          const { blocks } = await chunk(Client.textOf(second), index)
          assert.deepStrictEqual(
            blocks.map(({ cid, size }) => [cid, size]),
            second.blocks.map((block) => [Client.textOf(block), BigInt(block.bytes.length)])
          )
        }
        assert.deepStrictEqual(await Client.refusal(chunk(Client.textOf(last.blocks[0] ?? first), 0n)), {
          code: 0,
          details: ""
        })
        assert.strictEqual(
          (await Client.refusal(chunk(Client.textOf(first.blocks[0] ?? first), 0n))).code,
          status.NOT_FOUND
        )
        assert.strictEqual((await Client.refusal(chunk("x", 0n))).code, status.INVALID_ARGUMENT)

        const { bytes } = await Client.download(client, { ...blockRequest(session, place, second, 3), chunkIndex: 0n })
        assert.isTrue(bytes.equals(second.blocks[3]?.bytes ?? Buffer.alloc(0)))
      })
    }))

  it.effect("come in messages of 256 KiB at most, as fast as the client reads", () =>
    Effect.gen(function*() {
      const session = yield* newSession
      yield* Effect.promise(async () => {
        const place = photo("large")
        const chunk = Client.chunkOf(0, Client.random(1, 1_500_000))
        await Client.upload(session, place, [chunk])
        const request = blockRequest(session, place, chunk, 0)
        const { bytes, sizes } = await Client.download(session.client, request)
        assert.isTrue(bytes.equals(chunk.blocks[0]?.bytes ?? Buffer.alloc(0)))
        assert.strictEqual(Math.max(...sizes), 262_144)

        const call = session.client.fileDownloadBlock(request)
        let received = 0
        for await (const { data } of call) {
          received += data.length
          await new Promise((resolve) => setTimeout(resolve, 5))
        }
        assert.strictEqual(received, bytes.length)
        // One that is given up while it waits for its reader holds nothing up.
        session.client.fileDownloadBlock(request).on("error", () => undefined).once(
          "data",
          function(this: typeof call) {
            this.cancel()
          }
        )
        assert.isTrue((await Client.download(session.client, request)).bytes.equals(bytes))
      })
    }))

  it.effect("have no blocks that were not uploaded to them", () =>
    Effect.gen(function*() {
      const session = yield* newSession
      yield* Effect.promise(async () => {
        const [one, two] = [Client.chunkOf(0, Client.random(1)), Client.chunkOf(0, Client.random(1))]
        await Client.upload(session, photo("one"), [one])
        await Client.upload(session, photo("two"), [two])
        const ask = (place: Client.Place, chunk: Client.Chunk, changes = {}) =>
          Client.refusal(Client.download(session.client, { ...blockRequest(session, place, chunk, 0), ...changes }))
        assert.strictEqual((await ask(photo("one"), one)).code, status.OK)
        assert.strictEqual((await ask(photo("one"), two)).code, status.NOT_FOUND)
        assert.deepStrictEqual(await ask(photo("three"), two), notFound)
        assert.strictEqual((await ask(photo("one"), one, { blockCid: "x" })).code, status.INVALID_ARGUMENT)
        assert.strictEqual((await ask(photo("one"), one, { address: "x" })).code, status.INVALID_ARGUMENT)
      })
    }))

  it.effect("are served from the chain's own call data when the node has no memory of their chunks", () =>
    Effect.gen(function*() {
      const session = yield* newSession
      const state = yield* NodeState
      yield* Effect.promise(async () => {
        const place = photo("forgotten")
        const chunks = [Client.chunkOf(0, Client.random(32, 30)), Client.chunkOf(1, Client.random(2, 30))]
        const [first, second] = chunks
        assert.isDefined(first)
        assert.isDefined(second)
        await Client.createFile(session, place)
        await Client.uploadChunk(session, place, first, await Client.addChunk(session, place, first))
        // The other one by the function for one chunk.
        await Client.transact(session, "addFileChunk", [
          second.cid,
          Client.bucketIdOf(session, "photos"),
          "forgotten",
          second.encoded,
          second.blocks.map(({ cid }) => cid.subarray(4)),
          second.blocks.map(({ bytes }) => bytes.length),
          1
        ])
        const { nodeId } = (await Client.ask(session.client, "fileUploadChunkCreate", {
          chunk: Client.messageOf(second),
          bucketId: Buffer.from(Client.bucketIdOf(session, "photos").slice(2), "hex"),
          fileName: "forgotten"
        })).blocks[0] ?? assert.fail()
        await Client.uploadChunk(session, place, second, nodeId)
        await Client.untilFilled(session, place)
        await Client.commit(session, place, chunks)
        await Effect.runPromise(state.forget())
        assert.strictEqual(state.counts().announcements, 0)

        const request = { ...place, address: session.owner.address }
        const sizes = (await Client.ask(session.client, "fileDownloadCreate", request)).chunks.map(({ size }) => size)
        assert.deepStrictEqual(sizes, [0n, 0n])
        assert.isTrue((await Client.downloadFile(session, place)).equals(Client.encodedOf(chunks)))
      })
    }))

  it.effect("share blocks, which stay as long as one of them is there", () =>
    Effect.gen(function*() {
      const session = yield* newSession
      const state = yield* NodeState
      const { count } = yield* Blocks
      const before = { blocks: yield* count, references: state.counts().references }
      const [same = Buffer.alloc(0), other = Buffer.alloc(0)] = Client.random(2)
      // The same block three times in one chunk, and in two files.
      const chunk = Client.chunkOf(0, [same, same, other, same])
      const counted = (blocks: number, references: number) =>
        Effect.promise(() =>
          Client.until(async () =>
            state.counts().references === before.references + references &&
            await Effect.runPromise(count) === before.blocks + blocks
          )
        )
      yield* Effect.promise(async () => {
        await Client.upload(session, photo("one"), [chunk])
        await Client.upload(session, photo("two"), [chunk])
      })
      yield* counted(2, 8)
      yield* Effect.promise(() => Client.deleteFile(session, photo("one")))
      yield* counted(2, 4)
      yield* Effect.promise(async () => {
        assert.isTrue((await Client.downloadFile(session, photo("two"))).equals(Client.encodedOf([chunk])))
        const request = blockRequest(session, photo("one"), chunk, 0)
        assert.deepStrictEqual(await Client.refusal(Client.download(session.client, request)), notFound)
        await Client.deleteFile(session, photo("two"))
        // The name may be used again at once.
        await Client.upload(session, photo("one"), [chunk])
      })
      yield* counted(2, 4)
      yield* Effect.promise(async () => {
        assert.isTrue((await Client.downloadFile(session, photo("one"))).equals(Client.encodedOf([chunk])))
        await Client.deleteFile(session, photo("one"))
      })
      yield* counted(0, 0)
    }))

  it.effect("may be deleted and uploaded again at once", () =>
    Effect.gen(function*() {
      const session = yield* newSession
      yield* Effect.promise(async () => {
        const chunk = Client.chunkOf(0, Client.random(3))
        for (let round = 0; round < 3; round++) {
          await Client.upload(session, photo("again"), [chunk])
          assert.isTrue((await Client.downloadFile(session, photo("again"))).equals(Client.encodedOf([chunk])))
          await Client.deleteFile(session, photo("again"))
        }
      })
    }))

  it.effect("are not served damaged; an upload repairs them", () =>
    Effect.gen(function*() {
      const session = yield* newSession
      const folder = yield* NodeFolder
      yield* Effect.promise(async () => {
        const place = photo("damaged")
        const chunk = Client.chunkOf(0, Client.random(1))
        await Client.upload(session, place, [chunk])
        const digest = Client.digestOf(chunk.blocks[0] ?? chunk)
        const path = join(folder.path, "blocks", digest.slice(0, 2), digest)
        const bytes = await readFile(path)
        bytes.writeUInt8(bytes.readUInt8(50) ^ 1, 50)
        await writeFile(path, bytes)
        const request = blockRequest(session, place, chunk, 0)
        assert.deepStrictEqual(await Client.refusal(Client.download(session.client, request)), {
          code: status.DATA_LOSS,
          details: "The block was damaged on the node's disk"
        })
        const { blocks } = await Client.ask(session.client, "fileDownloadChunkCreate", {
          ...request,
          chunkIndex: 0n
        })
        await Client.uploadChunk(session, place, chunk, blocks[0]?.nodeId ?? "")
        assert.isTrue((await Client.downloadFile(session, place)).equals(Client.encodedOf([chunk])))
      })
    }))

  it.effect("are filled again when a reorganisation takes their fills away", () =>
    Effect.gen(function*() {
      const session = yield* newSession
      const faults = yield* Faults
      const queue = yield* FillQueue
      const state = yield* NodeState
      const set = (document: Parameters<typeof faults.set>[0]) => Effect.runPromise(faults.set(document))
      yield* Effect.promise(async () => {
        const { provider } = session
        const place = photo("reorganised")
        const chunk = Client.chunkOf(0, Client.random(3))
        await set({ fills: { hold: true } })
        await Client.createFile(session, place)
        await Client.uploadChunk(session, place, chunk, await Client.addChunk(session, place, chunk))
        // So that the chunk itself is deep enough to stay.
        const start = await provider.getBlockNumber()
        await Client.until(async () => await provider.getBlockNumber() > start + 10)
        assert.isFalse(await Client.view(session, "isFileFilled", [Client.fileIdOf(session, "photos", "reorganised")]))
        await set({})
        await Client.until(async () => queue.counts().Mined === 3)
        const filled = await provider.getLogs({
          address: session.storageAddress,
          topics: [null, Client.fileIdOf(session, "photos", "reorganised")],
          fromBlock: start + 1,
          toBlock: "latest"
        })
        assert.lengthOf(filled, 3)
        const head = await provider.getBlockNumber()
        const depth = Math.max(3, head - Math.min(...filled.map(({ blockNumber }) => blockNumber)) + 1)
        assert.isBelow(depth, head - start)
        await set({ fills: { hold: true } })
        await provider.send("anvil_reorg", [depth, []])
        assert.isFalse(await Client.view(session, "isFileFilled", [Client.fileIdOf(session, "photos", "reorganised")]))
        await Client.until(async () => queue.counts().Pending === 3)
        await set({})
        await Client.untilFilled(session, place)
        await Client.until(async () => state.fills.size === 0)
        assert.isTrue(
          Boolean(await Client.view(session, "isFileFilled", [Client.fileIdOf(session, "photos", "reorganised")]))
        )
      })
    }))

  it.effect("have no archival copies", () =>
    Effect.gen(function*() {
      const { address } = yield* IpcNode
      const raw = new RawClient(address, credentials.createInsecure())
      const code = yield* Effect.promise(() =>
        new Promise((resolve) => {
          const { path, requestSerialize, responseDeserialize } = IPCArchivalAPIService.fileResolveBlock
          raw.makeUnaryRequest(
            path,
            requestSerialize,
            responseDeserialize,
            { blockCid: Client.textOf(Client.leaf(Buffer.alloc(1))) },
            (error) => resolve(error?.code)
          )
        })
      )
      raw.close()
      assert.strictEqual(code, status.NOT_FOUND)
    }))
})
