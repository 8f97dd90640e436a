/** Breaks uploads off, goes on with one and gives the other up: `node resumed-upload.ts NODE BUCKET`. */
import { connect, type ConnectOptions, SourceChanged } from "@akave-async/sdk"
import { randomBytes } from "node:crypto"
import { setTimeout } from "node:timers/promises"

const [nodeAddress = "127.0.0.1:5500", bucket = `resumed-${Date.now()}`] = process.argv.slice(2)
const options: ConnectOptions = { nodeAddress, privateKey: process.env["AKAVE_PRIVATE_KEY"] ?? "" }
const photo = randomBytes(1_000_000)

/** Makes a call again while its error says that it may do better. */
const patiently = async <A>(call: () => Promise<A>, tries = 5): Promise<A> => {
  try {
    return await call()
  } catch (error) {
    const isRetryable = error instanceof Error && "isRetryable" in error && error.isRetryable === true
    if (!isRetryable || tries === 1) throw error
    await setTimeout(1_000)
    return patiently(call, tries - 1)
  }
}

/** As a crash would: the client is closed once a node has the first block. */
const breakOff = async (name: string) => {
  const akave = await connect(options)
  await akave.upload(bucket, name, photo, {
    onProgress: ({ blocks }) => {
      if (blocks.stored === 1) void akave.close()
    }
  }).catch(() => console.log(`${name} was broken off`))
}

await using akave = await connect(options)
await akave.createBucket(bucket)

await breakOff("photo")
const { transactions } = await patiently(() => akave.upload(bucket, "photo", photo))
console.log(`and done, with ${transactions.map(({ part }) => part).join(", ")}`)

await breakOff("draft")
const error: unknown = await akave.upload(bucket, "draft", randomBytes(1_000)).catch((error: unknown) => error)
if (!(error instanceof SourceChanged)) throw error
await akave.deleteFile(bucket, "draft")
await akave.upload(bucket, "draft", randomBytes(1_000))
console.log("and stored anew, with other bytes")
