/**
 * An HTTP server that stops soon, whatever its clients do: connections without a request under way are closed at once, and
 * requests get a few seconds to end.
 */
import { NodeHttpServer } from "@effect/platform-node"
import { Duration } from "effect"
import { type IncomingMessage, Server, type ServerResponse } from "node:http"
import type { Socket } from "node:net"

export interface Options {
  readonly host: string
  /** 0 takes any free one. */
  readonly port: number
  /** What requests under way get to end once the server stops; 5 seconds if not named. */
  readonly patience?: Duration.Input
}

/** What a client gets to send its headers, and its whole request, in milliseconds: slower ones are answered with 408. */
const headersMillis = 10_000
const requestMillis = 30_000

/** Listens while the layer lives. */
export const layer = ({ host, patience = "5 seconds", port }: Options) =>
  NodeHttpServer.layer(() => new StoppableServer(Duration.toMillis(patience)), { host, port })

class StoppableServer extends Server {
  /** Every connection with the answers that it waits for. */
  readonly #connections = new Map<Socket, Set<ServerResponse>>()
  readonly #patienceMillis: number
  #isStopping = false

  constructor(patienceMillis: number) {
    super({ connectionsCheckingInterval: 1_000, headersTimeout: headersMillis, requestTimeout: requestMillis })
    this.#patienceMillis = patienceMillis
    this.on("connection", (socket: Socket) => {
      this.#connections.set(socket, new Set())
      socket.once("close", () => this.#connections.delete(socket))
    })
    this.on("request", this.#follow)
    this.on("checkContinue", this.#follow)
  }

  /** Node's own waits for connections that have not sent a request, or not all of it. */
  override close(callback?: (error?: Error) => void): this {
    super.close(callback)
    this.#isStopping = true
    for (const [socket, answers] of this.#connections) {
      if (answers.size === 0) socket.destroy()
      for (const answer of answers) isLast(answer)
    }
    const timer = setTimeout(() => {
      for (const socket of this.#connections.keys()) socket.destroy()
    }, this.#patienceMillis)
    this.once("close", () => clearTimeout(timer))
    return this
  }

  readonly #follow = ({ socket }: IncomingMessage, answer: ServerResponse) => {
    const answers = this.#connections.get(socket)
    answers?.add(answer)
    if (this.#isStopping) isLast(answer)
    answer.once("close", () => {
      answers?.delete(answer)
      if (this.#isStopping && answers?.size === 0) socket.destroySoon()
    })
  }
}

/** Informs the client that the connection ends with this answer, if it has not begun. */
const isLast = (answer: ServerResponse) => {
  if (!answer.headersSent) answer.setHeader("connection", "close")
}
