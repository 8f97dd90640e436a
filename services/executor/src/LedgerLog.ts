/** The log that holds the wallet's nonce ledger and nothing else. */
import { Address } from "@akave-async/domain/Ethereum"
import * as Log from "@akave-async/domain/Log"
import { EventLog, type EventLogShape, lost } from "@akave-async/eventing/EventLog"
import * as EventLogJetStream from "@akave-async/eventing/EventLogJetStream"
import { Registry } from "@akave-async/eventing/Registry"
import * as WalletStream from "@akave-async/eventing/WalletStream"
import { Nats } from "@akave-async/platform/Nats"
import { Wallet } from "@akave-async/sdk/Wallet"
import { Context, Effect, Layer, Option } from "effect"

export class LedgerLog extends Context.Service<LedgerLog, EventLogShape>()("@akave-async/executor/LedgerLog") {
  /**
   * The log of `WALLET_STREAM` for this wallet. Where it is missing it is created, unless the wallet has sent transactions, or may
   * have: a new ledger would not know which nonce belongs to which job, and jobs under way would send theirs a second time.
   */
  static readonly layerConfig = Layer.effect(
    LedgerLog,
    Effect.gen(function*() {
      const connection = yield* Nats
      const events = yield* EventLog
      const { address } = yield* Wallet
      const options = yield* WalletStream.of(address)

      const createFirst = Effect.gen(function*() {
        const missing = `The wallet's ledger ${options.stream} is missing`
        const remedy = `restore it, or run akave-async ledger renew ${address}`
        if (yield* hasSubmitted(events, Address.make(address))) {
          return yield* lost("create", `${missing}, and the event log has transactions of this wallet: ${remedy}`)
        }
        if (yield* mayHaveLost(events, Address.make(address))) {
          return yield* lost("create", `${missing}, and the event log was restored: ${remedy}`)
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

/**
 * Whether the log has any transaction that this wallet signed. What this release can't read on the owner's subjects may report
 * one, and counts as one, unless its type is known to be of events that report none.
 */
export const hasSubmitted = Effect.fnUntraced(function*(log: EventLogShape, signer: Address) {
  const { read } = yield* Registry
  let from = 1
  while (true) {
    const next = yield* log.nextUnder(subjectsOf(signer), from)
    if (Option.isNone(next)) return false
    const found = read(next.value)
    if (found._tag === "Foreign" || found._tag === "Newer") return true
    if (found._tag === "Unreadable") {
      const { error: { type }, kind } = found
      if (!kind.types.includes(type) || kind.steps.get(type) === "submitted") return true
    } else if (found.step?.step === "submitted" && found.step.signer === signer) return true
    from = next.value.sequence + 1
  }
})

/** Whether the log was restored with events of this wallet, which may have sent transactions that are lost to it. */
const mayHaveLost = Effect.fnUntraced(function*(log: EventLogShape, signer: Address) {
  const restored = yield* log.last(Log.subject("LogRestored"))
  if (Option.isNone(restored)) return false
  const first = yield* log.nextUnder(subjectsOf(signer), 1)
  return Option.exists(first, ({ sequence }) => sequence < restored.value.sequence)
})

/** What the subjects of everything that belongs to an owner begin with, of whichever kind it is. */
const subjectsOf = (owner: Address): string => `*.${owner.toLowerCase()}`
