/** Who asks, and on whose behalf: known for every request before its handler runs. */
import type { Address } from "@akave-async/domain/Ethereum"
import { Context } from "effect"
import { HttpApiMiddleware } from "effect/http-api"

export class Caller extends Context.Service<Caller, {
  /** The account that the request is for. */
  readonly account: string
  /** The wallet of the account: what it asks for is done with this one, and it sees nothing of others. */
  readonly owner: Address
  /** What the caller may do. */
  readonly scopes: ReadonlySet<Scope>
  /** Who did it, as events and logs name them. */
  readonly actor: string
  /** The W3C trace context that the work goes on in. */
  readonly traceparent: string | undefined
}>()("@akave-async/api/Caller") {}

export type Scope = "read" | "write" | "admin"

/** Finds out who asks. */
export class Identification extends HttpApiMiddleware.Service<Identification, { provides: Caller }>()(
  "@akave-async/api/Identification"
) {}
