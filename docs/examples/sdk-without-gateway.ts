/** Creates a bucket by the SDK alone: this program signs, sends and waits itself, and nobody carries on if it dies. */
import { connect } from "@akave-async/sdk"

const [nodeAddress = "127.0.0.1:5500", name = `sdk-${Date.now()}`] = process.argv.slice(2)
const privateKey = process.env["AKAVE_PRIVATE_KEY"] ?? ""

const akave = await connect({ nodeAddress, privateKey })
try {
  const bucket = await akave.createBucket(name)
  console.log(`${bucket.name} is ${bucket.id}, in block ${bucket.blockNumber}`)
  for (const { name } of await akave.listBuckets({ limit: 10 })) console.log(name)
} finally {
  await akave.close()
}
