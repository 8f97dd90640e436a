/** The connection to NATS: one per process, reconnecting without limit. */
import { connect, type NatsConnection } from "@nats-io/transport-node"
import { Config, Context, Duration, Effect, Layer, Schema } from "effect"

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
                maxReconnectAttempts: -1,
                reconnectTimeWait: Duration.toMillis(reconnectWait),
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

const connectTimeout = Duration.seconds(5)
const reconnectWait = Duration.millis(250)
const pingInterval = Duration.seconds(5)
