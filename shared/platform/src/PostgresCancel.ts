/** Asks a server to end what one of its clients has given up. */
import { connect } from "node:net"
import type { PoolClient } from "pg"

/** The code of a request to cancel (PostgreSQL manual, "Message Formats"), in the place of a protocol's version. */
const cancelRequest = 80_877_102
/** A server that is gone is waited for no longer than this, in milliseconds. */
const patience = 1000

/**
 * The client must still be connected: a pooler between it and the server knows only those. The server answers nothing but
 * the end of the connection, also when there was nothing to end. The request goes unencrypted, as older libpq sends it: what
 * its key is good for ends with the client's connection.
 */
export const cancel = (client: PoolClient): Promise<void> => {
  const { processID, secretKey } = client as unknown as { readonly processID: unknown; readonly secretKey: unknown }
  if (typeof processID !== "number" || typeof secretKey !== "number") return Promise.resolve()
  const request = Buffer.alloc(16)
  for (const [index, value] of [request.length, cancelRequest, processID, secretKey].entries()) {
    request.writeInt32BE(value, index * 4)
  }
  const { host, port } = client
  const { promise, resolve } = Promise.withResolvers<void>()
  const socket = host.startsWith("/") ? connect(`${host}/.s.PGSQL.${port}`) : connect(port, host)
  socket.setTimeout(patience, () => socket.destroy())
  socket.on("error", () => {})
  // It stays open until the other side closes it: PgBouncer drops the request of a client that has closed its side.
  socket.on("connect", () => socket.write(request))
  socket.resume()
  socket.on("close", () => resolve())
  return promise
}
