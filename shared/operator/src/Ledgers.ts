/**
 * The nonce ledgers of wallets, and how one is put in the place of a lost one.
 *
 * A lost ledger has given out nonces of which its successor knows nothing, and their transactions may be mined, wait, or turn up
 * again. So the new one begins behind all of them: executors use up those that the chain does not mine, and work on no job before the
 * chain has used them all. From then on it is the chain alone that says what has happened, and whatever a job does has a claim that is
 * known.
 */
import { type Address, Address as AddressSchema } from "@akave-async/domain/Ethereum"
import * as Job from "@akave-async/domain/Job"
import * as Wallet from "@akave-async/domain/Wallet"
import * as CloudEvent from "@akave-async/eventing/CloudEvent"
import { EventLog, type EventLogShape } from "@akave-async/eventing/EventLog"
import * as EventLogJetStream from "@akave-async/eventing/EventLogJetStream"
import { request } from "@akave-async/eventing/JetStreamRequest"
import { ofOwner } from "@akave-async/eventing/Recent"
import { Registry } from "@akave-async/eventing/Registry"
import * as WalletStream from "@akave-async/eventing/WalletStream"
import { Nats } from "@akave-async/platform/Nats"
import { Chain } from "@akave-async/sdk/Chain"
import { jetstreamManager } from "@nats-io/jetstream"
import { nanos, type NatsConnection } from "@nats-io/nats-core"
import { DateTime, Duration, Effect, Schema } from "effect"
import * as Settings from "./Settings.ts"

/** Why a lost ledger is not made anew. */
export class NotRenewed extends Schema.TaggedError<NotRenewed>()("NotRenewed", { reason: Schema.String }) {
  override readonly message = this.reason
}

/** The name and prefix of every ledger on the server. */
export const all = Effect.gen(function*() {
  const connection = yield* Nats
  const beginning = yield* WalletStream.allBeginWith
  return yield* request("list streams", async () => {
    const found: Array<{ readonly name: string; readonly prefix: string }> = []
    for await (const { config: { name, subjects } } of (await jetstreamManager(connection)).streams.list()) {
      if (name.startsWith(beginning)) found.push({ name, prefix: subjects[0]?.replace(/\.>$/, "") ?? "" })
    }
    return found.toSorted((a, b) => a.name < b.name ? -1 : 1)
  })
})

/** Changes what a stream says of itself, and how long it remembers ids. */
export const describe = (
  connection: NatsConnection,
  stream: string,
  description: string,
  dedupWindow: Duration.Duration
) =>
  request("update stream", async () => {
    const manager = await jetstreamManager(connection)
    await manager.streams.update(stream, { description, duplicate_window: nanos(Duration.toMillis(dedupWindow)) })
  })

/** The description of a ledger that was restored: what its wallet has done since is unknown to it. */
export const restored = (address: string): string =>
  `${EventLogJetStream.notInUse}it was restored from a backup; run akave-async ledger renew ${address}`
const renewing = `${EventLogJetStream.notInUse}it is being renewed`

/** What the log knows of what a wallet's lost ledger has given out. */
interface Known {
  /** Jobs that an executor has begun and none has ended. Each may have one claim that is not spent. */
  readonly begun: number
  /** The first nonce behind all that are recorded. */
  readonly nextNonce: number
}

const pageSize = 1_000

const knownOf = Effect.fnUntraced(function*(log: EventLogShape, owner: Address) {
  const { read } = yield* Registry
  const jobs = new Map<Job.Id, Job.Job | undefined>()
  let nextNonce = 0
  for (let from = 1;;) {
    const events = yield* log.page(ofOwner(owner), from, pageSize)
    for (const stored of events) {
      const found = read(stored)
      if (found._tag === "Foreign" || found._tag === "Newer") {
        return yield* new NotRenewed({
          reason: `The log has events of the wallet that only a newer release can read: use that one`
        })
      }
      if (found._tag !== "Known" || found.step === undefined) continue
      const { step } = found
      if (step.step === "submitted" && step.signer.toLowerCase() === owner.toLowerCase()) {
        nextNonce = Math.max(nextNonce, step.nonce + 1)
      }
      const job = Job.evolve(jobs.get(step.jobId), step)
      if (job !== undefined && Job.isTerminal(job.status)) jobs.delete(step.jobId)
      else jobs.set(step.jobId, job)
    }
    from = (events.at(-1)?.sequence ?? 0) + 1
    if (events.length < pageSize) break
  }
  const begun = Array.from(jobs.values()).filter((job) => job?.status === "processing").length
  return { begun, nextNonce } satisfies Known
})

/**
 * The first nonce of a ledger that takes the place of a lost one. The claims of the lost one that are not spent belong to jobs that
 * have begun, one each, and have the nonces that follow on those that the chain has used.
 * @param mined The wallet's transactions that are mined.
 * @param sent The same, with those that wait.
 */
export const firstNonce = ({ begun, nextNonce }: Known, mined: number, sent: number): number =>
  Math.max(sent, nextNonce, mined + begun)

const codec = CloudEvent.make(Wallet.Event)

export interface Renewed {
  readonly address: string
  /** The ledger's JetStream stream. */
  readonly stream: string
  /** The ledger begins with this nonce. */
  readonly next_nonce: number
  /** Nonces before that, which the chain has not used yet. */
  readonly unsettled: number
  /** Jobs that have begun and not ended. */
  readonly open_jobs: number
}

const renewOf = Effect.fnUntraced(function*(address: Address) {
  const connection = yield* Nats
  const log = yield* EventLog
  const chain = yield* Chain
  const options = yield* WalletStream.of(address)
  const { dedupWindow, stream } = options
  const ledger = yield* EventLogJetStream.attach(connection, { ...options, isRestoring: true })
  const isThere = yield* EventLogJetStream.exists(connection, stream)
  if (isThere) {
    const info = yield* request("stream info", async () => (await jetstreamManager(connection)).streams.info(stream))
    if (!(info.config.description ?? "").startsWith(EventLogJetStream.notInUse)) {
      return yield* new NotRenewed({ reason: `The ledger ${stream} is there, and stays as it is` })
    }
  }
  const known = yield* knownOf(log, address)
  const [mined, sent] = yield* Effect.all([
    chain.transactionCount(address, "latest"),
    chain.transactionCount(address, "pending")
  ])
  const nextNonce = firstNonce(known, mined, sent)
  if (!isThere) yield* EventLogJetStream.create(connection, { ...options, description: renewing })
  const lastSequence = yield* ledger.lastSequence
  const { revision } = yield* ledger.read(Wallet.openingSubject)
  const occurredAt = yield* DateTime.now
  const event = Wallet.WalletOpened.make({ signer: address, nextNonce, isRenewed: true, occurredAt })
  const encoded = yield* Effect.orDie(codec.encode(event, {
    id: `${address.toLowerCase()}.opened.${lastSequence + 1}`,
    source: "/akave/operator",
    time: occurredAt,
    subject: address
  }))
  yield* ledger.append(Wallet.openingSubject, { lastSequence, revision }, encoded)
  yield* describe(connection, stream, "", dedupWindow)
  return {
    address,
    stream,
    next_nonce: nextNonce,
    unsettled: nextNonce - mined,
    open_jobs: known.begun
  } satisfies Renewed
}, Effect.provide([Settings.log, Settings.chain]))

/**
 * Makes the ledger of a wallet that has lost it, or lets the one be used that was restored from a backup. Refused where there is
 * another one.
 */
export const renew = (address: string) =>
  Schema.is(AddressSchema)(address)
    ? renewOf(address)
    : Effect.fail(new NotRenewed({ reason: `${JSON.stringify(address)} is no address: that is 0x and 40 hex digits` }))
