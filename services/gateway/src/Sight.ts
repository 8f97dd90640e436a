/** All that a diagnosis is decided on: what the services report, and what this gateway sees itself. */
import type { Readiness } from "@akave-async/api/Resources"
import type { LogUnavailable } from "@akave-async/eventing/EventLog"
import { replicas } from "@akave-async/eventing/replicas"
import * as ServiceReports from "@akave-async/eventing/ServiceReports"
import { Patience } from "@akave-async/platform/HealthCheck"
import { Nats, syncIntervalConfig, syncIntervalOf } from "@akave-async/platform/Nats"
import { readModelMigration } from "@akave-async/platform/Postgres"
import { AkaveNode } from "@akave-async/sdk/AkaveNode"
import { Context, Effect, Layer, type Result } from "effect"
import { askChain, Health } from "./Health.ts"
import { ReadModel } from "./ReadModel.ts"
import { ReadModelState } from "./ReadModelState.ts"

/** What can't be found out is undefined. */
export interface Seen {
  readonly services: Result.Result<ReadonlyArray<ServiceReports.Instance>, LogUnavailable>
  /** Of this gateway. */
  readonly readiness: Readiness
  readonly nats: {
    readonly version: string | undefined
    readonly syncInterval: string | undefined
    /** On how many servers the event log is kept. */
    readonly replicas: number | undefined
  }
  /** The chain as the node says it is. */
  readonly network: Omit<ServiceReports.ChainReport, "has_contract"> | undefined
  /** The last migration that was made, and the one that this gateway's queries need. */
  readonly migration: { readonly made: number | undefined; readonly needed: number }
  readonly liveJobs: ReadonlyArray<{ readonly owner: string; readonly count: number }> | undefined
  readonly openDeadLetters: number | undefined
  readonly webhooks: { readonly enabled: number; readonly failing: number } | undefined
}

export class Sight extends Context.Service<Sight, {
  readonly services: Effect.Effect<ReadonlyArray<ServiceReports.Instance>, LogUnavailable>
  readonly look: Effect.Effect<Seen>
}>()("@akave-async/gateway/Sight") {
  static readonly layer = Layer.effect(Sight, Effect.suspend(() => make))
}

/** The answer to a question, or undefined where it does not come in time. */
const orUndefined = Effect.fnUntraced(function*<A, E, R>(question: Effect.Effect<A, E, R>) {
  return yield* question.pipe(Effect.timeout(yield* Patience), Effect.catch(() => Effect.undefined))
})

/** Who asks within this time of an answer gets that one: however many ask, the services are asked once. */
const freshness = "1 second"

const make = Effect.gen(function*() {
  const nats = yield* Nats
  const health = yield* Health
  const node = yield* AkaveNode
  const readModel = yield* ReadModel
  const state = yield* ReadModelState
  const syncInterval = yield* syncIntervalConfig
  const withNats = Effect.provideService(Nats, nats)
  const services = yield* Effect.cachedWithTTL(ServiceReports.ask.pipe(withNats), freshness)

  const network = Effect.gen(function*() {
    const { accessAddress, rpcUrl, storageAddress } = yield* node.connectionParams
    const chainId = yield* askChain(rpcUrl, "eth_chainId")
    return { chain_id: `${chainId}`, storage_address: storageAddress, access_address: accessAddress }
  })

  const look = Effect.gen(function*() {
    const { made, replicated, ...seen } = yield* Effect.all({
      services: Effect.result(services),
      readiness: health.readiness,
      network: orUndefined(network),
      made: orUndefined(state.migration),
      liveJobs: orUndefined(state.liveJobsByOwner),
      openDeadLetters: orUndefined(readModel.openDeadLetters),
      webhooks: orUndefined(state.webhooks),
      replicated: orUndefined(replicas.pipe(withNats))
    }, { concurrency: "unbounded" })
    const version = nats.info?.version
    return {
      ...seen,
      migration: { made, needed: readModelMigration },
      nats: {
        version,
        syncInterval: version === undefined ? undefined : syncIntervalOf(version, syncInterval),
        replicas: replicated
      }
    }
  })

  return Sight.of({ services, look: yield* Effect.cachedWithTTL(Effect.withSpan(look, "Sight.look"), freshness) })
})
