import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { createServer } from "node:net"
import { join } from "node:path"
import * as Ports from "../src/Ports.ts"

const listening = (port: number) =>
  Effect.acquireRelease(
    Effect.callback<ReturnType<typeof createServer>>((resume) => {
      const server = createServer().listen(port, Ports.host, () => resume(Effect.succeed(server)))
    }),
    (server) => Effect.callback<void>((resume) => void server.close(() => resume(Effect.void)))
  )

/** A free port that nobody gave out. */
const unreserved = Effect.scoped(Effect.map(listening(0), (server) => Object(server.address()).port))

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
    assert.notStrictEqual(yield* Ports.preferring(port), port)
    const other = yield* Ports.free
    yield* listening(other)
    assert.notStrictEqual(yield* Ports.preferring(other), other)
    const error = yield* Effect.flip(Ports.exactly(other, "PORT"))
    assert.match(error.message, new RegExp(`Port ${other} .* taken: .* PORT\\.`))
  }))

it.live("two settings can't have one port", () =>
  Effect.gen(function*() {
    const port = yield* Ports.exactly(yield* Ports.free, "PORT")
    const error = yield* Effect.flip(Ports.exactly(port, "NATS_PORT"))
    assert.strictEqual(
      error.message,
      `NATS_PORT is ${port}, as another setting is already: choose another port for it.`
    )
  }))

it.live("starts that prefer one port at one moment get ports of their own", () =>
  Effect.gen(function*() {
    const port = yield* unreserved
    const starts = yield* Effect.forEach(
      Array.from({ length: 4 }),
      () =>
        Effect.acquireRelease(
          Effect.sync(() =>
            spawn(process.execPath, [join(import.meta.dirname, "fixtures/preferring.ts"), `${port}`], {
              stdio: ["pipe", "pipe", "inherit"]
            })
          ),
          (child) => Effect.sync(() => child.kill("SIGKILL"))
        )
    )
    const answers = yield* Effect.promise(() =>
      Promise.all(starts.map(async ({ stdout }) => Number(String((await once(stdout, "data"))[0]))))
    )
    assert.strictEqual(new Set(answers).size, answers.length, `${answers}`)
  }))
