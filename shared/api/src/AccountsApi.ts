/** The routes of accounts and their keys, for administrators. */
import * as Account from "@akave-async/domain/Account"
import { Address } from "@akave-async/domain/Ethereum"
import { Effect, Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, HttpApiSchema, OpenApi } from "effect/http-api"
import { Identification, NeededScope } from "./Caller.ts"
import { bodyErrors, page, Validation } from "./Conventions.ts"
import * as Problems from "./Problems.ts"

const Limits = Schema.Struct({
  requests_per_second: Account.Limits.fields.requestsPerSecond,
  jobs_in_flight: Account.Limits.fields.jobsInFlight
})

export const AccountRequest = Schema.Struct({
  account: Account.Id,
  /** The wallet whose executors do the account's jobs. */
  owner: Address,
  limits: Limits
}).annotate({ identifier: "AccountRequest" })

export const KeyResource = Schema.Struct({
  key_id: Account.KeyId,
  /** Who signs its requests says by this whose they are. */
  public_key: Schema.String,
  label: Schema.String,
  scopes: Schema.Array(Account.Scope),
  version: Schema.Int,
  issued_at: Schema.DateTimeUtc,
  expires_at: Schema.NullOr(Schema.DateTimeUtc),
  /** Until then the secret before this version is taken too. */
  grace_until: Schema.NullOr(Schema.DateTimeUtc),
  revoked_at: Schema.NullOr(Schema.DateTimeUtc)
}).annotate({ identifier: "Key", description: "A key of an account, without its secret" })
export type KeyResource = typeof KeyResource.Type

export const NewKey = Schema.Struct({
  ...KeyResource.fields,
  /** Shown this once: nothing keeps it. */
  secret: Schema.String
}).annotate({ identifier: "NewKey", description: "A key with its secret, which is shown once" })

export const AccountResource = Schema.Struct({
  account: Account.Id,
  owner: Address,
  limits: Limits,
  keys: Schema.Array(KeyResource)
}).annotate({ identifier: "Account", description: "Who may use the gateway, for which wallet and how much" })
export type AccountResource = typeof AccountResource.Type

/** `next` is null on the last page, else it is the next page's `after`. */
export const AccountPage = Schema.Struct({
  accounts: Schema.Array(AccountResource),
  next: Schema.NullOr(Schema.String)
}).annotate({ identifier: "AccountPage" })

export const CallerResource = Schema.Struct({
  account: Schema.String,
  owner: Address,
  /** Null where nothing limits the account. */
  limits: Schema.NullOr(Limits),
  scopes: Schema.Array(Account.Scope),
  /** Who does it, as events name them. */
  actor: Schema.String
}).annotate({ identifier: "Caller", description: "Who the gateway takes the client for" })

export const LimitsRequest = Schema.Struct(Limits.fields).annotate({ identifier: "LimitsRequest" })

export const KeyRequest = Schema.Struct({
  label: Schema.String.check(Schema.isMaxLength(100, { message: "at most 100 characters" })),
  scopes: Account.Scopes,
  expires_at: Schema.optionalKey(Schema.DateTimeUtc)
}).annotate({ identifier: "KeyRequest" })

export const RotationRequest = Schema.Struct({
  /** How long the secret before is taken too, in seconds. */
  grace_seconds: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 30 * 24 * 3600 })).pipe(
    Schema.withDecodingDefaultKey(Effect.succeed(24 * 3600))
  )
}).annotate({ identifier: "RotationRequest" })

const params = { account: Account.Id }
const keyParams = { ...params, key_id: Account.KeyId }
const log = [Problems.EventLogUnavailable, ...bodyErrors] as const
const ofKey = [Problems.AccountNotFound, Problems.KeyNotFound, Problems.SignInUnavailable, ...log] as const

export class AccountsGroup extends HttpApiGroup.make("accounts").add(
  HttpApiEndpoint.get("list", "/accounts", {
    query: { ...page, after: Schema.optionalKey(Account.Id) },
    success: AccountPage
  }).annotate(OpenApi.Summary, "All accounts with their keys, by id")
    .annotate(OpenApi.Description, "Without secrets: these are shown when a key is issued or rotated, and not again."),
  HttpApiEndpoint.get("get", "/accounts/:account", {
    params,
    success: AccountResource,
    error: [Problems.AccountNotFound, Problems.EventLogUnavailable]
  }).annotate(OpenApi.Summary, "An account with its keys")
    .annotate(OpenApi.Description, "As the event log has it now, without secrets."),
  HttpApiEndpoint.post("open", "/accounts", {
    payload: AccountRequest,
    success: AccountResource.pipe(HttpApiSchema.status(201)),
    error: [Problems.AccountExists, ...log]
  }).annotate(OpenApi.Summary, "Open an account for a wallet")
    .annotate(
      OpenApi.Description,
      "Accounts of one wallet share its names of buckets, and see nothing of one another."
    ),
  HttpApiEndpoint.put("changeLimits", "/accounts/:account/limits", {
    params,
    payload: LimitsRequest,
    success: AccountResource,
    error: [Problems.AccountNotFound, ...log]
  }).annotate(OpenApi.Summary, "Change how much an account may do")
    .annotate(OpenApi.Description, "It counts on every gateway within a second."),
  HttpApiEndpoint.post("issueKey", "/accounts/:account/keys", {
    params,
    payload: KeyRequest,
    success: NewKey.pipe(HttpApiSchema.status(201)),
    error: [Problems.AccountNotFound, Problems.SignInUnavailable, ...log]
  }).annotate(OpenApi.Summary, "Issue a key, and show its secret once")
    .annotate(OpenApi.Description, "The secret is derived, and kept nowhere: a lost one is replaced by a rotation."),
  HttpApiEndpoint.post("rotateKey", "/accounts/:account/keys/:key_id/rotate", {
    params: keyParams,
    payload: RotationRequest,
    success: NewKey,
    error: [Problems.KeyRevoked, ...ofKey]
  }).annotate(OpenApi.Summary, "Give a key its next secret, and show it once")
    .annotate(OpenApi.Description, "The secret before is taken too for the grace time."),
  HttpApiEndpoint.delete("revokeKey", "/accounts/:account/keys/:key_id", {
    params: keyParams,
    success: KeyResource,
    error: ofKey
  }).annotate(OpenApi.Summary, "Revoke a key, with all its secrets")
    .annotate(OpenApi.Description, "It counts on every gateway within a second, and can't be taken back.")
).annotate(OpenApi.Description, "Who may use the gateway, for administrators")
  .annotateEndpoints(NeededScope, "admin").middleware(Validation).middleware(Identification)
{}

export class CallerGroup extends HttpApiGroup.make("caller").add(
  HttpApiEndpoint.get("get", "/account", { success: CallerResource })
    .annotate(OpenApi.Summary, "Who you are to the gateway, and what you may do")
    .annotate(
      OpenApi.Description,
      "The account that you have signed in to, with its wallet, its limits and your scopes."
    )
).annotate(OpenApi.Description, "Who asks").middleware(Validation).middleware(Identification) {}
