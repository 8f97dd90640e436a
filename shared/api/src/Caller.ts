/** Who asks, and on whose behalf: known for every request before its handler runs. */
import { type Limits, local, type Scope } from "@akave-async/domain/Account"
import type { Address } from "@akave-async/domain/Ethereum"
import type * as Job from "@akave-async/domain/Job"
import { Context } from "effect"
import { HttpApiMiddleware } from "effect/http-api"
import * as Problems from "./Problems.ts"

export class Caller extends Context.Service<Caller, {
  /** The account that the request is for. */
  readonly account: string
  /** The wallet of the account: what it asks for is done with this one, and it sees nothing of others. */
  readonly owner: Address
  /** How much the account may do; undefined where nothing limits it. */
  readonly limits: Limits | undefined
  /** What the caller may do. */
  readonly scopes: ReadonlySet<Scope>
  /** Who did it, as events and logs name them. */
  readonly actor: string
  /** The same for exact repeats of a signed request, which are that request; undefined where repeats can't be known. */
  readonly requestId: Job.Id | undefined
  /** Whether what the caller has signed in with is still taken. */
  readonly isCurrent: () => boolean
  /** The W3C trace context that the work goes on in. */
  readonly traceparent: string | undefined
}>()("@akave-async/api/Caller") {}

/** The account as the log names it; nothing for the local one, whose jobs name none. */
export const tenantOf = ({ account }: Caller["Service"]): { readonly tenant?: string } =>
  account === local ? {} : { tenant: account }

/** Whether the caller sees a dead letter of this account: administrators see all of them. */
export const sees = (caller: Caller["Service"], account: string | undefined): boolean =>
  caller.scopes.has("admin") || account === tenantOf(caller).tenant

/** The scope that an endpoint needs, where it is not `read` for a GET and `write` for any other method. */
export const NeededScope = Context.Reference<Scope | undefined>("@akave-async/api/NeededScope", {
  defaultValue: () => undefined
})

/** That an endpoint is for the local caller as well, whatever scope it needs of others. */
export const OpenToLocal = Context.Reference<boolean>("@akave-async/api/OpenToLocal", { defaultValue: () => false })

/** Finds out who asks, and whether the endpoint is for such a one. */
export class Identification extends HttpApiMiddleware.Service<Identification, { provides: Caller }>()(
  "@akave-async/api/Identification",
  {
    error: [
      Problems.Unauthorized,
      Problems.ClockSkew,
      Problems.Forbidden,
      Problems.RateLimited,
      Problems.EventLogUnavailable,
      Problems.SignInUnavailable
    ]
  }
) {}
