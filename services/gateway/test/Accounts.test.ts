import * as Account from "@akave-async/domain/Account"
import { Address } from "@akave-async/domain/Ethereum"
import * as AccountEvents from "@akave-async/eventing/AccountEvents"
import { EventLog, type EventLogShape } from "@akave-async/eventing/EventLog"
import * as EventLogMemory from "@akave-async/eventing/EventLogMemory"
import { Tail } from "@akave-async/eventing/Tail"
import { assert, it } from "@effect/vitest"
import { Effect, Layer, Schedule } from "effect"
import { Accounts } from "../src/Accounts.ts"

const owner = Address.make("0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266")
const limits = { requestsPerSecond: 100, jobsInFlight: 1_000 }
const by = "an operator"
const keyId = Account.KeyId.make("00112233445566aa")

const change = Effect.fnUntraced(function*<Rejection>(
  log: EventLogShape,
  id: string,
  decide: Parameters<typeof AccountEvents.execute<Rejection>>[3]
) {
  const subject = Account.subject(Account.Id.make(id))
  return yield* AccountEvents.execute(log, subject, yield* AccountEvents.load(log, subject), decide, {
    source: "/test"
  })
})

it.live("accounts and keys are known from the log, those to come within a moment", () =>
  Effect.gen(function*() {
    const log = yield* EventLogMemory.open
    yield* change(log, "acme", Account.open({ id: Account.Id.make("acme"), owner, limits, by }))
    yield* change(log, "acme", Account.issueKey({ keyId, label: "ci", scopes: ["read"], by }))
    yield* Effect.gen(function*() {
      const accounts = yield* Accounts
      yield* accounts.ready
      assert.deepStrictEqual(accounts.all().map(({ id }) => id), ["acme"])
      assert.deepInclude(accounts.holderOf(keyId)?.key, { label: "ci", version: 1 })
      assert.isUndefined(accounts.holderOf(Account.KeyId.make("00112233445566ab")))

      yield* change(log, "acme", Account.revokeKey({ keyId, by }))
      yield* change(log, "other", Account.open({ id: Account.Id.make("other"), owner, limits, by }))
      yield* Effect.repeat(Effect.sync(() => accounts.all().length), {
        until: (count) => count === 2,
        schedule: Schedule.spaced("5 millis")
      })
      assert.isDefined(accounts.holderOf(keyId)?.key.revokedAt)
    }).pipe(Effect.provide(Accounts.layer.pipe(Layer.provide(Tail.layer), Layer.provide(Layer.succeed(EventLog, log)))))
  }))

it.live("accounts are known before anybody is let in, however far back in the log they are", () =>
  Effect.gen(function*() {
    const log = yield* EventLogMemory.open
    yield* change(log, "acme", Account.open({ id: Account.Id.make("acme"), owner, limits, by }))
    const other = { id: "", headers: { "ce-type": "akave.Said.v1" }, data: new Uint8Array() }
    for (let n = 0; n < 6_000; n++) {
      yield* log.append(`bucket.0xa.${n}`, { revision: 0 }, { ...other, id: `other-${n}` })
    }
    yield* change(log, "acme", Account.issueKey({ keyId, label: "ci", scopes: ["read"], by }))
    for (let n = 0; n < 5; n++) {
      yield* Effect.gen(function*() {
        const accounts = yield* Accounts
        yield* accounts.ready
        assert.isDefined(accounts.holderOf(keyId))
      }).pipe(
        Effect.provide(
          Layer.fresh(Accounts.layer.pipe(Layer.provide(Tail.layer), Layer.provide(Layer.succeed(EventLog, log))))
        )
      )
    }
  }))

it.live("a log without accounts has none", () =>
  Effect.gen(function*() {
    const accounts = yield* Accounts
    yield* accounts.ready
    assert.isTrue(accounts.isEmpty())
    assert.deepStrictEqual(accounts.all(), [])
  }).pipe(
    Effect.provide(
      Accounts.layer.pipe(Layer.provide(Tail.layer), Layer.provide(Layer.effect(EventLog, EventLogMemory.open)))
    )
  ))
