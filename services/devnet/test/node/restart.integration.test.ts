import { assert, it } from "@effect/vitest"
import { status } from "@grpc/grpc-js"
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterEach, beforeEach } from "vitest"
import * as Client from "./client.ts"
import * as Process from "./process.ts"

const place = { bucketName: "photos", fileName: "one" }
const expired = "The block's signature has expired: its deadline has passed"
let dataDir = ""
let running: Process.Devnet | undefined

beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), "devnet-"))
})
afterEach(async () => {
  await running?.kill("SIGKILL")
  await rm(dataDir, { recursive: true, force: true })
})
const start = async () => {
  running = await Process.start(dataDir)
  return running
}
const kill = async (devnet: Process.Devnet, session: Client.Session) => {
  await devnet.kill("SIGKILL")
  running = undefined
  Client.close(session)
}

it("fills after a kill what it has taken before, wherever the kill came", async () => {
  let devnet = await start()
  let session = await Process.session(devnet)
  const chunks = [Client.chunkOf(0, Client.random(32, 3_000)), Client.chunkOf(1, Client.random(8, 3_000))]
  await Client.createBucket(session, place.bucketName)
  await Client.createFile(session, place)
  const again = async () => {
    await Process.untilKept(session, dataDir)
    await kill(devnet, session)
    devnet = await start()
    session = await Process.session(devnet, session)
  }
  const upload = async (chunk: Client.Chunk, indexes: ReadonlyArray<number>, nodeId: string) => {
    const all = await Promise.all(indexes.map((index) => Client.messagesOf(session, place, chunk, index, nodeId)))
    return Promise.all(all.map((messages) => Client.refusal(Client.stream(session.client, messages))))
  }
  const range = (from: number, to: number) => Array.from({ length: to - from }, (_, index) => from + index)
  const [first, second] = chunks
  assert.isDefined(first)
  assert.isDefined(second)

  // The fills of these wait in the queue.
  const nodeId = await Client.addChunk(session, place, first)
  await Process.setFaults(devnet, { fills: { hold: true } })
  assert.isTrue((await upload(first, range(0, 8), nodeId)).every(({ code }) => code === 0))
  await again()
  // Of these, some are on their way and some are in the chain; the chain's folder may not have their blocks.
  assert.isTrue((await upload(first, range(8, 16), nodeId)).every(({ code }) => code === 0))
  await kill(devnet, session)
  devnet = await start()
  session = await Process.session(devnet, session)
  // In the midst of these.
  const unfinished = range(16, 32)
  const messages = await Promise.all(
    unfinished.map((index) => Client.messagesOf(session, place, first, index, nodeId, { segment: 500 }))
  )
  let answers = 0
  const codes = messages.map((one) =>
    Client.refusal(Client.stream(session.client, one)).finally(() => answers++).then(({ code }) => code)
  )
  await Client.until(async () => answers >= 3)
  await kill(devnet, session)
  const missing = (await Promise.all(codes)).flatMap((code, index) =>
    code === 0 ? [] : unfinished.slice(index, index + 1)
  )
  devnet = await start()
  session = await Process.session(devnet, session)
  // What was answered needs nothing more from the client.
  const fileId = Client.fileIdOf(session, place.bucketName, place.fileName)
  const answered = range(0, 32).filter((index) => !missing.includes(index))
  for (const index of answered) {
    await Client.until(async () => Boolean(await Client.view(session, "isBlockFilled", [fileId, index, 0])))
  }
  assert.isTrue((await upload(first, missing, nodeId)).every(({ code }) => code === 0))

  // An announcement outlives a kill, too, and so does the node's identity.
  assert.strictEqual(await Client.addChunk(session, place, second), nodeId)
  await again()
  await Client.uploadChunk(session, place, second, nodeId)
  await Client.untilFilled(session, place)
  await Client.commit(session, place, chunks)
  const request = { ...place, address: session.owner.address }
  assert.deepStrictEqual(
    (await Client.ask(session.client, "fileDownloadCreate", request)).chunks.map(({ size }) => Number(size)),
    chunks.map(({ raw }) => raw)
  )
  assert.isTrue((await Client.downloadFile(session, place)).equals(Client.encodedOf(chunks)))
  assert.deepStrictEqual(devnet.messages, [])
  assert.strictEqual(devnet.errorOutput(), "")

  await devnet.kill("SIGTERM")
  Client.close(session)
  devnet = await start()
  session = await Process.session(devnet, session)
  assert.isTrue((await Client.downloadFile(session, place)).equals(Client.encodedOf(chunks)))

  // A folder that has the chain alone: the node is another one, without blocks, and takes them once more.
  await devnet.kill("SIGTERM")
  Client.close(session)
  await rm(join(dataDir, "node"), { recursive: true })
  devnet = await start()
  session = await Process.session(devnet, session)
  assert.strictEqual((await Client.refusal(Client.downloadFile(session, place))).code, status.NOT_FOUND)
  const { chunks: [listed] } = await Client.ask(session.client, "fileDownloadCreate", request)
  const { blocks: [block] } = await Client.ask(session.client, "fileDownloadChunkCreate", {
    ...request,
    chunkCid: listed?.cid ?? "",
    chunkIndex: 0n
  })
  assert.notStrictEqual(block?.nodeId, nodeId)
  for (const chunk of chunks) await Client.uploadChunk(session, place, chunk, block?.nodeId ?? "")
  assert.isTrue((await Client.downloadFile(session, place)).equals(Client.encodedOf(chunks)))
  const state = await (await fetch(`${devnet.ready.admin_url}/state`)).text()
  assert.include(state, `"fills":0`)
  Client.close(session)
}, 120_000)

it("gives up what can never be filled, and says so; what was to be filled with it, is", async () => {
  const devnet = await start()
  const session = await Process.session(devnet)
  const chunk = Client.chunkOf(0, Client.random(3))
  const deadline = BigInt(Math.floor(Date.now() / 1000) + 3_600)
  await Client.createBucket(session, place.bucketName)
  await Client.createFile(session, place)
  const nodeId = await Client.addChunk(session, place, chunk)
  const expiring = await Client.messagesOf(session, place, chunk, 1, nodeId, { deadline })
  await Process.setFaults(devnet, { fills: { hold: true } })
  await Client.stream(session.client, await Client.messagesOf(session, place, chunk, 0, nodeId))
  await Client.stream(session.client, expiring)
  await Client.stream(session.client, await Client.messagesOf(session, place, chunk, 2, nodeId))
  await session.provider.send("evm_setNextBlockTimestamp", [Number(deadline) + 1])
  await session.provider.send("evm_mine", [])
  await Process.setFaults(devnet, {})

  const fileId = Client.fileIdOf(session, place.bucketName, place.fileName)
  for (const index of [0, 2]) {
    await Client.until(async () => Boolean(await Client.view(session, "isBlockFilled", [fileId, index, 0])))
  }
  await Client.until(async () => devnet.messages.length > 0)
  assert.deepStrictEqual(devnet.messages, ["A block can't be filled and is given up: Signature expired"])
  assert.strictEqual((await Client.refusal(Client.stream(session.client, expiring))).details, expired)
  // A new signature is another attempt.
  const head = await session.provider.getBlock("latest")
  const later = { deadline: BigInt(head?.timestamp ?? 0) + 3_600n }
  await Client.stream(session.client, await Client.messagesOf(session, place, chunk, 1, nodeId, later))
  await Client.untilFilled(session, place)
  Client.close(session)
}, 120_000)
