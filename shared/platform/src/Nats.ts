/** The connection to NATS: one per process, reconnecting without limit. */
import { connect, errors, type NatsConnection, type NodeConnectionOptions } from "@nats-io/transport-node"
import { Config, Context, Duration, Effect, Layer, Option, Random, Result, Schema, Stream } from "effect"
import { createConnection, isIP } from "node:net"
import { checkServerIdentity, type PeerCertificate } from "node:tls"
import { type NatsSettings, natsSettings, type NatsSettingsInvalid } from "./NatsSettings.ts"
import { compare, parseVersion, settableSync } from "./NatsVersion.ts"
import * as RepeatedWarning from "./RepeatedWarning.ts"
import type { SecretFileRefused } from "./SecretFile.ts"

/** No server took the connection, or the one that did can't be used; the reason is in the server's words. */
export class NatsUnusable extends Schema.TaggedError<NatsUnusable>()("NatsUnusable", {
  reasons: Schema.NonEmptyArray(Schema.Struct({ server: Schema.String, reason: Schema.String }))
}) {
  override readonly message = `NATS can't be used: ${
    this.reasons.map(({ reason, server }) => `${server}: ${reason}`).join("; ")
  }`
}

export class Nats extends Context.Service<Nats, NatsConnection>()("@akave-async/platform/Nats") {
  /** Connects as the environment says, under this name. The first connection is tried once, at each server. */
  static readonly layerConfig = (
    name: string
  ): Layer.Layer<Nats, NatsUnusable | NatsSettingsInvalid | SecretFileRefused | Config.ConfigError> =>
    Layer.effect(
      Nats,
      Effect.gen(function*() {
        const settings = yield* natsSettings
        const connection = yield* Effect.acquireRelease(
          connectFirst(settings, name),
          (connection) => Effect.promise(() => connection.close())
        )
        yield* Effect.forkScoped(tellErrors(connection, settings))
        yield* jetStreamAnswers(connection)
        return connection
      })
    )
}

/** Says what the server says later on: a lost connection is tried again for ever, and may be refused as often. */
const tellErrors = (connection: NatsConnection, settings: NatsSettings) => {
  const warn = RepeatedWarning.make()
  return Stream.fromAsyncIterable(connection.status(), (cause) => cause).pipe(
    Stream.runForEach((status) =>
      status.type === "error" ? warn(`NATS: ${reasonOf(status.error, settings)}`) : Effect.void
    ),
    Effect.ignore
  )
}

/** A connection to the first server that takes it, which then knows of all of them. */
const connectFirst = Effect.fnUntraced(function*(settings: NatsSettings, name: string) {
  const reasons: Array<typeof NatsUnusable.Type["reasons"][number]> = []
  for (const server of yield* Random.shuffle(settings.addresses)) {
    const options = { ...optionsOf(settings, name), servers: server }
    const { tls } = options
    const tried = yield* attempt(options).pipe(
      // A server that expects TLS first greets nobody; where TLS is demanded that costs no secret to try.
      Effect.catchIf(
        (cause) => isWithoutGreeting(cause) && tls !== undefined,
        () => attempt({ ...options, tls: { ...tls, handshakeFirst: true } })
      ),
      Effect.catch((cause) =>
        Effect.flatMap(
          cause instanceof errors.TimeoutError ? silence(server, settings) : Effect.succeed(reasonOf(cause, settings)),
          (reason) => Effect.fail({ server, reason })
        )
      ),
      Effect.result
    )
    if (Result.isSuccess(tried)) {
      const connection = tried.success
      const known = connection.getServers().map(({ listen }) => listen)
      const others = settings.addresses.filter((address) => !known.includes(address))
      if (others.length > 0) connection.setServers([...known, ...others])
      return connection
    }
    reasons.push(tried.failure)
  }
  const [first, ...others] = reasons
  return yield* first === undefined
    ? Effect.die(new Error("no server was tried"))
    : Effect.fail(new NatsUnusable({ reasons: [first, ...others] }))
})

const attempt = (options: NodeConnectionOptions) =>
  Effect.tryPromise({ try: () => connect(options), catch: (cause) => cause })

/** The connection was ended before the server had said anything; the library has no name for that. */
const isWithoutGreeting = (cause: unknown) =>
  cause instanceof errors.ConnectionError && cause.message.includes("undefined error")

const optionsOf = ({ addresses, authenticator, tls }: NatsSettings, name: string): NodeConnectionOptions => ({
  name,
  ...(authenticator === undefined ? {} : { authenticator }),
  ...(tls === undefined ? {} : { tls: { ...tls, ...byAddress(addresses) } }),
  // The first connection is tried once, so that a wrong address or password is reported; a lost one for ever, also
  // where the server refuses it meanwhile, as one does that was started with other users.
  maxReconnectAttempts: -1,
  ignoreAuthErrorAbort: true,
  reconnectTimeWait: Duration.toMillis(reconnectWait),
  reconnectJitter: Duration.toMillis(reconnectWait),
  reconnectJitterTLS: Duration.toMillis(reconnectWait),
  timeout: Duration.toMillis(connectTimeout),
  // Otherwise the library makes two errors for every request, in case that it fails.
  noAsyncTraces: true,
  // A dead peer is noticed after two pings without an answer.
  pingInterval: Duration.toMillis(pingInterval),
  maxPingOut: 2
})

/**
 * The library checks a certificate against the name that it dialled, and where that was an IP address against "localhost".
 * Such a server must have a certificate for one of the addresses that were given.
 */
const byAddress = (addresses: ReadonlyArray<string>) => {
  const hosts = addresses.map((address) => address.replace(/:\d+$/, "").replace(/^\[|\]$/g, ""))
  const ips = hosts.filter((host) => isIP(host) !== 0)
  return {
    checkServerIdentity: (name: string, certificate: PeerCertificate) => {
      if (hosts.includes(name) || ips.length === 0) return checkServerIdentity(name, certificate)
      const [problem, ...others] = ips.map((ip) => checkServerIdentity(ip, certificate))
      return others.includes(undefined) ? undefined : problem
    }
  }
}

/** What the server, or the way to it, says, and what to do. */
const reasonOf = (cause: unknown, { loginSettings }: NatsSettings): string => {
  const { code, message } = outermost(cause)
  if (cause instanceof errors.AuthorizationError || cause instanceof errors.UserAuthenticationExpiredError) {
    const remedy = loginSettings === ""
      ? "it asks for a login: put user and password, or a token, into NATS_URL, or set NATS_CREDS or NATS_NKEY"
      : `look at the login in ${loginSettings}`
    return `the server says "${message}"; ${remedy}`
  }
  if (cause instanceof errors.PermissionViolationError && cause.subject.startsWith("$SRV.")) {
    return `the server says "${message}"; let the user publish to $SRV.> and subscribe to it, or GET /services and GET /diagnosis of the gateway miss what this one would tell`
  }
  if (code === "ECONNREFUSED") return "the connection is refused (ECONNREFUSED); start nats-server or set NATS_URL"
  if (["ENOTFOUND", "EAI_AGAIN"].includes(code)) return `its name is not known (${code}); look at the host in NATS_URL`
  if (message === "server does not support 'tls'") {
    return "the server has no TLS, and nothing was sent to it; give it TLS, or write nats:// and set none of NATS_CA, NATS_CERT and NATS_KEY"
  }
  if (isWithoutGreeting(cause)) {
    return "the server ended the connection without a greeting; if it expects TLS first, write tls://"
  }
  if (message === "unexpected response from server") return "what answers there is no NATS server; give its client port"
  if (code === "ERR_TLS_CERT_ALTNAME_INVALID") {
    return `its certificate is for another name (${message}); write in NATS_URL one that it has`
  }
  if (code === "CERT_HAS_EXPIRED") return `its certificate has expired (${code}); renew it`
  if (/SELF_SIGNED|UNABLE_TO/.test(code)) {
    return `its certificate is not trusted (${message}, ${code}); set NATS_CA to the file of the authority that signed it`
  }
  if (/ALERT/.test(code)) {
    return `TLS fails (${code}); if the server asks for a certificate, look at NATS_CERT and NATS_KEY`
  }
  return code === "" || message.includes(code) ? message : `${message} (${code})`
}

/** Why a server did not answer in time. One that misses a certificate only ends the connection, and the library waits on. */
const silence = (server: string, { tls }: NatsSettings): Effect.Effect<string> =>
  Effect.callback<string>((resume) => {
    const { hostname, port } = new URL(`nats://${server}`)
    const socket = createConnection(Number(port), hostname.replace(/^\[|\]$/g, "")).setEncoding("utf8")
    socket.on("error", () => {})
    socket.once("data", (greeting) => {
      socket.destroy()
      resume(Effect.succeed(`${greeting}`))
    })
    return Effect.sync(() => socket.destroy())
  }).pipe(
    Effect.timeoutOrElse({ duration: greetingTimeout, orElse: () => Effect.succeed("") }),
    Effect.map((greeting) => {
      if (/^INFO .*"tls_verify":true/.test(greeting) && tls?.certFile === undefined) {
        return "the server asks for a certificate; set NATS_CERT and NATS_KEY"
      }
      return `no answer within ${Duration.toSeconds(connectTimeout)} seconds; look at the address in NATS_URL`
    })
  )

/** Some failures are wrapped by the library, and some of Node's have several inside and no message. */
const outermost = (cause: unknown): { readonly code: string; readonly message: string } => {
  if (cause instanceof AggregateError && cause.errors.length > 0) return outermost(cause.errors[0])
  if (!(cause instanceof Error)) return { code: "", message: "the connection failed" }
  const inner = cause.cause instanceof Error ? outermost(cause.cause) : undefined
  return {
    code: "code" in cause ? `${cause.code}` : inner?.code ?? "",
    message: cause.message === "" ? inner?.message ?? "the connection failed" : cause.message
  }
}

/** Fails where the account has no JetStream for certain; a cluster that only has no leader yet is left to who asks it. */
const jetStreamAnswers = Effect.fnUntraced(function*(connection: NatsConnection) {
  const server = connection.getServer()
  const unusable = (reason: string) => new NatsUnusable({ reasons: [{ server, reason }] })
  const answer = yield* Effect.tryPromise({
    try: () => connection.request("$JS.API.INFO", "", { timeout: Duration.toMillis(connectTimeout) }),
    catch: (cause) => cause
  }).pipe(
    Effect.map((message) => message.json()),
    Effect.catch((cause) => {
      if (cause instanceof errors.RequestError && cause.isNoResponders()) {
        return unusable(
          "the server runs without JetStream; start it with -js or a jetstream block in its configuration"
        )
      }
      const refused = outermost(cause).message
      return /permissions violation/i.test(refused)
        ? unusable(`the server says "${refused}"; let the user publish to $JS.API.> and subscribe to _INBOX.>`)
        : Effect.succeed({})
    })
  )
  const { error } = yield* Effect.orDie(Schema.decodeUnknownEffect(JetStreamInfo)(answer))
  if (error?.err_code === notEnabledForAccount) {
    return yield* unusable(`the server says "${error.description}"; enable JetStream for the account of this login`)
  }
})

const notEnabledForAccount = 10039
const JetStreamInfo = Schema.Struct({
  error: Schema.optionalKey(Schema.Struct({ err_code: Schema.optionalKey(Schema.Int), description: Schema.String }))
})

/** How often a server of this version brings to the disk what it has acknowledged, as far as can be known. */
export const syncIntervalOf = (version: string, configured: Option.Option<string>): string | undefined => {
  const parsed = parseVersion(version)
  return parsed !== undefined && compare(parsed, settableSync) < 0 ? "2m" : Option.getOrUndefined(configured)
}

/** `NATS_SYNC_INTERVAL`, for what the server does not report. */
export const syncIntervalConfig = Config.option(Config.NonEmptyString("NATS_SYNC_INTERVAL"))

/**
 * How durable the server's answer makes an event, as far as can be known: the version that it reports, and how often it brings
 * to the disk what it has acknowledged. Servers before 2.10 do so every two minutes; newer ones don't report how they are set.
 */
export const durability = (version: string, syncInterval: Option.Option<string>): string => {
  const interval = syncIntervalOf(version, syncInterval)
  const when = interval === undefined
    ? "as often as its sync_interval says (2m unless set; NATS_SYNC_INTERVAL says it here)"
    : interval === "always"
    ? "at every write"
    : `every ${interval}`
  return `nats-server ${version}, synced to disk ${when}`
}

/** What the server at the other end of this connection gives, with `NATS_SYNC_INTERVAL` for what it does not report. */
export const durabilityConfig = Effect.gen(function*() {
  const connection = yield* Nats
  const syncInterval = yield* syncIntervalConfig
  return Effect.sync(() => durability(connection.info?.version ?? "of an unknown version", syncInterval))
})

const connectTimeout = Duration.seconds(5)
const greetingTimeout = Duration.seconds(1)
const reconnectWait = Duration.millis(250)
const pingInterval = Duration.seconds(5)
