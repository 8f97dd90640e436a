/** The log that holds the wallet's nonce ledger and nothing else. */
import { Address } from "@akave-async/domain/Ethereum"
import * as Job from "@akave-async/domain/Job"
import { EventLog, type EventLogShape, lost } from "@akave-async/eventing/EventLog"
import * as EventLogJetStream from "@akave-async/eventing/EventLogJetStream"
import { Registry } from "@akave-async/eventing/Registry"
import { Nats } from "@akave-async/platform/Nats"
import { Chain } from "@akave-async/sdk/Chain"
import { Wallet } from "@akave-async/sdk/Wallet"
import { Config, Context, Effect, Layer, Option, Schema } from "effect"

/** The JetStream stream of this wallet's ledger: `WALLET_STREAM` and `WALLET_PREFIX` with its address. */
const configured = Effect.gen(function*() {
  const { address } = yield* Wallet
  const prefix = yield* Config.NonEmptyString("WALLET_PREFIX").pipe(Config.withDefault("akave.wallet"))
  const stream = yield* Config.NonEmptyString("WALLET_STREAM").pipe(Config.withDefault("AKAVE_WALLET"))
  return {
    ...yield* EventLogJetStream.configured,
    stream: `${stream}_${address.toLowerCase()}`,
    prefix: `${prefix}.${address.toLowerCase()}`
  }
})

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
      const options = yield* configured

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

/** What the subjects of everything that belongs to an owner begin with, of whichever kind it is. */
const subjectsOf = (owner: Address): string => `*.${owner.toLowerCase()}`

/** Why a lost ledger is not made anew. */
export class NotRenewed extends Schema.TaggedError<NotRenewed>()("NotRenewed", { reason: Schema.String }) {
  override readonly message = this.reason
}

/** The most jobs that are named where some are under way. */
const namedJobs = 5

/**
 * Creates the ledger of a wallet that has lost it, and gives the name of its JetStream stream. The ledger begins with the
 * number of transactions that the wallet has sent, and knows of no job: so it is refused while a job of the wallet may still
 * send one, or a transaction of it waits to be mined. Executors that knew the lost ledger must be started anew.
 */
export const renew = Effect.gen(function*() {
  const connection = yield* Nats
  const events = yield* EventLog
  const chain = yield* Chain
  const { address } = yield* Wallet
  const options = yield* configured
  if (yield* EventLogJetStream.exists(connection, options.stream)) {
    return yield* new NotRenewed({ reason: `The ledger ${options.stream} is there, and stays as it is` })
  }
  const open = yield* unfinished(events, Address.make(address))
  if (open.length > 0) {
    const named = open.slice(0, namedJobs).join(", ")
    return yield* new NotRenewed({
      reason:
        `${open.length} jobs of the wallet have begun and have not ended (${named}): restore the ledger from a backup`
    })
  }
  const [mined, sent] = yield* Effect.all([
    chain.transactionCount(address, "latest"),
    chain.transactionCount(address, "pending")
  ])
  if (sent > mined) {
    return yield* new NotRenewed({
      reason: `${sent - mined} transactions of the wallet wait to be mined: run this again when they are`
    })
  }
  yield* EventLogJetStream.create(connection, options)
  return options.stream
})

/** The jobs of the wallet that an executor has begun and none has ended. */
const unfinished = Effect.fnUntraced(function*(log: EventLogShape, owner: Address) {
  const { read } = yield* Registry
  const jobs = new Map<Job.Id, Job.Job | undefined>()
  let from = 1
  while (true) {
    const next = yield* log.nextUnder(subjectsOf(owner), from)
    if (Option.isNone(next)) break
    const found = read(next.value)
    if (found._tag === "Foreign" || found._tag === "Newer") {
      return yield* new NotRenewed({
        reason: `The log has events of the wallet that only a newer release can read: use that one`
      })
    }
    if (found._tag === "Known" && found.step !== undefined) {
      const { jobId } = found.step
      jobs.set(jobId, Job.evolve(jobs.get(jobId), found.step))
    }
    from = next.value.sequence + 1
  }
  return Array.from(jobs).flatMap(([id, job]) => job?.status === "processing" ? [id] : [])
})
