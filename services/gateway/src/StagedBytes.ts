/** How many bytes of files an account has waiting for their upload, and how many it may have. */
import type { Caller } from "@akave-async/api/Caller"
import type { Sequence } from "@akave-async/eventing/EventLog"
import type { Current } from "@akave-async/eventing/JobEvents"
import { Clock, Config, Context, Effect, Layer, Option, Schema } from "effect"
import { FilesModel, type Waiting } from "./FilesModel.ts"

type By = Caller["Service"]

/** How old what the read model has counted may be, in milliseconds, before it is asked again. */
const maxAge = 1_000
/** A read model that does not answer within this is not waited for: the files of this gateway count alone. */
const patience = "1 second"

/** The account has as many bytes waiting for their upload as it may. */
export class TooManyStagedBytes extends Schema.TaggedError<TooManyStagedBytes>()("TooManyStagedBytes", {
  waiting: Schema.Natural,
  limit: Schema.Natural
}) {
  override readonly message =
    `Files of the account with ${this.waiting} bytes wait for their upload or are being sent, and ${this.limit} bytes may`
}

/** One file that is being taken in. */
export interface Counted {
  /** Counts further bytes of a file whose length was not known before; fails where they are too many. */
  add(bytes: number): Effect.Effect<void, TooManyStagedBytes>
  /** Says what has become of it: the upload that was asked for, or none, and then it is not counted any more. The first word counts. */
  settle(upload: Current | undefined): void
}

interface Taken {
  bytes: number
  /** Where its upload was asked for in the log; undefined while it is being taken in. */
  storedAt: Sequence | undefined
}

/** The files of an account that the read model has not counted are those that this gateway has taken in since. */
class Account {
  askedAt = -Infinity
  readonly #taken = new Set<Taken>()
  #counted: Waiting = { bytes: 0, applied: 0 }

  get bytes(): number {
    let bytes = this.#counted.bytes
    for (const taken of this.#taken) bytes += taken.bytes
    return bytes
  }
  count(counted: Waiting): void {
    this.#counted = counted
    for (const taken of this.#taken) {
      if ((taken.storedAt ?? Infinity) <= counted.applied) this.#taken.delete(taken)
    }
  }
  take(bytes: number): Taken {
    const taken: Taken = { bytes, storedAt: undefined }
    this.#taken.add(taken)
    return taken
  }
  settle(taken: Taken, storedAt: Sequence | undefined): void {
    if (taken.storedAt !== undefined) return
    if (storedAt === undefined || storedAt <= this.#counted.applied) this.#taken.delete(taken)
    else taken.storedAt = storedAt
  }
}

export class StagedBytes extends Context.Service<StagedBytes, {
  /** Counts a file of the caller that is about to come, of which so many bytes are known. */
  begin(caller: By, bytes: number): Effect.Effect<Counted, TooManyStagedBytes>
}>()("@akave-async/gateway/StagedBytes") {
  /** With the limit of `STAGED_BYTES_PER_ACCOUNT`. */
  static readonly layerConfig = Layer.effect(
    StagedBytes,
    Effect.gen(function*() {
      const model = yield* FilesModel
      const limit = yield* Config.schema(Schema.Int.check(Schema.isGreaterThan(0)), "STAGED_BYTES_PER_ACCOUNT").pipe(
        Config.withDefault(107_374_182_400)
      )
      const accounts = new Map<string, Account>()

      const look = Effect.fnUntraced(function*(caller: By) {
        const account = accounts.get(caller.account) ?? new Account()
        accounts.set(caller.account, account)
        const now = yield* Clock.currentTimeMillis
        if (now - account.askedAt < maxAge) return account
        // Those who come meanwhile go by what was known.
        account.askedAt = now
        const counted = yield* Effect.option(Effect.timeout(model.waiting(caller), patience))
        if (Option.isSome(counted)) account.count(counted.value)
        return account
      })

      const check = (account: Account, bytes: number) =>
        Effect.suspend(() =>
          account.bytes + bytes > limit
            ? Effect.fail(new TooManyStagedBytes({ waiting: account.bytes, limit }))
            : Effect.void
        )

      const begin = Effect.fnUntraced(function*(caller: By, bytes: number) {
        const account = yield* look(caller)
        yield* check(account, bytes)
        const taken = account.take(bytes)
        return {
          add: (more: number) =>
            Effect.andThen(
              check(account, more),
              Effect.sync(() => {
                taken.bytes += more
              })
            ),
          settle: (upload: Current | undefined) => {
            account.settle(taken, upload?.revision)
          }
        }
      })
      return StagedBytes.of({ begin })
    })
  )
}
