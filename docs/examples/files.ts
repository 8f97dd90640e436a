/** Stores files by the SDK, reads them and parts of them, and deletes them: `node files.ts NODE BUCKET PATH`. */
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

// Bytes that are made as they are sent, stored without parity. As a function they can be read again.
const countdown = async function*() {
  for (const n of ["three ", "two ", "one"]) yield Buffer.from(n)
}
await akave.upload(bucket, "countdown", countdown, { coding: { dataBlocks: 32, parityBlocks: 0 }, concurrency: 4 })

for (let offset = 0;; offset += 100) {
  const files = await akave.listFiles(bucket, { offset, limit: 100 })
  for (const file of files) console.log(`${file.name} ${file.rootCid}`)
  if (files.length < 100) break
}

const { bytes } = await akave.open(bucket, name, { range: { start: 0, end: 11 } })
for await (const part of bytes) console.log(Buffer.from(part).toString())

const { coding } = await akave.download(bucket, name, `${path}.copy`)
console.log(`any ${coding.dataBlocks} of ${coding.dataBlocks + coding.parityBlocks} blocks restore a chunk`)

await akave.setPublicAccess(bucket, name, true)
const { isPublic } = await akave.fileInfo(bucket, name)
console.log(isPublic ? "public" : "not public")

await Promise.all([akave.deleteFile(bucket, name), akave.deleteFile(bucket, "countdown")])
await akave.deleteBucket(bucket)
