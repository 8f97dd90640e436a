/** Who asks, by the key that a request presents, or is signed with. */
import * as Account from "@akave-async/domain/Account"
import type * as Job from "@akave-async/domain/Job"
import { DateTime, Redacted, Result, Schema } from "effect"
import type { Accounts, Holder } from "./Accounts.ts"
import { derivedId } from "./IdempotencyKeys.ts"
import * as KeySecrets from "./KeySecrets.ts"
import * as Signature from "./Signature.ts"

export interface Presented {
  /** What follows `Bearer` in `Authorization`. */
  readonly token: string
  /** The request as it was sent, where the token says whose key it is signed with; empty texts for what it lacks. */
  readonly signed: (Signature.Signed & { readonly signature: string }) | undefined
}

/** Nobody is known by what was presented. What is wrong with a key is not said: that would help who guesses. */
export class Unauthorized extends Schema.TaggedError<Unauthorized>()("Unauthorized", { reason: Schema.String }) {
  override readonly message = this.reason
}
/** The request was signed at a time too far from the gateway's. */
export class ClockSkew extends Schema.TaggedError<ClockSkew>()("ClockSkew", { serverTime: Schema.Natural }) {
  override readonly message =
    `X-Timestamp is more than ${Signature.maxSkew} s from the gateway's time, which is ${this.serverTime}: set the clock`
}

/** Who presents a key, and the version of its secret that was used. */
export interface SignedIn extends Holder {
  readonly version: number
  /** The same for exact repeats of a signed request. */
  readonly requestId?: Job.Id
}

type Known = Pick<Accounts["Service"], "holderOf">
type Masters = ReadonlyArray<Redacted.Redacted>

const unknown = () => Result.fail(new Unauthorized({ reason: "The key is unknown, has expired or was revoked" }))

/** What follows `Bearer` in the one `Authorization` header. Of several, who passes the request on may take another one. */
export const bearerOf = ([header = "", ...others]: ReadonlyArray<string>): Result.Result<string, Unauthorized> => {
  const [, token] = /^Bearer +([\x21-\x7e]+) *$/i.exec(others.length === 0 ? header : "") ?? []
  return token === undefined
    ? Result.fail(new Unauthorized({ reason: "Send Authorization: Bearer with an API key, or sign the request" }))
    : Result.succeed(token)
}

/**
 * Who presents this, by the accounts as they are.
 * @param masters The master secrets whose keys are taken.
 */
export const signIn = (
  accounts: Known,
  masters: Masters,
  now: DateTime.Utc,
  { signed, token }: Presented
): Result.Result<SignedIn, Unauthorized | ClockSkew> => {
  const signer = KeySecrets.keyIdOf(token)
  return signer === undefined
    ? byKey(accounts, masters, now, token)
    : bySignature(accounts, masters, now, signer, signed)
}

const byKey = (
  accounts: Known,
  masters: Masters,
  now: DateTime.Utc,
  token: string
): Result.Result<SignedIn, Unauthorized> => {
  const claim = KeySecrets.claimOf(token)
  if (claim === undefined) return unknown()
  const { keyId, version } = claim
  const isSecret = masters.some((master) =>
    Signature.isEqual(Redacted.value(KeySecrets.secretOf(master, keyId, version)), token)
  )
  const holder = accounts.holderOf(keyId)
  return isSecret && holder !== undefined && Account.isValid(holder.key, version, now)
    ? Result.succeed({ ...holder, version })
    : unknown()
}

const bySignature = (
  accounts: Known,
  masters: Masters,
  now: DateTime.Utc,
  keyId: Account.KeyId,
  signed: Presented["signed"]
): Result.Result<SignedIn, Unauthorized | ClockSkew> => {
  if (signed === undefined) return unknown()
  const { path, signature, timestamp } = signed
  // What is signed could be divided in another way.
  if (path.includes(":")) return Result.fail(new Unauthorized({ reason: "Encode : in a path that is signed as %3A" }))
  const holder = accounts.holderOf(keyId)
  if (holder === undefined) return unknown()
  const isSignedBy = (version: number) =>
    masters.some((master) => {
      const secret = Redacted.value(KeySecrets.secretOf(master, keyId, version))
      return Signature.verify(secret, signed, signature)
    })
  const version = [holder.key.version, holder.key.version - 1]
    .filter((version) => Account.isValid(holder.key, version, now)).find(isSignedBy)
  if (version === undefined) return unknown()
  const nowMillis = DateTime.toEpochMillis(now)
  return Signature.isInTime(timestamp, nowMillis)
    ? Result.succeed({ ...holder, version, requestId: derivedId(Number(timestamp) * 1_000, `${keyId}.${signature}`) })
    : Result.fail(new ClockSkew({ serverTime: Math.floor(nowMillis / 1000) }))
}
