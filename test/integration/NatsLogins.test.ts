/** The connection to NATS, on servers that ask for what servers of other people ask for. */
import * as NatsServer from "@akave-async/local/NatsServer"
import * as Ports from "@akave-async/local/Ports"
import * as Processes from "@akave-async/local/Processes"
import { Reaper } from "@akave-async/local/Reaper"
import * as Stack from "@akave-async/local/Stack"
import * as Announcement from "@akave-async/platform/Announcement"
import { Nats } from "@akave-async/platform/Nats"
import { compare } from "@akave-async/platform/NatsVersion"
import { assert, describe, it } from "@effect/vitest"
import { nkeys } from "@nats-io/transport-node"
import { ConfigProvider, Context, Effect, Layer, Logger, Schedule, type Scope } from "effect"
import { writeFileSync } from "node:fs"
import { connect, createServer, type Socket } from "node:net"
import { networkInterfaces } from "node:os"
import { join } from "node:path"
import { authority, hasOpenssl } from "../support/Certificates.ts"

/** A server of its own with this configuration beside address and store. */
const server = Effect.fnUntraced(
  function*(configuration: string, { host = Ports.host, isJetStream = true, port = 0 } = {}) {
    const folder = yield* Stack.temporaryFolder
    const own = port === 0 ? yield* Ports.free : port
    const configFile = join(folder, "nats.conf")
    const { path } = yield* NatsServer.findConfigured
    const listen = `listen: "${host}:${own}"\n`
    const store = isJetStream ? `jetstream { store_dir: ${JSON.stringify(join(folder, "store"))} }\n` : ""
    writeFileSync(configFile, `${listen}${store}${configuration}`)
    const context = yield* Layer.build(Reaper.layer)
    const process = yield* Processes.make({
      name: "nats",
      command: path,
      args: ["--config", configFile],
      env: {},
      logFile: join(folder, "nats.log"),
      pidFile: join(folder, "nats.pid"),
      isReady: (line) => line.includes("Server is ready") ? {} : undefined
    }).pipe(Effect.provideContext(context))
    yield* process.start
    return { port: own, address: `${host}:${own}`, kill: process.kill("SIGKILL"), start: process.start }
  }
)

/** The connection that a service has with these variables. */
const connected = Effect.fnUntraced(function*(variables: Readonly<Record<string, string>>) {
  const settings = ConfigProvider.layer(ConfigProvider.fromUnknown(variables))
  const context = yield* Layer.build(Layer.fresh(Layer.provide(Nats.layerConfig("test"), settings)))
  return Context.get(context, Nats)
})
/** Why a service does not get a connection with these variables; no secret of these tests is in it. */
const refusal = (variables: Readonly<Record<string, string>>) =>
  Effect.map(Effect.flip(connected(variables)), ({ message }) => {
    assert.notMatch(message, /s3cr3t|wr0ng|@/)
    return message
  })

const test = (sentence: string, body: () => Effect.Effect<void, unknown, Scope.Scope>) =>
  it.live(sentence, () => Effect.scoped(body()))

describe("a server", () => {
  test("is found by host and port alone", () =>
    Effect.gen(function*() {
      const { address, port } = yield* server("")
      assert.strictEqual((yield* connected({ NATS_URL: address })).getServer(), address)
      assert.strictEqual((yield* connected({ NATS_URL: `localhost:${port}` })).info?.port, port)
    }))

  const hasIpv6 = Object.values(networkInterfaces()).flat().some((network) => network?.address === "::1")
  it.live.skipIf(!hasIpv6)("is found by an IPv6 address", () =>
    Effect.gen(function*() {
      const { address, port } = yield* server("", { host: "[::1]" })
      for (const url of [address, `nats://${address}`]) {
        assert.strictEqual((yield* connected({ NATS_URL: url })).info?.port, port)
      }
    }).pipe(Effect.scoped))

  test("that is one of several is used while others are down, and the others when they are up again", () =>
    Effect.gen(function*() {
      const [first, second] = [yield* server(""), yield* server("")]
      yield* first.kill
      const connection = yield* connected({ NATS_URL: `nats://${first.address},${second.address}` })
      assert.strictEqual(connection.info?.port, second.port)
      yield* first.start
      yield* second.kill
      yield* Effect.sync(() => connection.isClosed() ? undefined : connection.info?.port).pipe(
        Effect.repeat({ until: (port) => port === first.port, schedule: Schedule.spaced("20 millis") })
      )
      yield* first.kill
      const message = yield* refusal({ NATS_URL: `nats://s3cr3t@${first.address},nats://s3cr3t@${second.address}` })
      for (const { address } of [first, second]) assert.include(message, `${address}: the connection is refused`)
    }))

  test("without JetStream, or without it for the account, says so", () =>
    Effect.gen(function*() {
      const without = yield* server("", { isJetStream: false })
      assert.match(yield* refusal({ NATS_URL: without.address }), /without JetStream; start it with -js/)
      const other = yield* server(`accounts {
        other { users: [{ user: u, password: s3cr3t }] }
        rich { jetstream: enabled, users: [{ user: r, password: s3cr3t }] }
      }`)
      const message = yield* refusal({ NATS_URL: `nats://u:s3cr3t@${other.address}` })
      assert.match(message, /JetStream not enabled for account.*; enable JetStream for the account of this login/i)
      yield* connected({ NATS_URL: `nats://r:s3cr3t@${other.address}` })
    }))

  test("whose user may not ask JetStream says what the user may not do", () =>
    Effect.gen(function*() {
      const { address } = yield* server(`authorization {
        users: [{ user: u, password: s3cr3t, permissions: { publish: ["akave.>"], subscribe: [">"] } }]
      }`)
      const message = yield* refusal({ NATS_URL: `nats://u:s3cr3t@${address}` })
      assert.match(message, /Permissions Violation for Publish to "\$JS\.API\.INFO"/)
    }))
})

const noLogin = /Authorization Violation"; it asks for a login: put user and password, or a token, into NATS_URL/

test("a login that may not announce its service is reported once, and the service goes on", () =>
  Effect.gen(function*() {
    const { address } = yield* server(`authorization { users: [
      { user: u, password: s3cr3t, permissions: { publish: [">"], subscribe: ["_INBOX.>"] } },
      { user: all, password: s3cr3t }
    ] }`)
    const reported: Array<unknown> = []
    const logger = Logger.make(({ message }) => reported.push(message))
    const nothing = Effect.succeed({})
    const announcement = { name: "akave-test", description: "", metadata: nothing, data: nothing }
    const service = Announcement.layer(announcement).pipe(Layer.provideMerge(Nats.layerConfig("test")))
    const settings = ConfigProvider.layer(ConfigProvider.fromUnknown({ NATS_URL: `u:s3cr3t@${address}` }))
    const context = yield* Layer.build(Layer.fresh(service)).pipe(Effect.provide([settings, Logger.layer([logger])]))
    const refused = /Permissions Violation for Subscription to "\$SRV\.PING""; let the user publish to \$SRV\.>/
    yield* Effect.repeat(Effect.sync(() => reported.join()), {
      until: (text) => refused.test(text),
      schedule: Schedule.spaced("20 millis")
    })
    const other = yield* connected({ NATS_URL: `all:s3cr3t@${address}` })
    const asked = yield* Effect.promise(() => other.request("$SRV.STATS").then(String, String))
    assert.match(asked, /no responders/)
    yield* Effect.promise(() => Context.get(context, Nats).flush())
    assert.lengthOf(reported, 1)
  }))

describe("a login by", () => {
  test("user and password is taken from NATS_URL and from variables, and a wrong one is reported", () =>
    Effect.gen(function*() {
      const { address } = yield* server(`authorization { user: "u@v", password: "s3cr3t:/," }`)
      yield* connected({ NATS_URL: `nats://u%40v:s3cr3t%3A%2F%2C@${address}` })
      yield* connected({ NATS_URL: address, NATS_USER: "u@v", NATS_PASSWORD: "s3cr3t:/," })
      assert.match(yield* refusal({ NATS_URL: address }), noLogin)
      const wrong = yield* refusal({ NATS_URL: `nats://u:wr0ng@${address}` })
      assert.match(wrong, /Authorization Violation"; look at the login in NATS_URL$/)
      const other = yield* refusal({ NATS_URL: address, NATS_USER: "u", NATS_PASSWORD: "wr0ng" })
      assert.match(other, /Authorization Violation"; look at the login in NATS_USER and NATS_PASSWORD$/)
    }))

  test("password that has become wrong is reported while the connection is tried again", () =>
    Effect.gen(function*() {
      const reported: Array<unknown> = []
      const logger = Logger.make(({ message }) => reported.push(message))
      const before = yield* server(`authorization { user: u, password: s3cr3t }`)
      const connection = yield* Effect.provide(
        connected({ NATS_URL: `nats://u:s3cr3t@${before.address}` }),
        Logger.layer([logger])
      )
      yield* before.kill
      const after = yield* server(`authorization { user: u, password: other }`, { port: before.port })
      const refused = /NATS: the server says "Authorization Violation"; look at the login in NATS_URL/
      yield* Effect.repeat(Effect.sync(() => reported.join()), {
        until: (text) => refused.test(text),
        schedule: Schedule.spaced("20 millis")
      })
      assert.isFalse(connection.isClosed())
      yield* after.kill
      yield* before.start
      yield* Effect.promise(() => connection.flush()).pipe(
        Effect.catchDefect(() => Effect.fail("not yet")),
        Effect.eventually
      )
    }))

  test("token is taken from NATS_URL and from variables, and a wrong one is reported", () =>
    Effect.gen(function*() {
      const { address } = yield* server(`authorization { token: "s3cr3t" }`)
      yield* connected({ NATS_URL: `nats://s3cr3t@${address}` })
      yield* connected({ NATS_URL: address, NATS_TOKEN: "s3cr3t" })
      yield* connected({ NATS_URL: address, NATS_USER: "s3cr3t" })
      assert.match(yield* refusal({ NATS_URL: address }), noLogin)
      assert.match(yield* refusal({ NATS_URL: `nats://wr0ng@${address}` }), /look at the login in NATS_URL$/)
      assert.match(yield* refusal({ NATS_URL: address, NATS_TOKEN: "wr0ng" }), /look at the login in NATS_TOKEN$/)
    }))

  test("nkey is taken from a file and as a seed, and a wrong one is reported", () =>
    Effect.gen(function*() {
      const folder = yield* Stack.temporaryFolder
      const [user, stranger] = [nkeys.createUser(), nkeys.createUser()]
      const { address } = yield* server(`authorization { users: [{ nkey: ${user.getPublicKey()} }] }`)
      const file = join(folder, "user.nk")
      writeFileSync(file, user.getSeed())
      yield* connected({ NATS_URL: address, NATS_NKEY: file })
      yield* connected({ NATS_URL: address, NATS_NKEY: text(user.getSeed()) })
      const wrong = yield* refusal({ NATS_URL: address, NATS_NKEY: text(stranger.getSeed()) })
      assert.match(wrong, /Authorization Violation"; look at the login in NATS_NKEY$/)
      assert.notInclude(wrong, text(stranger.getSeed()))
    }))

  test("credentials is taken from a file, and a wrong one is reported", () =>
    Effect.gen(function*() {
      const folder = yield* Stack.temporaryFolder
      const [operator, system, account] = [nkeys.createOperator(), nkeys.createAccount(), nkeys.createAccount()]
      const limits = { conn: -1, leaf: -1, subs: -1, data: -1, payload: -1, imports: -1, exports: -1, wildcards: true }
      const stores = { mem_storage: -1, disk_storage: -1, streams: -1, consumer: -1 }
      const accountJwt = (key: Key, own: object) =>
        jwt(operator, key.getPublicKey(), { type: "account", limits: { ...limits, ...own } })
      const { address } = yield* server(`
        operator: ${jwt(operator, operator.getPublicKey(), { type: "operator" })}
        system_account: ${system.getPublicKey()}
        resolver: MEMORY
        resolver_preload: {
          ${system.getPublicKey()}: ${accountJwt(system, {})}
          ${account.getPublicKey()}: ${accountJwt(account, stores)}
        }`)
      const credentials = (name: string, issuer: Key) => {
        const user = nkeys.createUser()
        const claims = jwt(issuer, user.getPublicKey(), {
          type: "user",
          subs: -1,
          data: -1,
          payload: -1,
          pub: {},
          sub: {}
        })
        const file = join(folder, `${name}.creds`)
        writeFileSync(
          file,
          `-----BEGIN NATS USER JWT-----\n${claims}\n------END NATS USER JWT------\n\n`
            + `-----BEGIN USER NKEY SEED-----\n${text(user.getSeed())}\n------END USER NKEY SEED------\n`
        )
        return file
      }
      yield* connected({ NATS_URL: address, NATS_CREDS: credentials("user", account) })
      assert.match(yield* refusal({ NATS_URL: address }), noLogin)
      const wrong = yield* refusal({ NATS_URL: address, NATS_CREDS: credentials("stranger", nkeys.createAccount()) })
      assert.match(wrong, /Authorization Violation"; look at the login in NATS_CREDS$/)
    }))
})

type Key = ReturnType<typeof nkeys.createUser>
const text = (bytes: Uint8Array) => Buffer.from(bytes).toString()
const base64 = (value: string | Uint8Array) => Buffer.from(value).toString("base64url")

/** A NATS JWT (version 2), as nsc makes them. */
const jwt = (issuer: Key, subject: string, nats: object): string => {
  const now = Math.floor(Date.now() / 1000)
  const claims = {
    jti: "test",
    iat: now,
    iss: issuer.getPublicKey(),
    sub: subject,
    name: "test",
    nats: { ...nats, version: 2 }
  }
  const signed = `${base64(JSON.stringify({ typ: "JWT", alg: "ed25519-nkey" }))}.${base64(JSON.stringify(claims))}`
  return `${signed}.${base64(issuer.sign(Buffer.from(signed)))}`
}

describe.skipIf(!hasOpenssl)("TLS", () => {
  const world = Effect.gen(function*() {
    const folder = yield* Stack.temporaryFolder
    const ca = yield* authority(folder)
    const { certFile, keyFile } = ca.issue("server", ["IP:127.0.0.1", "DNS:localhost"])
    const files = `cert_file: "${certFile}", key_file: "${keyFile}"`
    return { folder, ca, files, login: `authorization { user: u, password: s3cr3t }` }
  })

  test("is used where the server demands it, with NATS_CA for an authority of one's own", () =>
    Effect.gen(function*() {
      const { ca, files, folder, login } = yield* world
      const { address, port } = yield* server(`tls { ${files} }\n${login}`)
      for (
        const url of [`tls://u:s3cr3t@${address}`, `nats://u:s3cr3t@${address}`, `tls://u:s3cr3t@localhost:${port}`]
      ) {
        yield* connected({ NATS_URL: url, NATS_CA: ca.caFile })
      }
      for (const scheme of ["tls", "nats"]) {
        const unknown = yield* refusal({ NATS_URL: `${scheme}://u:s3cr3t@${address}` })
        assert.match(unknown, /its certificate is not trusted \(.*\); set NATS_CA/)
      }
      const other = yield* authority(folder, "other")
      const stranger = yield* refusal({ NATS_URL: `tls://u:s3cr3t@${address}`, NATS_CA: other.caFile })
      assert.match(stranger, /its certificate is not trusted/)
      const wrong = yield* refusal({ NATS_URL: `tls://u:wr0ng@${address}`, NATS_CA: ca.caFile })
      assert.match(wrong, /Authorization Violation"; look at the login in NATS_URL/)
    }))

  test("is refused where the certificate is for another address or name", () =>
    Effect.gen(function*() {
      const { ca } = yield* world
      const named = ca.issue("named", ["DNS:localhost"])
      const byName = yield* server(`tls { cert_file: "${named.certFile}", key_file: "${named.keyFile}" }`)
      yield* connected({ NATS_URL: `tls://localhost:${byName.port}`, NATS_CA: ca.caFile })
      const ip = yield* refusal({ NATS_URL: `tls://${byName.address}`, NATS_CA: ca.caFile })
      assert.match(ip, /its certificate is for another name \(.*127\.0\.0\.1/)
      const numbered = ca.issue("numbered", ["IP:127.0.0.1"])
      const byNumber = yield* server(`tls { cert_file: "${numbered.certFile}", key_file: "${numbered.keyFile}" }`)
      yield* connected({ NATS_URL: `tls://${byNumber.address}`, NATS_CA: ca.caFile })
      const name = yield* refusal({ NATS_URL: `tls://localhost:${byNumber.port}`, NATS_CA: ca.caFile })
      assert.match(name, /its certificate is for another name \(.*localhost/)
    }))

  test("shows a certificate to a server that asks for one", () =>
    Effect.gen(function*() {
      const { ca, files } = yield* world
      const { address } = yield* server(`tls { ${files}, ca_file: "${ca.caFile}", verify: true }`)
      const { certFile, keyFile } = ca.issue("client", [])
      const variables = { NATS_URL: address, NATS_CA: ca.caFile }
      yield* connected({ ...variables, NATS_CERT: certFile, NATS_KEY: keyFile })
      assert.match(yield* refusal(variables), /asks for a certificate; set NATS_CERT and NATS_KEY/)
    }))

  test("is begun before the greeting where the server wants that", () =>
    Effect.gen(function*() {
      const { version } = yield* NatsServer.findConfigured
      if (compare(version, [2, 10, 4]) < 0) {
        return yield* Effect.sync(() =>
          console.warn(`nats-server ${version.join(".")} always greets first: TLS before the greeting is not tested`)
        )
      }
      const { ca, files, login } = yield* world
      const { address, kill, start } = yield* server(`tls { ${files}, handshake_first: true }\n${login}`)
      const connection = yield* connected({ NATS_URL: `tls://u:s3cr3t@${address}`, NATS_CA: ca.caFile })
      yield* kill
      yield* start
      yield* Effect.promise(() => connection.flush()).pipe(
        Effect.catchDefect(() => Effect.fail("not yet")),
        Effect.eventually
      )
      const wrong = yield* refusal({ NATS_URL: `tls://u:wr0ng@${address}`, NATS_CA: ca.caFile })
      assert.match(wrong, /Authorization Violation"; look at the login in NATS_URL/)
      assert.match(yield* refusal({ NATS_URL: `nats://u:s3cr3t@${address}` }), /without a greeting; .*write tls:\/\//)
    }))

  test("that is demanded sends nothing to a server without it", () =>
    Effect.gen(function*() {
      const { ca, login } = yield* world
      const plain = yield* server(login)
      const heard: Array<Buffer> = []
      const port = yield* recorder(plain.port, heard)
      for (
        const variables of [
          { NATS_URL: `tls://u:s3cr3t@${Ports.host}:${port}` },
          { NATS_URL: `nats://u:s3cr3t@${Ports.host}:${port}`, NATS_CA: ca.caFile }
        ]
      ) {
        assert.match(yield* refusal(variables), /has no TLS, and nothing was sent to it/)
        assert.strictEqual(Buffer.concat(heard).toString(), "")
      }
      yield* connected({ NATS_URL: `nats://u:s3cr3t@${Ports.host}:${port}` })
      assert.include(Buffer.concat(heard).toString(), "s3cr3t")
    }))
})

/** A port that leads to another one and notes what is sent there. */
const recorder = Effect.fnUntraced(function*(to: number, heard: Array<Buffer>) {
  const port = yield* Ports.free
  const sockets = new Set<Socket>()
  yield* Effect.acquireRelease(
    Effect.callback<ReturnType<typeof createServer>>((resume) => {
      const listening = createServer((client) => {
        const upstream = connect(to, Ports.host)
        for (const socket of [client, upstream]) {
          sockets.add(socket)
          socket.on("error", () => {})
        }
        client.on("data", (bytes) => heard.push(bytes))
        client.pipe(upstream).pipe(client)
      })
      listening.listen(port, Ports.host, () => resume(Effect.succeed(listening)))
    }),
    (listening) =>
      Effect.sync(() => {
        for (const socket of sockets) socket.destroy()
        listening.close()
      })
  )
  return port
})
