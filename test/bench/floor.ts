/**
 * What an accepted request costs at least: bare `node:http`, and one JetStream publish that states its revision. As
 * `node test/bench/floor.ts NATS_URL`; prints its port once it listens.
 */
import { jetstream, jetstreamManager } from "@nats-io/jetstream"
import { connect } from "@nats-io/transport-node"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"

const connection = await connect({ servers: process.argv[2] ?? "", noAsyncTraces: true })
const manager = await jetstreamManager(connection)
await manager.streams.add({ name: "FLOOR", subjects: ["floor.>"] })
const client = jetstream(connection)

const server = createServer((request, response) => {
  let body = ""
  request.setEncoding("utf8").on("data", (chunk: string) => body += chunk).on("end", () => {
    const { name }: { readonly name: string } = JSON.parse(body)
    client.publish(`floor.${name}`, body, { msgID: name, expect: { lastSubjectSequence: 0 } }).then(
      ({ seq }) => response.writeHead(202, { "content-type": "application/json" }).end(JSON.stringify({ name, seq })),
      (cause: unknown) => response.writeHead(503).end(String(cause))
    )
  })
})
server.listen(0, "127.0.0.1", () => process.stdout.write(`${(server.address() as AddressInfo).port}\n`))
