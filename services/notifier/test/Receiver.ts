/** An endpoint that receives webhooks, and answers as a test wants. */
import { Effect } from "effect"
import { createServer, type IncomingHttpHeaders, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"

export interface Received {
  readonly headers: IncomingHttpHeaders
  readonly body: string
  readonly path: string
  /** When it came: Unix time in milliseconds. */
  readonly at: number
}
export interface Receiver {
  readonly url: string
  readonly received: Array<Received>
  /** What is answered; 204 at first. */
  answer: (response: ServerResponse, received: Received) => void
}

/** A receiver on this machine, until the scope closes. */
export const start = Effect.acquireRelease(
  Effect.callback<{ readonly receiver: Receiver; readonly close: () => void }>((resume) => {
    const receiver: Receiver & { url: string } = {
      url: "",
      received: [],
      answer: (response) => void response.writeHead(204).end()
    }
    const server = createServer((request, response) => {
      let body = ""
      request.setEncoding("utf8").on("data", (part: string) => body += part).on("end", () => {
        const received = { headers: request.headers, body, path: request.url ?? "", at: Date.now() }
        receiver.received.push(received)
        receiver.answer(response, received)
      })
    })
    server.listen(0, "127.0.0.1", () => {
      receiver.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`
      resume(Effect.succeed({
        receiver,
        close: () => {
          server.closeAllConnections()
          server.close()
        }
      }))
    })
  }),
  ({ close }) => Effect.sync(close)
).pipe(Effect.map(({ receiver }) => receiver))

/** An answer with a status, and headers and a body where they are given. */
export const status =
  (code: number, headers: Readonly<Record<string, string>> = {}, body = "") => (response: ServerResponse) =>
    void response.writeHead(code, headers).end(body)
