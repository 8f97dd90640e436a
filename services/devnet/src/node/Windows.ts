/**
 * HTTP/2 lets a client send 64 KB of all its streams together until the server says that it has read them, so that a block
 * of 1 MB waits for the node sixteen times. The gRPC server has no option for more; Node's diagnostics channel shows its
 * connections, where Node is new enough to have it.
 */
import { Effect } from "effect"
import { subscribe, unsubscribe } from "node:diagnostics_channel"
import type { ServerHttp2Session, ServerHttp2Stream } from "node:http2"

/** Bytes that may be on their way: of a connection, and of each of its streams. */
const connectionWindow = 8_388_608
const streamWindow = 1_048_576

/** Named at the first stream of a connection, and at all others. */
const channel = "http2.server.stream.created"

/** Widens the windows of the connections to this process, while the scope lasts. */
export const widened = Effect.acquireRelease(
  Effect.sync(() => {
    const known = new WeakSet<ServerHttp2Session>()
    const onStream = (message: unknown) => {
      // The documented message of this channel.
      const { session } = (message as { readonly stream: ServerHttp2Stream }).stream
      if (session === undefined || session.destroyed || known.has(session as ServerHttp2Session)) return
      known.add(session as ServerHttp2Session)
      session.setLocalWindowSize(connectionWindow)
      session.settings({ initialWindowSize: streamWindow })
    }
    subscribe(channel, onStream)
    return onStream
  }),
  (onStream) => Effect.sync(() => unsubscribe(channel, onStream))
)
