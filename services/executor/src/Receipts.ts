/**
 * Waits for what the chain does with all claims under way, with one look per block, which the chain announces or is asked
 * for. A transaction may be mined before it is waited for, a reorganisation may move it, one from elsewhere may use its
 * nonce, and a node may not give the block: so claims whose nonce is used and that no block has shown are also looked up
 * on their own, every 2 s. No look waits for another one, and none that fails ends another one.
 */
import { TransactionHash } from "@akave-async/domain/Ethereum"
import * as Wallet from "@akave-async/domain/Wallet"
import { Chain, type Receipt } from "@akave-async/sdk/Chain"
import type { RpcError } from "@akave-async/sdk/Errors"
import { Context, DateTime, Deferred, Duration, Effect, Fiber, Layer, Option, Result, Schedule } from "effect"
import { ExecutorConfig } from "./ExecutorConfig.ts"

/** What the chain has done with a nonce: it mined a transaction of the claim, or another one. */
export type Settlement =
  | { readonly _tag: "Mined"; readonly receipt: Receipt }
  | { readonly _tag: "Elsewhere"; readonly transactionHash: TransactionHash }

type Sent = Effect.Success<ReturnType<Chain["Service"]["send"]>>

export class Receipts extends Context.Service<Receipts, {
  /** Sends a claim's transaction. If the chain's node did not know it, no block has it so far, and none is asked for it. */
  sent<E>(claim: Wallet.Claim, send: Effect.Effect<Sent, E>): Effect.Effect<Sent, E>
  /** What became of a claim, once as many blocks confirm it as are configured. Waits for ever. */
  await(claim: Wallet.Claim): Effect.Effect<Settlement>
}>()("@akave-async/executor/Receipts") {
  static readonly layer = Layer.effect(
    Receipts,
    // oxlint-disable-next-line max-lines-per-function -- its loops share who waits for what
    Effect.gen(function*() {
      const chain = yield* Chain
      const { confirmations, pollInterval } = yield* ExecutorConfig
      const waiting = new Set<Waiter>()
      /** Of claims that were sent: the last block that was looked at before. */
      const sentAfter = new WeakMap<Wallet.Claim, number>()
      /** The latest block, and the last one that was looked at. */
      let head = yield* chain.blockNumber
      let seen = head
      /** How often the look at the block after that has failed. */
      let failures = 0

      const warn = (error: RpcError) => Effect.logWarning(error.message)
      const isFinal = ({ blockNumber }: { readonly blockNumber: number }) => blockNumber <= head - confirmations + 1

      const report = (receipts: ReadonlyArray<Receipt>) => {
        const byHash = new Map<string, Receipt>(receipts.filter(isFinal).map((one) => [one.transactionHash, one]))
        return Effect.forEach(waiting, ({ answer, claim }) => {
          const receipt = Wallet.hashes(claim).map((hash) => byHash.get(hash)).find((one) => one !== undefined)
          return receipt === undefined ? Effect.void : Deferred.succeed(answer, { _tag: "Mined", receipt })
        }, { discard: true })
      }
      const receiptsOf = receiptsFrom(chain)

      const findHead = Effect.tap(chain.blockNumber, (now) => Effect.sync(() => head = now))
      const look = Effect.gen(function*() {
        const last = yield* findHead
        if (waiting.size === 0 || last < seen) seen = last
        while (seen < last) {
          // The block that becomes final with this head.
          const receipts = yield* chain.blockReceipts(Math.max(0, seen + 2 - confirmations)).pipe(
            Effect.tapError(() => Effect.sync(() => failures += 1)),
            // A node may never give it: what it holds is then looked up on its own.
            Effect.catchIf(() => failures >= looksAtBlock, (error) => Effect.as(warn(error), []))
          )
          seen += 1
          failures = 0
          yield* report(receipts)
        }
      })

      /** Whether the chain announces its heads: from one that it announced on, until a look fails or finds one that it did not. */
      let isAnnounced = false
      let wasLate = false
      const follow = Effect.gen(function*() {
        // From before the look on, so that no head slips through between it and the wait.
        const head = yield* Effect.forkChild(chain.newHead, { startImmediately: true })
        const before = seen
        yield* look.pipe(
          Effect.tapError(() => Effect.sync(() => isAnnounced = false)),
          Effect.catch((error) => warn(error))
        )
        if (wasLate && seen !== before) isAnnounced = false
        const announced = yield* Effect.timeoutOption(
          Fiber.join(head),
          isAnnounced ? Duration.max(pollInterval, announcedInterval) : pollInterval
        )
        yield* Fiber.interrupt(head)
        wasLate = Option.isNone(announced)
        isAnnounced ||= !wasLate
      })

      const lookUp = Effect.fnUntraced(function*({ answer, claim }: Waiter) {
        const receipts = yield* receiptsOf(claim)
        yield* report(receipts)
        if (receipts.length > 0) return
        // That there is no receipt may be news from a node that is behind; another transaction in a block is proof.
        const mined = yield* chain.minedAt({ ...claim, address: claim.signer, since: sinceClaim(claim) })
        if (Option.isNone(mined) || !isFinal(mined.value)) return
        const transactionHash = TransactionHash.make(mined.value.hash)
        if (Wallet.hashes(claim).includes(transactionHash)) return
        yield* Deferred.succeed(answer, { _tag: "Elsewhere", transactionHash })
      })

      const sweepOf = Effect.fnUntraced(function*(signer: string) {
        const used = yield* chain.transactionCount(signer, "latest")
        const unreported = Array.from(waiting).filter(({ claim }) => claim.signer === signer && claim.nonce < used)
        // The look at the block comes first, as a rule.
        const overdue = unreported.filter((waiter) => waiter.isOverdue)
        for (const waiter of unreported) waiter.isOverdue = true
        if (overdue.length === 0) return
        yield* findHead
        yield* Effect.forEach(overdue, (waiter) => lookUp(waiter).pipe(Effect.catch(warn)), {
          concurrency: 20,
          discard: true
        })
      })
      const sweep = Effect.suspend(() => {
        const signers = new Set(Array.from(waiting, ({ claim }) => claim.signer))
        return Effect.forEach(signers, (signer) => sweepOf(signer).pipe(Effect.catch(warn)), {
          concurrency: "unbounded",
          discard: true
        })
      })

      yield* follow.pipe(Effect.forever, Effect.forkScoped)
      yield* sweep.pipe(Effect.repeat(Schedule.spaced(sweepInterval)), Effect.forkScoped)

      const settledOf = (waiter: Waiter) =>
        Effect.ensuring(Deferred.await(waiter.answer), Effect.sync(() => waiting.delete(waiter)))

      return Receipts.of({
        sent: (claim, send) =>
          Effect.suspend(() => {
            const before = seen
            return Effect.tap(send, (sent) =>
              Effect.sync(() => {
                if (sent === "accepted") sentAfter.set(claim, before)
              }))
          }),
        await: Effect.fn("Receipts.await")(function*(claim: Wallet.Claim) {
          const waiter: Waiter = { claim, answer: yield* Deferred.make<Settlement>(), isOverdue: false }
          waiting.add(waiter)
          // All blocks that may have it are still to be looked at.
          if (sentAfter.get(claim) === seen) return yield* settledOf(waiter)
          const first = Effect.flatMap(receiptsOf(claim), report).pipe(Effect.ignore, Effect.andThen(Effect.never))
          return yield* Effect.raceFirst(first, settledOf(waiter))
        })
      })
    })
  )
}

/** The receipts of a claim's transactions that the node gives; why it does not give one is a failure where it gives none. */
export const receiptsFrom = ({ receipt }: Chain["Service"]) =>
  Effect.fnUntraced(function*(claim: Wallet.Claim) {
    const looks = yield* Effect.forEach(Wallet.hashes(claim), (hash) => Effect.result(receipt(hash)))
    const found = looks.flatMap((look) => Result.isSuccess(look) ? Option.toArray(look.success) : [])
    const failed = looks.find(Result.isFailure)
    return found.length === 0 && failed !== undefined ? yield* failed.failure : found
  })

interface Waiter {
  readonly claim: Wallet.Claim
  readonly answer: Deferred.Deferred<Settlement>
  /** Whether its nonce was used when all were last looked through. */
  isOverdue: boolean
}

/** How often a block is looked at before it is passed over. */
const looksAtBlock = 3
const sweepInterval = Duration.seconds(2)
/** While heads are announced, a look without one is only for those that are not. */
const announcedInterval = Duration.seconds(5)
/** No block from before this holds a transaction of the claim, though the clocks of executors and chain are apart. */
const sinceClaim = (claim: Wallet.Claim): DateTime.Utc => DateTime.subtract(claim.occurredAt, { hours: 2 })
