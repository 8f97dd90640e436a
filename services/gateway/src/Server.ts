/** Where the gateway listens. */
import * as Listener from "@akave-async/platform/Listener"
import { MasterSecret } from "@akave-async/platform/MasterSecret"
import * as RepeatedWarning from "@akave-async/platform/RepeatedWarning"
import * as Retry from "@akave-async/platform/Retry"
import { Config, Effect, Layer, Option, Schema } from "effect"
import { Accounts } from "./Accounts.ts"
import { allowsAnonymous, host as hostConfig, isLoopback, OpenToAll } from "./Exposure.ts"

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

/** There are accounts, and nobody could sign in. */
export class MasterSecretMissing extends Schema.TaggedError<MasterSecretMissing>()("MasterSecretMissing", {}) {
  override readonly message =
    "There are accounts: set MASTER_SECRET or MASTER_SECRET_FILE to what the secrets of their keys are derived from"
}

/**
 * Whether it is safe to listen: where others reach the gateway without a key, it must be allowed to; where there are accounts,
 * it must be able to check their keys. Where only this machine reaches it, a log that is away is not waited for.
 */
const checkExposure = Effect.gen(function*() {
  const accounts = yield* Accounts
  const masters = yield* MasterSecret
  const host = yield* hostConfig
  const isOpen = yield* allowsAnonymous
  const warn = RepeatedWarning.make()
  const known = Effect.tapError(accounts.ready, ({ message }) => warn("the accounts are not known yet", message))
  yield* isOpen ? Effect.ignore(known) : Effect.retry(known, Retry.endless("500 millis"))
  if (!accounts.isEmpty()) {
    if (masters.current() === undefined) return yield* new MasterSecretMissing()
    return
  }
  if (!isOpen) return yield* new OpenToAll({ host })
  const message = `there are no accounts: whoever reaches ${host} can use the wallet`
  yield* isLoopback(host) ? Effect.logInfo(message) : Effect.logWarning(message)
})

/** Listens on `HOST` and `PORT`. */
export const layerConfig = Layer.unwrap(Effect.gen(function*() {
  const host = yield* hostConfig
  const port = yield* Config.Port("PORT").pipe(Config.withDefault(8000))
  yield* checkExposure
  const maxConnections = yield* Config.schema(Schema.Int.check(Schema.isGreaterThan(0)), "MAX_CONNECTIONS").pipe(
    Config.withDefault(20_000)
  )
  return Listener.layer({ host, port, maxConnections, tls: yield* tlsFiles })
}))
