/** Who asks: by the accounts that the log holds or, where it holds none, whoever reaches this gateway. */
import { Caller, Identification, NeededScope, OpenToLocal } from "@akave-async/api/Caller"
import * as Problems from "@akave-async/api/Problems"
import * as Account from "@akave-async/domain/Account"
import { Address } from "@akave-async/domain/Ethereum"
import { MasterSecret } from "@akave-async/platform/MasterSecret"
import * as Trace from "@akave-async/platform/Trace"
import { NodeHttpServerRequest } from "@effect/platform-node"
import { Config, Context, DateTime, Effect, Layer } from "effect"
import { HttpServerRequest } from "effect/http"
import { RateLimiter } from "effect/persistence"
import { Accounts } from "./Accounts.ts"
import { hasFile } from "./Edge.ts"
import { allowsAnonymous } from "./Exposure.ts"
import * as Jwt from "./Jwt.ts"
import * as KeySecrets from "./KeySecrets.ts"
import * as RateLimits from "./RateLimits.ts"
import { bearerOf, signIn, Unauthorized } from "./SignIn.ts"
import { eventsUnavailable, signInUnavailable } from "./Unavailable.ts"

type Who = Omit<Caller["Service"], "traceparent">

/** The trace that the work goes on in: that of the gateway's own span or, where it records none, of the request. */
const trace = Effect.flatMap(Trace.current, (traceparent) =>
  traceparent === undefined
    ? Effect.map(
      HttpServerRequest.HttpServerRequest,
      ({ headers: { traceparent } }) => Trace.parse(traceparent) === undefined ? Trace.unrecorded() : traceparent
    )
    : Effect.succeed(traceparent))

interface Services {
  readonly accounts: Accounts["Service"]
  readonly masters: MasterSecret["Service"]
  readonly jwt: Jwt.Jwt["Service"]
  readonly limiter: RateLimiter.RateLimiter
}

const byToken = Effect.fnUntraced(function*({ accounts, jwt }: Services, token: string) {
  const { account: id, expiresAt, scopes, subject } = yield* jwt.verify(token)
  const account = accounts.get(id)
  if (account === undefined) {
    return yield* new Unauthorized({ reason: "The token names no account of this gateway" })
  }
  return callerOf(account, {
    scopes,
    actor: `${subject} of account ${id}`,
    requestId: undefined,
    isCurrent: () => Date.now() < expiresAt
  })
})

/** What a signature is over in the place of the body: of a file its digest, which is compared with the file once that has come. */
const signedBody = Effect.fnUntraced(function*(request: HttpServerRequest.HttpServerRequest) {
  if (!hasFile(request)) return new Uint8Array(yield* Effect.orDie(request.arrayBuffer))
  const { "content-digest": digest } = request.headers
  return digest ?? (yield* new Unauthorized({
    reason: "A signed request with a file needs a Content-Digest with its sha-256, which is signed in place of the body"
  }))
})

const byKey = Effect.fnUntraced(function*(
  { accounts, masters }: Services,
  request: HttpServerRequest.HttpServerRequest,
  token: string
) {
  const { "x-signature": signature = "", "x-timestamp": timestamp = "" } = request.headers
  const { method } = request
  // As it was sent, and not as it is routed.
  const path = NodeHttpServerRequest.toIncomingMessage(request).url ?? request.url
  const signed = KeySecrets.keyIdOf(token) === undefined
    ? undefined
    : { timestamp, signature, method, path, body: yield* signedBody(request) }
  const signedIn = signIn(accounts, masters.taken(), yield* DateTime.now, { token, signed })
  const { account, key: { id, scopes }, requestId, version } = yield* Effect.fromResult(signedIn)
  return callerOf(account, {
    scopes,
    actor: `key ${id} of account ${account.id}`,
    requestId,
    isCurrent: () => {
      const key = accounts.holderOf(id)?.key
      return key !== undefined && Account.isValid(key, version, DateTime.nowUnsafe())
    }
  })
})

const callerOf = (
  { id: account, limits, owner }: Account.Account,
  { scopes, ...of }: Pick<Who, "actor" | "requestId" | "isCurrent"> & { readonly scopes: ReadonlyArray<Account.Scope> }
) => ({ account, owner, limits, scopes: new Set(scopes), ...of })

/** Who presents what the request's `Authorization` has, within the requests that the account may send. */
const signedIn = Effect.fnUntraced(
  function*(services: Services) {
    if (services.masters.current() === undefined) return yield* signInUnavailable
    const request = yield* HttpServerRequest.HttpServerRequest
    const { rawHeaders } = NodeHttpServerRequest.toIncomingMessage(request)
    const presented = rawHeaders.filter((_, n) => n % 2 === 1 && rawHeaders[n - 1]?.toLowerCase() === "authorization")
    const token = yield* Effect.fromResult(bearerOf(presented))
    const caller = yield* Jwt.isToken(token) ? byToken(services, token) : byKey(services, request, token)
    yield* RateLimits.count(services.limiter, caller)
    return caller
  },
  Effect.catchTags({
    Unauthorized: ({ message }) => new Problems.Unauthorized({ detail: message }),
    ClockSkew: ({ message, serverTime }) => new Problems.ClockSkew({ detail: message, server_time: serverTime }),
    ProviderUnavailable: ({ message }) => new Problems.SignInUnavailable({ detail: `${message}. Try again` })
  })
)

export const layer = Layer.effect(
  Identification,
  Effect.gen(function*() {
    const accounts = yield* Accounts
    const masters = yield* MasterSecret
    const services = { accounts, masters, jwt: yield* Jwt.Jwt, limiter: yield* RateLimiter.RateLimiter }
    const owner = yield* Config.schema(Address, "AKAVE_OWNER_ADDRESS")
    const isOpen = yield* allowsAnonymous
    const anybody: Who = {
      account: Account.local,
      owner,
      limits: undefined,
      scopes: new Set(["read", "write"]),
      actor: "a client",
      requestId: undefined,
      isCurrent: accounts.isEmpty
    }

    return Identification.of((handled, { endpoint }) =>
      Effect.gen(function*() {
        yield* Effect.mapError(accounts.ready, eventsUnavailable)
        const caller: Who = accounts.isEmpty() && isOpen ? anybody : yield* signedIn(services)
        const needed = Context.get(endpoint.annotations, NeededScope) ?? (endpoint.method === "GET" ? "read" : "write")
        const isOpenTo = caller === anybody && Context.get(endpoint.annotations, OpenToLocal)
        if (!isOpenTo && !caller.scopes.has(needed)) {
          const has = [...caller.scopes].join(", ") || "none"
          return yield* new Problems.Forbidden({
            detail: caller === anybody
              ? "There are no accounts: the gateway's operator opens the first one by a command (docs/security.md)"
              : `This needs the scope ${needed}; what you have signed in with has ${has}`
          })
        }
        return yield* Effect.provideService(handled, Caller, { ...caller, traceparent: yield* trace })
      })
    )
  })
)
