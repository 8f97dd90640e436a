import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import { createServer } from "node:net"
import * as Ports from "../src/Ports.ts"

const listening = (port: number) =>
  Effect.acquireRelease(
    Effect.callback<ReturnType<typeof createServer>>((resume) => {
      const server = createServer().listen(port, Ports.host, () => resume(Effect.succeed(server)))
    }),
    (server) => Effect.callback<void>((resume) => void server.close(() => resume(Effect.void)))
  )

it.live("a free port can be listened on, and is then taken", () =>
  Effect.gen(function*() {
    const port = yield* Ports.free
    assert.isFalse(yield* Ports.isTaken(port))
    yield* listening(port)
    assert.isTrue(yield* Ports.isTaken(port))
  }))

it.live("no port is given out twice", () =>
  Effect.gen(function*() {
    const ports = yield* Effect.all(Array.from({ length: 50 }, () => Ports.free), { concurrency: "unbounded" })
    assert.strictEqual(new Set(ports).size, ports.length)
  }))

it.live("a preferred port gives way to a free one, a demanded one is refused with the variable to change", () =>
  Effect.gen(function*() {
    const port = yield* Ports.free
    assert.strictEqual(yield* Ports.preferring(port), port)
    assert.strictEqual(yield* Ports.exactly(port, "PORT"), port)
    yield* listening(port)
    assert.notStrictEqual(yield* Ports.preferring(port), port)
    const error = yield* Effect.flip(Ports.exactly(port, "PORT"))
    assert.match(error.message, new RegExp(`Port ${port} .* taken: .* PORT\\.`))
  }))
