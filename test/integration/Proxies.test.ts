/** A service in an environment that names a proxy, as companies have them. */
import * as Processes from "@akave-async/local/Processes"
import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { createServer } from "node:http"
import { join } from "node:path"

/** Notes what it is asked for, and lets nothing through; answers as a chain would to those who come directly. */
const proxy = Effect.acquireRelease(
  Effect.callback<{ readonly asked: Array<string>; readonly port: number; readonly close: () => void }>((resume) => {
    const asked: Array<string> = []
    const server = createServer((request, response) => {
      if (request.url !== "/direct") asked.push(request.url ?? "")
      response.writeHead(request.url === "/direct" ? 200 : 502).end()
    })
    server.on("connect", (request, socket) => {
      // Its client may be killed at any time.
      socket.on("error", () => {})
      asked.push(request.url ?? "")
      socket.end("HTTP/1.1 502 Bad Gateway\r\n\r\n")
    })
    server.listen(0, "127.0.0.1", () =>
      resume(Effect.succeed({
        asked,
        port: Object(server.address()).port,
        close: () => {
          server.close()
          server.closeAllConnections()
        }
      })))
  }),
  ({ close }) => Effect.sync(close)
)

const ping = Effect.fnUntraced(function*(node: string, chain: string, env: Readonly<Record<string, string>>) {
  const child = yield* Effect.acquireRelease(
    Effect.sync(() =>
      spawn(process.execPath, [join(import.meta.dirname, "fixtures/ping.ts"), chain], {
        env: { PATH: process.env["PATH"], AKAVE_NODE_ADDRESS: node, ...env },
        stdio: ["ignore", "pipe", "inherit"]
      })
    ),
    (child) =>
      Effect.promise(async () => {
        const exited = once(child, "exit")
        child.kill("SIGKILL")
        await exited
      })
  )
  const [line] = yield* Effect.promise(() => once(child.stdout, "data"))
  return Processes.readyLine(String(line))
}, Effect.scoped)

it.live.each(["http_proxy", "https_proxy", "grpc_proxy", "HTTP_PROXY", "HTTPS_PROXY"])(
  "does not send to the proxy of %s what is on this machine",
  (variable) =>
    Effect.gen(function*() {
      const { asked, port } = yield* proxy
      const env = { [variable]: `http://127.0.0.1:${port}`, NODE_USE_ENV_PROXY: "1" }
      // Nothing that speaks gRPC listens there, so a node that was asked directly is not reached, and nobody was asked.
      const reported = yield* ping("localhost:1", `http://127.0.0.1:${port}/direct`, env)
      assert.deepInclude(reported, { chain: "true" })
      assert.deepStrictEqual(asked, [])
    })
)

it.live("sends to the proxy what is elsewhere, except for what NO_PROXY names", () =>
  Effect.gen(function*() {
    const { asked, port } = yield* proxy
    const env = {
      HTTPS_PROXY: `http://127.0.0.1:${port}`,
      HTTP_PROXY: `http://127.0.0.1:${port}`,
      NODE_USE_ENV_PROXY: "1"
    }
    yield* ping("node.invalid:5500", "http://chain.invalid/", env)
    assert.isTrue(asked.some((url) => url.startsWith("node.invalid:5500")), `${asked}`)
    assert.isTrue(asked.some((url) => url.includes("chain.invalid")), `${asked}`)
    asked.length = 0
    yield* ping("node.invalid:5500", "http://chain.invalid/", { ...env, NO_PROXY: "example.org, .invalid" })
    assert.deepStrictEqual(asked, [])
  }))
