/** The log that holds the wallet's nonce ledger and nothing else. */
import * as Bucket from "@akave-async/domain/Bucket"
import { Address } from "@akave-async/domain/Chain"
import { codec } from "@akave-async/eventing/BucketEvents"
import { EventLog, type EventLogShape, lost } from "@akave-async/eventing/EventLog"
import * as EventLogJetStream from "@akave-async/eventing/EventLogJetStream"
import { Nats } from "@akave-async/platform/Nats"
import { Wallet } from "@akave-async/sdk/Wallet"
import { Config, Context, Effect, Layer, Option, Result } from "effect"

export class LedgerLog extends Context.Service<LedgerLog, EventLogShape>()("@akave-async/executor/LedgerLog") {
  /**
   * The log of `WALLET_STREAM` for this wallet. Where it is missing it is created, unless the wallet has sent transactions:
   * a new ledger would not know which nonce belongs to which job, and jobs under way would send theirs a second time.
   */
  static readonly layerConfig = Layer.effect(
    LedgerLog,
    Effect.gen(function*() {
      const connection = yield* Nats
      const events = yield* EventLog
      const { address } = yield* Wallet
      const prefix = yield* Config.NonEmptyString("WALLET_PREFIX").pipe(Config.withDefault("akave.wallet"))
      const stream = yield* Config.NonEmptyString("WALLET_STREAM").pipe(Config.withDefault("AKAVE_WALLET"))
      const options = {
        ...yield* EventLogJetStream.configured,
        stream: `${stream}_${address.toLowerCase()}`,
        prefix: `${prefix}.${address.toLowerCase()}`
      }

      const createFirst = Effect.gen(function*() {
        if (yield* hasSubmitted(events, Address.make(address))) {
          return yield* lost(
            "create",
            `The wallet's ledger ${options.stream} is missing, and the event log has transactions of this wallet: restore it`
          )
        }
        yield* EventLogJetStream.create(connection, options)
        yield* Effect.logInfo(`created the wallet's ledger ${options.stream}`)
      })
      const log = yield* EventLogJetStream.attach(connection, options, createFirst)
      yield* EventLogJetStream.watch(log, "wallet's ledger")
      return log
    })
  )
}

/** Whether the log has any transaction that this wallet signed. */
export const hasSubmitted = Effect.fnUntraced(function*(log: EventLogShape, signer: Address) {
  let from = 1
  while (true) {
    const next = yield* log.nextUnder(Bucket.ownerTokens(signer), from)
    if (Option.isNone(next)) return false
    const decoded = codec.decode(next.value)
    if (Result.isSuccess(decoded)) {
      const told = Bucket.stepOf(decoded.success)
      if (told.step === "submitted" && told.event.signer === signer) return true
    }
    from = next.value.sequence + 1
  }
})
