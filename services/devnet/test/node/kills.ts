// Kills a devnet again and again while a client uploads: `node services/devnet/test/node/kills.ts [rounds] [blocks] [bytes]`.
//
// Each round uploads a chunk of that many blocks of that many bytes, ten at a time, and kills the devnet at a random moment. The
// devnet starts again on the same folder, and what was answered before has to be filled without the client; the client sends the
// rest. In the end all rounds' files are downloaded. Exit code 1, and a sentence, where anything is missing.
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Client from "./client.ts"
import * as Process from "./process.ts"

const rounds = Number(process.argv[2] ?? 10)
const blocks = Number(process.argv[3] ?? 32)
const size = Number(process.argv[4] ?? 200_000)
const atOnce = 10
/** In milliseconds: about what a round's upload takes. */
const longest = 50 + blocks * size / 20_000

const dataDir = await mkdtemp(join(tmpdir(), "devnet-kills-"))
let devnet = await Process.start(dataDir)
let session = await Process.session(devnet)
const uploaded: Array<readonly [Client.Place, Client.Chunk]> = []
try {
  await Client.createBucket(session, "kills")
  for (let round = 0; round < rounds; round++) {
    const place = { bucketName: "kills", fileName: `file-${round}` }
    const chunk = Client.chunkOf(0, Client.random(blocks, size))
    await Client.createFile(session, place)
    const nodeId = await Client.addChunk(session, place, chunk)
    const messages = await Promise.all(
      chunk.blocks.map((_, index) => Client.messagesOf(session, place, chunk, index, nodeId))
    )
    await Process.untilKept(session, dataDir)

    const answered = new Set<number>()
    const rest = messages.entries()
    const sending = Array.from({ length: atOnce }, async () => {
      for (const [index, one] of rest) {
        if ((await Client.refusal(Client.stream(session.client, one))).code !== 0) return
        answered.add(index)
      }
    })
    const delay = Math.random() * longest
    await new Promise((resolve) => setTimeout(resolve, delay))
    await devnet.kill("SIGKILL")
    await Promise.all(sending)
    const before = session
    devnet = await Process.start(dataDir)
    session = await Process.session(devnet, before)
    Client.close(before)

    const fileId = Client.fileIdOf(session, place.bucketName, place.fileName)
    for (const index of answered) {
      await Client.until(async () => Boolean(await Client.view(session, "isBlockFilled", [fileId, index, 0])))
    }
    for (const [index, one] of messages.entries()) {
      if (!answered.has(index)) await Client.stream(session.client, one)
    }
    await Client.untilFilled(session, place)
    await Client.commit(session, place, [chunk])
    uploaded.push([place, chunk])
    process.stdout.write(
      `round ${round + 1}: killed after ${delay.toFixed(0)} ms and ${answered.size} of ${blocks} blocks\n`
    )
  }
  for (const [place, chunk] of uploaded) {
    if (!(await Client.downloadFile(session, place)).equals(Client.encodedOf([chunk]))) {
      throw new Error(`${place.fileName} is not what was uploaded`)
    }
  }
  if (devnet.errorOutput() !== "") throw new Error(devnet.errorOutput())
  process.stdout.write(`${uploaded.length} files are whole\n`)
} finally {
  Client.close(session)
  await devnet.kill("SIGTERM")
  await rm(dataDir, { recursive: true, force: true })
}
