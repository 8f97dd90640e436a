// oxlint-disable max-lines -- every rule about who gets which nonce is here, to be read against the others
/**
 * The nonce ledger: which nonce of the wallet belongs to which job, shared by all executors through a log of its own.
 *
 * A claim holds the signed transaction and is appended with the position of the whole ledger, so a nonce is claimed once
 * and its bytes are stored before they go out. Claims that are asked for together are signed and appended as one group,
 * each but the first expecting the one before it: a rival that comes in between refuses the rest, which then starts from
 * what it wrote.
 */
import { Address, TransactionHash } from "@akave-async/domain/Ethereum"
import * as Job from "@akave-async/domain/Job"
import * as Wallet from "@akave-async/domain/Wallet"
import * as CloudEvent from "@akave-async/eventing/CloudEvent"
import {
  type Appended,
  type EventLogShape,
  LogUnavailable,
  type StoredEvent,
  WrongRevision
} from "@akave-async/eventing/EventLog"
import * as Retry from "@akave-async/platform/Retry"
import { Chain, type Fees } from "@akave-async/sdk/Chain"
import type { RpcError } from "@akave-async/sdk/Errors"
import { type Prepared, preparedOf, Wallet as Signer } from "@akave-async/sdk/Wallet"
import {
  type Config,
  Context,
  DateTime,
  Deferred,
  Duration,
  Effect,
  Exit,
  Layer,
  Option,
  Queue,
  Result,
  Schedule,
  Schema
} from "effect"
import { ExecutorConfig } from "./ExecutorConfig.ts"
import * as Source from "./Source.ts"

export type LedgerError = LogUnavailable | RpcError

/** The job was given up before it had a claim, and gets none any more. */
export class GivenUp extends Schema.TaggedError<GivenUp>()("GivenUp", { jobId: Schema.String }) {
  override readonly message = `Job ${this.jobId} was given up`
}

/** What the ledger has given out from some nonce on. */
export interface Issued {
  /** By nonce. One that is missing was used from elsewhere when the ledger passed it by. */
  readonly claims: ReadonlyMap<number, Wallet.Claim>
  readonly nextNonce: number
}

/** What a claim is for. */
export interface Purpose {
  readonly jobId: Job.Id
  readonly part: Job.Part
}

/** A change to a claim: other fees for its transaction, or a transaction that only uses up its nonce. */
export interface Replacement {
  readonly claim: Wallet.Claim
  readonly fees: Fees
  /** How the claim's job fails, where the claim is withdrawn. */
  readonly withdrawn?: Job.Failure
}

export class Ledger extends Context.Service<Ledger, {
  /** The wallet's address. */
  readonly signer: Address
  /** The latest claim of a job as it is now, for whichever part, if it has one. */
  find(jobId: Job.Id): Effect.Effect<Option.Option<Wallet.Claim>, LogUnavailable | GivenUp>
  /**
   * Signs the transaction with the next nonce and stores it for a part of a job. A job whose latest claim is not the one
   * that this one comes `after` gets that claim again, for whichever part it is. A new claim comes after one whose nonce was
   * used without doing what its part asks for, or whose part is done. A claim that was changed since is not that one, because
   * the change may be what used the nonce. A claim that was withdrawn is followed by none but that which takes back what the job has
   * done.
   */
  claim(purpose: Purpose, prepared: Prepared, after?: Wallet.Claim): Effect.Effect<Wallet.Claim, LedgerError | GivenUp>
  /**
   * Gives a job up: from here on it gets no claim, from any executor and for any part. None if that is so; or the latest
   * claim that it has, unless it is the one that its next claim would come `after`, and then the job can't be given up.
   */
  giveUp(jobId: Job.Id, after?: Wallet.Claim): Effect.Effect<Option.Option<Wallet.Claim>, LedgerError>
  /** What a new claim offers for its gas: what the chain asks for, as far as the cap allows. */
  readonly offer: Effect.Effect<Fees, RpcError>
  /**
   * Waits until the chain has used, for good, all nonces that a lost ledger of the wallet may have given out. Before that a job may
   * have a transaction that is not known here.
   */
  readonly settled: Effect.Effect<void, LedgerError>
  /** Whether a job that was asked for at this time may have had claims in a ledger that was lost. */
  mayHaveLost(createdAt: DateTime.Utc): Effect.Effect<boolean, LogUnavailable>
  /** The next nonce to be given out. */
  readonly nextNonce: Effect.Effect<number, LedgerError>
  /** The claims from this nonce on, as they are now. */
  issued(from: number): Effect.Effect<Issued, LedgerError>
  /**
   * Signs and stores other transactions for nonces that were given out. Gives the claims that were changed so. One that
   * another executor has changed meanwhile, or whose storing was not confirmed, is left for another look.
   */
  replace(changes: ReadonlyArray<Replacement>): Effect.Effect<ReadonlyArray<Wallet.Claim>, LedgerError>
  /**
   * Withdraws a claim as far as that is possible: its nonce gets a transaction that does nothing, and the chain mines one or
   * the other. Gives the claim as it is then; another executor may have changed it first.
   */
  withdraw(claim: Wallet.Claim, reason: Job.Failure): Effect.Effect<Wallet.Claim, LedgerError>
  /** Stores a transaction that only uses up a nonce which no claim has. None: another executor was first. */
  fill(nonce: number): Effect.Effect<Option.Option<Wallet.Claim>, LedgerError>
}>()("@akave-async/executor/Ledger") {
  /** The ledger on this log, which holds nothing else. */
  static readonly layer = (
    log: EventLogShape
  ): Layer.Layer<Ledger, LedgerError | Config.ConfigError, Chain | Signer> => Layer.effect(Ledger, make(log))
}

/** Claims signed and stored in one turn: a turn holds up this process for some ten milliseconds. */
const groupSize = 64
/** What the log did not answer is asked again for this long before the jobs of a turn go back to their queue. */
const reread = Retry.within("5 seconds", "200 millis")

/** Rivals that are first each time are waited out for this long. */
const rivals = Retry.within("5 seconds", "20 millis")
/** The base fee moves by an eighth a block at most, and an offer outlives several such moves. */
const feesTtl = Duration.millis(500)
/** What a transfer of nothing to oneself needs, in gas units. */
const transferGas = 21_000n
/** How often it is seen whether the chain has used the nonces of a lost ledger. */
const settlingInterval = Duration.seconds(1)
/** The clocks of gateways and of whoever renews a ledger are not as far apart. */
const clockSlack = Duration.hours(1)
/** Events that are read together on the way back through the ledger. */
const readAtOnce = 200

const codec = CloudEvent.make(Wallet.Event)

interface Request {
  readonly purpose: Purpose
  readonly prepared: Prepared
  readonly after: Wallet.Claim | undefined
  readonly answer: Deferred.Deferred<Wallet.Claim, LedgerError | GivenUp>
}

/** The end of the ledger as this process knows it. */
interface Tail {
  readonly sequence: number
  readonly nextNonce: number
}

/** An event that is ready to be appended, with its id. */
interface Draft {
  readonly id: string
  readonly subject: string
  /** Whether it must be the first one on its subject. */
  readonly isFirst?: boolean
  readonly event: typeof Wallet.NonceClaimed.Type | typeof Wallet.TransactionReplaced.Type
}

// oxlint-disable-next-line max-lines-per-function -- its operations share the tail of the ledger
const make = Effect.fnUntraced(function*(log: EventLogShape) {
  const chain = yield* Chain
  const wallet = yield* Signer
  const { confirmations, maxFeePerGas: cap } = yield* ExecutorConfig
  const signer = Address.make(wallet.address)
  const source = yield* Source.source
  const requests = yield* Queue.bounded<Request>(groupSize * 16)

  const market = yield* Effect.cachedWithTTL(chain.fees, (exit) => Exit.isSuccess(exit) ? feesTtl : 0)
  const offer = Effect.map(market, (market): Fees => ({ ...market, ...Wallet.capped(market, cap) }))

  const decode = (stored: StoredEvent): Effect.Effect<Wallet.Event> =>
    Effect.orDie(Effect.fromResult(codec.decode(stored)))

  const find = Effect.fn("Ledger.find")(function*(jobId: Job.Id) {
    const stored = yield* log.last(Wallet.claimSubject(jobId))
    if (Option.isNone(stored)) return Option.none()
    const claim = Wallet.claimOf(yield* decode(stored.value))
    return claim === undefined ? yield* new GivenUp({ jobId }) : Option.some(claim)
  })

  /** Opens the ledger of a wallet that has none, with the transactions that it has sent so far. */
  const open = Effect.gen(function*() {
    const occurredAt = yield* DateTime.now
    const nextNonce = yield* chain.transactionCount(signer, "pending")
    const event = Wallet.WalletOpened.make({ signer, nextNonce, occurredAt })
    const encoded = yield* Effect.orDie(
      codec.encode(event, { id: `${signer}.opened`, source, subject: signer, time: occurredAt })
    )
    yield* Effect.catchTag(
      log.append(Wallet.openingSubject, { revision: 0 }, encoded),
      "WrongRevision",
      () => Effect.void
    )
  })

  /** The tail after what others have appended; the last event holds the next nonce. */
  const catchUp: Effect.Effect<Tail, LedgerError> = Effect.gen(function*() {
    let sequence = yield* log.lastSequence
    if (sequence === 0) {
      yield* open
      sequence = yield* log.lastSequence
    }
    const stored = yield* eventAt(sequence)
    return { sequence, nextNonce: Wallet.evolve(Wallet.initial, yield* decode(stored)) ?? 0 }
  })

  const eventAt = (sequence: number) =>
    Effect.flatMap(log.get(sequence), Effect.fromOption).pipe(
      Effect.catchTag(
        "NoSuchElementError",
        (cause) => Effect.fail(new LogUnavailable({ operation: "read ledger", cause }))
      )
    )

  /** Signs a transaction for a nonce, in the words of the ledger's events. */
  const sign = (prepared: Prepared, nonce: number, fees: Fees) =>
    Effect.map(wallet.sign(prepared, { nonce, fees }), ({ hash, raw }) => ({
      signer,
      nonce,
      transaction: raw,
      transactionHash: TransactionHash.make(hash),
      maxFeePerGas: fees.maxFeePerGas,
      maxPriorityFeePerGas: fees.maxPriorityFeePerGas
    }))

  /** Appends events behind the tail, each expecting the one before it; each is stored or refused on its own. */
  const append = Effect.fnUntraced(function*(tail: Tail, drafts: ReadonlyArray<Draft>) {
    const encoded = yield* Effect.forEach(drafts, ({ event, id, isFirst = false, subject }) => {
      const correlation = event.jobId === undefined ? {} : { correlationId: event.jobId }
      return codec.encode(event, { id, source, subject: signer, time: event.occurredAt, ...correlation }).pipe(
        Effect.orDie,
        Effect.map((encoded) => ({ encoded, subject, onSubject: isFirst ? { revision: 0 } : {} }))
      )
    })
    return yield* Effect.forEach(
      encoded,
      ({ encoded: event, onSubject, subject }, n) => {
        const last = { lastSequence: tail.sequence + n, lastId: encoded[n - 1]?.encoded.id }
        return Effect.result(log.append(subject, { ...last, ...onSubject }, event))
      },
      { concurrency: "unbounded" }
    )
  })

  /**
   * Answers those of the requests that it can, in one turn at the ledger, and gives the others. Fails where it can answer
   * none, with a `WrongRevision` if a rival was first. Of a group that `isNew` nothing was appended yet, and so it may be a
   * claim of its own that is there already: that is worth another turn at once.
   */
  const serve = Effect.fnUntraced(function*(group: ReadonlyArray<Request>, isNew: boolean) {
    const [fees, used] = yield* Effect.all([offer, chain.transactionCount(signer, "latest")], { concurrency: 2 })
    // From here to the append a rival's turn undoes this one, so the chain is asked before.
    // The tail is read before the claims that exist: a claim that is not found is then behind the tail, and refuses ours.
    const tail = yield* catchUp
    // As a rule nobody has claimed for a job yet; if somebody has, the append is refused and the next turn looks.
    const known = yield* Effect.forEach(
      group,
      ({ after, purpose }) =>
        isNew && after === undefined ? Effect.succeedNone : find(purpose.jobId).pipe(
          Effect.map(Option.filter((claim) =>
            (claim.withdrawn !== undefined && purpose.part !== Job.undo) || !isSame(claim, after)
          )),
          Effect.catchTag("GivenUp", (error) =>
            Effect.succeed(error))
        ),
      { concurrency: "unbounded" }
    )
    const unclaimed: Array<Request> = []
    for (const [n, request] of group.entries()) {
      const claim = known[n] ?? Option.none()
      if (claim instanceof GivenUp) yield* Deferred.fail(request.answer, claim)
      else if (Option.isSome(claim)) yield* Deferred.succeed(request.answer, claim.value)
      else unclaimed.push(request)
    }
    // A wallet that was used from elsewhere is further than its ledger.
    const nextNonce = Math.max(tail.nextNonce, used)
    const occurredAt = yield* DateTime.now
    const drafts = yield* Effect.forEach(
      unclaimed,
      ({ after, prepared, purpose }, n) =>
        Effect.map(sign(prepared, nextNonce + n, fees), (transaction) => ({
          id: claimId(purpose, after),
          subject: Wallet.claimSubject(purpose.jobId),
          isFirst: after === undefined,
          event: Wallet.NonceClaimed.make({
            jobId: purpose.jobId,
            ...partFields(purpose.part),
            ...transaction,
            occurredAt
          })
        }))
    )
    const results = yield* append(tail, drafts)
    // What was refused, or got no answer, is looked up again: it may be stored after all.
    const unanswered: Array<Request> = []
    let trouble: WrongRevision | LogUnavailable = new WrongRevision({ subject: "claims" })
    for (const [n, request] of unclaimed.entries()) {
      const [draft, result] = [drafts[n], results[n]]
      if (draft !== undefined && isStored(result)) {
        yield* Deferred.succeed(request.answer, Wallet.claimOf(draft.event))
        continue
      }
      unanswered.push(request)
      if (result !== undefined && Result.isFailure(result) && result.failure._tag === "LogUnavailable") {
        trouble = result.failure
      }
    }
    return unanswered.length === group.length && !isNew ? yield* trouble : unanswered
  })

  /** Answers all of a group: rivals that are first, and a log that does not answer, are waited out for a time. */
  const serveAll = Effect.fnUntraced(function*(group: ReadonlyArray<Request>) {
    let waiting = group
    let isNew = true
    const turn = Effect.suspend(() => {
      const wasNew = isNew
      isNew = false
      return serve(waiting, wasNew)
    })
    while (waiting.length > 0) {
      waiting = yield* turn.pipe(
        Effect.retry({ while: (error) => error._tag === "WrongRevision", schedule: rivals }),
        Effect.retry({ while: (error) => error._tag !== "WrongRevision", schedule: reread }),
        Effect.catchTag("WrongRevision", (cause) => Effect.fail(new LogUnavailable({ operation: "claim", cause })))
      )
    }
  })

  yield* Queue.takeBetween(requests, 1, groupSize).pipe(
    Effect.flatMap((group) =>
      serveAll(group).pipe(
        // Whatever ends a turn ends the wait of its jobs, and the next turn is taken.
        Effect.onError((cause) =>
          Effect.forEach(group, ({ answer }) => Deferred.failCause(answer, cause), { discard: true })
        ),
        Effect.exit
      )
    ),
    Effect.forever,
    Effect.forkScoped
  )

  const claim = Effect.fn("Ledger.claim")(function*(purpose: Purpose, prepared: Prepared, after?: Wallet.Claim) {
    const answer = yield* Deferred.make<Wallet.Claim, LedgerError | GivenUp>()
    yield* Queue.offer(requests, { purpose, prepared, after, answer })
    return yield* Deferred.await(answer)
  })

  const giveUp = Effect.fn("Ledger.giveUp")(function*(jobId: Job.Id, after?: Wallet.Claim) {
    const tail = yield* catchUp
    const existing = yield* find(jobId)
    if (Option.isSome(existing)) {
      if (!isSame(existing.value, after)) return existing
      if (existing.value.withdrawn !== undefined) return Option.none()
    }
    const occurredAt = yield* DateTime.now
    const event = Wallet.ClaimForgone.make({ jobId, signer, nextNonce: tail.nextNonce, occurredAt })
    const metadata = { id: `${jobId}.forgone`, source, subject: signer, time: occurredAt, correlationId: jobId }
    const encoded = yield* Effect.orDie(codec.encode(event, metadata))
    yield* log.append(Wallet.claimSubject(jobId), { lastSequence: tail.sequence }, encoded)
    return Option.none()
  }, (givingUp) =>
    givingUp.pipe(
      Effect.retry({ while: (error) => error._tag === "WrongRevision", schedule: rivals }),
      Effect.catchTag("GivenUp", () => Effect.succeedNone),
      // Rivals claim without a pause: this is for later.
      Effect.catchTag("WrongRevision", (cause) => Effect.fail(new LogUnavailable({ operation: "give up", cause })))
    ))

  const issued = Effect.fn("Ledger.issued")(function*(from: number) {
    const { nextNonce, sequence } = yield* catchUp
    const claims = new Map<number, Wallet.Claim>()
    // Claims stand in the order of their nonces, and what replaces one stands after it.
    for (let last = nextNonce > from ? sequence : 0; last > 0; last -= readAtOnce) {
      const sequences = Array.from({ length: Math.min(last, readAtOnce) }, (_, n) => last - n)
      for (const stored of yield* Effect.forEach(sequences, eventAt, { concurrency: "unbounded" })) {
        const event = yield* decode(stored)
        const claim = Wallet.claimOf(event)
        if (claim !== undefined && claim.nonce >= from && !claims.has(claim.nonce)) claims.set(claim.nonce, claim)
        if (event._tag === "NonceClaimed" && event.nonce <= from) return { claims, nextNonce }
      }
    }
    return { claims, nextNonce }
  })

  const latest = Effect.fnUntraced(function*(subject: string) {
    const stored = yield* log.last(subject)
    return Option.isNone(stored) ? undefined : Wallet.claimOf(yield* decode(stored.value))
  })

  /**
   * The claim and the subject that its changes are on, unless it was changed since. A claim that its job has left behind is
   * changed on the subject of its nonce, so that the job's subject ends with the job's latest claim. If the job has claimed
   * another nonce for the same part, it belongs to no job any more.
   */
  const asItStands = Effect.fnUntraced(function*(claim: Wallet.Claim) {
    const onJob = claim.jobId === undefined ? undefined : Wallet.claimSubject(claim.jobId)
    const last = onJob === undefined ? undefined : yield* latest(onJob)
    if (onJob !== undefined && last?.nonce === claim.nonce) {
      return isSame(claim, last) ? { claim, subject: onJob } : undefined
    }
    const subject = Wallet.nonceSubject(claim.nonce)
    const changed = yield* latest(subject)
    if (changed !== undefined) return isSame(claim, changed) ? { claim, subject } : undefined
    const { jobId: _, part: __, withdrawn: ___, ...rest } = claim
    const abandoned: Wallet.Claim = rest
    const isDone = last !== undefined && Wallet.partOf(last) !== Wallet.partOf(claim)
    return { claim: isDone ? claim : abandoned, subject }
  })

  const replace = Effect.fn("Ledger.replace")(function*(changes: ReadonlyArray<Replacement>) {
    // As for new claims: what changes a claim after the tail was read refuses what is appended behind that tail.
    const tail = yield* catchUp
    const occurredAt = yield* DateTime.now
    const now = yield* Effect.forEach(changes, ({ claim }) => asItStands(claim), { concurrency: "unbounded" })
    const drafts = yield* Effect.forEach(
      changes.flatMap(({ fees, withdrawn }, n) => {
        const found = now[n]
        return found === undefined ? [] : [{ ...found, fees, withdrawn }]
      }),
      Effect.fnUntraced(function*({ claim, fees, subject, withdrawn }) {
        const { isLegacy, ...had } = preparedOf(claim.transaction)
        const prepared = claim.jobId === undefined || withdrawn !== undefined ? idle(had.chainId) : had
        const transaction = yield* sign(prepared, claim.nonce, { ...fees, isLegacy })
        const ofJob = claim.jobId === undefined ? {} : { jobId: claim.jobId, ...partFields(Wallet.partOf(claim)) }
        const reason = withdrawn ?? claim.withdrawn
        return {
          id: `${claim.transactionHash}.replaced`,
          subject,
          event: Wallet.TransactionReplaced.make({
            ...ofJob,
            ...(claim.jobId === undefined || reason === undefined ? {} : { cancelled: reason }),
            ...transaction,
            earlier: Wallet.hashes(claim),
            nextNonce: tail.nextNonce,
            occurredAt
          })
        }
      })
    )
    const results = yield* append(tail, drafts)
    return drafts.filter((_, n) => isStored(results[n])).map(({ event }) => Wallet.claimOf(event))
  })

  const withdraw = Effect.fn("Ledger.withdraw")(function*(claim: Wallet.Claim, withdrawn: Job.Failure) {
    const fees = yield* offer
    // A transfer is cheap, so that this step may go beyond the cap.
    const raised = Wallet.raise(claim, fees, 2n * (claim.maxFeePerGas + 1n)) ?? fees
    const [stored] = yield* replace([{ claim, fees: { ...fees, ...raised }, withdrawn }])
    const now = stored ?? (yield* latest(subjectOf(claim))) ?? claim
    if (now.transactionHash === claim.transactionHash) {
      return yield* new LogUnavailable({ operation: "withdraw", cause: "rivals were first" })
    }
    return now
  }, Effect.retry({ while: (error) => error._tag === "LogUnavailable", schedule: rivals }))

  const fill = Effect.fn("Ledger.fill")(function*(nonce: number) {
    const fees = yield* offer
    const tail = yield* catchUp
    const occurredAt = yield* DateTime.now
    const transaction = yield* sign(idle(chain.chainId), nonce, fees)
    const event = Wallet.TransactionReplaced.make({
      ...transaction,
      earlier: [],
      nextNonce: tail.nextNonce,
      occurredAt
    })
    const subject = Wallet.nonceSubject(nonce)
    const [result] = yield* append(tail, [{ id: `${signer}.nonce.${nonce}`, subject, event }])
    return isStored(result) ? Option.some(Wallet.claimOf(event)) : Option.none()
  })

  /** A transfer of nothing to oneself. */
  const idle = (chainId: bigint): Prepared => ({ to: signer, data: "0x", gasLimit: transferGas, chainId })

  const nextNonce = Effect.map(catchUp, (tail) => tail.nextNonce)

  let renewed: typeof Wallet.WalletOpened.Type | "not" | undefined
  /** How the ledger was opened in the place of a lost one, if it was. That stays so: another one takes another process. */
  const renewal = Effect.suspend(() => {
    if (renewed !== undefined) return Effect.succeed(renewed)
    return Effect.gen(function*() {
      const stored = yield* log.last(Wallet.openingSubject)
      if (Option.isNone(stored)) return "not" as const
      const opened = yield* decode(stored.value)
      renewed = opened._tag === "WalletOpened" && opened.isRenewed === true ? opened : "not"
      return renewed
    })
  })

  let isSettled = false
  const settled = Effect.gen(function*() {
    const opened = isSettled ? "not" : yield* renewal
    if (opened === "not") return
    const isUsed = Effect.gen(function*() {
      // What a reorganisation may take back is not used yet.
      const final = Math.max(0, (yield* chain.blockNumber) - confirmations + 1)
      return (yield* chain.transactionCount(signer, final)) >= opened.nextNonce
    })
    isSettled = yield* Effect.repeat(isUsed, {
      until: (isUsed) => isUsed,
      schedule: Schedule.spaced(settlingInterval)
    })
  })

  const mayHaveLost = (createdAt: DateTime.Utc) =>
    Effect.map(
      renewal,
      (opened) =>
        opened !== "not" && DateTime.isLessThan(createdAt, DateTime.addDuration(opened.occurredAt, clockSlack))
    )

  return Ledger.of({
    settled,
    mayHaveLost,
    signer,
    find,
    claim,
    giveUp,
    offer,
    nextNonce,
    issued,
    replace,
    withdraw,
    fill
  })
})

const subjectOf = ({ jobId, nonce }: Pick<Wallet.Claim, "jobId" | "nonce">): string =>
  jobId === undefined ? Wallet.nonceSubject(nonce) : Wallet.claimSubject(jobId)

/** Another version of the claim may be what used its nonce, so that it takes the same transaction to be the same. */
const isSame = (claim: Wallet.Claim, other: Wallet.Claim | undefined): boolean =>
  claim.transactionHash === other?.transactionHash

const isStored = (result: Result.Result<Appended, unknown> | undefined): boolean =>
  result !== undefined && Result.isSuccess(result) && !result.success.isDuplicate

/** The first claim of a job has one id, and so has the one that comes after another. */
const claimId = ({ jobId, part }: Purpose, after: Wallet.Claim | undefined): string => {
  const claim = part === Job.whole ? `${jobId}.claim` : `${jobId}.${part}.claim`
  return after === undefined ? claim : `${claim}.after.${after.nonce}`
}

/** The only part of a job is not stored. */
const partFields = (part: Job.Part) => part === Job.whole ? {} : { part }
