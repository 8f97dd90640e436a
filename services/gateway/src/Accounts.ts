/** The accounts and their keys, held in memory from the log: to check a key asks nobody. */
import * as Account from "@akave-async/domain/Account"
import { codec } from "@akave-async/eventing/AccountEvents"
import { LogUnavailable } from "@akave-async/eventing/EventLog"
import * as Retry from "@akave-async/platform/Retry"
import { Context, Effect, Latch, Layer, Result } from "effect"
import { ofKind } from "./Recent.ts"
import { Tail } from "./Tail.ts"

export interface Holder {
  readonly account: Account.Account
  readonly key: Account.Key
}

/** What the log held of accounts when a gateway began must have come within this. */
const patience = "2 seconds"

export class Accounts extends Context.Service<Accounts, {
  /** Waits until all accounts are known that the log held when this gateway began; nobody may be let in before. */
  readonly ready: Effect.Effect<void, LogUnavailable>
  /** The key of this id and its account, as the log had them a moment ago; undefined where there is none. */
  holderOf(id: Account.KeyId): Holder | undefined
  get(id: string): Account.Account | undefined
  readonly all: () => ReadonlyArray<Account.Account>
  readonly isEmpty: () => boolean
}>()("@akave-async/gateway/Accounts") {
  static readonly layer = Layer.effect(
    Accounts,
    Effect.gen(function*() {
      const tail = yield* Tail
      const accounts = new Map<string, Account.Account>()
      const ofKeys = new Map<Account.KeyId, Account.Id>()
      const known = yield* Latch.make()
      let next = 1

      const follow = Effect.gen(function*() {
        yield* tail.caughtUp
        const { take } = yield* tail.follow(ofKind(Account.kind), next)
        while (true) {
          // What the log held by now comes at once: after a moment without an event, all of it has come.
          const events = yield* take(known.isOpen() ? "1 minute" : "20 millis")
          for (const stored of events) {
            next = stored.sequence + 1
            const decoded = codec.decode(stored)
            if (Result.isFailure(decoded)) continue
            const event = decoded.success
            const account = Account.evolve(accounts.get(event.accountId), event)
            if (account === undefined) continue
            accounts.set(account.id, account)
            for (const { id } of account.keys) ofKeys.set(id, account.id)
          }
          if (events.length === 0) yield* known.open
        }
      }).pipe(Effect.scoped)
      yield* Effect.forkScoped(Effect.retry(follow, Retry.endless("500 millis")))
      const waiting = known.await.pipe(
        Effect.timeoutOrElse({
          duration: patience,
          orElse: () => Effect.fail(new LogUnavailable({ operation: "read accounts", cause: "they have not come" }))
        })
      )

      return Accounts.of({
        ready: Effect.suspend(() => known.isOpen() ? Effect.void : waiting),
        get: (id) => accounts.get(id),
        all: () => [...accounts.values()],
        isEmpty: () => accounts.size === 0,
        holderOf: (id) => {
          const account = accounts.get(ofKeys.get(id) ?? "")
          const key = account?.keys.find((key) => key.id === id)
          return account === undefined || key === undefined ? undefined : { account, key }
        }
      })
    })
  )
}
