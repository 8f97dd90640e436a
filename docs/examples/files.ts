/** Stores a file by the SDK, reads it and a part of it, and deletes it: `node files.ts NODE BUCKET PATH`. */
import { connect } from "@akave-async/sdk"
import { basename } from "node:path"

const [nodeAddress = "127.0.0.1:5500", bucket = `files-${Date.now()}`, path = import.meta.filename] = process.argv
  .slice(2)
const privateKey = process.env["AKAVE_PRIVATE_KEY"] ?? ""
const name = basename(path)

await using akave = await connect({ nodeAddress, privateKey })
await akave.createBucket(bucket)

const stored = await akave.upload(bucket, name, path, {
  onProgress: ({ blocks }) =>
    process.stderr.write(`\r${blocks.stored} of ${blocks.total} blocks stored, ${blocks.filled} on chain `)
})
process.stderr.write("\n")
console.log(
  `${stored.name}: ${stored.actualSize} bytes in ${stored.chunks} chunk, ${stored.transactions.length} transactions`
)

for (const file of await akave.listFiles(bucket)) console.log(`${file.name} ${file.rootCid}`)

const { bytes } = await akave.open(bucket, name, { range: { start: 0, end: 11 } })
for await (const part of bytes) console.log(Buffer.from(part).toString())

await akave.download(bucket, name, `${path}.copy`)
await akave.deleteFile(bucket, name)
