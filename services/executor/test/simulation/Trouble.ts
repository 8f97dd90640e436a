/** What goes wrong with the chain from one block to the next, and what others do with the wallet's key. */
import type { Dice } from "./Dice.ts"
import * as Plan from "./Plan.ts"
import * as SimulatedChain from "./SimulatedChain.ts"

export interface TroubleOptions {
  readonly chain: SimulatedChain.SimulatedChain
  readonly dice: Dice
  readonly plan: Plan.Plan
  /** In milliseconds. */
  readonly now: () => number
  readonly note: (who: string, what: string) => void
}

export const make = ({ chain, dice, note, now, plan }: TroubleOptions) => {
  let funds = 0n
  const strike = () => {
    if (dice.chance(plan.reorganisations)) {
      // A reorganisation that goes deeper than executors wait for is none that they promise to survive.
      const depth = dice.whole(1, 5)
      if (depth < plan.confirmations) {
        note("chain", `drops ${depth} blocks`)
        chain.reorganise(depth, dice.pick([0, 0.7, 1]))
      }
    }
    if (dice.chance(plan.drops)) {
      note("chain", "loses its pool")
      chain.dropPool(dice.pick([0, 0.5]))
    }
    if (dice.chance(plan.stalls)) {
      const node = dice.pick(chain.nodes as [SimulatedChain.Node])
      node.stalledUntil = now() + dice.between(0, 6 * plan.blockTime)
    }
    if (dice.chance(plan.spikes)) {
      chain.setMarket(plan.rules.calmFee * BigInt(dice.whole(1, 8)), SimulatedChain.gwei * BigInt(dice.whole(1, 5)))
    }
    if (dice.chance(plan.elsewhere)) sendFromElsewhere()
    if (plan.isPoor) {
      if (funds === 0n && dice.chance(0.3)) {
        funds = chain.balanceAt(0) - BigInt(dice.whole(0, 100_000)) * SimulatedChain.gwei
        note("chain", "the wallet is emptied")
        chain.pay(-funds)
      } else if (funds > 0n && dice.chance(0.1)) repay()
    }
  }
  const repay = () => {
    if (funds > 0n) note("chain", "the wallet is funded")
    chain.pay(funds)
    funds = 0n
  }
  const sendFromElsewhere = () => {
    const n = dice.whole(0, chain.nodes.length - 1)
    const first = chain.head().after.nonce
    const pending = Math.max(first, chain.pendingAt(n))
    const nonce = dice.chance(0.5) ? pending : dice.whole(first, pending)
    const other = chain.pool.get(nonce)?.transaction
    const kind = dice.pick(["idle", "idle", "create", "delete"])
    const name = kind === "idle" ? "" : dice.pick(Plan.namesElsewhere)
    const transaction = SimulatedChain.transactionOf({
      nonce,
      call: { kind, name, index: Math.max(0, chain.head().after.list.indexOf(name)) },
      gasLimit: SimulatedChain.gasOf[kind] + dice.whole(1, 1_000),
      maxFeePerGas: 2n * (other?.maxFeePerGas ?? chain.head().baseFee),
      maxPriorityFeePerGas: 2n * (other?.maxPriorityFeePerGas ?? chain.tip())
    })
    const answer = chain.receive(n, transaction)
    note("elsewhere", `sends ${kind} with nonce ${nonce}: ${answer}`)
  }

  return {
    /** What the plan has for one block. */
    strike,
    /** Makes good what can be. */
    end: () => {
      repay()
      chain.setMarket(plan.rules.calmFee, SimulatedChain.gwei)
      for (const node of chain.nodes) node.stalledUntil = 0
    }
  }
}
