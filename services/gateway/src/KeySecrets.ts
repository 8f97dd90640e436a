/** The secrets of keys: derived from a master secret, so that nothing in log or database can be used to sign in. */
import type { KeyId } from "@akave-async/domain/Account"
import { derive } from "@akave-async/platform/MasterSecret"
import { Redacted } from "effect"

/** What secret scanners find our keys by. */
const secretPrefix = "aag_sk_"
const publicPrefix = "aag_pk_"

/** The public name of a key, by which a signed request says whose it is. */
export const publicKeyOf = (keyId: KeyId): string => `${publicPrefix}${keyId}`

/** Secrets that were derived already, by their master secret: a request needs one each time. */
const derived = new WeakMap<Redacted.Redacted, Map<string, Redacted.Redacted>>()
/** More of them are derived anew. */
const maxDerived = 10_000

/** The secret of a version of a key: 32 bytes, derived from the master secret over both, as base64url. */
export const secretOf = (master: Redacted.Redacted, keyId: KeyId, version: number): Redacted.Redacted => {
  const ofMaster = derived.get(master) ?? new Map<string, Redacted.Redacted>()
  derived.set(master, ofMaster)
  const info = `key ${keyId} version ${version}`
  const known = ofMaster.get(info)
  if (known !== undefined) return known
  const secret = Redacted.make(`${secretPrefix}${keyId}_${version}_${derive(master, info, 32).toString("base64url")}`)
  if (ofMaster.size >= maxDerived) ofMaster.clear()
  ofMaster.set(info, secret)
  return secret
}

/** Which version of which key a text claims to be the secret of; undefined where it is none. */
export const claimOf = (text: string): { readonly keyId: KeyId; readonly version: number } | undefined => {
  const [, keyId, version] = /^aag_sk_([0-9a-f]{16})_([1-9]\d{0,8})_[A-Za-z0-9_-]{43}$/.exec(text) ?? []
  return keyId === undefined || version === undefined ? undefined : { keyId: keyId as KeyId, version: Number(version) }
}

/** The key that a public name is of; undefined where it is none. */
export const keyIdOf = (publicKey: string): KeyId | undefined => {
  const [, keyId] = /^aag_pk_([0-9a-f]{16})$/.exec(publicKey) ?? []
  return keyId as KeyId | undefined
}
