import { assert, it } from "@effect/vitest"
import { Context, Deferred, Effect, Exit, Fiber, Layer, Scope } from "effect"
import { HttpRouter, HttpServer, HttpServerRequest, HttpServerResponse } from "effect/http"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { connect, createServer, type Socket } from "node:net"
import { join } from "node:path"
import * as Listener from "../src/Listener.ts"

/** A server of one route that answers when it is asked to, and of one that reads its body. */
const serving = Effect.fnUntraced(function*(options: Partial<Listener.Options> = {}) {
  const scope = yield* Scope.make()
  yield* Effect.addFinalizer((exit) => Scope.close(scope, exit))
  const [isAsked, mayAnswer] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
  const routes = Layer.mergeAll(
    HttpRouter.add("GET", "/", HttpServerResponse.text("at once")),
    HttpRouter.add(
      "GET",
      "/slow",
      Deferred.succeed(isAsked, undefined).pipe(
        Effect.andThen(Deferred.await(mayAnswer)),
        Effect.as(HttpServerResponse.text("in the end"))
      )
    ),
    HttpRouter.add(
      "POST",
      "/body",
      Effect.gen(function*() {
        yield* Deferred.succeed(isAsked, undefined)
        return HttpServerResponse.text(yield* (yield* HttpServerRequest.HttpServerRequest).text)
      })
    )
  )
  const context = yield* HttpRouter.serve(routes, { disableLogger: true, disableListenLog: true }).pipe(
    Layer.provideMerge(
      Listener.layer({ host: "127.0.0.1", port: 0, ...options })
    ),
    Layer.build,
    Effect.provideService(Scope.Scope, scope)
  )
  const { address } = Context.get(context, HttpServer.HttpServer)
  const port = address._tag === "UnixPathAddress" ? 0 : address.port
  const stop = Effect.forkScoped(Scope.close(scope, Exit.void), { startImmediately: true })
  return { port, isAsked, mayAnswer, stop }
})

interface Client {
  readonly heard: () => string
  readonly closed: Effect.Effect<void>
  readonly hears: (text: string) => Effect.Effect<void>
  readonly says: (text: string) => void
}

/** A client that says something, or nothing, and stays. */
const client = (port: number, says = ""): Effect.Effect<Client, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.callback<Socket>((resume) => {
      const socket = connect(port, "127.0.0.1", () => resume(Effect.succeed(socket)))
    }),
    (socket) => Effect.sync(() => socket.destroy())
  ).pipe(Effect.map((socket) => {
    let heard = ""
    let isClosed = false
    socket.on("data", (chunk) => heard += chunk)
    socket.on("error", () => {})
    socket.on("close", () => isClosed = true)
    socket.write(says)
    const until = Effect.fnUntraced(function*(condition: () => boolean) {
      while (!condition()) yield* Effect.sleep("5 millis")
    })
    return {
      heard: () => heard,
      closed: until(() => isClosed),
      hears: (text) => until(() => heard.includes(text)),
      says: (text) => void socket.write(text)
    }
  }))

const request = (line: string, ...headers: ReadonlyArray<string>) =>
  [`${line} HTTP/1.1`, "host: here", ...headers, "", ""].join("\r\n")

it.live("closes at once what waits for nothing, and lets a request under way end", () =>
  Effect.gen(function*() {
    const { isAsked, mayAnswer, port, stop } = yield* serving()
    const idle = yield* client(port, request("GET /"))
    yield* idle.hears("at once")
    const silent = yield* client(port)
    const halfHead = yield* client(port, "GET / HTTP/1.1\r\nhos")
    const idleThenHalfHead = yield* client(port, request("GET /"))
    yield* idleThenHalfHead.hears("at once")
    idleThenHalfHead.says("GET / HTTP/1.1\r\nhos")
    const slow = yield* client(port, request("GET /slow"))
    yield* Deferred.await(isAsked)

    const stopping = yield* stop
    for (const one of [idle, silent, halfHead, idleThenHalfHead]) yield* one.closed
    assert.isUndefined(stopping.pollUnsafe())
    yield* Deferred.succeed(mayAnswer, undefined)
    yield* Fiber.join(stopping)
    yield* slow.closed
    assert.match(slow.heard(), /^HTTP\/1\.1 200 OK\r\n[\s\S]*connection: close\r\n[\s\S]*in the end$/i)
  }))

it.live("closes connections beyond as many as may be, until others have gone", () =>
  Effect.gen(function*() {
    const { port } = yield* serving({ maxConnections: 2 })
    const first = yield* client(port, request("GET /"))
    const second = yield* client(port, request("GET /", "connection: close"))
    yield* first.hears("at once")
    yield* second.closed
    const third = yield* client(port, request("GET /"))
    yield* third.hears("at once")
    const fourth = yield* client(port, request("GET /"))
    yield* fourth.closed
    assert.strictEqual(fourth.heard(), "")
  }))

it.live("takes no new connection while it stops", () =>
  Effect.gen(function*() {
    const { isAsked, mayAnswer, port, stop } = yield* serving()
    const slow = yield* client(port, request("GET /slow"))
    yield* Deferred.await(isAsked)
    const stopping = yield* stop
    const late = connect(port, "127.0.0.1")
    const [error] = yield* Effect.promise(() => once(late, "error"))
    assert.strictEqual(error.code, "ECONNREFUSED")
    yield* Deferred.succeed(mayAnswer, undefined)
    yield* slow.hears("in the end")
    yield* Fiber.join(stopping)
  }))

it.live("gives up on half a body, and on an answer that does not come, when its patience ends", () =>
  Effect.gen(function*() {
    for (const what of [request("POST /body", "content-length: 100") + "half", request("GET /slow")]) {
      const { isAsked, port, stop } = yield* serving({ patience: 100 })
      const stuck = yield* client(port, what)
      yield* Deferred.await(isAsked)
      yield* Fiber.join(yield* stop)
      yield* stuck.closed
    }
  }))

it.live("a body that comes while it stops is answered", () =>
  Effect.gen(function*() {
    const { isAsked, port, stop } = yield* serving()
    const late = yield* client(port, request("POST /body", "content-length: 8") + "half")
    yield* Deferred.await(isAsked)
    const stopping = yield* stop
    late.says("more")
    yield* Fiber.join(stopping)
    yield* late.closed
    assert.match(late.heard(), /connection: close\r\n[\s\S]*halfmore$/i)
  }))

it.live("a service with clients that say nothing ends soon, with exit code 0", () =>
  Effect.gen(function*() {
    const port = yield* Effect.callback<number>((resume) => {
      const server = createServer().listen(0, "127.0.0.1", () => {
        const { port } = Object(server.address())
        server.close(() => resume(Effect.succeed(port)))
      })
    })
    const child = yield* Effect.acquireRelease(
      Effect.sync(() =>
        spawn(process.execPath, [join(import.meta.dirname, "fixtures/health.ts")], {
          env: { HEALTH_PORT: `${port}` },
          stdio: ["ignore", "pipe", "inherit"]
        })
      ),
      (child) => Effect.sync(() => child.kill("SIGKILL"))
    )
    yield* Effect.promise(() => once(child.stdout, "data"))
    yield* client(port)
    yield* client(port, "GET /health HTTP/1.1\r\nhos")
    const idle = yield* client(port, request("GET /health"))
    yield* idle.hears("ok")
    const exited = once(child, "exit")
    child.kill("SIGTERM")
    assert.deepStrictEqual(yield* Effect.promise(() => exited), [0, null])
  }).pipe(Effect.timeout("15 seconds")))
