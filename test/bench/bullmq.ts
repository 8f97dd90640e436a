/**
 * A request that BullMQ accepts: bare `node:http`, and one job added to a queue on Redis, which keeps it as JetStream does, synced
 * to the disk once a second. As `node test/bench/bullmq.ts FOLDER`, where FOLDER has BullMQ in its `node_modules`, and Redis writes;
 * prints its port once it listens.
 */
import { spawn } from "node:child_process"
import { once } from "node:events"
import { createServer } from "node:http"
import { createRequire } from "node:module"
import { type AddressInfo, createServer as createTcpServer } from "node:net"
import { join } from "node:path"
import { pathToFileURL } from "node:url"

interface Queue {
  add(name: string, data: unknown, options: { readonly jobId: string }): Promise<{ readonly id?: string }>
}
interface BullMq {
  readonly Queue: new(
    name: string,
    options: { readonly connection: { readonly host: string; readonly port: number } }
  ) => Queue
}

const host = "127.0.0.1"
const folder = process.argv[2] ?? ""
const installed = createRequire(join(folder, "package.json")).resolve("bullmq")
const { Queue }: BullMq = await import(pathToFileURL(installed).href)

const probe = createTcpServer().listen(0, host)
await once(probe, "listening")
const { port } = probe.address() as AddressInfo
probe.close()
await once(probe, "close")
const settings = `--bind ${host} --port ${port} --appendonly yes --appendfsync everysec`.split(" ")
const redis = spawn("redis-server", [...settings, "--dir", folder, "--save", ""], { stdio: "ignore" })
process.on("SIGTERM", () => process.exit()).on("exit", () => redis.kill())
// Waits until Redis listens.
const queue = new Queue("bench", { connection: { host, port } })

const server = createServer((request, response) => {
  let body = ""
  request.setEncoding("utf8").on("data", (chunk: string) => body += chunk).on("end", () => {
    const { name }: { readonly name: string } = JSON.parse(body)
    queue.add("create", { name }, { jobId: name }).then(
      ({ id }) => response.writeHead(202, { "content-type": "application/json" }).end(JSON.stringify({ name, id })),
      (cause: unknown) => response.writeHead(503).end(String(cause))
    )
  })
})
server.listen(0, host, () => process.stdout.write(`${(server.address() as AddressInfo).port}\n`))
