/** Whether what the gateway depends on is there. */
import type { Readiness } from "@akave-async/api/Resources"
import { Address } from "@akave-async/domain/Ethereum"
import { EventLog, lost } from "@akave-async/eventing/EventLog"
import * as LaneReports from "@akave-async/eventing/LaneReports"
import { check, Patience } from "@akave-async/platform/HealthCheck"
import { durabilityConfig, Nats } from "@akave-async/platform/Nats"
import { AkaveNode } from "@akave-async/sdk/AkaveNode"
import * as JsonRpc from "@akave-async/sdk/JsonRpc"
import { Staging } from "@akave-async/staging/Staging"
import { Config, Context, Effect, Layer, Schema } from "effect"
import { lagSeconds } from "./GatewayMetrics.ts"
import { ReadModel } from "./ReadModel.ts"

export class Health extends Context.Service<Health, {
  readonly readiness: Effect.Effect<Readiness>
}>()("@akave-async/gateway/Health") {
  static readonly layer = Layer.effect(
    Health,
    Effect.gen(function*() {
      const log = yield* EventLog
      const readModel = yield* ReadModel
      const node = yield* AkaveNode
      const staging = yield* Staging
      const durability = yield* durabilityConfig
      const owner = yield* Config.schema(Address, "AKAVE_OWNER_ADDRESS")
      const withinThird = Effect.fnUntraced(function*<A, E, R>(question: Effect.Effect<A, E, R>) {
        return yield* Effect.timeout(question, (yield* Patience) / 3)
      })

      /** Where the log ends, which is never before what the read model has applied. */
      const eventLog = Effect.gen(function*() {
        // The read model is asked first: it goes on meanwhile. While it is away, the log is taken as it is.
        const applied = yield* withinThird(readModel.checkpoint).pipe(Effect.catch(() => Effect.succeed(0)))
        const last = yield* log.lastSequence
        if (last < applied) {
          const loss =
            `The event log ends at event ${last}, and the read model has applied ${applied} events: restore it`
          return yield* lost("compare", loss)
        }
        return `at event ${last}; ${yield* durability}`
      })

      // The node says where the chain is; while it is away, the chain is looked for where it was.
      let rpcUrl: string | undefined
      const chain = node.connectionParams.pipe(
        Effect.tap((params) => Effect.sync(() => rpcUrl = params.rpcUrl)),
        withinThird,
        Effect.catch((error) => rpcUrl === undefined ? Effect.fail(error) : Effect.succeed({ rpcUrl })),
        Effect.flatMap(({ rpcUrl }) => askChain(rpcUrl, "eth_blockNumber"))
      )

      const lag = lagSeconds.pipe(
        Effect.map((seconds) => Number.isNaN(seconds) ? null : Math.round(1_000 * seconds)),
        Effect.provideService(EventLog, log),
        Effect.provideService(ReadModel, readModel)
      )

      const lanes = LaneReports.ask.pipe(
        Effect.flatMap(LaneReports.stateOf(owner)),
        Effect.provideService(Nats, yield* Nats)
      )

      const readiness = Effect.fn("Health.readiness")(function*() {
        const { lanes: ofLanes, projection_lag_ms, ...dependencies } = yield* Effect.all({
          event_log: check(eventLog, (sentence) => sentence),
          read_model: check(readModel.checkpoint, (sequence) => `at event ${sequence}`),
          node: check(node.ping),
          chain: check(chain, (block) => `at block ${block}`),
          staging: check(staging.check),
          lanes: check(lanes, (sentence) => sentence),
          projection_lag_ms: Effect.timeout(lag, yield* Patience).pipe(Effect.catch(() => Effect.succeed(null)))
        }, { concurrency: "unbounded" })
        const ready = Object.values(dependencies).every((dependency) => dependency.ready)
        // A lane that is stalled is no reason to send clients elsewhere: requests are taken, and wait.
        return { ready, ...dependencies, lanes: ofLanes, projection_lag_ms }
      })

      return Health.of({ readiness: readiness() })
    })
  )
}

/** The number that the chain answers to a question without parameters. */
export const askChain = Effect.fnUntraced(
  function*(rpcUrl: string, method: "eth_blockNumber" | "eth_chainId") {
    const rpc = yield* JsonRpc.make(rpcUrl, yield* Patience)
    return Number(yield* Effect.flatMap(rpc.request(method, []), Schema.decodeUnknownEffect(Quantity)))
  },
  Effect.scoped,
  Effect.catchTag(["RpcError", "SchemaError"], () => Effect.fail(new Error("the chain does not answer")))
)

const Quantity = Schema.String.check(Schema.isPattern(/^0x[0-9a-f]+$/))
