/** How a part of a job gets a claim, and how the claim's transaction gets to the chain. */
import type * as Job from "@akave-async/domain/Job"
import * as Wallet from "@akave-async/domain/Wallet"
import { Chain } from "@akave-async/sdk/Chain"
import type { TransactionRefused } from "@akave-async/sdk/Errors"
import { Effect, Option, Result } from "effect"
import type { Adoption } from "./Adoption.ts"
import { InsufficientFunds } from "./Failures.ts"
import type { Funds } from "./Funds.ts"
import { waitsFor } from "./Lane.ts"
import { Ledger } from "./Ledger.ts"
import { Receipts, receiptsFrom } from "./Receipts.ts"
import { costOf } from "./Shortages.ts"
import { jobOf, type Known, type Task } from "./Task.ts"

export const make = Effect.fnUntraced(function*(adoption: Adoption, funds: Funds) {
  const chain = yield* Chain
  const ledger = yield* Ledger
  const receipts = yield* Receipts
  const receiptsOf = receiptsFrom(chain)

  /**
   * A claim for a part of the job, behind the one that is spent or whose part is done; another one, if another executor has
   * claimed since. Or how the part was done, where the contract says that nothing is left to do.
   */
  const claim = Effect.fnUntraced(function*(
    task: Task,
    known: Known,
    part: Job.Part,
    after: Wallet.Claim | undefined
  ) {
    const job = jobOf(known)
    const claimed = (claim: Wallet.Claim) => ({ _tag: "Claimed", claim }) as const
    const prepared = yield* Effect.result(task.operation.prepare(job, part))
    if (Result.isSuccess(prepared)) {
      if ("done" in prepared.success) return { _tag: "Found", part, done: prepared.success.done } as const
      const [balance, { maxFeePerGas }] = yield* Effect.all([funds.balance, ledger.offer], { concurrency: 2 })
      const needed = prepared.success.gasLimit * maxFeePerGas
      if (balance < needed) {
        return yield* new InsufficientFunds({ address: ledger.signer, balance, needed, transactions: 1 })
      }
      yield* waitsFor("waits for a nonce from the wallet's ledger")
      return claimed(yield* ledger.claim({ jobId: job.id, part }, prepared.success, after))
    }
    const refusal = prepared.failure
    if (refusal._tag !== "ContractError" && refusal._tag !== "UnknownRevert") return yield* refusal
    // What makes the contract refuse may be a transaction of this job, sent by another executor a moment ago.
    const rival = yield* ledger.find(job.id)
    if (Option.isSome(rival) && rival.value.transactionHash !== after?.transactionHash) return claimed(rival.value)
    // A transaction that was recorded may be of a claim that was lost with its ledger.
    const own = [...known.state.submitted, ...after === undefined ? [] : Wallet.hashes(after)]
    return { _tag: "Found", part, done: yield* adoption.adopt(task, job, part, refusal, own) } as const
  })

  /**
   * Sends the claimed bytes. What the node refuses is as good as sent, because the keeper sees to it, and what else has used
   * the nonce is found by the receipts, which wait until that is final. But the want of funds is the job's to report.
   */
  const broadcast = Effect.fnUntraced(function*(claim: Wallet.Claim) {
    const sent = yield* Effect.result(receipts.sent(claim, chain.send(claim.transaction)))
    if (Result.isSuccess(sent)) return
    const { failure } = sent
    if (failure._tag === "RpcError") return yield* failure
    if (failure.reason === "insufficient_funds" && (yield* receiptsOf(claim)).length === 0) return yield* failure
  })

  /** What a claim lacks that the node has refused for want of funds; the node's own words where that is unknown. */
  const missing = (claim: Wallet.Claim, refused: TransactionRefused) =>
    chain.balance(ledger.signer).pipe(
      Effect.map((balance) => {
        const needed = costOf(claim)
        const address = ledger.signer
        return balance < needed ? new InsufficientFunds({ address, balance, needed, transactions: 1 }) : refused
      }),
      Effect.orElseSucceed(() => refused)
    )

  return { claim, broadcast, missing }
})
export type Claims = Effect.Success<ReturnType<typeof make>>
