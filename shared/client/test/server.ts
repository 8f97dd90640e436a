/** A server that answers as a test wants, and remembers what it was asked. */
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import { afterEach } from "vitest"
import * as Client from "../src/Client.ts"
import { platform } from "../src/node.ts"
import type { Settings } from "../src/Transport.ts"

export interface Asked {
  readonly method: string
  readonly path: string
  readonly headers: IncomingHttpHeaders
  readonly body: string
}
export type Answerer = (asked: Asked, response: ServerResponse, n: number) => void

const closing: Array<() => void> = []
afterEach(() => {
  for (const close of closing.splice(0)) close()
})

/** Answers each request; `asked` are the requests so far, and `sockets` how many connections there were. */
export const serve = async (answerer: Answerer) => {
  const asked: Array<Asked> = []
  let sockets = 0
  const handle = async (request: IncomingMessage, response: ServerResponse) => {
    const body = (await request.toArray()).join("")
    const one = { method: request.method ?? "", path: request.url ?? "", headers: request.headers, body }
    asked.push(one)
    answerer(one, response, asked.length)
  }
  const server = createServer((request, response) => void handle(request, response)).on("connection", () => sockets++)
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  const close = () => {
    server.close()
    server.closeAllConnections()
  }
  closing.push(close)
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked, close, sockets: () => sockets }
}

export const json = (response: ServerResponse, status: number, body: unknown, headers: Record<string, string> = {}) =>
  response.writeHead(status, { "content-type": "application/json", ...headers }).end(JSON.stringify(body))

/** A problem as the gateway reports it. */
export const problem = (response: ServerResponse, status: number, code: string, more: Record<string, unknown> = {}) =>
  json(response, status, { type: `urn:${code}`, code, status, title: code, detail: `${code} it is`, ...more })

/** As a runtime that has collected what would have told it of the signal. */
export const forgetful: typeof fetch = (input, init) => fetch(input, { ...init, signal: null })

/** A client of it that is not patient. */
export const clientOf = (url: string, settings: Partial<Settings> = {}): Client.Client =>
  Client.make({
    url,
    credentials: undefined,
    timeout: 10_000,
    fetch,
    userAgent: "test",
    platform,
    debug: () => {},
    pace: 0.01,
    ...settings
  })

export const failureOf = <A>(promise: Promise<A>): Promise<Error & Record<string, unknown>> =>
  promise.then((value) => {
    throw new Error(`nothing failed: ${JSON.stringify(value)}`)
  }, (error) => error)
