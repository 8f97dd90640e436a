/** A server that shows a certificate from files, while these change. */
import * as Listener from "@akave-async/platform/Listener"
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Layer, Logger, Schedule, type Scope } from "effect"
import { HttpRouter, HttpServer, HttpServerResponse } from "effect/http"
import { chmodSync, copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { get } from "node:https"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { TLSSocket } from "node:tls"
import { authority, hasOpenssl } from "../support/Certificates.ts"

const folder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "akave-async-tls-"))),
  (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true }))
)

/** A server with files of its own, which `use` fills. */
const served = Effect.gen(function*() {
  const at = yield* folder
  const { caFile, issue } = yield* authority(at)
  const tls = { certFile: join(at, "server.pem"), keyFile: join(at, "server.key") }
  const use = (subject: string) => {
    const made = issue(subject, ["IP:127.0.0.1"])
    copyFileSync(made.keyFile, tls.keyFile)
    chmodSync(tls.keyFile, 0o600)
    copyFileSync(made.certFile, tls.certFile)
  }
  const start: Effect.Effect<number, unknown, Scope.Scope> = HttpRouter.serve(
    HttpRouter.add("GET", "/", HttpServerResponse.text("over TLS")),
    { disableLogger: true, disableListenLog: true }
  ).pipe(
    Layer.provideMerge(Listener.layer({ host: "127.0.0.1", port: 0, tls })),
    Layer.build,
    Effect.map((context) => {
      const { address } = Context.get(context, HttpServer.HttpServer)
      return address._tag === "UnixPathAddress" ? 0 : address.port
    })
  )
  /** The body, and whose certificate is shown. */
  const ask = (port: number) =>
    Effect.promise(() =>
      new Promise<{ readonly body: string; readonly subject: string }>((resolve, reject) => {
        get({ host: "127.0.0.1", port, ca: readFileSync(caFile), agent: false }, (response) => {
          const subject = String((response.socket as TLSSocket).getPeerCertificate().subject.CN)
          let body = ""
          response.on("data", (text: Buffer) => body += text.toString())
          response.on("end", () => resolve({ body, subject }))
        }).on("error", reject)
      })
    )
  return { tls, use, start, ask }
})

describe.skipIf(!hasOpenssl)("a server with a certificate", () => {
  it.live("shows it, and a new one without a restart; what can't be used is passed over", () => {
    const messages: Array<string> = []
    const collect = Logger.make(({ message }) => messages.push(String(message)))
    return Effect.gen(function*() {
      const { ask, start, tls, use } = yield* served
      use("first")
      const port = yield* start
      assert.deepStrictEqual(yield* ask(port), { body: "over TLS", subject: "first" })
      writeFileSync(tls.certFile, "no certificate")
      yield* Effect.sync(() => messages.some((message) => message.includes("are no certificate"))).pipe(
        Effect.repeat({ until: (reported) => reported, schedule: Schedule.spaced("20 millis") })
      )
      assert.strictEqual((yield* ask(port)).subject, "first")
      use("second")
      const second = yield* Effect.repeat(ask(port), {
        until: ({ subject }) => subject === "second",
        schedule: Schedule.spaced("100 millis")
      })
      assert.strictEqual(second.body, "over TLS")
    }).pipe(Effect.provide(Logger.layer([collect])))
  })

  it.live("does not start with a key that others can read, or without one that fits", () =>
    Effect.gen(function*() {
      const { start, tls, use } = yield* served
      use("first")
      chmodSync(tls.keyFile, 0o644)
      assert.match(String(yield* Effect.flip(start)), /can be read by others: run chmod 600/)
      chmodSync(tls.keyFile, 0o600)
      const { keyFile } = tls
      const key = readFileSync(keyFile, "utf8")
      use("second")
      writeFileSync(keyFile, key)
      assert.match(String(yield* Effect.flip(start)), /are no certificate with its private key/)
      rmSync(keyFile)
      assert.match(String(yield* Effect.flip(start)), /server\.key can't be read/)
    }))
})
