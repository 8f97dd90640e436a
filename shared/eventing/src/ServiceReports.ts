/** What the services of one event log report of themselves, asked of them over NATS: nothing of it is stored. */
import * as Announcement from "@akave-async/platform/Announcement"
import * as Build from "@akave-async/platform/Build"
import { Patience } from "@akave-async/platform/HealthCheck"
import * as HealthServer from "@akave-async/platform/HealthServer"
import { Nats } from "@akave-async/platform/Nats"
import { answersTo } from "@akave-async/platform/NatsQuestion"
import { DateTime, Effect, Layer, Option, Schema } from "effect"
import { hostname } from "node:os"
import { LogUnavailable } from "./EventLog.ts"
import { eventsConfig } from "./EventLogJetStream.ts"

/** The chain that an executor works on. */
export const ChainReport = Schema.Struct({
  chain_id: Schema.String,
  storage_address: Schema.String,
  access_address: Schema.String,
  /** Whether there is code at the Storage contract's address; null where that could not be found out in time. */
  has_contract: Schema.NullOr(Schema.Boolean)
})
export type ChainReport = typeof ChainReport.Type

/** A wallet that an executor has the key of. What could not be found out in time is null. */
export const WalletReport = Schema.Struct({
  owner: Schema.String,
  /** In wei. */
  balance: Schema.NullOr(Schema.BigInt),
  /** What a transaction may cost now, in wei. */
  price: Schema.NullOr(Schema.BigInt)
})
export type WalletReport = typeof WalletReport.Type

/** What only some services know. */
const Known = Schema.Struct({
  chain: Schema.optionalKey(ChainReport),
  wallets: Schema.optionalKey(Schema.Array(WalletReport)),
  /** The last migration of the read model that this release knows. */
  migration: Schema.optionalKey(Schema.Int)
})
export type Known = typeof Known.Type

const State = Schema.Struct({ ready: Schema.Boolean, detail: Schema.String })

export const Report = Schema.Struct({
  /** The service's own time when it answered. */
  clock: Schema.DateTimeUtc,
  /** What `GET /health/ready` answers. */
  readiness: Schema.StructWithRest(Schema.Struct({ ready: Schema.Boolean }), [
    Schema.Record(Schema.String, Schema.Unknown)
  ]),
  ...Known.fields
})
export type Report = typeof Report.Type

/** The service's own checks, by the name of what is depended on. */
export const checksOf = ({ readiness }: Report): Readonly<Record<string, typeof State.Type>> =>
  Object.fromEntries(
    Object.entries(readiness).flatMap(([name, state]) =>
      Option.toArray(Option.map(Schema.decodeUnknownOption(State)(state), (state) => [name, state] as const))
    )
  )

export interface Options<R> {
  /** `gateway`, `executor`, `projector` or `notifier`. */
  readonly service: string
  readonly description: string
  readonly readiness: Effect.Effect<typeof Report.Type["readiness"], never, R>
  readonly known?: Effect.Effect<Known, never, R>
  /** What every answer says of it, beside what all services say. */
  readonly metadata?: Effect.Effect<Readonly<Record<string, string>>, never, R>
}

const encode = Schema.encodeEffect(Schema.toCodecJson(Report))
const prefix = "akave-"
/** The name that a service is announced by. */
export const nameOf = (service: string): string => `${prefix}${service}`
/** How long a dependency is waited for, in milliseconds: less than at `GET /health/ready`, because the asker waits for a second only. */
const checkPatience = 600
/** A report is made at most this often. */
const freshness = "500 millis"

/** Where this instance's health is asked for, if it has an address for it. */
const healthUrl = Effect.map(
  HealthServer.address,
  Option.map(({ host, port }) =>
    // Others can't use an address that stands for all of this machine's.
    `http://${host === "0.0.0.0" || host === "::" ? hostname() : host}:${port}/health`
  )
)

/** Announces a service of this event log with its reports. */
export const layer = <R>(options: Options<R>) =>
  Layer.unwrap(Effect.gen(function*() {
    const { description, known = Effect.succeed({}), metadata = Effect.succeed({}), readiness, service } = options
    const { stream } = yield* eventsConfig
    const health = yield* healthUrl
    const build = yield* Effect.cached(Effect.orDie(Build.build))
    const report = yield* Effect.cachedWithTTL(
      Effect.all({ readiness, known }, { concurrency: "unbounded" }).pipe(
        Effect.provideService(Patience, checkPatience)
      ),
      freshness
    )
    return Announcement.layer({
      name: nameOf(service),
      description,
      metadata: Effect.gen(function*() {
        const { hash, time } = yield* build
        return {
          role: service,
          event_log: stream,
          node: process.versions.node,
          ...(hash === undefined ? {} : { build: hash }),
          ...(time === undefined ? {} : { build_time: time }),
          ...(Option.isNone(health) ? {} : { health_url: health.value }),
          ...yield* metadata
        }
      }),
      data: Effect.gen(function*() {
        const { known, readiness } = yield* report
        return yield* Effect.orDie(encode({ clock: yield* DateTime.now, readiness, ...known }))
      })
    })
  }))

/** A service that has answered. */
export interface Instance {
  /** `gateway`, `executor`, `projector`, `notifier`, or what a newer release has. */
  readonly service: string
  readonly id: string
  readonly version: string
  readonly startedAt: DateTime.Utc
  readonly metadata: Readonly<Record<string, string>>
  /** Undefined where only another release can read it. */
  readonly report: Report | undefined
  readonly receivedAt: DateTime.Utc
}

/** The wallets that it serves. */
export const lanesOf = ({ metadata: { lanes = "" } }: Pick<Instance, "metadata">): ReadonlyArray<string> =>
  lanes.split(" ").filter((lane) => lane !== "")

const Statistics = Schema.fromJsonString(Schema.Struct({
  name: Schema.String,
  id: Schema.String,
  version: Schema.String,
  started: Schema.DateTimeUtcFromString,
  metadata: Schema.Record(Schema.String, Schema.String),
  endpoints: Schema.Array(Schema.Struct({ data: Schema.optionalKey(Schema.Unknown) }))
}))
const decodeReport = Schema.decodeUnknownOption(Schema.toCodecJson(Report))

/** The whole time is waited, in milliseconds: how many will answer is not known. */
const patience = { strategy: "timer", maxWait: 900 } as const

/** The services of this event log that answer; those of other logs on the same NATS are left out. */
export const ask = Effect.gen(function*() {
  const connection = yield* Nats
  const { stream } = yield* Effect.orDie(eventsConfig)
  const unavailable = (cause: unknown) => new LogUnavailable({ operation: "ask services", cause })
  // While the connection is lost a question is not sent, and no answer would mean nothing.
  yield* Effect.tryPromise({ try: () => connection.flush(), catch: unavailable }).pipe(
    Effect.timeoutOrElse({ duration: patience.maxWait, orElse: () => Effect.fail(unavailable("disconnected")) })
  )
  const answers = yield* Effect.mapError(answersTo("$SRV.STATS", patience), unavailable)
  return answers.flatMap(({ receivedAt, text }): ReadonlyArray<Instance> => {
    const statistics = Option.getOrUndefined(Schema.decodeOption(Statistics)(text))
    if (statistics === undefined) return []
    const { endpoints: [status], name, started: startedAt, ...rest } = statistics
    if (!name.startsWith(prefix) || rest.metadata["event_log"] !== stream) return []
    const report = Option.getOrUndefined(decodeReport(status?.data))
    return [{ service: name.slice(prefix.length), startedAt, ...rest, report, receivedAt }]
  })
})
