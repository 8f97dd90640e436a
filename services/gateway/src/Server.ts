/** Where the gateway listens. */
import * as Listener from "@akave-async/platform/Listener"
import { Config, Effect, Layer, Option, Schema } from "effect"
import { isIPv4 } from "node:net"

/** Whether only this machine reaches an address. */
export const isLoopback = (host: string): boolean =>
  host === "localhost" || host === "::1" || (isIPv4(host) && host.startsWith("127."))

/** There are no accounts, so that whoever reaches the gateway uses its wallet. */
export class OpenToAll extends Schema.TaggedError<OpenToAll>()("OpenToAll", { host: Schema.String }) {
  override readonly message =
    `HOST is ${this.host}: there are no accounts, and whoever reaches the gateway there could use its `
    + "wallet. Set HOST=127.0.0.1, or ALLOW_ANONYMOUS=true where something else decides who reaches it"
}

/** One setting of TLS is given without the other. */
export class HalfATls extends Schema.TaggedError<HalfATls>()("HalfATls", {}) {
  override readonly message = "Set TLS_CERT_FILE and TLS_KEY_FILE, or neither"
}

/** The files of `TLS_CERT_FILE` and `TLS_KEY_FILE`, where they are set. */
const tlsFiles = Effect.gen(function*() {
  const certFile = yield* Config.option(Config.NonEmptyString("TLS_CERT_FILE"))
  const keyFile = yield* Config.option(Config.NonEmptyString("TLS_KEY_FILE"))
  if (Option.isNone(certFile) && Option.isNone(keyFile)) return undefined
  if (Option.isNone(certFile) || Option.isNone(keyFile)) return yield* new HalfATls()
  return { certFile: certFile.value, keyFile: keyFile.value }
})

/** What clients speak with it. */
export const scheme = Effect.map(tlsFiles, (files) => files === undefined ? "http" : "https")

/** Listens on `HOST` and `PORT`: on this machine alone, unless `ALLOW_ANONYMOUS` says that whoever comes may use the wallet. */
export const layerConfig = Layer.unwrap(Effect.gen(function*() {
  const host = yield* Config.String("HOST").pipe(Config.withDefault("127.0.0.1"))
  const port = yield* Config.Port("PORT").pipe(Config.withDefault(8000))
  const isAllowed = yield* Config.Boolean("ALLOW_ANONYMOUS").pipe(Config.withDefault(false))
  if (!isLoopback(host)) {
    if (!isAllowed) return yield* new OpenToAll({ host })
    yield* Effect.logWarning(`there are no accounts: whoever reaches ${host} can use the wallet`)
  }
  const maxConnections = yield* Config.schema(Schema.Int.check(Schema.isGreaterThan(0)), "MAX_CONNECTIONS").pipe(
    Config.withDefault(20_000)
  )
  return Listener.layer({ host, port, maxConnections, tls: yield* tlsFiles })
}))
