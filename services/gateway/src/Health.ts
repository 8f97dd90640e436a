/** Whether what the gateway depends on is there. */
import type { Readiness } from "@akave-async/api/Resources"
import { EventLog } from "@akave-async/eventing/EventLog"
import { AkaveNode } from "@akave-async/sdk/AkaveNode"
import { Clock, Context, Effect, Layer, Option, Result, Schema } from "effect"
import { HttpClient, HttpClientRequest, HttpClientResponse } from "effect/http"
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
      const http = yield* HttpClient.HttpClient

      const blockNumber = (rpcUrl: string) =>
        HttpClientRequest.post(rpcUrl).pipe(
          HttpClientRequest.bodyJsonUnsafe({ jsonrpc: "2.0", id: 1, method: "eth_blockNumber", params: [] }),
          http.execute,
          Effect.flatMap(HttpClientResponse.schemaBodyJson(BlockNumber)),
          Effect.map(({ result }) => Number(result))
        )

      // The node tells where the chain is; while it is away, the chain is looked for where it was.
      let rpcUrl: string | undefined
      const chain = node.connectionParams.pipe(
        Effect.tap((params) => Effect.sync(() => rpcUrl = params.rpcUrl)),
        Effect.timeout(patience / 3),
        Effect.catch((error) => rpcUrl === undefined ? Effect.fail(error) : Effect.succeed({ rpcUrl })),
        Effect.flatMap(({ rpcUrl }) => blockNumber(rpcUrl))
      )

      /** Age of the oldest event that the read model has not applied. */
      const lag = Effect.gen(function*() {
        const waiting = yield* log.get((yield* readModel.checkpoint) + 1)
        if (Option.isNone(waiting)) return 0
        const happened = Date.parse(waiting.value.headers["ce-time"] ?? "")
        return Number.isNaN(happened) ? null : Math.max(0, (yield* Clock.currentTimeMillis) - happened)
      })

      const readiness = Effect.fn("Health.readiness")(function*() {
        const [logState, modelState, nodeState, chainState, lagState] = yield* Effect.all(
          [check(log.lastSequence), check(readModel.checkpoint), check(node.ping), check(chain), check(lag)],
          { concurrency: "unbounded" }
        )
        const dependencies = {
          event_log: describe(logState, (sequence) => `at event ${sequence}`),
          read_model: describe(modelState, (sequence) => `at event ${sequence}`),
          node: describe(nodeState, () => "answers"),
          chain: describe(chainState, (block) => `at block ${block}`)
        }
        return {
          ready: Object.values(dependencies).every(({ ready }) => ready),
          ...dependencies,
          projection_lag_ms: Result.getOrElse(lagState, () => null)
        }
      })

      return Health.of({ readiness: readiness() })
    })
  )
}

/** A dependency that takes longer than this to answer is not ready, in milliseconds. */
const patience = 1500

const BlockNumber = Schema.Struct({ result: Schema.String.check(Schema.isPattern(/^0x[0-9a-f]+$/)) })

const check = <A, E extends { readonly message: string }>(
  question: Effect.Effect<A, E>
): Effect.Effect<Result.Result<A, string>> =>
  question.pipe(
    Effect.mapError((error) => error.message),
    Effect.timeoutOrElse({ duration: patience, orElse: () => Effect.fail("no answer in time") }),
    Effect.result
  )

const describe = <A>(state: Result.Result<A, string>, tell: (answer: A) => string) =>
  Result.match(state, {
    onFailure: (detail) => ({ ready: false, detail }),
    onSuccess: (answer) => ({ ready: true, detail: tell(answer) })
  })
