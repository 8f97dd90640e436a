/**
 * The account aggregate: who may use the gateway, for which wallet and how much, and the keys that they sign in with. The log
 * holds no secret of a key: that is derived from a master secret that only gateways have, the key's id and its version.
 */
import { DateTime, type Duration, Result, Schema } from "effect"
import { Address } from "./Ethereum.ts"

/** One token of a NATS subject. */
export const Id = Schema.String.check(
  Schema.isPattern(/^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$/u, {
    message:
      "an account's id has 1 to 32 lower-case letters, digits and hyphens, and starts and ends with a letter or digit"
  })
).pipe(Schema.brand("AccountId"))
export type Id = typeof Id.Type
/** The account of who reaches a gateway without accounts. */
export const local = "local"

/** 16 hex digits, drawn when the key is issued. */
export const KeyId = Schema.String.check(
  Schema.isPattern(/^[0-9a-f]{16}$/u, { message: "a key's id is 16 lower-case hex digits" })
).pipe(Schema.brand("KeyId"))
export type KeyId = typeof KeyId.Type

/** What a key may do: look, ask for jobs, administer accounts. Each is given on its own. */
export const Scope = Schema.Literals(["read", "write", "admin"])
export type Scope = typeof Scope.Type

/** What a key may do, at least one thing. */
export const Scopes = Schema.Array(Scope).check(Schema.isMinLength(1, { message: "at least one scope" }))

export const Limits = Schema.Struct({
  /** Requests that are answered in a second, on the average of some. */
  requestsPerSecond: Schema.Int.check(Schema.isGreaterThan(0)),
  /** Jobs that were accepted and have not ended. */
  jobsInFlight: Schema.Int.check(Schema.isGreaterThan(0))
})
export type Limits = typeof Limits.Type

const common = {
  accountId: Id,
  by: Schema.NonEmptyString,
  /** The request that asked for it, where its repeats are known by this. */
  requestId: Schema.optionalKey(Schema.NonEmptyString),
  occurredAt: Schema.DateTimeUtc
}
const ofKey = { keyId: KeyId, ...common }

// Tags and fields are the stored format: add an event or an optional field, never rename, retype or remove one.
export const Event = Schema.TaggedUnion({
  AccountOpened: { owner: Address, limits: Limits, ...common },
  AccountLimitsChanged: { limits: Limits, ...common },
  KeyIssued: {
    label: Schema.String,
    scopes: Scopes,
    expiresAt: Schema.optionalKey(Schema.DateTimeUtc),
    ...ofKey
  },
  KeyRotated: {
    version: Schema.Int.check(Schema.isGreaterThan(1)),
    /** Until then the secret of the version before is taken too. */
    graceUntil: Schema.DateTimeUtc,
    ...ofKey
  },
  KeyRevoked: ofKey
})
export type Event = typeof Event.Type
const { AccountLimitsChanged, AccountOpened, KeyIssued, KeyRevoked, KeyRotated } = Event.cases

/** What the subjects of all accounts begin with. */
export const kind = "account"
/** The subject, below the log's prefix, that holds all events of one account. */
export const subject = (id: Id): string => `${kind}.${id}`

export interface Key {
  readonly id: KeyId
  readonly label: string
  readonly scopes: ReadonlyArray<Scope>
  /** 1 when it is issued; each rotation adds one. */
  readonly version: number
  readonly issuedAt: DateTime.Utc
  readonly expiresAt?: DateTime.Utc
  readonly graceUntil?: DateTime.Utc
  /** The versions that requests have made whose repeats are known. */
  readonly rotations: ReadonlyArray<{ readonly requestId: string; readonly version: number }>
  readonly revokedAt?: DateTime.Utc
}
export interface Account {
  readonly id: Id
  readonly owner: Address
  readonly limits: Limits
  readonly keys: ReadonlyArray<Key>
  /** The requests that have changed it whose repeats are known. */
  readonly requests: ReadonlyArray<string>
}

/** Undefined while the account is not open. */
export type State = Account | undefined
export const initial: State = undefined

export const evolve = (state: State, event: Event): State => {
  const account = evolveAccount(state, event)
  const { requestId } = event
  return account === undefined || requestId === undefined
    ? account
    : { ...account, requests: [...account.requests, requestId] }
}

const evolveAccount = (state: State, event: Event): State => {
  if (event._tag === "AccountOpened") {
    const { accountId: id, limits, owner } = event
    return state ?? { id, owner, limits, keys: [], requests: [] }
  }
  if (state === undefined) return undefined
  const changed = (change: (key: Key) => Key) => ({
    ...state,
    keys: state.keys.map((key) => "keyId" in event && key.id === event.keyId ? change(key) : key)
  })
  switch (event._tag) {
    case "AccountLimitsChanged":
      return { ...state, limits: event.limits }
    case "KeyIssued": {
      const { expiresAt, keyId: id, label, occurredAt: issuedAt, scopes } = event
      const expiry = expiresAt === undefined ? {} : { expiresAt }
      const key: Key = { id, label, scopes, version: 1, issuedAt, ...expiry, rotations: [] }
      return { ...state, keys: [...state.keys, key] }
    }
    case "KeyRotated": {
      const { graceUntil, requestId, version } = event
      return changed((key) => {
        const rotations = requestId === undefined ? key.rotations : [...key.rotations, { requestId, version }]
        return { ...key, version, graceUntil, rotations }
      })
    }
    case "KeyRevoked":
      return changed((key) => ({ ...key, revokedAt: event.occurredAt }))
  }
}

/** Whether the secret of this version of a key is taken at this time. */
export const isValid = (key: Key, version: number, now: DateTime.Utc): boolean => {
  const isBefore = (end: DateTime.Utc | undefined) => end !== undefined && DateTime.isLessThan(now, end)
  if (key.revokedAt !== undefined || (key.expiresAt !== undefined && !isBefore(key.expiresAt))) return false
  return version === key.version || (version === key.version - 1 && isBefore(key.graceUntil))
}

export class AccountExists extends Schema.TaggedError<AccountExists>()("AccountExists", { accountId: Id }) {
  override readonly message = `Account ${this.accountId} is open already`
}
export class AccountMissing extends Schema.TaggedError<AccountMissing>()("AccountMissing", {}) {
  override readonly message = "There is no such account"
}
export class KeyMissing extends Schema.TaggedError<KeyMissing>()("KeyMissing", { keyId: KeyId }) {
  override readonly message = `The account has no key ${this.keyId}`
}
export class KeyRevokedAlready extends Schema.TaggedError<KeyRevokedAlready>()("KeyRevokedAlready", { keyId: KeyId }) {
  override readonly message = `Key ${this.keyId} was revoked`
}

type Decision<Event, Rejection> = (
  state: State,
  occurredAt: DateTime.Utc
) => Result.Result<ReadonlyArray<Event>, Rejection>

/** Who does it, as events name them, and by which request: a repeat of it changes nothing more. */
export interface By {
  readonly by: string
  readonly requestId?: string
}

const isRepeat = (state: State, { requestId }: By): boolean =>
  requestId !== undefined && state?.requests.includes(requestId) === true

/** Opens an account for a wallet. */
export const open =
  (asked: By & Pick<Account, "id" | "owner" | "limits">): Decision<typeof AccountOpened.Type, AccountExists> =>
  (state, occurredAt) => {
    const { id: accountId, ...opened } = asked
    if (isRepeat(state, asked)) return Result.succeed([])
    return state === undefined
      ? Result.succeed([AccountOpened.make({ accountId, ...opened, occurredAt })])
      : Result.fail(new AccountExists({ accountId }))
  }

const opened = (state: State): Result.Result<Account, AccountMissing> =>
  state === undefined ? Result.fail(new AccountMissing()) : Result.succeed(state)

const keyOf = (state: State, keyId: KeyId): Result.Result<readonly [Account, Key], AccountMissing | KeyMissing> =>
  Result.flatMap(opened(state), (account): Result.Result<readonly [Account, Key], KeyMissing> => {
    const key = account.keys.find(({ id }) => id === keyId)
    return key === undefined ? Result.fail(new KeyMissing({ keyId })) : Result.succeed([account, key])
  })

export const changeLimits =
  (asked: By & { readonly limits: Limits }): Decision<typeof AccountLimitsChanged.Type, AccountMissing> =>
  (state, occurredAt) =>
    Result.map(
      opened(state),
      ({ id: accountId }) =>
        isRepeat(state, asked) ? [] : [AccountLimitsChanged.make({ accountId, ...asked, occurredAt })]
    )

/** Issues a key; the id is drawn by the caller, so that a repetition finds the key of the first time. */
export const issueKey = (
  asked: By & Pick<typeof KeyIssued.Type, "keyId" | "label" | "scopes" | "expiresAt">
): Decision<typeof KeyIssued.Type, AccountMissing> =>
(state, occurredAt) =>
  Result.map(
    opened(state),
    ({ id: accountId, keys }) =>
      keys.some(({ id }) => id === asked.keyId) ? [] : [KeyIssued.make({ accountId, ...asked, occurredAt })]
  )

/** Gives a key its next secret; the one before is taken for the grace time too. */
export const rotateKey = (
  { grace, ...asked }: By & { readonly keyId: KeyId; readonly grace: Duration.Duration }
): Decision<typeof KeyRotated.Type, AccountMissing | KeyMissing | KeyRevokedAlready> =>
(state, occurredAt) =>
  Result.flatMap(keyOf(state, asked.keyId), ([{ id: accountId }, { revokedAt, version }]) => {
    if (isRepeat(state, asked)) return Result.succeed([])
    if (revokedAt !== undefined) return Result.fail(new KeyRevokedAlready(asked))
    const graceUntil = DateTime.addDuration(occurredAt, grace)
    return Result.succeed([KeyRotated.make({ accountId, ...asked, version: version + 1, graceUntil, occurredAt })])
  })

/** Ends a key for good, with all its secrets; one that was revoked stays so. */
export const revokeKey =
  (asked: By & { readonly keyId: KeyId }): Decision<typeof KeyRevoked.Type, AccountMissing | KeyMissing> =>
  (state, occurredAt) =>
    Result.map(
      keyOf(state, asked.keyId),
      ([{ id: accountId }, { revokedAt }]) =>
        revokedAt === undefined ? [KeyRevoked.make({ accountId, ...asked, occurredAt })] : []
    )
