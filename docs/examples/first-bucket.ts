/** Creates a bucket, waits until it is on chain, and finds it again. */
import { createClient } from "@akave-async/client"

const akave = createClient()
const name = process.argv[2] ?? `first-${Date.now()}`

const job = await akave.createBucket(name, { onChange: ({ status }) => console.log(status) })
console.log(`${name} is ${job.result?.bucket_id}, by transaction ${job.tx_hash}`)

const bucket = await akave.buckets.get(name)
console.log(`created at ${bucket.created_at}`)
