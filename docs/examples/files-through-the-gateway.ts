/** Uploads a file and reads it back, all of it and a part: `node files-through-the-gateway.ts PATH [BUCKET]`. */
import { createClient, FileExists } from "@akave-async/client"
import { createWriteStream } from "node:fs"
import { basename } from "node:path"
import { pipeline } from "node:stream/promises"

const [path = "photo.jpg", bucket = `files-${Date.now()}`] = process.argv.slice(2)
const name = basename(path)
const akave = createClient()

// The upload waits for its bucket: nobody needs to.
await akave.submitBucket(bucket)
const phases = new Set<string>()
const { job_id, result } = await akave.files.upload(bucket, name, path, {
  onProgress: ({ phase }) => phases.size < phases.add(phase).size && console.log(phase)
})
console.log(`${name} has the root ${result?.root_cid}, by job ${job_id}`)

// A stream that is saved as it comes. Where its connection breaks, it goes on over another one.
const whole = await akave.files.download(bucket, name)
await pipeline(whole.stream, createWriteStream(`${path}.copy`))
console.log(`${whole.size} bytes of ${whole.contentType}`)
const part = await akave.files.download(bucket, name, { range: { start: 0, end: 5 } })
console.log(await part.text())

// A file that is there is replaced only where that is said; of the one that was read, and no other.
const error: unknown = await akave.files.upload(bucket, name, Buffer.from("next")).catch((error: unknown) => error)
if (error instanceof FileExists) console.log(`not replaced: ${error.code}`)
await akave.files.upload(bucket, name, Buffer.from("next"), { ifMatch: whole.rootCid })
for await (const file of akave.files.list(bucket)) console.log(file.file_name, file.size)

// Encrypted with a key that the gateway does not keep.
const encryptionKey = crypto.getRandomValues(new Uint8Array(32))
await akave.files.upload(bucket, "secret.txt", Buffer.from("secret"), { encryptionKey, encryptName: true })
console.log(await (await akave.files.download(bucket, "secret.txt", { encryptionKey })).text())

// A link that others can follow for an hour.
const { result: link } = await akave.files.requestDownload(bucket, name)
console.log(`${akave.url}${link?.url}`)
