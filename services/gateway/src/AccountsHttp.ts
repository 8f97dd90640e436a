/** The routes of accounts and their keys. */
import type { AccountResource, KeyResource } from "@akave-async/api/AccountsApi"
import { Api } from "@akave-async/api/Api"
import { Caller } from "@akave-async/api/Caller"
import * as Problems from "@akave-async/api/Problems"
import * as Account from "@akave-async/domain/Account"
import { execute, load } from "@akave-async/eventing/AccountEvents"
import type { Decision } from "@akave-async/eventing/Aggregate"
import { EventLog, type EventLogShape } from "@akave-async/eventing/EventLog"
import { MasterSecret } from "@akave-async/platform/MasterSecret"
import { Duration, Effect, Redacted } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import { Accounts } from "./Accounts.ts"
import { hexIdFor } from "./Ids.ts"
import * as KeySecrets from "./KeySecrets.ts"
import { eventsUnavailable, logUnavailable, signInUnavailable } from "./Unavailable.ts"

const keyResource = (key: Account.Key): KeyResource => ({
  key_id: key.id,
  public_key: KeySecrets.publicKeyOf(key.id),
  label: key.label,
  scopes: key.scopes,
  version: key.version,
  issued_at: key.issuedAt,
  expires_at: key.expiresAt ?? null,
  grace_until: key.graceUntil ?? null,
  revoked_at: key.revokedAt ?? null
})
const accountResource = ({ id, keys, limits, owner }: Account.Account): AccountResource => ({
  account: id,
  owner,
  limits: limitsResource(limits),
  keys: keys.map(keyResource)
})
const limitsResource = ({ jobsInFlight, requestsPerSecond }: Account.Limits) => ({
  requests_per_second: requestsPerSecond,
  jobs_in_flight: jobsInFlight
})
const limitsOf = (asked: AccountResource["limits"]): Account.Limits => ({
  requestsPerSecond: asked.requests_per_second,
  jobsInFlight: asked.jobs_in_flight
})

const failures = {
  AccountMissing: ({ message }: Account.AccountMissing) => new Problems.AccountNotFound({ detail: message }),
  LogUnavailable: logUnavailable
}
const keyFailures = {
  ...failures,
  KeyMissing: ({ message }: Account.KeyMissing) => new Problems.KeyNotFound({ detail: message })
}

/** Changes an account on behalf of the caller, and gives it as it is then. */
const change = Effect.fnUntraced(function*<Event extends Account.Event, Rejection>(
  log: EventLogShape,
  id: Account.Id,
  decide: (by: Account.By) => Decision<Account.State, Event, Rejection>
) {
  const { actor: by, requestId, traceparent } = yield* Caller
  const subject = Account.subject(id)
  const decision = decide(requestId === undefined ? { by } : { by, requestId })
  const origin = { source: "/akave/gateway", traceparent }
  const { state } = yield* execute(log, subject, yield* load(log, subject), decision, origin)
  return yield* Effect.orDie(Effect.fromNullishOr(state))
})

const keyOf = (account: Account.Account, id: Account.KeyId) =>
  Effect.orDie(Effect.fromNullishOr(account.keys.find((key) => key.id === id)))

/** A key with the secret of a version, for the one time that it is shown. */
const shown = Effect.fnUntraced(function*(master: Redacted.Redacted | undefined, key: Account.Key, version: number) {
  if (master === undefined) return yield* signInUnavailable
  return { ...keyResource(key), secret: Redacted.value(KeySecrets.secretOf(master, key.id, version)) }
})

export const AccountsHttp = HttpApiBuilder.group(
  Api,
  "accounts",
  Effect.fnUntraced(function*(handlers) {
    const accounts = yield* Accounts
    const log = yield* EventLog
    const masters = yield* MasterSecret

    return handlers.handleAll({
      list: ({ query: { after = "", limit } }) =>
        Effect.sync(() => {
          const rest = accounts.all().filter(({ id }) => id > after).toSorted((a, b) => a.id < b.id ? -1 : 1)
          const page = rest.slice(0, limit)
          return { accounts: page.map(accountResource), next: rest.length > limit ? page.at(-1)?.id ?? null : null }
        }),
      get: Effect.fnUntraced(
        function*({ params: { account } }) {
          const { state } = yield* load(log, Account.subject(account))
          return accountResource(state ?? (yield* failures.AccountMissing(new Account.AccountMissing())))
        },
        Effect.catchTags({ LogUnavailable: eventsUnavailable })
      ),
      open: Effect.fnUntraced(
        function*({ payload: { account: id, limits, owner } }) {
          const asked = { id, owner, limits: limitsOf(limits) }
          return accountResource(yield* change(log, id, (by) => Account.open({ ...asked, ...by })))
        },
        Effect.catchTags({
          AccountExists: ({ message }) => new Problems.AccountExists({ detail: message }),
          LogUnavailable: logUnavailable
        })
      ),
      changeLimits: Effect.fnUntraced(
        function*({ params: { account: id }, payload }) {
          const limits = limitsOf(payload)
          return accountResource(yield* change(log, id, (by) => Account.changeLimits({ limits, ...by })))
        },
        Effect.catchTags(failures)
      ),
      issueKey: Effect.fnUntraced(
        function*({ params: { account: id }, payload: { expires_at, label, scopes } }) {
          const keyId = Account.KeyId.make(hexIdFor((yield* Caller).requestId))
          const asked = { keyId, label, scopes, ...(expires_at === undefined ? {} : { expiresAt: expires_at }) }
          const key = yield* keyOf(yield* change(log, id, (by) => Account.issueKey({ ...asked, ...by })), keyId)
          return yield* shown(masters.current(), key, 1)
        },
        Effect.catchTags(failures)
      ),
      rotateKey: Effect.fnUntraced(
        function*({ params: { account: id, key_id: keyId }, payload: { grace_seconds } }) {
          const grace = Duration.seconds(grace_seconds)
          const { requestId } = yield* Caller
          const key = yield* keyOf(yield* change(log, id, (by) => Account.rotateKey({ keyId, grace, ...by })), keyId)
          return yield* shown(
            masters.current(),
            key,
            key.rotations.find((one) => one.requestId === requestId)?.version ?? key.version
          )
        },
        Effect.catchTags({
          ...keyFailures,
          KeyRevokedAlready: ({ message }) => new Problems.KeyRevoked({ detail: message })
        })
      ),
      revokeKey: Effect.fnUntraced(
        function*({ params: { account: id, key_id: keyId } }) {
          return keyResource(yield* keyOf(yield* change(log, id, (by) => Account.revokeKey({ keyId, ...by })), keyId))
        },
        Effect.catchTags(keyFailures)
      )
    })
  })
)

export const CallerHttp = HttpApiBuilder.group(Api, "caller", (handlers) =>
  handlers.handleAll({
    get: () =>
      Effect.map(Caller, ({ account, actor, limits, owner, scopes }) => ({
        account,
        owner,
        limits: limits === undefined ? null : limitsResource(limits),
        scopes: [...scopes],
        actor
      }))
  }))
