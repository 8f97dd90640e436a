/** Without accounts, everybody who reaches this gateway is its one local caller. */
import { Caller, Identification, type Scope } from "@akave-async/api/Caller"
import { Address } from "@akave-async/domain/Ethereum"
import { Config, Effect, Layer } from "effect"

const scopes: ReadonlySet<Scope> = new Set(["read", "write", "admin"])

/** The caller of every request; its wallet is `AKAVE_OWNER_ADDRESS`. */
export const layer = Layer.effect(
  Identification,
  Effect.gen(function*() {
    const owner = yield* Config.schema(Address, "AKAVE_OWNER_ADDRESS")
    const caller = { account: "local", owner, scopes, actor: "a client" }
    return Identification.of((request) =>
      Effect.flatMap(trace, (traceparent) => Effect.provideService(request, Caller, { ...caller, traceparent }))
    )
  })
)

/** The trace that the request belongs to, as the header `traceparent` has it. */
const trace = Effect.currentParentSpan.pipe(
  Effect.map(({ sampled, spanId, traceId }) => `00-${traceId.padStart(32, "0")}-${spanId}-${sampled ? "01" : "00"}`),
  Effect.catchTag("NoSuchElementError", () => Effect.undefined)
)
