/**
 * An HTTP server that stops soon, whatever its clients do: connections without a request under way are closed at once, and
 * requests get a few seconds to end.
 */
import { NodeHttpServer, NodeServices } from "@effect/platform-node"
import { Duration, Effect, Layer } from "effect"
import { type IncomingMessage, Server, type ServerResponse } from "node:http"
import { Server as TlsServer } from "node:https"
import type { Socket } from "node:net"
import * as Tls from "./Tls.ts"

export interface Options {
  readonly host: string
  /** 0 takes any free one. */
  readonly port: number
  /** What requests under way get to end once the server stops; 5 seconds if not named. */
  readonly patience?: Duration.Input
  /** Connections at the same time; further ones are closed. No limit if not named. */
  readonly maxConnections?: number
  /** The certificate to show; plain HTTP without it. */
  readonly tls?: Tls.Files | undefined
}

/** What a client gets to send its headers, in milliseconds: slower ones are answered with 408. What it gets for the body is up to who reads it. */
const headersMillis = 10_000

/**
 * How long a connection may be idle, in milliseconds: longer than clients and proxies keep theirs (a minute, as a rule), so that it
 * is they who close it, and no request meets a connection that is just being closed.
 */
const idleMillis = 75_000

/**
 * What a client gets, once it is answered, to send the rest of a request that nobody reads, in milliseconds: its connection is closed
 * then.
 */
const restMillis = 10_000

const limits = {
  connectionsCheckingInterval: 1_000,
  headersTimeout: headersMillis,
  requestTimeout: 0,
  keepAliveTimeout: idleMillis
}

/** Listens while the layer lives. Fails where the files of TLS can't be used. */
export const layer = ({ host, maxConnections, patience = "5 seconds", port, tls }: Options) =>
  Layer.unwrap(Effect.gen(function*() {
    const listening = (server: Server | TlsServer) => {
      if (maxConnections !== undefined) server.maxConnections = maxConnections
      return NodeHttpServer.layer(() => stoppable(server, Duration.toMillis(patience)), { host, port })
    }
    if (tls === undefined) return listening(new Server(limits))
    const context = yield* Tls.load(tls)
    const server = new TlsServer({ ...limits, ...context, handshakeTimeout: headersMillis, minVersion: "TLSv1.2" })
    yield* Effect.forkScoped(Tls.watch(tls, context, (changed) => server.setSecureContext(changed)))
    return listening(server)
  })).pipe(Layer.provide(NodeServices.layer))

/** Has a server close soon: Node's own waits for connections that have not sent a request, or not all of it. */
const stoppable = <AServer extends Server | TlsServer>(server: AServer, patienceMillis: number): AServer => {
  /** Every connection with the answers that it waits for. */
  const connections = new Map<Socket, Set<ServerResponse>>()
  /** Connections as they came, those of which TLS has not agreed on anything among them. */
  const sockets = new Set<Socket>()
  let isStopping = false

  server.on("connection", (socket: Socket) => {
    sockets.add(socket)
    socket.once("close", () => sockets.delete(socket))
  })
  server.on(server instanceof TlsServer ? "secureConnection" : "connection", (socket: Socket) => {
    connections.set(socket, new Set())
    socket.once("close", () => connections.delete(socket))
  })
  const follow = (request: IncomingMessage, answer: ServerResponse) => {
    const { socket } = request
    const answers = connections.get(socket)
    answers?.add(answer)
    if (isStopping) isLast(answer)
    answer.once("close", () => {
      answers?.delete(answer)
      if (isStopping && answers?.size === 0) socket.destroySoon()
      if (!request.complete) closeUnless(request)
    })
  }
  server.on("request", follow)
  server.on("checkContinue", follow)

  const close = server.close.bind(server)
  return Object.assign(server, {
    close: (callback?: (error?: Error) => void): AServer => {
      close(callback)
      isStopping = true
      for (const [socket, answers] of connections) {
        if (answers.size === 0) socket.destroy()
        for (const answer of answers) isLast(answer)
      }
      const timer = setTimeout(() => {
        for (const socket of sockets) socket.destroy()
      }, patienceMillis)
      server.once("close", () => clearTimeout(timer))
      return server
    }
  })
}

/** Informs the client that the connection ends with this answer, if it has not begun. */
const isLast = (answer: ServerResponse) => {
  if (!answer.headersSent) answer.setHeader("connection", "close")
}

/** Closes the connection of a request that has been answered, unless the rest of it comes soon. */
const closeUnless = (request: IncomingMessage): void => {
  const timer = setTimeout(() => request.complete || request.socket.destroy(), restMillis)
  timer.unref()
  request.socket.once("close", () => clearTimeout(timer))
  request.once("end", () => clearTimeout(timer))
}
