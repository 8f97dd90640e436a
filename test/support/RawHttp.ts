/** HTTP as bytes, for requests that no client sends. */
import { connect } from "node:net"

/** Sends bytes as they are, and gives all that comes back until the server closes, or nothing has come for a while. */
export const exchange = (url: string, bytes: string, patienceMillis = 500): Promise<string> =>
  new Promise((resolve) => {
    const { hostname, port } = new URL(url)
    const socket = connect(Number(port), hostname, () => socket.write(bytes, "latin1"))
    let received = ""
    socket.setTimeout(patienceMillis, () => socket.destroy())
    socket.on("data", (data) => received += data.toString("latin1"))
    socket.on("error", () => {})
    socket.on("close", () => resolve(received))
  })

/** The statuses of the answers, in order. */
export const statusesOf = (received: string) =>
  Array.from(received.matchAll(/HTTP\/1\.1 (\d+) /g), ([, status]) => Number(status))
