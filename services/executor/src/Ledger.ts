/**
 * The nonce ledger: which nonce of the wallet belongs to which job, shared by all executors through a log of its own.
 *
 * A claim holds the signed transaction and is appended with the position of the whole ledger, so a nonce is claimed once
 * and its bytes are stored before they go out. Claims that are asked for together are signed and appended as one group,
 * each expecting the one before it: a rival that comes in between refuses the rest, which then starts from what it wrote.
 */
import { Address, TransactionHash } from "@akave-async/domain/Chain"
import type * as Job from "@akave-async/domain/Job"
import * as Wallet from "@akave-async/domain/Wallet"
import * as CloudEvent from "@akave-async/eventing/CloudEvent"
import { type EventLogShape, LogUnavailable, type StoredEvent } from "@akave-async/eventing/EventLog"
import { Chain, type Fees } from "@akave-async/sdk/Chain"
import type { RpcError } from "@akave-async/sdk/Errors"
import { type Prepared, Wallet as Signer } from "@akave-async/sdk/Wallet"
import {
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

export type LedgerError = LogUnavailable | RpcError

/** The job was given up before it had a claim, and gets none any more. */
export class GivenUp extends Schema.TaggedError<GivenUp>()("GivenUp", { jobId: Schema.String }) {
  override readonly message = `Job ${this.jobId} was given up`
}

export class Ledger extends Context.Service<Ledger, {
  /** The wallet's address. */
  readonly signer: Address
  /** The claim of a job, if it has one. */
  find(jobId: Job.Id): Effect.Effect<Option.Option<Wallet.Claim>, LogUnavailable | GivenUp>
  /**
   * Signs the transaction with the next nonce and stores it. A job that has a claim gets that one again, unless it is the
   * `spent` one: a claim whose nonce was used by a transaction from elsewhere, so that it can never be mined.
   */
  claim(jobId: Job.Id, prepared: Prepared, spent?: Wallet.Claim): Effect.Effect<Wallet.Claim, LedgerError | GivenUp>
  /**
   * Gives a job up: from here on it gets no claim, from any executor. None if that is so; or the claim that it has, unless
   * it is the `spent` one, and then the job can't be given up.
   */
  giveUp(jobId: Job.Id, spent?: Wallet.Claim): Effect.Effect<Option.Option<Wallet.Claim>, LedgerError>
}>()("@akave-async/executor/Ledger") {
  /** The ledger on this log, which holds nothing else. */
  static readonly layer = (log: EventLogShape): Layer.Layer<Ledger, LedgerError, Chain | Signer> =>
    Layer.effect(Ledger, make(log))
}

/** Claims signed and stored in one turn: a turn holds up this process for some ten milliseconds. */
const groupSize = 64
/** What the log did not answer is asked again for this long before the jobs of a turn go back to their queue. */
const reread = Schedule.spaced("200 millis").pipe(Schedule.upTo({ duration: "5 seconds" }))

/** Claims that come in between are waited out for this long. */
const rivals = Schedule.jittered(Schedule.spaced("20 millis")).pipe(Schedule.upTo({ duration: "5 seconds" }))
/** The base fee moves by an eighth a block at most, and an offer outlives several such moves. */
const feesTtl = Duration.millis(500)

const codec = CloudEvent.make(Wallet.Event)
const source = "/akave/executor"

interface Request {
  readonly jobId: Job.Id
  readonly prepared: Prepared
  readonly spent: Wallet.Claim | undefined
  readonly answer: Deferred.Deferred<Wallet.Claim, LedgerError | GivenUp>
}

/** The end of the ledger as this process knows it. */
interface Tail {
  readonly sequence: number
  readonly id: string
  readonly nextNonce: number
}

const make = Effect.fnUntraced(function*(log: EventLogShape) {
  const chain = yield* Chain
  const wallet = yield* Signer
  const signer = Address.make(wallet.address)
  const requests = yield* Queue.bounded<Request>(groupSize * 16)

  const fees = yield* Effect.cachedWithTTL(chain.fees, (exit) => Exit.isSuccess(exit) ? feesTtl : 0)

  const decode = (stored: StoredEvent): Effect.Effect<Wallet.Event> =>
    Effect.orDie(Effect.fromResult(codec.decode(stored)))

  const find = Effect.fn("Ledger.find")(function*(jobId: Job.Id) {
    const stored = yield* log.last(Wallet.claimSubject(jobId))
    if (Option.isNone(stored)) return Option.none()
    const event = yield* decode(stored.value)
    return event._tag === "NonceClaimed" ? Option.some(event) : yield* new GivenUp({ jobId })
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

  /** The tail after what others have appended; the last event tells the next nonce. */
  const catchUp: Effect.Effect<Tail, LedgerError> = Effect.gen(function*() {
    const sequence = yield* log.lastSequence
    if (sequence === 0) {
      yield* open
      return yield* catchUp
    }
    const stored = yield* Effect.flatMap(log.get(sequence), Effect.fromOption).pipe(
      Effect.catchTag(
        "NoSuchElementError",
        (cause) => Effect.fail(new LogUnavailable({ operation: "read ledger", cause }))
      )
    )
    const nextNonce = Wallet.evolve(Wallet.initial, yield* decode(stored)) ?? 0
    return { sequence, nextNonce, id: stored.headers["nats-msg-id"] ?? "" }
  })

  /** Signs and appends claims for these requests behind the tail; each is stored or refused on its own. */
  const append = Effect.fnUntraced(function*(tail: Tail, fees: Fees, group: ReadonlyArray<Request>) {
    const occurredAt = yield* DateTime.now
    const claims = yield* Effect.forEach(group, ({ jobId, prepared, spent }, n) =>
      Effect.gen(function*() {
        const signed = yield* wallet.sign(prepared, { nonce: tail.nextNonce + n, fees })
        const event = Wallet.NonceClaimed.make({
          jobId,
          signer,
          nonce: signed.nonce,
          transaction: signed.raw,
          transactionHash: TransactionHash.make(signed.hash),
          ...fees,
          occurredAt
        })
        const metadata = { id: claimId(jobId, spent), source, subject: signer, time: occurredAt, correlationId: jobId }
        return { event, encoded: yield* Effect.orDie(codec.encode(event, metadata)) }
      }))
    const results = yield* Effect.forEach(
      claims,
      ({ encoded, event }, n) =>
        Effect.result(log.append(Wallet.claimSubject(event.jobId), {
          lastSequence: tail.sequence + n,
          lastId: claims[n - 1]?.encoded.id ?? tail.id
        }, encoded)),
      { concurrency: "unbounded" }
    )
    return claims.map(({ event }, n) => ({ event, result: results[n] }))
  })

  /** Answers every request of a group, in as many rounds as rivals make necessary: each round one process gets through. */
  const serve = Effect.fnUntraced(function*(group: ReadonlyArray<Request>) {
    let waiting = group
    while (waiting.length > 0) {
      const [offer, used] = yield* Effect.all([fees, chain.transactionCount(signer, "latest")], { concurrency: 2 })
      // From here to the append a rival's turn undoes this one, so the chain is asked before.
      // The tail is read before the claims that exist: a claim that is not found is then behind the tail, and refuses ours.
      const tail = yield* catchUp
      const known = yield* Effect.forEach(waiting, ({ jobId, spent }) =>
        find(jobId).pipe(
          Effect.map(Option.filter(({ transactionHash }) => transactionHash !== spent?.transactionHash)),
          Effect.catchTag("GivenUp", (error) => Effect.succeed(error))
        ), { concurrency: "unbounded" })
      const unclaimed: Array<Request> = []
      for (const [n, request] of waiting.entries()) {
        const claim = known[n] ?? Option.none()
        if (claim instanceof GivenUp) yield* Deferred.fail(request.answer, claim)
        else if (Option.isSome(claim)) yield* Deferred.succeed(request.answer, claim.value)
        else unclaimed.push(request)
      }
      waiting = unclaimed
      // A wallet that was used from elsewhere is further than its ledger.
      const nextNonce = Math.max(tail.nextNonce, used)
      const written = yield* append({ ...tail, nextNonce }, offer, waiting)
      let noAnswer: LogUnavailable | undefined
      const unanswered: Array<Request> = []
      for (const [n, request] of waiting.entries()) {
        const { event, result } = written[n] ?? {}
        if (event !== undefined && result !== undefined && Result.isSuccess(result) && !result.success.isDuplicate) {
          yield* Deferred.succeed(request.answer, event)
          continue
        }
        unanswered.push(request)
        if (result !== undefined && Result.isFailure(result) && result.failure._tag === "LogUnavailable") {
          noAnswer = result.failure
        }
      }
      // Where nothing got through and no rival was the reason, the next round waits, and not for ever.
      if (noAnswer !== undefined && unanswered.length === waiting.length) return yield* noAnswer
      // What was refused, or got no answer, is looked up again: it may be stored after all.
      waiting = unanswered
    }
  })

  yield* Queue.takeBetween(requests, 1, groupSize).pipe(
    Effect.flatMap((group) =>
      serve(group).pipe(
        Effect.retry(reread),
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

  const claim = Effect.fn("Ledger.claim")(function*(jobId: Job.Id, prepared: Prepared, spent?: Wallet.Claim) {
    const answer = yield* Deferred.make<Wallet.Claim, LedgerError | GivenUp>()
    yield* Queue.offer(requests, { jobId, prepared, spent, answer })
    return yield* Deferred.await(answer)
  })

  const giveUp = Effect.fn("Ledger.giveUp")(function*(jobId: Job.Id, spent?: Wallet.Claim) {
    const tail = yield* catchUp
    const existing = yield* find(jobId)
    if (Option.isSome(existing) && existing.value.transactionHash !== spent?.transactionHash) return existing
    const occurredAt = yield* DateTime.now
    const event = Wallet.ClaimForgone.make({ jobId, signer, nextNonce: tail.nextNonce, occurredAt })
    const metadata = { id: `${jobId}.forgone`, source, subject: signer, time: occurredAt, correlationId: jobId }
    const encoded = yield* Effect.orDie(codec.encode(event, metadata))
    yield* log.append(Wallet.claimSubject(jobId), { lastSequence: tail.sequence, lastId: tail.id }, encoded)
    return Option.none()
  }, (givingUp) =>
    givingUp.pipe(
      Effect.retry({ while: (error) => error._tag === "WrongRevision", schedule: rivals }),
      Effect.catchTag("GivenUp", () => Effect.succeedNone),
      // Rivals claim without a pause: this is for later.
      Effect.catchTag("WrongRevision", (cause) => Effect.fail(new LogUnavailable({ operation: "give up", cause })))
    ))

  return Ledger.of({ signer, find, claim, giveUp })
})

/** One claim of a job has one id, and so has the one that follows a spent claim. */
const claimId = (jobId: Job.Id, spent: Wallet.Claim | undefined): string =>
  spent === undefined ? `${jobId}.claim` : `${jobId}.claim.after.${spent.nonce}`
