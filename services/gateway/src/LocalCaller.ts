/** Without accounts, everybody who reaches this gateway is its one local caller. */
import { Caller, Identification, type Scope } from "@akave-async/api/Caller"
import { Address } from "@akave-async/domain/Chain"
import { Config, Effect, Layer, Option } from "effect"
import { HttpTraceContext } from "effect/http"

const scopes: ReadonlySet<Scope> = new Set(["read", "write", "admin"])

/** The caller of every request; its wallet is `AKAVE_OWNER_ADDRESS`. */
export const layer = Layer.effect(
  Identification,
  Effect.gen(function*() {
    const owner = yield* Config.schema(Address, "AKAVE_OWNER_ADDRESS")
    const caller = { account: "local", owner, scopes, actor: "a client" }
    return Identification.of((request) =>
      Effect.flatMap(Effect.option(Effect.currentSpan), (span) => {
        const traceparent = Option.getOrUndefined(Option.map(span, HttpTraceContext.toHeaders))?.["traceparent"]
        return Effect.provideService(request, Caller, { ...caller, traceparent })
      })
    )
  })
)
