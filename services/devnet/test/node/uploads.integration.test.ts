import type { IPCFileBlockData, IPCFileUploadChunkCreateRequest } from "@akave-async/proto/ipcnode"
import { IPCNodeAPIService } from "@akave-async/proto/ipcnode"
import { assert, layer } from "@effect/vitest"
import { Client as RawClient, credentials, status } from "@grpc/grpc-js"
import { Effect } from "effect"
import { getBytes } from "ethers"
import { readdir } from "node:fs/promises"
import { join } from "node:path"
import { IpcNode } from "../../src/IpcNode.ts"
import { BlockStore, largestBlock } from "../../src/node/BlockStore.ts"
import { Faults } from "../../src/node/Faults.ts"
import { NodeFolder } from "../../src/node/NodeFolder.ts"
import { NodeIdentity } from "../../src/node/NodeIdentity.ts"
import { NodeState } from "../../src/node/NodeState.ts"
import * as Client from "./client.ts"
import { devnet, session as newSession } from "./layer.ts"

const photo = (fileName: string) => ({ bucketName: "photos", fileName })

layer(devnet(), { excludeTestServices: true, timeout: 120_000 })("uploads", (it) => {
  it.effect("lead to a file that is listed, downloaded and deleted", () =>
    Effect.gen(function*() {
      const session = yield* newSession
      const identity = yield* NodeIdentity
      const { address } = yield* IpcNode
      const place = photo("one")
      yield* Effect.promise(async () => {
        const { client, owner } = session
        const bucketId = Client.bucketIdOf(session, "photos")
        const chunks = [
          Client.chunkOf(0, Client.random(32, 1_000)),
          Client.chunkOf(1, [...Client.random(2, 1_000), ...Client.random(1, 700_000)])
        ]
        await Client.createFile(session, place)
        for (const chunk of chunks) {
          const { blocks } = await Client.ask(client, "fileUploadChunkCreate", {
            chunk: Client.messageOf(chunk),
            bucketId: getBytes(bucketId),
            fileName: "one"
          })
          assert.deepStrictEqual(
            blocks,
            chunk.blocks.map((block) => ({
              cid: Client.textOf(block),
              nodeAddress: address,
              nodeId: identity.text,
              permit: ""
            }))
          )
          await Client.uploadChunk(session, place, chunk, await Client.addChunk(session, place, chunk))
        }
        await Client.untilFilled(session, place)

        const request = { ...place, address: owner.address }
        const listed = { bucketName: "photos", address: owner.address, offset: 0n, limit: 10n }
        const uncommitted = await Client.ask(client, "fileView", request)
        assert.deepInclude(uncommitted, { fileName: "one", rootCid: "", encodedSize: 0n, actualSize: 0n })
        assert.deepInclude((await Client.ask(client, "fileList", listed)).list[0], { name: "one", rootCid: "" })
        assert.deepStrictEqual(await Client.refusal(Client.ask(client, "fileDownloadCreate", request)), {
          code: status.FAILED_PRECONDITION,
          details: "The file is not committed: its upload has not ended"
        })

        await Client.commit(session, place, chunks)
        const rootCid = Client.textOf({ cid: Client.rootCidOf(chunks) })
        const encodedSize = BigInt(Client.encodedOf(chunks).length)
        const actualSize = BigInt(34_000 + 700_000)
        const { createdAt, ...file } = await Client.ask(client, "fileView", request)
        assert.deepStrictEqual(file, { ...place, rootCid, encodedSize, actualSize, isPublic: false })
        assert.deepStrictEqual((await Client.ask(client, "fileList", listed)).list, [
          { name: "one", rootCid, encodedSize, actualSize, createdAt }
        ])
        assert.deepStrictEqual(
          (await Client.ask(client, "fileDownloadCreate", request)).chunks,
          chunks.map((chunk) => ({
            cid: Client.textOf(chunk),
            encodedSize: BigInt(chunk.encoded),
            size: BigInt(chunk.raw)
          }))
        )
        assert.isTrue((await Client.downloadFile(session, place)).equals(Client.encodedOf(chunks)))

        await Client.deleteFile(session, place)
        assert.deepStrictEqual(await Client.refusal(Client.ask(client, "fileView", request)), {
          code: status.NOT_FOUND,
          details: "file not exists"
        })
        assert.deepStrictEqual((await Client.ask(client, "fileList", listed)).list, [])
      })
    }))

  it.effect("may be done again as a whole: a block that is there is taken once more, and filled once", () =>
    Effect.gen(function*() {
      const session = yield* newSession
      const state = yield* NodeState
      const place = photo("resumed")
      yield* Effect.promise(async () => {
        const chunk = Client.chunkOf(0, Client.random(4))
        await Client.createFile(session, place)
        const nodeId = await Client.addChunk(session, place, chunk)
        await Client.uploadChunk(session, place, chunk, nodeId)
        // While they are queued, and once they are filled.
        await Client.uploadChunk(session, place, chunk, nodeId)
        await Client.untilFilled(session, place)
        await Client.uploadChunk(session, place, chunk, nodeId)
        assert.strictEqual(state.references(Client.fileIdOf(session, "photos", "resumed")).size, 4)
        // Once all is final, too, and where the node has no memory of the chunk.
        await Client.until(async () => state.fills.size === 0)
        await Effect.runPromise(state.forget())
        await Client.uploadChunk(session, place, chunk, nodeId)
        assert.strictEqual(state.fills.size, 0)
        await Client.commit(session, place, [chunk])
        assert.isTrue((await Client.downloadFile(session, place)).equals(Client.encodedOf([chunk])))
      })
    }))

  it.effect("may come in one message", () =>
    Effect.gen(function*() {
      const session = yield* newSession
      const place = photo("unary")
      yield* Effect.promise(async () => {
        const chunk = Client.chunkOf(0, Client.random(1, 1_000_000))
        await Client.createFile(session, place)
        const nodeId = await Client.addChunk(session, place, chunk)
        const [message] = await Client.messagesOf(session, place, chunk, 0, nodeId, { segment: 2_000_000 })
        assert.isDefined(message)
        await Client.ask(session.client, "fileUploadBlockUnary", message)
        await Client.untilFilled(session, place)
        const wrong = { ...message, data: message.data.subarray(1) }
        assert.strictEqual(
          (await Client.refusal(Client.ask(session.client, "fileUploadBlockUnary", wrong))).code,
          status.INVALID_ARGUMENT
        )
      })
    }))

  it.effect("take everything but data from the first message", () =>
    Effect.gen(function*() {
      const session = yield* newSession
      const place = photo("first")
      yield* Effect.promise(async () => {
        const chunk = Client.chunkOf(0, Client.random(2, 500))
        await Client.createFile(session, place)
        const nodeId = await Client.addChunk(session, place, chunk)
        const messages = await Client.messagesOf(session, place, chunk, 0, nodeId, { segment: 100 })
        const other = await Client.messagesOf(session, place, chunk, 1, nodeId, { segment: 100 })
        await Client.stream(session.client, [
          ...messages.slice(0, 1),
          ...messages.slice(1).map((message, index) => ({ ...other[index] ?? message, data: message.data }))
        ])
        await Client.stream(session.client, other)
        await Client.untilFilled(session, place)
      })
    }))

  it.effect("of chunks are announced in any number of blocks up to 32, by CIDs that can be blocks", () =>
    Effect.gen(function*() {
      const session = yield* newSession
      yield* Effect.promise(async () => {
        const chunk = Client.messageOf(Client.chunkOf(0, Client.random(2)))
        const [block] = chunk.blocks
        assert.isDefined(block)
        const request: IPCFileUploadChunkCreateRequest = { chunk, bucketId: new Uint8Array(32), fileName: "x" }
        await Client.ask(session.client, "fileUploadChunkCreate", request)
        const ofChunk = (changes: object) => ({ ...request, chunk: { ...chunk, ...changes } })
        const cases: ReadonlyArray<readonly [IPCFileUploadChunkCreateRequest, RegExp]> = [
          [{ ...request, chunk: undefined }, /^The chunk is missing$/],
          [{ ...request, bucketId: new Uint8Array(31) }, /bucket id/],
          [{ ...request, fileName: "é".repeat(2_049) }, /file name/],
          [ofChunk({ cid: "" }), /chunk's CID/],
          [ofChunk({ cid: "bafy" }), /chunk's CID/],
          // Raw, version 0, and another hash.
          [ofChunk({ cid: "bafkreifzjut3te7nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e" }), /chunk's CID/],
          [ofChunk({ cid: "QmdfTbBqBPQ7VNxZEYEj14VmRuZBkqFbiwReogJgS1zR1n" }), /chunk's CID/],
          [ofChunk({ cid: "z".repeat(100_000) }), /chunk's CID/],
          [ofChunk({ index: -1n }), /index/],
          [ofChunk({ blocks: [] }), /no blocks/],
          [ofChunk({ blocks: Array.from({ length: 33 }, () => block) }), /more than 32 blocks/],
          [ofChunk({ blocks: [block, { ...block, cid: "x" }] }), /^The CID of block 1/],
          [ofChunk({ blocks: [{ ...block, size: 0n }] }), /Block 0 has a size/],
          [ofChunk({ blocks: [{ ...block, size: BigInt(largestBlock) + 1n }] }), /Block 0 has a size/],
          [ofChunk({ size: -1n }), /size is invalid/]
        ]
        for (const [wrong, text] of cases) {
          const { code, details } = await Client.refusal(Client.ask(session.client, "fileUploadChunkCreate", wrong))
          assert.strictEqual(code, status.INVALID_ARGUMENT)
          assert.match(details, text)
        }
      })
    }))

  it.effect("are refused where a fill would fail, or where they are not what they say", () =>
    Effect.gen(function*() {
      const session = yield* newSession
      const other = yield* newSession
      const state = yield* NodeState
      const place = photo("refused")
      const fileId = Client.fileIdOf(session, "photos", "refused")
      const { list } = yield* BlockStore
      yield* Effect.promise(async () => {
        const chunk = Client.chunkOf(0, Client.random(2, 1_000))
        const absent = Client.chunkOf(1, Client.random(2, 1_000))
        await Client.createFile(session, place)
        const nodeId = await Client.addChunk(session, place, chunk)
        const good = () => Client.messagesOf(session, place, chunk, 0, nodeId, { segment: 400 })
        const first = async (changes: Partial<IPCFileBlockData>) =>
          (await good()).map((message, index) => index === 0 ? { ...message, ...changes } : message)
        const [{ nonce, signature, ...message } = assert.fail()] = await good()
        const now = BigInt(Math.floor(Date.now() / 1000))
        const by = (changes: object) => Client.messagesOf(session, place, chunk, 0, nodeId, changes)
        const blocksOf = (changes: object) => ({ chunk: { ...Client.messageOf(chunk), ...changes } })
        const [one, two] = Client.messageOf(chunk).blocks

        const { FAILED_PRECONDITION, INVALID_ARGUMENT, PERMISSION_DENIED } = status
        const cases: ReadonlyArray<readonly [string, Array<IPCFileBlockData>, status, RegExp]> = [
          ["no message", [], INVALID_ARGUMENT, /no message/],
          ["no first message", (await good()).slice(1), INVALID_ARGUMENT, /first message names no block/],
          ["CID of another block", await first({ cid: two?.cid ?? "" }), INVALID_ARGUMENT, /another CID/],
          ["no CID", await first({ cid: "x" }), INVALID_ARGUMENT, /block's CID/],
          ["index of another block", await first({ index: 1n }), INVALID_ARGUMENT, /another CID/],
          ["index beyond the chunk", await first({ index: 2n }), INVALID_ARGUMENT, /no block 2/],
          ["negative index", await first({ index: -1n }), INVALID_ARGUMENT, /no block -1/],
          ["short bucket id", await first({ bucketId: new Uint8Array(20) }), INVALID_ARGUMENT, /bucket id/],
          ["long nonce", await first({ nonce: new Uint8Array(33) }), INVALID_ARGUMENT, /nonce/],
          ["0x signature", await first({ signature: `0x${signature}` }), INVALID_ARGUMENT, /130 hex/],
          ["short signature", await first({ signature: "00" }), INVALID_ARGUMENT, /130 hex/],
          ["other node", await first({ nodeId: Buffer.from(message.nodeId).fill(7, 6) }), INVALID_ARGUMENT, /node/],
          ["node by key", await first({ nodeId: message.nodeId.subarray(6) }), INVALID_ARGUMENT, /node/],
          ["negative deadline", await first({ deadline: -1n }), INVALID_ARGUMENT, /deadline/],
          ["data cut short", (await good()).slice(0, -1), INVALID_ARGUMENT, /has 800 bytes, and 1\d+ by the chunk/],
          [
            "more data",
            [...await good(), { ...message, nonce, signature, data: Buffer.alloc(400) }],
            INVALID_ARGUMENT,
            /more than its/
          ],
          ["no data", [{ ...message, nonce, signature, data: Buffer.alloc(0) }], INVALID_ARGUMENT, /has 0 bytes/],
          [
            "other data",
            (await good()).map((one) => ({ ...one, data: Buffer.alloc(one.data.length) })),
            INVALID_ARGUMENT,
            /does not match its CID/
          ],
          [
            "size of the chunk's own",
            await first(blocksOf({ blocks: [{ ...one, size: (one?.size ?? 0n) + 1n }, two] })),
            INVALID_ARGUMENT,
            /by the chunk/
          ],
          [
            "chunk not on the chain",
            await Client.messagesOf(session, place, absent, 0, nodeId),
            FAILED_PRECONDITION,
            /no chunk 1 on the chain/
          ],
          [
            "other chunk on the chain",
            await Client.messagesOf(session, place, { ...absent, index: 0 }, 0, nodeId),
            FAILED_PRECONDITION,
            /Chunk 0 has another CID/
          ],
          [
            "file not on the chain",
            await Client.messagesOf(session, photo("absent"), chunk, 0, nodeId),
            FAILED_PRECONDITION,
            /no such file/
          ],
          ["expired", await by({ deadline: now - 1n, segment: 400 }), FAILED_PRECONDITION, /expired/],
          ["other signer", await by({ signer: other.owner }), PERMISSION_DENIED, /not signed by the owner/],
          ["other nonce", await first({ nonce: new Uint8Array([1]) }), PERMISSION_DENIED, /not signed/],
          ["other deadline", await first({ deadline: message.deadline + 1_000n }), PERMISSION_DENIED, /not signed/],
          ["v of 0", await first({ signature: `${signature.slice(0, 128)}00` }), PERMISSION_DENIED, /not signed/],
          ["zeros", await first({ signature: "00".repeat(64) + "1b" }), PERMISSION_DENIED, /not signed/],
          [
            "index that is not signed",
            (await Client.messagesOf(session, place, chunk, 1, nodeId)).map((one) => ({ ...one, signature })),
            PERMISSION_DENIED,
            /not signed/
          ]
        ]
        for (const [name, messages, expected, text] of cases) {
          const { code, details } = await Client.refusal(Client.stream(session.client, messages))
          assert.strictEqual(code, expected, `${name}: ${details}`)
          assert.match(details, text, name)
        }
        assert.strictEqual(state.references(fileId).size, 0)
        assert.isFalse([...state.fills.values()].some((fill) => fill.fileId === fileId))
        assert.isFalse(await Client.view(session, "isBlockFilled", [fileId, 0, 0]))
        const stored = await Effect.runPromise(list)
        const digests = new Set(chunk.blocks.map(Client.digestOf))
        assert.deepStrictEqual(stored.filter((digest) => digests.has(digest)), [])
      })
    }))

  it.effect("that are no messages, or too large ones, are refused", () =>
    Effect.gen(function*() {
      const { address } = yield* IpcNode
      const raw = new RawClient(address, credentials.createInsecure())
      const send = (data: Buffer) =>
        new Promise<status>((resolve) => {
          const { path } = IPCNodeAPIService.fileUploadBlock
          const call = raw.makeClientStreamRequest(
            path,
            (bytes: Buffer) => bytes,
            (bytes) => bytes,
            (error) => resolve(error?.code ?? status.OK)
          )
          call.on("error", () => undefined)
          call.end(data)
        })
      yield* Effect.promise(async () => {
        assert.strictEqual(await send(Buffer.from([0xff, 0xff, 0xff])), status.INTERNAL)
        assert.strictEqual(await send(Buffer.alloc(4_194_305)), status.RESOURCE_EXHAUSTED)
        raw.close()
      })
    }))

  it.effect("that are cancelled, or whose connection breaks, leave nothing", () =>
    Effect.gen(function*() {
      const session = yield* newSession
      const state = yield* NodeState
      const { list } = yield* BlockStore
      const folder = yield* NodeFolder
      const { address } = yield* IpcNode
      const place = photo("cancelled")
      const chunk = Client.chunkOf(0, Client.random(3, 600_000))
      const nodeId = yield* Effect.promise(async () => {
        await Client.createFile(session, place)
        return Client.addChunk(session, place, chunk)
      })
      yield* Effect.promise(async () => {
        const cancelled = await Client.messagesOf(session, place, chunk, 0, nodeId)
        const call = session.client.fileUploadBlock(() => undefined)
        call.on("error", () => undefined)
        // All of the data, but not the end.
        for (const message of cancelled) await new Promise((resolve) => call.write(message, resolve))
        call.cancel()

        const broken = Client.connect(address)
        const other = broken.fileUploadBlock(() => undefined)
        other.on("error", () => undefined)
        for (const message of await Client.messagesOf(session, place, chunk, 1, nodeId)) {
          await new Promise((resolve) => other.write(message, resolve))
        }
        broken.close()
        broken.getChannel().close()
        other.cancel()

        // By then the node has read what came before.
        await Client.stream(session.client, await Client.messagesOf(session, place, chunk, 2, nodeId))
      })
      const [one, two, three] = chunk.blocks.map(Client.digestOf)
      const references = state.references(Client.fileIdOf(session, "photos", "cancelled"))
      assert.deepStrictEqual(Array.from(references.values(), ({ digest }) => digest), [three])
      const stored = yield* list
      assert.deepStrictEqual(stored.filter((digest) => [one, two, three].includes(digest)), [three])
      assert.deepStrictEqual(yield* Effect.promise(() => readdir(join(folder.path, "blocks", "unfinished"))), [])
    }))

  it.effect("of many files are filled together, whatever their names", () =>
    Effect.gen(function*() {
      const session = yield* newSession
      const faults = yield* Faults
      yield* faults.set({ fills: { hold: true } })
      yield* Effect.promise(async () => {
        const start = await session.provider.getBlockNumber()
        const names = Array.from({ length: 33 }, (_, index) => index === 0 ? "" : `é${index}`.repeat(index * 20))
        for (const name of names) {
          const place = photo(name)
          const chunk = Client.chunkOf(0, Client.random(1))
          await Client.createFile(session, place)
          await Client.uploadChunk(session, place, chunk, await Client.addChunk(session, place, chunk))
        }
        await Effect.runPromise(faults.set({}))
        for (const name of names) await Client.untilFilled(session, photo(name))
        const failed: Array<string> = []
        for (let number = start; number <= await session.provider.getBlockNumber(); number++) {
          const block = await session.provider.getBlock(number, true)
          for (const { hash } of block?.prefetchedTransactions ?? []) {
            if ((await session.provider.getTransactionReceipt(hash))?.status !== 1) failed.push(hash)
          }
        }
        assert.deepStrictEqual(failed, [])
      })
    }))
})
