/** A proxy before a nats-server that reads the protocol, so that a test can take single messages out of it. */
import * as Ports from "@akave-async/local/Ports"
import { Effect } from "effect"
import { createServer, type Server, Socket } from "node:net"

/** One line of the protocol and what belongs to it. */
export interface Frame {
  /** `PUB`, `MSG`, `SUB` and so on. */
  readonly verb: string
  readonly args: ReadonlyArray<string>
  readonly bytes: Buffer
}

/** Decides for each frame whether it goes on. */
export type Filter = (frame: Frame) => boolean

/** The verbs that a payload follows, whose length is their last argument. */
const withPayload = new Set(["PUB", "HPUB", "MSG", "HMSG"])

/** Cuts what comes into whole frames. */
export const frames = (): (chunk: Buffer) => ReadonlyArray<Frame> => {
  let rest = Buffer.alloc(0)
  return (chunk) => {
    rest = Buffer.concat([rest, chunk])
    const found: Array<Frame> = []
    while (true) {
      const lineEnd = rest.indexOf("\r\n")
      if (lineEnd === -1) return found
      const [verb = "", ...args] = rest.subarray(0, lineEnd).toString().split(/[ \t]+/)
      const payload = withPayload.has(verb.toUpperCase()) ? Number(args.at(-1)) + 2 : 0
      const end = lineEnd + 2 + payload
      if (rest.length < end) return found
      found.push({ verb: verb.toUpperCase(), args, bytes: rest.subarray(0, end) })
      rest = rest.subarray(end)
    }
  }
}

export interface NatsProxy {
  readonly url: string
  /** What goes on to the server, and to its clients; all of it until a test says otherwise. */
  toServer: Filter
  toClient: Filter
  /** Sends the server a line of the protocol in the client's name. */
  readonly inject: (line: string) => Effect.Effect<void>
  /** Ends all connections and takes no new ones, until `mend`. */
  readonly cut: Effect.Effect<void>
  readonly mend: Effect.Effect<void>
}

export const make = Effect.fnUntraced(function*(serverPort: number) {
  const port = yield* Ports.free
  const pairs = new Set<{ readonly client: Socket; readonly server: Socket }>()
  let isCut = false

  const relay = (from: Socket, to: Socket, filter: () => Filter) => {
    const split = frames()
    from.on("data", (chunk: Buffer) => {
      for (const frame of split(chunk)) if (filter()(frame)) to.write(frame.bytes)
    })
    from.on("error", () => to.destroy())
    from.on("close", () => to.destroy())
  }
  const accept = (client: Socket) => {
    if (isCut) {
      client.destroy()
      return
    }
    const server = new Socket().connect(serverPort, Ports.host)
    const pair = { client, server }
    pairs.add(pair)
    client.once("close", () => pairs.delete(pair))
    relay(client, server, () => proxy.toServer)
    relay(server, client, () => proxy.toClient)
  }
  const end = () => {
    for (const { client, server } of pairs) {
      client.destroy()
      server.destroy()
    }
  }

  yield* Effect.acquireRelease(
    Effect.callback<Server>((resume) => {
      const listener = createServer(accept).listen(port, Ports.host, () => resume(Effect.succeed(listener)))
    }),
    (listener) =>
      Effect.callback<void>((resume) => {
        listener.close(() => resume(Effect.void))
        end()
      })
  )
  const proxy: NatsProxy = {
    url: `nats://${Ports.host}:${port}`,
    toServer: () => true,
    toClient: () => true,
    inject: (line) =>
      Effect.sync(() => {
        for (const { server } of pairs) server.write(`${line}\r\n`)
      }),
    cut: Effect.sync(() => {
      isCut = true
      end()
    }),
    mend: Effect.sync(() => {
      isCut = false
    })
  }
  return proxy
})
