/**
 * The ledger keeper compares ledger, mempool and chain and mends what differs, whatever the jobs are doing: it sends again
 * what the chain's node has lost, raises the fees of what is not mined, and uses up nonces that nothing else will use.
 *
 * Every executor runs one. What they do twice does no harm: sent bytes are the same bytes, and of two changes to a claim
 * the ledger takes the first.
 */
import type * as Job from "@akave-async/domain/Job"
import * as Wallet from "@akave-async/domain/Wallet"
import { Chain, type Market } from "@akave-async/sdk/Chain"
import { Clock, Duration, Effect, Option, Result, Schedule } from "effect"
import { ExecutorConfig } from "./ExecutorConfig.ts"
import { InsufficientFunds } from "./Failures.ts"
import { Ledger, type Replacement } from "./Ledger.ts"
import { costOf, Shortages } from "./Shortages.ts"

/** How often ledger and chain are compared: what is lost is missed at the second look. */
const interval = Duration.seconds(2)
/** So many blocks without a transaction of the wallet, while some wait, mean that it is stuck. */
const stuckBlocks = 3
/** A wallet that is stuck for another reason than the base fee has its first transaction raised after this. */
const patience = Duration.seconds(30)
/** A claim whose bytes the chain can never take, as its node has said at so many looks, is withdrawn. */
const refusalsUntilWithdrawn = 3
/** Claims looked after at once, and changed at once. */
const batch = 1000
const groupSize = 64

/** What the chain's node says of the wallet, and what the ledger does. */
export interface Look {
  /** The number of the latest block. */
  readonly head: number
  /** Nonces below are mined. */
  readonly used: number
  /** Nonces below are mined or in the node's pool. */
  readonly pending: number
  /** Nonces below are given out. */
  readonly nextNonce: number
}

/** What is remembered from one look to the next. */
export interface Memory {
  readonly nextNonce: number
  readonly used: number
  /** Where the chain was, and the time in milliseconds, when `used` was first seen. */
  readonly usedSince: { readonly head: number; readonly time: number }
}

/** What has to be looked after, if anything: nonces from `from` to below `to`. */
export interface Task {
  readonly from: number
  readonly to: number
  readonly isStuck: boolean
  /** Stuck for so long that not only fees below the base fee are raised. */
  readonly isImpatient: boolean
}

export const remember = (memory: Memory | undefined, { head, nextNonce, used }: Look, time: number): Memory => ({
  nextNonce,
  used,
  usedSince: memory?.used === used ? memory.usedSince : { head, time }
})

/** Nonces given out since the last look are left to those who have claimed them. */
export const taskOf = (memory: Memory, { head, nextNonce, pending, used }: Look, time: number): Task | undefined => {
  const to = Math.min(memory.nextNonce, nextNonce)
  const isStuck = used < to && memory.used === used && head - memory.usedSince.head >= stuckBlocks
  const from = isStuck ? used : Math.max(used, pending)
  if (from >= to) return undefined
  const isImpatient = isStuck && time - memory.usedSince.time >= Duration.toMillis(patience)
  return { from, to, isStuck, isImpatient }
}

/** Whether the chain can mine a transaction of this offer now. */
export const isMinable = (claim: Wallet.Fees, { baseFeePerGas, maxFeePerGas }: Market): boolean =>
  claim.maxFeePerGas >= (baseFeePerGas ?? maxFeePerGas)

const refused = (message: string): Job.Failure => ({
  category: "internal",
  code: "TransactionRefused",
  message: `The chain's node refuses the transaction: ${message}`
})

/** Keeps the ledger until it is interrupted. */
// oxlint-disable-next-line max-lines-per-function -- its repairs share what was seen of the wallet
export const run = Effect.gen(function*() {
  const chain = yield* Chain
  const ledger = yield* Ledger
  const shortages = yield* Shortages
  const { maxFeePerGas: cap } = yield* ExecutorConfig

  let memory: Memory | undefined
  let holes: ReadonlySet<number> = new Set()
  const refusals = new Map<string, number>()

  const send = Effect.fnUntraced(function*(claims: ReadonlyArray<Wallet.Claim>) {
    return yield* Effect.forEach(
      claims,
      (claim) => Effect.map(Effect.result(chain.send(claim.transaction)), (result) => ({ claim, result })),
      { concurrency: "unbounded" }
    )
  })

  const change = Effect.fnUntraced(function*(changes: ReadonlyArray<Replacement>) {
    for (let n = 0; n < changes.length; n += groupSize) {
      const changed = yield* ledger.replace(changes.slice(n, n + groupSize))
      for (const { jobId, maxFeePerGas, nonce } of changed) {
        const fees = { maxFeePerGas: `${maxFeePerGas}` }
        yield* Effect.logInfo("a transaction was replaced").pipe(Effect.annotateLogs({ jobId, nonce, ...fees }))
      }
      yield* send(changed)
    }
  })

  const raise = Effect.fnUntraced(function*(claims: ReadonlyArray<Wallet.Claim>, market: Market) {
    const changes = claims.flatMap((claim) => {
      const raised = Wallet.raise(claim, market, cap)
      return raised === undefined ? [] : [{ claim, fees: { ...market, ...raised } }]
    })
    if (changes.length < claims.length) {
      yield* Effect.logWarning("transactions wait at the highest fee that MAX_FEE_PER_GAS allows").pipe(
        Effect.annotateLogs({
          waiting: claims.length - changes.length,
          cap: `${cap}`,
          wanted: `${market.maxFeePerGas}`
        })
      )
    }
    yield* change(changes)
  })

  /** Sends what the chain's node does not know, and gives what it refuses for its fees, and for want of funds. */
  const sendUnknown = Effect.fnUntraced(function*(
    claims: ReadonlyArray<Wallet.Claim>,
    market: Market,
    isImpatient: boolean
  ) {
    // What the node does not answer now is left for another look, and holds up no other claim.
    const looks = yield* Effect.forEach(
      claims,
      (claim) => Effect.map(Effect.result(chain.transactionKnown(claim.transactionHash)), (look) => ({ claim, look })),
      { concurrency: "unbounded" }
    )
    const failed = looks.find(({ look }) => Result.isFailure(look))?.look
    if (failed !== undefined && Result.isFailure(failed)) yield* Effect.logWarning(failed.failure.message)
    const unknown = looks.flatMap(({ claim, look }) => Result.isSuccess(look) && !look.success ? [claim] : [])
    const unpaid: Array<Wallet.Claim> = []
    const tooCheap: Array<Wallet.Claim> = []
    const final: Array<Replacement> = []
    for (const { claim, result } of yield* send(unknown)) {
      if (Result.isSuccess(result) || result.failure._tag === "RpcError") continue
      const { message, reason } = result.failure
      if (reason === "replacement_underpriced" || reason === "underpriced" || reason === "fee_below_base_fee") {
        tooCheap.push(claim)
      } else if (reason === "insufficient_funds") {
        unpaid.push(claim)
      } else if (reason === "gas_limit" || (reason === "other" && isImpatient)) {
        const times = (refusals.get(claim.transactionHash) ?? 0) + 1
        refusals.set(claim.transactionHash, times)
        if (times < refusalsUntilWithdrawn || claim.withdrawn !== undefined) continue
        refusals.delete(claim.transactionHash)
        const fees = Wallet.raise(claim, Wallet.capped(market, cap), 2n * claim.maxFeePerGas + 2n)
        final.push({ claim, fees: { ...market, ...fees ?? claim }, withdrawn: refused(message) })
      }
    }
    if (unknown.length > 0) {
      yield* Effect.logInfo("transactions were sent again").pipe(Effect.annotateLogs({ count: unknown.length }))
    }
    yield* change(final)
    return { tooCheap, unpaid }
  })

  /**
   * Reports the claims that wait for funds: the first one that the node refuses for them, or holds and does not mine, and all
   * that stand behind it, with what they may cost together.
   */
  const reportShortage = Effect.fnUntraced(function*(
    inOrder: ReadonlyArray<Wallet.Claim>,
    unpaid: ReadonlyArray<Wallet.Claim>,
    isStuck: boolean
  ) {
    const [first] = inOrder
    if (first === undefined || (unpaid.length === 0 && !isStuck)) return yield* shortages.report(new Map())
    const balance = yield* chain.balance(ledger.signer)
    const short = isStuck && costOf(first) > balance ? [first, ...unpaid] : unpaid
    const from = Math.min(...short.map(({ nonce }) => nonce))
    const waiting = inOrder.filter(({ nonce }) => nonce >= from)
    const needed = waiting.reduce((sum, claim) => sum + costOf(claim), 0n)
    const transactions = waiting.length
    const shortage = new InsufficientFunds({ address: ledger.signer, balance, needed, transactions })
    yield* shortages.report(new Map(waiting.map(({ transactionHash }) => [transactionHash, shortage])))
  })

  /** Nonces that nobody has: transactions from elsewhere had them, and were lost. */
  const fillHoles = Effect.fnUntraced(function*({ from, to }: Task, claims: ReadonlyMap<number, Wallet.Claim>) {
    const nonces = Array.from({ length: to - from }, (_, n) => from + n).filter((nonce) => !claims.has(nonce))
    const lasting = nonces.filter((nonce) => holes.has(nonce))
    holes = new Set(nonces)
    const filled = yield* Effect.forEach(lasting.slice(0, groupSize), ledger.fill)
    yield* send(filled.flatMap(Option.toArray))
  })

  const look = Effect.gen(function*() {
    const [head, used, pending, nextNonce] = yield* Effect.all([
      chain.blockNumber,
      chain.transactionCount(ledger.signer, "latest"),
      chain.transactionCount(ledger.signer, "pending"),
      ledger.nextNonce
    ], { concurrency: "unbounded" })
    const time = yield* Clock.currentTimeMillis
    const seen: Look = { head, used, pending, nextNonce }
    const task = memory === undefined ? undefined : taskOf(memory, seen, time)
    memory = remember(memory, seen, time)
    if (task === undefined) {
      refusals.clear()
      holes = new Set()
      return yield* shortages.report(new Map())
    }
    const [{ claims }, market] = yield* Effect.all([ledger.issued(task.from), chain.fees], { concurrency: 2 })
    const inOrder = Array.from(claims.values()).filter(({ nonce }) => nonce < task.to).toSorted((a, b) =>
      a.nonce - b.nonce
    ).slice(0, batch)
    const { tooCheap: refusedAsCheap, unpaid } = yield* sendUnknown(inOrder, market, task.isImpatient)
    yield* reportShortage(inOrder, unpaid, task.isStuck)
    const tooCheap = new Set(refusedAsCheap)
    if (task.isStuck) {
      for (const [n, claim] of inOrder.entries()) {
        if (!isMinable(claim, market) || (n === 0 && task.isImpatient)) tooCheap.add(claim)
      }
    }
    yield* raise(Array.from(tooCheap), market)
    yield* fillHoles(task, claims)
  })

  yield* look.pipe(
    Effect.catchCause((cause) => Effect.logWarning("the ledger was not looked after", cause)),
    Effect.repeat(Schedule.jittered(Schedule.spaced(interval)))
  )
})
