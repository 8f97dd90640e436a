import { Effect } from "effect"
import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"

/** An HTTP server that does this with each request; gives its host and port. */
export const serve = (respond: (request: IncomingMessage, response: ServerResponse) => void) =>
  Effect.gen(function*() {
    const server = createServer(respond)
    yield* Effect.acquireRelease(
      Effect.promise(() => new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))),
      () =>
        Effect.sync(() => {
          server.closeAllConnections()
          server.close()
        })
    )
    return `127.0.0.1:${(server.address() as AddressInfo).port}`
  })

export const answer =
  (status: number, body: string, headers: Readonly<Record<string, string>> = { "content-type": "application/json" }) =>
  (_: unknown, response: ServerResponse) => {
    response.writeHead(status, headers)
    response.end(body)
  }
