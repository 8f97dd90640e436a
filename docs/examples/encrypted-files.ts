/** Stores a file that only this key reads, under a name that only this key shows: `node encrypted-files.ts NODE BUCKET`. */
import { connect, KeyRequired } from "@akave-async/sdk"
import { randomBytes } from "node:crypto"

const [nodeAddress = "127.0.0.1:5500", bucket = `secret-${Date.now()}`] = process.argv.slice(2)
const privateKey = process.env["AKAVE_PRIVATE_KEY"] ?? ""
// Keep it: without the key the file can't be read, by anybody.
const encryptionKey = randomBytes(32)

await using akave = await connect({ nodeAddress, privateKey, encryptionKey, encryptsNames: true })
await akave.createBucket(bucket)
await akave.upload(bucket, "diary.txt", Buffer.from("Dear diary"))
const { bytes } = await akave.open(bucket, "diary.txt")
for await (const part of bytes) console.log(Buffer.from(part).toString())

// What others see.
await using other = await connect({ nodeAddress, privateKey })
const last = (await other.listBuckets({ limit: 1_000 })).at(-1)?.name ?? ""
const [file] = await other.listFiles(last)
console.log(`a file of ${file?.actualSize} bytes, named ${file?.name.slice(0, 8)}…`)
const error: unknown = await other.open(last, file?.name ?? "").catch((error: unknown) => error)
console.log(error instanceof KeyRequired ? "and no key to read it with" : error)
