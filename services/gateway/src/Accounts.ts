/** The accounts and their keys, held in memory from the log: to check a key asks nobody. */
import * as Account from "@akave-async/domain/Account"
import { codec } from "@akave-async/eventing/AccountEvents"
import type { LogUnavailable } from "@akave-async/eventing/EventLog"
import * as Held from "@akave-async/eventing/Held"
import { Context, Effect, Layer, Result } from "effect"

export interface Holder {
  readonly account: Account.Account
  readonly key: Account.Key
}

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
      const accounts = new Map<string, Account.Account>()
      const ofKeys = new Map<Account.KeyId, Account.Id>()

      const ready = yield* Held.follow(Account.kind, (stored) => {
        const decoded = codec.decode(stored)
        if (Result.isFailure(decoded)) return
        const event = decoded.success
        const account = Account.evolve(accounts.get(event.accountId), event)
        if (account === undefined) return
        accounts.set(account.id, account)
        for (const { id } of account.keys) ofKeys.set(id, account.id)
      })

      return Accounts.of({
        ready,
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
