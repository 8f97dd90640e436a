import { assert, describe, it } from "@effect/vitest"
import { DateTime, Duration, Effect, Result, Schema } from "effect"
import * as Account from "../src/Account.ts"
import { Address } from "../src/Ethereum.ts"

const id = Account.Id.make("acme")
const owner = Address.make("0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266")
const limits = { requestsPerSecond: 100, jobsInFlight: 1_000 }
const keyId = Account.KeyId.make("00112233445566aa")
const other = Account.KeyId.make("00112233445566bb")
const by = "an operator"
const now = DateTime.makeUnsafe("2026-01-01T00:00:00.000Z")
const later = (minutes: number) => DateTime.add(now, { minutes })

const open = Account.open({ id, owner, limits, by })
const issue = Account.issueKey({ keyId, label: "ci", scopes: ["read", "write"], by })
const rotate = Account.rotateKey({ keyId, grace: Duration.minutes(10), by })
const openBy = (requestId: string) => Account.open({ id, owner, limits, by, requestId })
const rotateBy = (requestId: string) => Account.rotateKey({ keyId, grace: Duration.minutes(10), by, requestId })
const changeBy = (requestId: string) => Account.changeLimits({ limits, by, requestId })
const revoke = Account.revokeKey({ keyId, by })
const changeLimits = Account.changeLimits({ limits: { ...limits, jobsInFlight: 5 }, by })

type Decide = (
  state: Account.State,
  at: DateTime.Utc
) => Result.Result<ReadonlyArray<Account.Event>, { readonly _tag: string }>

const after = (...commands: ReadonlyArray<Decide>): Account.State =>
  commands.reduce<Account.State>(
    (state, decide) => Result.getOrThrow(decide(state, now)).reduce(Account.evolve, state),
    Account.initial
  )

describe("a decision", () => {
  it.for<[string, ReadonlyArray<Decide>, Decide, string | ReadonlyArray<string>]>([
    ["opens an account", [], open, ["AccountOpened"]],
    ["opens it once", [open], open, "AccountExists"],
    ["issues a key", [open], issue, ["KeyIssued"]],
    ["issues it once", [open, issue], issue, []],
    ["issues none for an account that is not there", [], issue, "AccountMissing"],
    ["rotates a key", [open, issue], rotate, ["KeyRotated"]],
    ["rotates it again", [open, issue, rotate], rotate, ["KeyRotated"]],
    ["rotates none that is not there", [open], rotate, "KeyMissing"],
    ["rotates none that was revoked", [open, issue, revoke], rotate, "KeyRevokedAlready"],
    ["revokes a key", [open, issue], revoke, ["KeyRevoked"]],
    ["revokes it once", [open, issue, revoke], revoke, []],
    ["revokes none that is not there", [open], revoke, "KeyMissing"],
    ["opens it by the same request again", [openBy("a")], openBy("a"), []],
    ["opens it by no other request again", [openBy("a")], openBy("b"), "AccountExists"],
    ["changes them by the same request once", [open, changeBy("a"), changeLimits], changeBy("a"), []],
    ["rotates it by the same request once", [open, issue, rotateBy("a")], rotateBy("a"), []],
    [
      "rotates it by the same request once, though it was rotated since",
      [open, issue, rotateBy("a"), rotate],
      rotateBy("a"),
      []
    ],
    [
      "rotates it by another request again",
      [open, issue, rotateBy("a")],
      rotateBy("b"),
      ["KeyRotated"]
    ],
    ["changes limits", [open], changeLimits, ["AccountLimitsChanged"]],
    ["changes none of an account that is not there", [], changeLimits, "AccountMissing"]
  ])("%s", ([, before, decide, outcome]) => {
    const decision = decide(after(...before), now)
    assert.deepStrictEqual(
      Result.match(decision, { onFailure: ({ _tag }) => _tag, onSuccess: (events) => events.map(({ _tag }) => _tag) }),
      outcome
    )
  })
})

describe("a key", () => {
  const keyAfter = (...commands: ReadonlyArray<Decide>) =>
    after(open, issue, ...commands)?.keys.find(({ id }) => id === keyId) ?? assert.fail("there is no key")

  it("is valid by its version, and by the one before for the grace time", () => {
    assert.isTrue(Account.isValid(keyAfter(), 1, now))
    assert.isFalse(Account.isValid(keyAfter(), 2, now))
    const rotated = keyAfter(rotate)
    assert.isTrue(Account.isValid(rotated, 2, now))
    assert.isTrue(Account.isValid(rotated, 1, later(9)))
    assert.isFalse(Account.isValid(rotated, 1, later(10)))
    const twice = keyAfter(rotate, rotate)
    assert.deepStrictEqual([1, 2, 3].map((version) => Account.isValid(twice, version, now)), [false, true, true])
  })

  it("is not valid once it has expired, or was revoked", () => {
    const expiring = Account.issueKey({ keyId: other, label: "", scopes: ["read"], expiresAt: later(5), by })
    const key = after(open, expiring)?.keys[0] ?? assert.fail("there is no key")
    assert.isTrue(Account.isValid(key, 1, later(4)))
    assert.isFalse(Account.isValid(key, 1, later(5)))
    assert.isFalse(Account.isValid(keyAfter(revoke), 1, now))
    assert.deepStrictEqual([1, 2].map((version) => Account.isValid(keyAfter(rotate, revoke), version, now)), [
      false,
      false
    ])
  })
})

it.each(["", "-a", "a-", "A", "a.b", "a_b", "a".repeat(33), "a>"])("an account's id is not %j", (text) => {
  assert.isFalse(Schema.is(Account.Id)(text))
})

it.effect.prop("an event of any account can be stored and read", [Account.Event], ([event]) =>
  Effect.gen(function*() {
    const codec = Schema.fromJsonString(Schema.toCodecJson(Account.Event))
    assert.deepStrictEqual(yield* Schema.decodeEffect(codec)(yield* Schema.encodeEffect(codec)(event)), event)
  }))
