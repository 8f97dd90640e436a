import * as Account from "@akave-async/domain/Account"
import { Address } from "@akave-async/domain/Ethereum"
import * as Job from "@akave-async/domain/Job"
import { assert, describe, it } from "@effect/vitest"
import { DateTime, Duration, Redacted, Result, Schema } from "effect"
import * as KeySecrets from "../src/KeySecrets.ts"
import * as Signature from "../src/Signature.ts"
import { bearerOf, type Presented, signIn } from "../src/SignIn.ts"

const now = DateTime.makeUnsafe("2026-01-01T00:00:00.000Z")
const master = Redacted.make("a master secret of enough length")
const earlier = Redacted.make("the master secret of last year")
const keyId = Account.KeyId.make("00112233445566aa")
const id = Account.Id.make("acme")
const owner = Address.make("0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266")

type Decide = (state: Account.State, at: DateTime.Utc) => Result.Result<ReadonlyArray<Account.Event>, unknown>
const after = (...commands: ReadonlyArray<Decide>) => {
  const account = [
    Account.open({ id, owner, limits: { requestsPerSecond: 1, jobsInFlight: 1 }, by: "me" }),
    Account.issueKey({ keyId, label: "", scopes: ["read"], by: "me" }),
    ...commands
  ].reduce<Account.State>(
    (state, decide) => Result.getOrThrow((decide as Decide)(state, now)).reduce(Account.evolve, state),
    Account.initial
  )
  return {
    holderOf: (wanted: Account.KeyId) => {
      const key = account?.keys.find((key) => key.id === wanted)
      return account === undefined || key === undefined ? undefined : { account, key }
    }
  }
}
const rotate = Account.rotateKey({ keyId, grace: Duration.minutes(10), by: "me" })
const revoke = Account.revokeKey({ keyId, by: "me" })
const secret = (version = 1, of = master) => Redacted.value(KeySecrets.secretOf(of, keyId, version))

const request = { method: "POST", path: "/buckets?a=%20b", body: Buffer.from("{\"name\":\"abc\"}") }
const none: Presented = { token: "", signed: undefined }
const withKey = (token: string): Presented => ({ ...none, token })
const signed = (version = 1, at = now, changed: Partial<Presented["signed"]> = {}): Presented => {
  const timestamp = `${Math.floor(DateTime.toEpochMillis(at) / 1000)}`
  const signature = Signature.sign(secret(version), { timestamp, ...request })
  return { token: KeySecrets.publicKeyOf(keyId), signed: { timestamp, signature, ...request, ...changed } }
}

type Case = readonly [what: string, ReturnType<typeof after>, Presented, at: DateTime.Utc, outcome: string]
const at = (minutes: number) => DateTime.add(now, { minutes })

describe("a request", () => {
  it.each<Case>([
    ["with a key", after(), withKey(secret()), now, "acme"],
    ["with a key of the master secret before", after(), withKey(secret(1, earlier)), now, "acme"],
    ["with a key that was rotated", after(rotate), withKey(secret(2)), now, "acme"],
    ["with the secret before, in its grace time", after(rotate), withKey(secret(1)), at(9), "acme"],
    ["with the secret before, after it", after(rotate), withKey(secret(1)), at(11), "Unauthorized"],
    ["with a version to come", after(), withKey(secret(2)), now, "Unauthorized"],
    ["with a key that was revoked", after(revoke), withKey(secret()), now, "Unauthorized"],
    ["with a key of no account", { holderOf: () => undefined }, withKey(secret()), now, "Unauthorized"],
    ["with a changed key", after(), withKey(`${secret().slice(0, -1)}A`), now, "Unauthorized"],
    ["with more after the key", after(), withKey(`${secret()} x`), now, "Unauthorized"],
    ["with a public key alone", after(), withKey(KeySecrets.publicKeyOf(keyId)), now, "Unauthorized"],
    ["with nothing", after(), none, now, "Unauthorized"],
    ["that is signed", after(), signed(), now, "acme"],
    ["that was signed 299 s ago", after(), signed(1, DateTime.add(now, { seconds: -299 })), now, "acme"],
    ["that was signed 301 s ago", after(), signed(1, DateTime.add(now, { seconds: -301 })), now, "ClockSkew"],
    ["that is signed 301 s ahead", after(), signed(1, DateTime.add(now, { seconds: 301 })), now, "ClockSkew"],
    ["that is signed by the secret before", after(rotate), signed(1), now, "acme"],
    ["that is signed by a key that was revoked", after(revoke), signed(), now, "Unauthorized"],
    ["whose path was changed", after(), signed(1, now, { path: "/buckets?a= b" }), now, "Unauthorized"],
    ["whose body was changed", after(), signed(1, now, { body: Buffer.from("{}") }), now, "Unauthorized"],
    ["whose method was changed", after(), signed(1, now, { method: "DELETE" }), now, "Unauthorized"],
    ["whose time was changed", after(), signed(1, now, { timestamp: "1" }), now, "Unauthorized"],
    ["whose path has a colon", after(), signed(1, now, { path: "/buckets:1" }), now, "Unauthorized"],
    ["without its time", after(), signed(1, now, { timestamp: "" }), now, "Unauthorized"]
  ])("%s is of whom it should be", (_, accounts, presented, at, outcome) => {
    const result = signIn(accounts, [master, earlier], at, presented)
    const found = Result.match(result, { onFailure: ({ _tag }) => _tag, onSuccess: ({ account }) => account.id })
    assert.strictEqual<string>(found, outcome)
  })
})

describe("an Authorization header", () => {
  it.each<readonly [ReadonlyArray<string>, string | undefined]>([
    [["Bearer abc"], "abc"],
    [["bearer  abc "], "abc"],
    [["BEARER abc"], "abc"],
    [["Basic abc"], undefined],
    [["Bearer"], undefined],
    [["Bearer a b"], undefined],
    [["Bearer a\u00e9"], undefined],
    [["abc"], undefined],
    [[""], undefined],
    [[], undefined],
    [["Bearer abc", "Bearer abc"], undefined],
    [["Bearer abc", ""], undefined]
  ])("%j presents %j", (headers, token) => {
    assert.strictEqual(Result.getOrUndefined(bearerOf(headers)), token)
  })
})

it("an exact repeat of a signed request is known by one id, and no other request is", () => {
  const idOf = (presented: Presented) =>
    Result.getOrThrow(signIn(after(), [master], now, presented)).requestId ?? assert.fail("it has no id")
  assert.strictEqual(idOf(signed()), idOf(signed()))
  assert.notStrictEqual(idOf(signed()), idOf(signed(1, DateTime.add(now, { seconds: 1 }))))
  assert.isTrue(Schema.is(Job.Id)(idOf(signed())))
  assert.isUndefined(Result.getOrThrow(signIn(after(), [master], now, withKey(secret()))).requestId)
})
