/**
 * Uploads a file by the SDK in a process of its own, which kills itself where it is told to: prints a line of JSON when it is done.
 * Arguments: the node's address, the journal's folder, bucket, name, path of the source, and optionally where to die.
 */
import { subscribe } from "node:diagnostics_channel"
import { connect, type UploadProgress } from "../../src/index.ts"
import { privateKeys } from "../devnet.ts"

const [nodeAddress = "", journalFolder = "", bucketName = "", name = "", path = "", failpoint] = process.argv.slice(2)

/** Blocks that were sent, counted where they leave. */
let sentBlocks = 0
subscribe("http2.client.stream.created", (message) => {
  const { headers } = message as { readonly headers: Readonly<Record<string, unknown>> }
  if (String(headers[":path"]).endsWith("/FileUploadBlock")) sentBlocks += 1
})

let before = 0
/** Whether an upload is where it is to die: `sent=<part>`, `mined=<part>`, `stored=<blocks>` or `filled=<blocks>`. */
const isReached = ({ blocks, transactions }: UploadProgress): boolean => {
  const isMined = transactions.mined > before
  before = transactions.mined
  const [what, value] = failpoint?.split("=") ?? []
  if (what === "sent" || what === "mined") return transactions.last === value && isMined === (what === "mined")
  return (what === "stored" || what === "filled") && blocks[what] >= Number(value)
}

await using akave = await connect({ nodeAddress, journalFolder, privateKey: privateKeys.first })
const { createdAt: _, ...file } = await akave.upload(bucketName, name, path, {
  onProgress: (progress) => {
    if (isReached(progress)) process.kill(process.pid, "SIGKILL")
  }
})
console.log(JSON.stringify({ ...file, sentBlocks }))
