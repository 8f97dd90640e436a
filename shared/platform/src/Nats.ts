/** The connection to NATS: one per process, reconnecting without limit. */
import { connect, type NatsConnection } from "@nats-io/transport-node"
import { Config, Context, Duration, Effect, Layer, Option, Schema } from "effect"

export class NatsUnreachable extends Schema.TaggedError<NatsUnreachable>()("NatsUnreachable", {
  server: Schema.String,
  cause: Schema.Defect()
}) {
  override readonly message = `NATS did not answer at ${this.server}; start nats-server or set NATS_URL`
}

export class Nats extends Context.Service<Nats, NatsConnection>()("@akave-async/platform/Nats") {
  static readonly layerConfig = (name: string): Layer.Layer<Nats, NatsUnreachable | Config.ConfigError> =>
    Layer.effect(
      Nats,
      Effect.gen(function*() {
        const url = yield* Config.URL("NATS_URL")
        return yield* Effect.acquireRelease(
          Effect.tryPromise({
            try: () =>
              connect({
                servers: url.host,
                ...(url.username === ""
                  ? {}
                  : { user: decodeURIComponent(url.username), pass: decodeURIComponent(url.password) }),
                name,
                // The first connection is tried once, so that a wrong address or password is told; a lost one for ever, also
                // where the server refuses it meanwhile, as one does that was started with other users.
                maxReconnectAttempts: -1,
                ignoreAuthErrorAbort: true,
                reconnectTimeWait: Duration.toMillis(reconnectWait),
                reconnectJitter: Duration.toMillis(reconnectWait),
                reconnectJitterTLS: Duration.toMillis(reconnectWait),
                timeout: Duration.toMillis(connectTimeout),
                // A dead peer is noticed after two pings without an answer.
                pingInterval: Duration.toMillis(pingInterval),
                maxPingOut: 2
              }),
            catch: (cause) => new NatsUnreachable({ server: url.host, cause })
          }),
          (connection) => Effect.promise(() => connection.close())
        )
      })
    )
}

/**
 * How durable the server's answer makes an event, as far as can be known: the version that it told, and how often it brings
 * to the disk what it has acknowledged. Servers before 2.10 do so every two minutes; newer ones don't tell how they are set.
 */
export const durability = (version: string, syncInterval: Option.Option<string>): string => {
  const [major = 0, minor = 0] = version.split(".").map(Number)
  const isFixed = major < 2 || (major === 2 && minor < 10)
  const interval = isFixed ? "2m" : Option.getOrUndefined(syncInterval)
  const when = interval === undefined
    ? "as often as its sync_interval says (2m unless set; tell it by NATS_SYNC_INTERVAL)"
    : interval === "always"
    ? "at every write"
    : `every ${interval}`
  return `nats-server ${version}, synced to disk ${when}`
}

/** What the server at the other end of this connection gives, with `NATS_SYNC_INTERVAL` for what it does not tell. */
export const durabilityConfig = Effect.gen(function*() {
  const connection = yield* Nats
  const syncInterval = yield* Config.option(Config.NonEmptyString("NATS_SYNC_INTERVAL"))
  return Effect.sync(() => durability(connection.info?.version ?? "of an unknown version", syncInterval))
})

const connectTimeout = Duration.seconds(5)
const reconnectWait = Duration.millis(250)
const pingInterval = Duration.seconds(5)
