/** How the JetStream stream of a wallet's nonce ledger is named. */
import { Config, Effect } from "effect"
import * as EventLogJetStream from "./EventLogJetStream.ts"

/** What the names of all ledgers begin with, of their subjects and of their streams; the address follows. */
export const names = Config.all({
  prefix: Config.NonEmptyString("WALLET_PREFIX").pipe(Config.withDefault("akave.wallet")),
  stream: Config.NonEmptyString("WALLET_STREAM").pipe(Config.withDefault("AKAVE_WALLET"))
})

/** What the names of all ledgers' streams begin with; the address follows. */
export const allBeginWith = Effect.map(names, ({ stream }) => `${stream}_`)

/** The JetStream stream of this wallet's ledger: `WALLET_STREAM` and `WALLET_PREFIX` with its address. */
export const of = Effect.fnUntraced(function*(address: string) {
  const { prefix, stream } = yield* names
  return {
    ...yield* EventLogJetStream.configured,
    stream: `${stream}_${address.toLowerCase()}`,
    prefix: `${prefix}.${address.toLowerCase()}`
  }
})
