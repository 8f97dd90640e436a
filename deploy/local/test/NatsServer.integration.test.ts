import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import { connect } from "node:net"
import { join } from "node:path"
import * as NatsServer from "../src/NatsServer.ts"
import * as Ports from "../src/Ports.ts"
import { Reaper } from "../src/Reaper.ts"

/** Asks JetStream's API one question, over a connection of its own. */
const ask = (port: number, subject: string, question: unknown) =>
  Effect.acquireUseRelease(
    Effect.sync(() => connect(port, Ports.host).setEncoding("utf8")),
    (socket) =>
      Effect.callback<string, Error>((resume) => {
        let heard = ""
        socket.on("error", (error) => resume(Effect.fail(error)))
        socket.on("data", (text) => {
          heard += text
          const [, answer] = /^MSG [^\r]*\r\n(\{.*\})\r\n/m.exec(heard) ?? []
          if (answer !== undefined) resume(Effect.succeed(answer))
        })
        const body = JSON.stringify(question)
        socket.write(`CONNECT {"verbose":false}\r\nSUB answer 1\r\nPUB ${subject} answer ${body.length}\r\n${body}\r\n`)
      }),
    (socket) => Effect.sync(() => socket.destroy())
  ).pipe(Effect.timeout("10 seconds"))

it.live("stores no more than it may", () =>
  Effect.gen(function*() {
    const folder = (yield* Reaper).temporaryFolder()
    const port = yield* Ports.free
    const server = yield* NatsServer.make({
      binary: yield* NatsServer.findConfigured,
      port,
      folder: join(folder, "nats"),
      logFile: join(folder, "nats.log"),
      pidFile: join(folder, "nats.pid"),
      maxFileStore: "1MB"
    })
    yield* server.start
    const create = (name: string, max_bytes: number) =>
      ask(port, `$JS.API.STREAM.CREATE.${name}`, { name, subjects: [name], storage: "file", max_bytes })
    assert.notInclude(yield* create("small", 500_000), "error")
    assert.include(yield* create("large", 5_000_000), "insufficient storage")
  }).pipe(Effect.scoped, Effect.provide(Reaper.layer)))
