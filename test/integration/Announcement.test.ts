/** What a service announces, asked as `nats micro` asks, and what is made of the answers. */
import * as ServiceReports from "@akave-async/eventing/ServiceReports"
import { InstanceId } from "@akave-async/platform/InstanceId"
import { Nats } from "@akave-async/platform/Nats"
import { assert, describe, it } from "@effect/vitest"
import { errors, type NatsConnection, nuid } from "@nats-io/transport-node"
import { ConfigProvider, DateTime, Effect, Layer, Schedule, type Scope } from "effect"
import * as NatsSupport from "../support/Nats.ts"

const often = Schedule.spaced("20 millis")
const name = "akave-test"
const lanes = "0xA 0xB"

/** A service that announces itself on a connection of its own. */
const announced = (url: string, settings: Readonly<Record<string, string>> = {}, failing = { is: false }) =>
  Layer.build(Layer.fresh(
    ServiceReports.layer({
      service: "test",
      description: "Is there to be asked",
      readiness: Effect.sync(() => {
        if (failing.is) throw new Error("a defect")
        return { ready: false, chain: { ready: false, detail: "away" }, projection_lag_ms: 7 }
      }),
      known: Effect.succeed({ migration: 6, wallets: [{ owner: "0xA", balance: 2n ** 70n, price: null }] }),
      metadata: Effect.succeed({ lanes })
    }).pipe(
      // Each is a process of its own.
      Layer.provide(Layer.sync(InstanceId, () => nuid.next())),
      Layer.provide(Nats.layerConfig("test")),
      Layer.provide(ConfigProvider.layer(ConfigProvider.fromUnknown({
        NATS_URL: url,
        HEALTH_PORT: "4000",
        GIT_HASH: "abc",
        BUILD_TIME: "2026-11-21T10:10:55Z",
        ...settings
      })))
    )
  ))

/** What is answered to a raw question, once somebody answers. */
const question = (connection: NatsConnection, subject: string) =>
  Effect.tryPromise({ try: () => connection.request(subject, "", { timeout: 2_000 }), catch: (cause) => cause }).pipe(
    Effect.retry(often),
    Effect.map((message) => message.json<Record<string, unknown>>())
  )
/** The one endpoint in an answer to STATS. */
const endpointOf = ({ endpoints }: Record<string, unknown>): Record<string, unknown> =>
  Array.isArray(endpoints) && endpoints.length === 1 ? endpoints[0] : assert.fail(String(endpoints))

const isUnanswered = (connection: NatsConnection, subject: string) =>
  Effect.promise(() =>
    connection.request(subject, "", { timeout: 2_000 }).then(
      () => false,
      (error: unknown) => error instanceof errors.RequestError && error.isNoResponders()
    )
  )

const test = (sentence: string, body: () => Effect.Effect<void, unknown, Scope.Scope>) =>
  it.live(sentence, () => Effect.scoped(body()))

describe("a service", () => {
  test("answers PING, INFO and STATS to all, to its name and to its id, with the fields of the protocol", () =>
    Effect.gen(function*() {
      const { url } = yield* NatsSupport.server
      yield* announced(url)
      const connection = yield* NatsSupport.connected(url)
      const ping = yield* question(connection, "$SRV.PING")
      const { id } = ping
      const metadata = {
        role: "test",
        event_log: "AKAVE_EVENTS",
        node: process.versions.node,
        build: "abc",
        build_time: "2026-11-21T10:10:55Z",
        health_url: "http://127.0.0.1:4000/health",
        lanes
      }
      assert.match(String(id), /^[-\w]+$/)
      const identity = { name, id, version: "0.1.0" }
      assert.deepInclude(ping, { type: "io.nats.micro.v1.ping_response", ...identity })
      assert.deepInclude(ping["metadata"], metadata)

      const info = yield* question(connection, `$SRV.INFO.${name}`)
      assert.deepInclude(info, {
        type: "io.nats.micro.v1.info_response",
        ...identity,
        description: "Is there to be asked",
        endpoints: [{ name: "status", subject: `$SRV.STATS.${name}.${id}`, queue_group: "", metadata: {} }]
      })

      const before = Date.now()
      const stats = yield* question(connection, `$SRV.STATS.${name}.${id}`)
      assert.deepInclude(stats, { type: "io.nats.micro.v1.stats_response", ...identity })
      assert.match(String(stats["started"]), /^\d{4}-\d\d-\d\dT[\d:.]+Z$/)
      const status = endpointOf(stats)
      assert.deepInclude(status, {
        name: "status",
        subject: `$SRV.STATS.${name}.${id}`,
        queue_group: "",
        num_requests: 1,
        num_errors: 0,
        last_error: ""
      })
      for (const field of ["processing_time", "average_processing_time"]) {
        assert.isTrue(Number.isInteger(status[field]))
      }
      const { clock, ...data } = Object(status["data"])
      assert.isAtLeast(Date.parse(String(clock)), before)
      assert.deepStrictEqual(data, {
        readiness: { ready: false, chain: { ready: false, detail: "away" }, projection_lag_ms: 7 },
        migration: 6,
        wallets: [{ owner: "0xA", balance: `${2n ** 70n}`, price: null }]
      })
      for (const verb of ["PING", "INFO", "STATS"]) {
        for (const suffix of ["", `.${name}`, `.${name}.${id}`]) {
          assert.deepInclude(yield* question(connection, `$SRV.${verb}${suffix}`), identity)
        }
        assert.isTrue(yield* isUnanswered(connection, `$SRV.${verb}.${name}.other`))
      }
    }))

  test("goes on after a question whose answer was a defect", () =>
    Effect.gen(function*() {
      const { url } = yield* NatsSupport.server
      const failing = { is: true }
      yield* announced(url, {}, failing)
      const connection = yield* NatsSupport.connected(url)
      yield* question(connection, "$SRV.PING")
      yield* Effect.promise(() => connection.request("$SRV.STATS", "", { timeout: 200 }).catch(() => undefined))
      failing.is = false
      const { num_errors, num_requests } = endpointOf(yield* question(connection, "$SRV.STATS"))
      assert.strictEqual(num_requests, 1)
      assert.isAtLeast(Number(num_errors), 1)
    }))

  test("answers again after nats-server was killed and started", () =>
    Effect.gen(function*() {
      const server = yield* NatsSupport.server
      yield* announced(server.url)
      const connection = yield* NatsSupport.connected(server.url)
      const { id } = yield* question(connection, "$SRV.PING")
      yield* server.kill
      yield* server.start
      assert.deepInclude(yield* question(connection, `$SRV.STATS.${name}`), { id })
    }))

  test("answers until its scope ends", () =>
    Effect.gen(function*() {
      const { url } = yield* NatsSupport.server
      const connection = yield* NatsSupport.connected(url)
      yield* Effect.scoped(Effect.andThen(announced(url), question(connection, "$SRV.PING")))
      yield* Effect.repeat(isUnanswered(connection, "$SRV.PING"), { until: (is) => is, schedule: often })
    }))
})

describe("who asks", () => {
  const asking = (url: string) =>
    ServiceReports.ask.pipe(
      Effect.provide(Layer.fresh(Nats.layerConfig("asking"))),
      Effect.provide(ConfigProvider.layer(ConfigProvider.fromUnknown({ NATS_URL: url })))
    )

  test("gets the services of its own event log, and no others on the same server", () =>
    Effect.gen(function*() {
      const { url } = yield* NatsSupport.server
      const connection = yield* NatsSupport.connected(url)
      assert.deepStrictEqual(yield* asking(url), [])
      yield* announced(url)
      yield* announced(url)
      yield* announced(url, { EVENTS_STREAM: "OTHER" })
      const foreign = connection.subscribe("$SRV.STATS", { callback: (_, message) => void message.respond("no JSON") })
      const instances = yield* Effect.repeat(asking(url), { until: ({ length }) => length === 2, schedule: often })
      assert.strictEqual(new Set(instances.map(({ id }) => id)).size, 2)
      for (const instance of instances) {
        assert.deepInclude(instance, { service: "test", version: "0.1.0" })
        assert.deepStrictEqual(ServiceReports.lanesOf(instance), ["0xA", "0xB"])
        const { report, receivedAt } = instance
        assert.isDefined(report)
        if (report === undefined) continue
        assert.strictEqual(report.wallets?.[0]?.balance, 2n ** 70n)
        assert.deepStrictEqual(ServiceReports.checksOf(report), { chain: { ready: false, detail: "away" } })
        assert.isAtMost(Math.abs(DateTime.toEpochMillis(receivedAt) - DateTime.toEpochMillis(report.clock)), 2_000)
      }
      foreign.unsubscribe()
    }))
})
