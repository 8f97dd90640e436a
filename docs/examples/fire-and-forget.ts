/** Asks for a bucket and forgets it: the gateway sends what has become of it, signed, also if that takes hours. */
import { createClient, verifyWebhook } from "@akave-async/client"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"

const akave = createClient()
let secret = ""

const server = createServer(async (request, response) => {
  const body = (await request.toArray()).join("")
  try {
    const event = await verifyWebhook(body, request.headers, secret)
    response.writeHead(204).end()
    console.log(event.type, event.subject)
    await akave.webhooks.remove(webhook_id)
    server.close()
  } catch {
    // Not the gateway's: no reason to say more.
    response.writeHead(401).end()
  }
}).listen(0, "127.0.0.1")
await new Promise((resolve) => server.once("listening", resolve))

// The gateway sends to addresses of its own network only if its operator lets it, as `npm start` does.
const { port } = server.address() as AddressInfo
const { webhook_id, ...webhook } = await akave.webhooks.register({
  url: `http://127.0.0.1:${port}/`,
  event_types: ["akave.BucketCreated.v1", "akave.BucketFailed.v1"]
})
secret = webhook.secret

const job = await akave.submitBucket(process.argv[2] ?? `forgotten-${Date.now()}`)
console.log("accepted", job.job_id)
