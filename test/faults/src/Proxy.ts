/**
 * A TCP proxy on the loopback address that can treat its connections as a bad network does. What it does to one connection
 * it does to both directions.
 */
import * as Ports from "@akave-async/local/Ports"
import { Effect, type Scope } from "effect"
import { connect, createServer, type Server, type Socket } from "node:net"

/** How the network is at a time. Times are in milliseconds. */
export type Network =
  | { readonly _tag: "Sound" }
  /** Connections are reset, and new ones refused. */
  | { readonly _tag: "Cut" }
  /** Nothing arrives any more, and nobody learns of it; what was on its way arrives when the network is sound again. */
  | { readonly _tag: "BlackHole" }
  /** Everything takes this much longer, there and back together. */
  | { readonly _tag: "Slow"; readonly millis: number }
  /**
   * This share of segments is lost. An application sees that as stalls, twice as long for each loss of the same segment, and
   * as a connection that breaks once in a while.
   */
  | { readonly _tag: "Lossy"; readonly share: number }

export const sound: Network = { _tag: "Sound" }
export const cut: Network = { _tag: "Cut" }
export const blackHole: Network = { _tag: "BlackHole" }
export const slow = (millis: number): Network => ({ _tag: "Slow", millis })
export const lossy = (share: number): Network => ({ _tag: "Lossy", share })

/** Rewrites what one connection's server sends; called with each piece as it comes, and keeps what is incomplete. */
export type Rewrite = (bytes: Buffer) => Buffer

export interface Options {
  /** The port on the loopback address that the connections lead to. */
  readonly to: number
  /** Makes the rewriting of one new connection's server side. */
  readonly rewrite?: () => Rewrite
  /** A number from 0 up to 1; what is lost depends on it. */
  readonly random: () => number
}

export interface Proxy {
  readonly port: number
  /** Takes effect at once, on open connections too. */
  become(network: Network): Effect.Effect<void>
  /** How many pieces, and connections, met a network that was not sound. */
  readonly disturbed: () => number
}

/** TCP's first wait for an acknowledgement, in milliseconds; each further one is twice as long. */
const retransmission = 200
/** Of the segments that are lost, this share ends the connection. */
const broken = 0.02

export const make = Effect.fnUntraced(
  function*({ random, rewrite, to }: Options): Effect.fn.Return<Proxy, Ports.NoFreePort, Scope.Scope> {
    const port = yield* Ports.free
    const links = new Set<Link>()
    let network: Network = sound
    let disturbed = 0
    const networkNow = () => {
      if (network._tag !== "Sound") disturbed++
      return network
    }

    const accept = (client: Socket) => {
      const link = makeLink(client, to, networkNow, random, rewrite?.())
      links.add(link)
      link.ended.finally(() => links.delete(link))
    }
    let server: Server | undefined
    const listen = Effect.callback<void>((resume) => {
      server = createServer({ allowHalfOpen: true }, accept)
      server.once("error", (error) => resume(Effect.die(error)))
      server.listen(port, Ports.host, () => resume(Effect.void))
    })
    const resetAll = () => {
      disturbed += links.size
      for (const link of links) link.reset()
    }
    yield* Effect.acquireRelease(listen, () =>
      Effect.sync(() => {
        server?.close()
        resetAll()
      }))

    const become = (next: Network) =>
      Effect.suspend(() => {
        const wasCut = network._tag === "Cut"
        network = next
        if (next._tag === "Cut" && !wasCut) {
          server?.close()
          resetAll()
        }
        for (const link of links) link.wake()
        return wasCut && next._tag !== "Cut" ? listen : Effect.void
      })
    return { port, become, disturbed: () => disturbed }
  }
)

interface Link {
  /** Both sides see the connection reset. */
  reset(): void
  /** The network has changed: what waits looks again. */
  wake(): void
  readonly ended: Promise<void>
}

const makeLink = (
  client: Socket,
  to: number,
  networkNow: () => Network,
  random: () => number,
  rewrite: Rewrite | undefined
): Link => {
  const server = connect({ port: to, host: Ports.host, allowHalfOpen: true })
  const { promise: ended, resolve } = Promise.withResolvers<void>()
  const lines: Array<Line> = []
  const reset = () => {
    for (const line of lines) line.stop()
    client.resetAndDestroy()
    server.resetAndDestroy()
    resolve()
  }
  let isBroken = false
  const wake = () => {
    if (isBroken && networkNow()._tag !== "BlackHole") return reset()
    for (const line of lines) line.wake()
  }
  lines.push(
    makeLine(client, server, networkNow, random, reset),
    makeLine(server, client, networkNow, random, reset, rewrite)
  )
  let closed = 0
  for (const socket of [client, server]) {
    socket.setNoDelay(true)
    // While nothing arrives, a reset does not either: the other side learns of it when the network is back.
    socket.on("error", () => {
      isBroken = true
      wake()
    })
    socket.on("close", () => ++closed === 2 && resolve())
  }
  return { reset, wake, ended }
}

interface Line {
  wake(): void
  stop(): void
}

/** Bytes that are held for one direction at most; a sender that goes on is held up by its own system. */
const maxHeld = 1024 * 1024

/** One direction of a connection: pieces leave in the order in which they came, each at its time. */
const makeLine = (
  from: Socket,
  to: Socket,
  networkNow: () => Network,
  random: () => number,
  reset: () => void,
  rewrite: Rewrite = (bytes) => bytes
): Line => {
  const waiting: Array<{ readonly bytes: Buffer | undefined; readonly due: number }> = []
  let held = 0
  let lastDue = 0
  let timer: NodeJS.Timeout | undefined

  const dueTime = (): number => {
    const now = performance.now()
    const network = networkNow()
    if (network._tag === "Slow") return now + network.millis / 2
    if (network._tag !== "Lossy") return now
    let stall = 0
    for (let next = retransmission; random() < network.share; next *= 2) {
      if (random() < broken) return Number.NaN
      stall += next
    }
    return now + stall
  }
  const flush = () => {
    clearTimeout(timer)
    while (waiting[0] !== undefined && networkNow()._tag !== "BlackHole") {
      const { bytes, due } = waiting[0]
      const remaining = due - performance.now()
      if (remaining > 0) {
        timer = setTimeout(flush, remaining)
        return
      }
      waiting.shift()
      if (bytes === undefined) to.end()
      else {
        held -= bytes.length
        if (!to.destroyed) to.write(bytes)
      }
      if (held <= maxHeld) from.resume()
    }
  }
  const add = (bytes: Buffer | undefined) => {
    const due = dueTime()
    if (Number.isNaN(due)) return reset()
    lastDue = Math.max(lastDue, due)
    waiting.push({ bytes, due: lastDue })
    held += bytes?.length ?? 0
    if (held > maxHeld) from.pause()
    flush()
  }
  from.on("data", (bytes: Buffer) => {
    const rewritten = rewrite(bytes)
    if (rewritten.length > 0) add(rewritten)
  })
  from.on("end", () => add(undefined))
  return { wake: flush, stop: () => clearTimeout(timer) }
}
